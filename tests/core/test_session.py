"""One connection from its route to its end, and the pipeline around a router without middleware."""

import asyncio
import gc
import weakref
from typing import Annotated

import pytest
from starlette.websockets import WebSocketDisconnect, WebSocketState

from asgi import Client, connect, websocket_scope
from plans import make_session
from wirefast import App, Depends, HTTPException, WebSocket, WebSocketException
from wirefast._core import session as module
from wirefast._core.session import WebSocketPipeline
from wirefast.exceptions import WebSocketRequestValidationError


def test_is_compiled():
    assert module.__file__.endswith((".so", ".pyd"))


def serve(endpoint, *messages, target="/", **scope):
    return connect(make_session(endpoint), target, *messages, **scope)


class Mine(Exception):
    pass


def test_the_endpoint_gets_the_connection():
    seen = []

    async def endpoint(websocket: WebSocket):
        seen.append(websocket)
        await websocket.accept()

    client = serve(endpoint)
    assert type(seen[0]) is WebSocket
    assert client.sent == [{"type": "websocket.accept", "subprotocol": None, "headers": []}]


def test_invalid_parameters():
    async def endpoint(websocket: WebSocket, n: int):
        raise AssertionError("the parameters are invalid")

    with pytest.raises(WebSocketRequestValidationError) as caught:
        serve(endpoint, target="/?n=x")
    assert [error["loc"] for error in caught.value.errors()] == [("query", "n")]


def test_a_dependency_that_closes_has_the_last_word():
    events = []

    async def closes(websocket: WebSocket):
        try:
            await websocket.close(code=4001, reason="no")
            yield
        finally:
            events.append("left")

    async def endpoint(websocket: WebSocket, _: Annotated[None, Depends(closes)]):
        raise AssertionError("the socket is closed")

    client = serve(endpoint)
    assert client.sent == [{"type": "websocket.close", "code": 4001, "reason": "no"}]
    assert events == ["left"]


def test_a_dependency_that_only_lost_the_peer_does_not_stop_the_endpoint():
    """The peer is gone, but nobody closed: the endpoint finds out as in FastAPI."""

    async def receives(websocket: WebSocket):
        await websocket.accept()
        with pytest.raises(WebSocketDisconnect):
            await websocket.receive_text()

    ran = []

    async def endpoint(websocket: WebSocket, _: Annotated[None, Depends(receives)]):
        ran.append(websocket.client_state)

    serve(endpoint)
    assert ran == [WebSocketState.DISCONNECTED]


# ---- Exceptions ----


def with_handlers(endpoint, by_class, by_status=None):
    return connect(make_session(endpoint), **{"starlette.exception_handlers": (by_class, by_status or {})})


def test_a_handler_gets_the_connection_of_the_endpoint():
    seen = []

    async def endpoint(websocket: WebSocket):
        seen.append(websocket)
        await websocket.accept()
        raise Mine

    async def handler(websocket, exc):
        seen.append(websocket)
        await websocket.close(code=4000)

    client = with_handlers(endpoint, {Mine: handler})
    assert seen[0] is seen[1]
    assert client.sent[-1]["code"] == 4000


def test_without_handlers_the_exception_reaches_the_server():
    failure = Mine()

    async def endpoint(websocket: WebSocket):
        raise failure

    with pytest.raises(Mine) as caught:
        serve(endpoint)
    assert caught.value is failure
    names = [entry.name for entry in caught.traceback]
    assert names[-1] == "endpoint"


@pytest.mark.parametrize("kind", [asyncio.CancelledError, KeyboardInterrupt, SystemExit])
def test_handlers_are_for_exceptions_only(kind):
    async def endpoint(websocket: WebSocket):
        raise kind

    async def handler(websocket, exc):
        raise AssertionError

    client = Client()
    session = make_session(endpoint)
    scope = websocket_scope(**{"starlette.exception_handlers": ({Exception: handler}, {})})
    with pytest.raises(kind):
        session(scope, client.receive, client.send).send(None)


@pytest.mark.parametrize("waits", [False, True])
def test_generators_hear_of_it_before_the_handler(waits):
    events = []

    async def first():
        try:
            yield
        except Mine:
            if waits:
                await asyncio.sleep(0)
            events.append("first")
            raise

    async def second(_: Annotated[None, Depends(first)]):
        try:
            yield
        finally:
            if waits:
                await asyncio.sleep(0)
            events.append("second")

    async def endpoint(websocket: WebSocket, _: Annotated[None, Depends(second)]):
        if waits:
            await asyncio.sleep(0)
        raise Mine

    async def handler(websocket, exc):
        events.append("handler")

    with_handlers(endpoint, {Mine: handler})
    assert events == ["second", "first", "handler"]


def test_a_generator_that_swallows_ends_it():
    async def swallows():
        try:
            yield
        except Mine:
            pass

    async def endpoint(websocket: WebSocket, _: Annotated[None, Depends(swallows)]):
        raise Mine

    async def handler(websocket, exc):
        raise AssertionError("nothing is left to handle")

    with_handlers(endpoint, {Mine: handler})


@pytest.mark.parametrize("endpoint_fails", [False, True])
def test_what_a_generator_raises_on_the_way_out_is_handled(endpoint_fails):
    seen = []

    async def fails():
        try:
            yield
        finally:
            raise KeyError("on the way out")

    async def endpoint(websocket: WebSocket, _: Annotated[None, Depends(fails)]):
        if endpoint_fails:
            raise Mine

    async def handler(websocket, exc):
        seen.append(type(exc.__context__))

    with_handlers(endpoint, {KeyError: handler})
    assert seen == [Mine if endpoint_fails else type(None)]


