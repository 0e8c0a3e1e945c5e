"""The WebSocket class: close and denial, its members, cancellation, and replaced receive and send."""

import asyncio

import pytest
from starlette.responses import JSONResponse, StreamingResponse

from compat.harness import Cancel, compare, handshake
from compat.sessions import attempt, session, states


@pytest.mark.census("E12")
@pytest.mark.parametrize("arguments", [(), (4000,), (4000, "why"), (1001, None), (1000, "")])
@pytest.mark.parametrize("accept", [True, False])
def test_close(arguments, accept):
    async def body(f, trace, websocket):
        if accept:
            await websocket.accept()
        await websocket.close(*arguments)
        trace("states", *states(websocket))

    message = compare(session(body)).close
    assert message["code"] == (arguments[0] if arguments else 1000) and isinstance(message["reason"], str)


@pytest.mark.census("E13", "L9")
def test_denial_responses_run_their_background():
    async def body(f, trace, websocket):
        async def later():
            trace("background")

        tasks = f.background.BackgroundTasks()
        tasks.add_task(later)
        await websocket.send_denial_response(JSONResponse({"no": 1}, 402, {"x-a": "b"}, background=tasks))
        trace("states", *states(websocket))

    result = compare(session(body))
    assert result.sent[0]["status"] == 402 and result.calls[0] == ("background",)


@pytest.mark.census("E13")
def test_streamed_denial():
    async def body(f, trace, websocket):
        async def parts():
            for part in (b"a", b"b"):
                yield part

        await websocket.send_denial_response(StreamingResponse(parts(), 403))
        trace("states", *states(websocket))

    assert compare(session(body)).sent[-1] == {
        "type": "websocket.http.response.body",
        "body": b"",
        "more_body": False,
    }


@pytest.mark.census("E13")
def test_denial_needs_the_extension():
    async def body(f, trace, websocket):
        await attempt(trace, websocket.send_denial_response(JSONResponse({})))

    calls = compare(session(body), handshake("/ws", scope={"extensions": {}})).calls
    assert str(calls[0][1]) == "The server doesn't support the Websocket Denial Response extension."


@pytest.mark.census("E14", "3.13")
def test_connection_members():
    async def body(f, trace, websocket):
        trace("url", str(websocket.url), str(websocket.base_url), websocket.url.path, websocket.url.query)
        trace("headers", websocket.headers["X-A"], websocket.headers.getlist("x-a"), "x-b" in websocket.headers)
        trace("query", websocket.query_params.multi_items(), websocket.path_params, websocket.cookies)
        trace("client", websocket.client, websocket.client.host, websocket.client.port)
        for name in ("session", "auth", "user"):
            try:
                getattr(websocket, name)
            except AssertionError as error:
                trace("needs", str(error))
        websocket.state.value = 1
        trace("state", websocket.state.value, websocket.scope["state"])
        trace("same", websocket.headers is websocket.headers, websocket.state is websocket.state)

    headers = [("host", "example.com"), ("X-A", "1"), ("x-a", "2"), ("cookie", "a=1; b=2"), ("cookie", 'a="q 3"; c')]
    calls = compare(session(body), handshake("/ws?x=1&x=2&y=%20z+w&e", headers=headers)).calls
    assert calls[1] == ("headers", "1", ["1", "2"], False)
    assert calls[2][3] == {"a": "q 3", "b": "2", "": "c"}


@pytest.mark.census("E14")
def test_members_with_a_bare_scope():
    def build(f, trace):
        async def app(scope, receive, send):
            websocket = f.WebSocket(scope, receive, send)
            trace("client", websocket.client, websocket.path_params, websocket.cookies, str(websocket.url))
            for name in ("app", "state"):
                try:
                    trace(name, getattr(websocket, name))
                except KeyError as error:
                    trace("missing", error.args)
            try:
                websocket.url_for("x")
            except RuntimeError as error:
                trace("no router", str(error))

        return app

    compare(build, handshake("/a%20b", scope={"client": None, "server": None, "state": None}))


