"""What a group of exceptions, as task groups raise, is handled as."""

import asyncio
import json
import sys
from itertools import permutations

import pytest
from starlette.requests import ClientDisconnect
from starlette.websockets import WebSocketDisconnect

from asgi import Client, websocket_scope
from memory import Memory
from wirefast import App, HTTPException, WebSocket, WebSocketException
from wirefast._core.errors import blame_peer
from wirefast._core.groups import only_cause
from wirefast.messages import MessageError
from wirefast.testclient import TestClient

if sys.version_info < (3, 11):
    from exceptiongroup import ExceptionGroup


class Mine(Exception):
    pass


def disconnect():
    return WebSocketDisconnect(1001)


def bad_json():
    return blame_peer(json.JSONDecodeError("x", "", 0), "malformed JSON")


def nested(exc, depth):
    for _ in range(depth):
        exc = ExceptionGroup("", [exc])
    return exc


@pytest.mark.parametrize("make", [disconnect, bad_json, ClientDisconnect])
@pytest.mark.parametrize("depth", [1, 2, 500])
def test_the_only_one_at_any_depth(make, depth):
    exc = make()
    assert only_cause(nested(exc, depth)) is exc


def test_what_is_no_group_stays():
    exc = KeyError()
    assert only_cause(exc) is exc and only_cause(None) is None


def test_several():
    first, second, bad = disconnect(), disconnect(), bad_json()
    assert only_cause(ExceptionGroup("", [nested(first, 1), second])) is first
    for order in permutations([first, nested(second, 2), bad]):
        assert only_cause(ExceptionGroup("", list(order))) is bad


def test_an_error_of_the_application_keeps_the_group():
    for order in permutations([disconnect(), nested(KeyError(), 2), bad_json()]):
        group = ExceptionGroup("", list(order))
        assert only_cause(group) is group
    group = ExceptionGroup("", [HTTPException(400), WebSocketException(1008)])
    assert only_cause(group, lambda exc: True) is group


def app_raising(make):
    app = App()

    @app.exception_handler(Mine)
    async def mine(websocket, exc):
        await websocket.close(4001)

    @app.websocket("/ws")
    async def endpoint(websocket: WebSocket):
        await websocket.accept()
        raise make(websocket)

    return app


# What is raised, and how the socket ends: the same alone and in groups.
CASES = {
    "disconnect": (disconnect, 1000),
    "bad JSON": (bad_json, 1003),
    "refusal": (lambda: WebSocketException(4000, "no"), 4000),
    "HTTPException": (lambda: HTTPException(403), 1008),
    "handled": (Mine, 4001),
    "error": (KeyError, 1011),
}


@pytest.mark.parametrize("depth", [0, 1, 3])
@pytest.mark.parametrize("case", CASES)
def test_a_socket_ends_as_by_the_plain_exception(case, depth, caplog):
    make, code = CASES[case]

    async def main():
        server = Memory(app_raising(lambda websocket: nested(make(), depth)))
        peer = server.open("/ws")
        await server.settled(peer)
        return peer.close_code

    assert asyncio.run(main()) == code
    tracebacks = [record for record in caplog.records if record.exc_info]
    assert len(tracebacks) == (code == 1011)


@pytest.mark.parametrize("concurrent", [False, True])
@pytest.mark.parametrize("case", [*CASES, "message error"])
def test_a_handler_of_messages_answers_as_by_the_plain_exception(case, concurrent):
    make = CASES[case][0] if case in CASES else lambda: MessageError("no", "not now")

    async def answered(depth):
        app = app_raising(make)

        @app.messages("/messages").on("go", concurrent=concurrent)
        async def go():
            raise nested(make(), depth)

        server = Memory(app)
        peer = server.open("/messages")
        while b"101" not in peer.transport.written:
            await asyncio.sleep(0)
        del peer.transport.written[:]
        peer.send('{"type": "go", "ref": 1}')
        while not peer.transport.written:
            await asyncio.sleep(0)
        written = bytes(peer.transport.written)
        peer.close()
        await server.settled(peer)
        return written

    answers = [asyncio.run(answered(depth)) for depth in (0, 1, 3)]
    assert answers[0] and answers == answers[:1] * 3


def test_the_server_looks_into_groups_of_any_application(caplog):
    async def app(scope, receive, send):
        await receive()
        await send({"type": "websocket.accept"})
        raise ExceptionGroup("", [disconnect(), disconnect()])

    async def main():
        server = Memory(app)
        peer = server.open("/ws")
        await server.settled(peer)
        return peer.close_code

    assert asyncio.run(main()) == 1000
    assert not [record for record in caplog.records if record.exc_info]


def test_one_traceback_with_all_where_the_application_failed_too(caplog):
    async def main():
        server = Memory(
            app_raising(lambda _: ExceptionGroup("both", [disconnect(), WebSocketException(4000), KeyError()]))
        )
        peer = server.open("/ws")
        await server.settled(peer)
        return peer.close_code

    assert asyncio.run(main()) == 1011
    (record,) = [record for record in caplog.records if record.exc_info]
    assert len(record.exc_info[1].exceptions) == 3


def test_http_is_as_in_fastapi():
    app = App()

    @app.get("/")
    async def endpoint():
        raise nested(HTTPException(418, "tea"), 1)

    with pytest.raises(ExceptionGroup):
        TestClient(app).get("/")


def test_a_handler_of_groups_comes_first():
    app = App()
    seen = []

    @app.exception_handler(ExceptionGroup)
    async def groups(websocket, exc):
        seen.append(exc)
        await websocket.close(4002)

    @app.websocket("/ws")
    async def endpoint(websocket: WebSocket):
        raise ExceptionGroup("", [HTTPException(403)])

    client = Client()
    asyncio.run(app(websocket_scope("/ws"), client.receive, client.send))
    assert len(seen) == 1 and client.sent[-1]["code"] == 4002


# ---- A server without the denial extension ----


@pytest.mark.parametrize("extensions", [None, {}, {"other": {}}])
@pytest.mark.parametrize("way", ["HTTPException", "handler", "no body", "group"])
def test_a_refusal_without_the_extension_closes(extensions, way):
    from starlette.responses import PlainTextResponse

    app = App()

    @app.exception_handler(Mine)
    async def mine(websocket, exc):
        return PlainTextResponse("no", 403)

    @app.websocket("/ws")
    async def endpoint(websocket: WebSocket):
        if way == "handler":
            raise Mine
        if way == "group":
            raise ExceptionGroup("", [HTTPException(403, "no")])
        raise HTTPException(204 if way == "no body" else 403, "no")

    client = Client()
    asyncio.run(app(websocket_scope("/ws", extensions=extensions), client.receive, client.send))
    reason = "" if way == "handler" else "no"
    assert client.sent == [{"type": "websocket.close", "code": 1008, "reason": reason}]