def test_invalid_parameters_unwind_what_was_entered():
    events = []

    async def generator():
        try:
            yield
        except WebSocketRequestValidationError:
            events.append("heard")
            raise

    async def endpoint(websocket: WebSocket, _: Annotated[None, Depends(generator)], n: int): ...

    with pytest.raises(WebSocketRequestValidationError):
        serve(endpoint)
    assert events == ["heard"]


def test_a_cancelled_connection_unwinds_and_stays_cancelled():
    events = []

    async def generator():
        try:
            yield
        finally:
            await asyncio.sleep(0)
            events.append("left")

    async def endpoint(websocket: WebSocket, _: Annotated[None, Depends(generator)]):
        events.append("waits")
        await asyncio.Event().wait()

    async def main():
        task = asyncio.create_task(Client().connect(make_session(endpoint)))
        while not events:
            await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert events == ["waits", "left"]

    asyncio.run(main())


def test_a_plan_that_cannot_be_made_is_an_exception_of_the_connection():
    seen = []

    def broken():
        raise LookupError("no plan")

    async def endpoint(websocket: WebSocket): ...

    async def handler(websocket, exc):
        seen.append(exc.args)

    session = make_session(endpoint, make_plan=lambda dependant, overrides: broken())
    connect(session, **{"starlette.exception_handlers": ({LookupError: handler}, {})})
    assert seen == [("no plan",)]


# ---- The pipeline ----


class Router:
    """Chooses one application for everything."""

    def __init__(self, app):
        self.app = app

    def select_websocket(self, scope):
        return self.app


def test_the_pipeline_gives_the_handlers_to_the_scope():
    tables = ({}, {})
    seen = []

    async def app(scope, receive, send):
        seen.append(scope["starlette.exception_handlers"])

    connect(WebSocketPipeline(router=Router(app), tables=tables, outer_websocket=WebSocket, other_protocols=None))
    assert seen[0] is tables


@pytest.mark.parametrize("where", ["selecting", "running"])
def test_the_pipeline_handles_what_comes_from_outside_of_a_session(where):
    async def app(scope, receive, send):
        raise Mine

    router = Router(app)
    if where == "selecting":

        def select(scope):
            raise Mine

        router.select_websocket = select
    seen = []

    async def handler(websocket, exc):
        seen.append(type(websocket))
        await websocket.close(code=4000)

    client = connect(
        WebSocketPipeline(router=router, tables=({Mine: handler}, {}), outer_websocket=WebSocket, other_protocols=None)
    )
    assert seen == [WebSocket]
    assert client.sent[-1]["code"] == 4000


@pytest.mark.parametrize("kind", ["http", "lifespan"])
def test_other_protocols_go_elsewhere(kind):
    seen = []

    async def other(scope, receive, send):
        seen.append(scope["type"])

    pipeline = WebSocketPipeline(router=None, tables=({}, {}), outer_websocket=None, other_protocols=other)
    asyncio.run(pipeline({"type": kind}, None, None))
    assert seen == [kind]


# ---- What an application answers ----


def test_the_exceptions_that_every_application_knows():
    app = App()

    @app.websocket("/refused")
    async def refused():
        raise WebSocketException(4003, "not you")

    @app.websocket("/denied")
    async def denied():
        raise HTTPException(401, "who?")

    @app.websocket("/late")
    async def late(websocket: WebSocket):
        await websocket.accept()
        raise HTTPException(401, "who?")

    assert connect(app, "/refused").sent == [{"type": "websocket.close", "code": 4003, "reason": "not you"}]
    assert [message.get("status") for message in connect(app, "/denied").sent] == [401, None]
    assert connect(app, "/late").sent[1:] == [{"type": "websocket.close", "code": 1008, "reason": "who?"}]


# ---- Memory ----


class Value:
    pass


@pytest.mark.parametrize("end", ["returns", "invalid", "raises", "handled", "cancelled"])
def test_a_connection_goes_with_its_last_reference(end):
    references = []

    def note(value):
        references.append(weakref.ref(value))
        return value

    async def dependency():
        yield note(Value())

    async def endpoint(websocket: WebSocket, value: Annotated[Value, Depends(dependency)], n: int = 0):
        note(websocket)
        await asyncio.sleep(0)
        if end in ("raises", "handled"):
            raise Mine
        if end == "cancelled":
            raise asyncio.CancelledError

    async def handler(websocket, exc):
        await asyncio.sleep(0)

    handlers = {Mine: handler} if end == "handled" else {}
    session = make_session(endpoint)

    async def main():
        client = Client(waits=True)
        scope = websocket_scope(
            "/?n=x" if end == "invalid" else "/", **{"starlette.exception_handlers": (handlers, {})}
        )
        try:
            await session(scope, client.receive, client.send)
        except (Mine, WebSocketRequestValidationError, asyncio.CancelledError):
            assert end in ("raises", "invalid", "cancelled")

    loop = asyncio.new_event_loop()
    gc.collect()
    gc.disable()
    try:
        loop.run_until_complete(main())
        assert references and [reference() for reference in references] == [None] * len(references)
    finally:
        gc.enable()
        loop.close()