@pytest.mark.census("E16")
def test_disconnect_exceptions():
    def build(f, trace):
        for arguments in ((), (1001,), (4000, "why"), (4000, None)):
            error = f.WebSocketDisconnect(*arguments)
            trace("error", error.code, error.reason, str(error), error.args)
        keyword = f.WebSocketDisconnect(code=1, reason="r")
        trace("keyword", keyword.args, str(keyword), f.WebSocketDisconnect is f.websockets.WebSocketDisconnect)
        return f.App()

    calls = compare(build).calls
    assert calls[0] == ("error", 1000, "", "", ()) and calls[2][3] == "(4000, 'why')"


@pytest.mark.census("E3", "4.6")
def test_a_cancelled_receive_task():
    async def body(f, trace, websocket):
        await websocket.accept()
        waiting = asyncio.create_task(websocket.receive_text())
        trace("text", await asyncio.wait_for(waiting, 1))
        trace("coroutine", asyncio.iscoroutine(coroutine := websocket.receive_text()))
        trace("next", await coroutine)

    assert compare(session(body), handshake("/ws", "a", "b")).calls[0] == ("text", "a")


@pytest.mark.census("H18")
def test_cancelling_the_connection():
    async def body(f, trace, websocket):
        await websocket.accept()
        try:
            await websocket.receive_text()
        except asyncio.CancelledError:
            trace("cancelled")
            raise

    result = compare(session(body), handshake("/ws", Cancel()))
    assert result.calls == [("cancelled",)] and isinstance(result.raised, asyncio.CancelledError)


@pytest.mark.census("E14", "6.6")
def test_replaced_receive_and_send_are_used():
    async def body(f, trace, websocket):
        receive, send = websocket._receive, websocket._send

        async def receiving():
            message = await receive()
            trace("receiving", message["type"])
            return message

        async def sending(message):
            trace("sending", message["type"])
            await send(message)

        websocket._receive, websocket._send = receiving, sending
        await websocket.accept()
        await websocket.send_text(await websocket.receive_text())

    calls = compare(session(body), handshake("/ws", "x")).calls
    assert [call[0] for call in calls] == ["receiving", "sending", "receiving", "sending"]


@pytest.mark.census("E17")
def test_reading_scope_subprotocols():
    async def body(f, trace, websocket):
        trace("subprotocols", websocket["subprotocols"], websocket.scope.get("subprotocols"))
        await websocket.accept(subprotocol=websocket["subprotocols"][0])

    assert compare(session(body), handshake("/ws", scope={"subprotocols": ["a"]})).sent[0]["subprotocol"] == "a"


@pytest.mark.census("E15")
def test_state_is_copied_per_connection_and_its_values_are_shared():
    import contextlib

    def build(f, trace):
        @contextlib.asynccontextmanager
        async def lifespan(app):
            yield {"shared": [], "number": 0}

        app = f.App(lifespan=lifespan)

        @app.websocket("/ws")
        async def endpoint(websocket: f.WebSocket):
            websocket.state.shared.append(1)
            websocket.state.number += 1
            trace("state", list(websocket.state.shared), websocket.state.number)

        return app

    calls = compare(build, handshake(), handshake(), lifespan=True).calls
    assert calls == [("state", [1], 1), ("state", [1, 1], 1)]


@pytest.mark.census("E18")
def test_one_websocket_endpoint_class_closes_1003_on_wrong_data():
    def build(f, trace):
        from starlette.endpoints import WebSocketEndpoint

        class Json(WebSocketEndpoint):
            encoding = "json"

            async def on_disconnect(self, websocket, close_code):
                trace("disconnect", close_code)

        app = f.App()
        app.websocket_route("/ws")(Json)
        return app

    assert compare(build, handshake("/ws", "{")).close["code"] == 1003
