"""Census 1D: the connection session, its stacks and its one WebSocket."""
# ruff: noqa: B008 (Depends() as a default is what is tested)

import pytest

from compat.harness import compare, handshake


@pytest.mark.census("D1", "H12", "3.9")
def test_function_stack_unwinds_before_request_stack_and_both_before_the_handler():
    def build(f, trace):
        app = f.App()

        def resource(name):
            async def dependency():
                trace("enter", name)
                try:
                    yield name
                except ValueError as error:
                    trace("thrown into", name, error)
                    raise
                finally:
                    trace("exit", name)

            return dependency

        @app.exception_handler(ValueError)
        async def handler(websocket, error):
            trace("handler", websocket.application_state.name)
            await websocket.close(4000)

        @app.websocket("/ws")
        async def endpoint(
            websocket: f.WebSocket,
            a=f.Depends(resource("a")),
            b=f.Depends(resource("b"), scope="function"),
            c=f.Depends(resource("c")),
            d=f.Depends(resource("d"), scope="function"),
        ):
            await websocket.accept()
            raise ValueError("boom")

        return app

    calls = compare(build).calls
    assert [call[1] for call in calls if call[0] == "exit"] == ["d", "b", "c", "a"]
    assert calls[-1] == ("handler", "CONNECTED")


@pytest.mark.census("D2", "K14")
def test_validation_errors_name_the_endpoint():
    def build(f, trace):
        app, router = f.App(), f.APIRouter(prefix="/r")

        @app.exception_handler(f.exceptions.WebSocketRequestValidationError)
        async def handler(websocket, error):
            context = {key: value for key, value in error.endpoint_ctx.items() if key != "file"}
            trace("context", context, error.endpoint_function, error.endpoint_path, str(error), error.errors())
            await websocket.close(4000, "invalid")

        @router.websocket("/{n}")
        async def endpoint(websocket: f.WebSocket, n: int):
            trace("never")

        app.include_router(router)
        return app

    result = compare(build, handshake("/r/x", scope={"root_path": ""}))
    assert result.calls[0][2:4] == ("endpoint", "WS /r/{n}")


@pytest.mark.census("D3")
def test_one_websocket_object_everywhere():
    def build(f, trace):
        app = f.App()
        seen = []

        async def inner(websocket: f.WebSocket, connection: f.requests.HTTPConnection):
            seen.extend([websocket, connection])
            await websocket.accept()

        def outer(websocket: f.WebSocket, inner=f.Depends(inner)):
            seen.append(websocket)

        @app.exception_handler(ValueError)
        def handler(websocket, error):
            seen.append(websocket)
            trace("same", [item is seen[0] for item in seen], websocket.client_state.name)

        @app.websocket("/ws", dependencies=[f.Depends(outer)])
        async def endpoint(websocket: f.WebSocket):
            seen.append(websocket)
            raise ValueError("boom")

        return app

    assert compare(build).calls == [("same", [True] * 5, "CONNECTED")]


@pytest.mark.census("D3")
def test_the_outer_handler_sees_a_fresh_websocket():
    def build(f, trace):
        app = f.App()

        @app.exception_handler(ValueError)
        async def handler(websocket, error):
            trace("handler", websocket.client_state.name, websocket.scope["path"])
            await websocket.close(4001)

        async def mounted(scope, receive, send):
            trace("message", await receive())
            raise ValueError("boom")

        app.mount("/m", mounted)
        return app

    result = compare(build, handshake("/m/x"))
    assert result.calls[-1] == ("handler", "CONNECTING", "/m/x") and result.close["code"] == 4001


@pytest.mark.census("D4", "L1")
def test_middleware_sits_outside_the_handlers():
    def build(f, trace):
        app = f.App()

        class Watching:
            def __init__(self, app, name):
                self.app, self.name = app, name

            async def __call__(self, scope, receive, send):
                trace("in", self.name, scope["type"], "route" in scope)

                async def sending(message):
                    trace("sending", self.name, message["type"])
                    await send(message)

                try:
                    await self.app(scope, receive, sending)
                except BaseException as error:
                    trace("out", self.name, type(error).__name__)
                    raise
                trace("out", self.name, scope["path_params"])

        app.add_middleware(Watching, name="first added")
        app.add_middleware(Watching, name="second added")

        @app.websocket("/ws/{x}")
        async def endpoint(websocket: f.WebSocket, x: int):
            await websocket.accept()
            if x:
                raise ValueError("boom")

        return app

    good, bad, invalid = compare(build, handshake("/ws/0"), handshake("/ws/1"), handshake("/ws/a"))
    assert [call[1] for call in good.calls if call[0] == "in"] == ["second added", "first added"]
    assert bad.calls[-1] == ("out", "second added", "ValueError")
    assert invalid.calls[2] == ("sending", "first added", "websocket.close")


@pytest.mark.census("D1", "H14")
def test_websocket_messages_during_cleanup():
    def build(f, trace):
        app = f.App()

        async def goodbye(websocket: f.WebSocket):
            yield
            await websocket.send_text("bye")
            await websocket.close(1001)

        @app.websocket("/ws")
        async def endpoint(websocket: f.WebSocket, _=f.Depends(goodbye)):
            await websocket.accept()
            await websocket.send_text("hi")

        return app

    result = compare(build)
    assert result.texts == ["hi", "bye"] and result.close["code"] == 1001


@pytest.mark.census("D2")
def test_router_level_functions_can_be_called_directly():
    def build(f, trace):
        async def endpoint(websocket: f.WebSocket, n: int = 1):
            trace("endpoint", n)
            await websocket.accept()

        route = f.routing.APIWebSocketRoute("/ws", endpoint)
        app = f.routing.get_websocket_app(dependant=route.dependant)
        return f.routing.websocket_session(app)

    result = compare(build, handshake("/ws?n=4", scope={"path_params": {}}))
    assert result.calls == [("endpoint", 4)]
