"""Census 1C: what an endpoint can be."""
# ruff: noqa: B008 (Depends() as a default is what is tested)

import functools
import sys

import pytest

from compat.harness import Changed, compare, handshake, refusal


@pytest.mark.census("C1")
def test_the_return_value_is_ignored():
    def build(f, trace):
        app = f.App()

        @app.websocket("/ws")
        async def endpoint(websocket: f.WebSocket):
            await websocket.accept()
            trace("text", await websocket.receive_text())
            return "ignored"

        return app

    result = compare(build, handshake("/ws", "hello"))
    assert result.calls == [("text", "hello")] and result.raised is None


@pytest.mark.census("C2")
def test_the_annotation_decides_not_the_name():
    def build(f, trace):
        app = f.App()

        @app.websocket("/ws")
        async def endpoint(websocket):
            trace("value", websocket)

        @app.websocket("/any")
        async def any_name(connection: f.WebSocket):
            await connection.accept()

        return app

    missing, given, named = compare(build, handshake("/ws"), handshake("/ws?websocket=1"), handshake("/any"))
    assert missing.errors[0]["loc"] == ["query", "websocket"] and given.calls == [("value", "1")]
    assert named.sent[0]["type"] == "websocket.accept"


@pytest.mark.census("C3")
def test_a_subclass_annotation_gets_the_framework_websocket():
    def build(f, trace):
        from starlette.websockets import WebSocket as Starlettes

        class Mine(f.WebSocket):
            pass

        app = f.App()

        async def dependency(websocket: Starlettes):
            return websocket

        @app.websocket("/ws")
        async def endpoint(websocket: Mine, same: f.WebSocket = f.Depends(dependency)):
            trace("types", isinstance(websocket, Mine), type(websocket) is f.WebSocket, same is websocket)
            trace("base", isinstance(websocket, Starlettes), issubclass(f.WebSocket, Starlettes))

        return app

    assert compare(build).calls == [("types", False, True, True), ("base", True, True)]


@pytest.mark.census("C4")
@pytest.mark.parametrize("optional", [False, True])
def test_an_optional_websocket_is_refused(optional):
    def build(f, trace):
        app = f.App()
        annotation = f.WebSocket | None

        if optional:

            async def endpoint(websocket: annotation = None):
                pass
        else:

            async def endpoint(websocket: annotation):
                pass

        app.websocket("/ws")(endpoint)

    assert str(refusal(build)).startswith("Invalid args for response field! Hint: check that")


@pytest.mark.census("C5", "G11")
def test_several_websockets_are_all_filled():
    """FastAPI fills the last alone and calls the endpoint without the others; a container may add one of its own."""

    def build(f, trace):
        app = f.App()

        @app.websocket("/ws")
        async def endpoint(first: f.WebSocket, second: f.WebSocket):
            trace("same", first is second)

        @app.websocket("/default")
        async def default(first: f.WebSocket = None, second: f.WebSocket = None):
            trace("default", first is None, second is None)

        return app

    compare(build, handshake("/ws"), differs=Changed(None, [("same", True)]))
    compare(build, handshake("/default"), differs=Changed([("default", True, False)], [("default", False, False)]))


@pytest.mark.census("C6")
def test_an_endpoint_without_a_websocket():
    def build(f, trace):
        app = f.App()

        @app.websocket("/ws")
        async def endpoint():
            trace("called")

        return app

    result = compare(build)
    assert result.calls == [("called",)] and result.sent == []


@pytest.mark.census("C7", "C8")
def test_sync_and_generator_endpoints_fail_after_they_ran():
    def build(f, trace):
        app = f.App()

        @app.websocket("/sync")
        def sync(websocket: f.WebSocket):
            import threading

            trace("sync", threading.current_thread() is threading.main_thread())
            return 1

        @app.websocket("/generator")
        async def generator(websocket: f.WebSocket):
            trace("never")
            yield 1

        @app.websocket("/none")
        def none(websocket: f.WebSocket):
            trace("none")

        return app

    # Python 3.14 says it in new words; compiled code has the older ones everywhere.
    reworded = [
        Changed(
            was=[("raised", TypeError(f"'{name}' object can't be awaited"))],
            now=[("raised", TypeError(f"object {name} can't be used in 'await' expression"))],
        )
        for name in ("int", "async_generator", "NoneType")
        if sys.version_info >= (3, 14)
    ]
    sync, generator, none = compare(
        build, handshake("/sync"), handshake("/generator"), handshake("/none"), differs=reworded
    )
    assert sync.calls == [("sync", True)] and isinstance(sync.raised, TypeError)
    assert generator.calls == [] and isinstance(generator.raised, TypeError)
    assert none.calls == [("none",)]


@pytest.mark.census("C9")
def test_every_kind_of_awaitable_callable():
    def build(f, trace):
        app = f.App()

        async def function(websocket: f.WebSocket, prefix: str, n: int = 1):
            trace("function", prefix, n)

        class Instance:
            async def __call__(self, websocket: f.WebSocket, n: int = 1):
                trace("instance", n)

            async def method(self, websocket: f.WebSocket, n: int = 1):
                trace("method", n)

            @classmethod
            async def of_class(cls, websocket: f.WebSocket, n: int = 1):
                trace("class method", cls.__name__, n)

            @staticmethod
            async def static(websocket: f.WebSocket, n: int = 1):
                trace("static", n)

        class Awaitable:
            def __init__(self, websocket: f.WebSocket, n: int = 1):
                trace("created", n)

            def __await__(self):
                trace("awaited")
                return iter(())

        def returns_coroutine(websocket: f.WebSocket, n: int = 1):
            return function(websocket, "coroutine", n)

        app.websocket("/partial")(functools.partial(function, prefix="partial"))
        app.websocket("/positional")(functools.partial(Instance.method, Instance()))
        app.websocket("/instance")(Instance())
        app.websocket("/method")(Instance().method)
        app.websocket("/of_class")(Instance.of_class)
        app.websocket("/static")(Instance.static)
        app.websocket("/awaitable")(Awaitable)
        app.websocket("/coroutine")(returns_coroutine)
        app.websocket("/lambda")(lambda n=2: function(None, "lambda", n))
        return app

    names = ["partial", "positional", "instance", "method", "of_class", "static", "awaitable", "coroutine", "lambda"]
    results = compare(build, *(handshake(f"/{name}?n=7") for name in names))
    assert [result.calls[-1][0] for result in results] == [
        "function",
        "method",
        "instance",
        "method",
        "class method",
        "static",
        "awaited",
        "function",
        "function",
    ]


@pytest.mark.census("C9")
def test_partial_keeps_a_keyword_as_a_default_that_can_be_overridden():
    def build(f, trace):
        app = f.App()

        async def function(websocket: f.WebSocket, n: int = 1):
            trace("n", n)

        app.websocket("/ws")(functools.partial(function, n=5))
        return app

    default, given = compare(build, handshake("/ws"), handshake("/ws?n=6"))
    assert (default.calls, given.calls) == ([("n", 5)], [("n", 6)])


@pytest.mark.census("C10")
def test_star_arguments_are_query_parameters():
    def build(f, trace):
        app = f.App()

        @app.websocket("/ws")
        async def endpoint(websocket: f.WebSocket, *args, **kwargs):
            trace("kwargs", args, kwargs)

        return app

    missing, given = compare(build, handshake("/ws"), handshake("/ws?args=1&kwargs=2"))
    assert len(missing.errors) == 2 and given.calls == [("kwargs", (), {"args": "1", "kwargs": "2"})]


@pytest.mark.census("C11")
def test_positional_only_parameters_fail_at_the_call():
    def build(f, trace):
        app = f.App()

        @app.websocket("/ws")
        async def endpoint(websocket: f.WebSocket, n: int, /):
            trace("never")

        return app

    assert "positional-only" in str(compare(build, handshake("/ws?n=1")).raised)


@pytest.mark.census("C12")
def test_nothing_is_sent_for_an_endpoint_that_returns_without_closing():
    def build(f, trace):
        app = f.App()

        @app.websocket("/ws")
        async def endpoint(websocket: f.WebSocket):
            await websocket.accept()

        return app

    assert [message["type"] for message in compare(build).sent] == ["websocket.accept"]


@pytest.mark.census("C13")
def test_wrapped_endpoints_show_the_wrapped_signature():
    def build(f, trace):
        app = f.App()

        def logged(function):
            @functools.wraps(function)
            async def wrapper(*args, **kwargs):
                trace("before", args, sorted(kwargs))
                return await function(*args, **kwargs)

            return wrapper

        @app.websocket("/ws/{room}")
        @logged
        @logged
        async def endpoint(websocket: f.WebSocket, room: int, n: int = 3):
            trace("endpoint", room, n)

        return app

    assert compare(build, handshake("/ws/8?n=1")).calls[-1] == ("endpoint", 8, 1)


@pytest.mark.census("C9")
def test_keyword_only_parameters():
    def build(f, trace):
        app = f.App()

        @app.websocket("/ws")
        async def endpoint(n: int = 1, *, websocket: f.WebSocket, m: int):
            trace("endpoint", n, m)
            await websocket.accept()

        return app

    assert compare(build, handshake("/ws?m=2")).calls == [("endpoint", 1, 2)]


@pytest.mark.census("3.14", "H10")
def test_the_endpoint_is_not_run_after_a_dependency_closed_the_socket():
    def build(f, trace):
        app = f.App()

        async def session(websocket: f.WebSocket, session: str | None = None):
            if session is None:
                await websocket.close(code=1008)
            return session

        @app.websocket("/items")
        async def items(websocket: f.WebSocket, session: str = f.Depends(session)):
            trace("endpoint")
            await websocket.accept()
            await websocket.close()

        return app

    refused, accepted = compare(
        build,
        handshake("/items"),
        handshake("/items?session=s"),
        differs=Changed(
            was=[
                ("sent", {"type": "websocket.close", "code": 1008, "reason": ""}),
                ("endpoint",),
                ("received", "websocket.connect"),
                ("raised", disconnected()),
            ],
            now=[("sent", {"type": "websocket.close", "code": 1008, "reason": ""})],
        ),
    )
    assert refused.close["code"] == 1008 and accepted.calls == [("endpoint",)]


def disconnected():
    from starlette.websockets import WebSocketDisconnected

    return WebSocketDisconnected('Cannot call "send" once a close message has been sent.')
