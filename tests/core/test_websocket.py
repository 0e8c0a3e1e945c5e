"""The state machine of one WebSocket, over ASGI messages and directly over a server's channel.

tests/compat compares every sequence of calls with Starlette's class; here stands what Starlette has not.
"""

import asyncio
import json
from collections import deque

import pytest
from both_ways import over_asgi, over_channel
from starlette.websockets import WebSocketDisconnect, WebSocketState

from asgi import Client, finish, websocket_scope
from memory import Memory
from wirefast._core import websocket as module
from wirefast.websockets import UnexpectedFrame, WebSocket

pytestmark = pytest.mark.anyio


def test_is_compiled():
    assert module.__file__.endswith((".so", ".pyd"))


# ---- Both ways ----


async def test_echo_of_every_kind(serve):
    async def endpoint(websocket):
        await websocket.accept()
        await websocket.send_text(await websocket.receive_text())
        await websocket.send_bytes(await websocket.receive_bytes())
        await websocket.send_json(await websocket.receive_json())
        await websocket.send_json(await websocket.receive_json(mode="binary"), mode="binary")
        message = await websocket.receive()
        await websocket.send({"type": "websocket.send", "text": message["text"]})
        await websocket.send_bytes(memoryview(bytearray(b"buffer")))

    sent, failure = await serve(endpoint, "é", b"\xff", '{"a": [1]}', b"[2]", "raw")
    assert failure is None
    assert sent == ["é", b"\xff", '{"a":[1]}', b"[2]", "raw", b"buffer"]


async def test_the_peer_closes(serve):
    seen = []

    async def endpoint(websocket):
        await websocket.accept()
        seen.append(websocket.connected)
        try:
            await websocket.receive_text()
        except WebSocketDisconnect as exc:
            seen.append((exc.code, websocket.client_state, websocket.connected))
        with pytest.raises(RuntimeError, match="disconnect message has been received"):
            await websocket.receive_json()

    assert await serve(endpoint) == ([], None)
    assert seen == [True, (1000, WebSocketState.DISCONNECTED, False)]


@pytest.mark.parametrize(
    ("call", "message", "words"),
    [
        (lambda ws: ws.receive_text(), b"x", "received a binary message where text was expected"),
        (lambda ws: ws.receive_json(), b"x", "received a binary message where text was expected"),
        (lambda ws: ws.receive_bytes(), "x", "received a text message where bytes were expected"),
        (lambda ws: ws.receive_json(mode="binary"), "x", "received a text message where bytes were expected"),
    ],
)
async def test_a_frame_of_the_other_kind(serve, call, message, words):
    async def endpoint(websocket):
        await websocket.accept()
        with pytest.raises(UnexpectedFrame, match=words) as caught:
            await call(websocket)
        assert isinstance(caught.value, KeyError)
        assert caught.value.args == ("bytes" if isinstance(message, str) else "text",)
        # The message is gone, the connection stays.
        await websocket.send_text(await websocket.receive_text())

    assert await serve(endpoint, message, "next") == (["next"], None)


async def test_malformed_json_leaves_the_connection_open(serve):
    async def endpoint(websocket):
        await websocket.accept()
        for _ in range(3):
            with pytest.raises(json.JSONDecodeError):
                await websocket.receive_json()
        await websocket.send_json(await websocket.receive_json())

    assert await serve(endpoint, "{", "[" * 100_00, "", "[1]") == (["[1]"], None)


@pytest.mark.parametrize("name", ["text", "bytes", "json"])
async def test_iteration_ends_with_the_connection(serve, name):
    messages = [b"1", b"2"] if name == "bytes" else ["1", "2"]
    seen = []

    async def endpoint(websocket):
        await websocket.accept()
        async for message in getattr(websocket, f"iter_{name}")():
            seen.append(message)

    assert await serve(endpoint, *messages) == ([], None)
    assert seen == ([1, 2] if name == "json" else messages)


@pytest.mark.parametrize("mode", ["json", "", None])
async def test_modes_are_two(serve, mode):
    async def endpoint(websocket):
        await websocket.accept()
        for call in (websocket.receive_json(mode=mode), websocket.send_json(1, mode=mode)):
            with pytest.raises(RuntimeError, match='The "mode" argument should be "text" or "binary"'):
                await call

    assert await serve(endpoint) == ([], None)


async def test_calls_out_of_order(serve):
    async def endpoint(websocket):
        with pytest.raises(RuntimeError, match='Need to call "accept" first'):
            await websocket.receive_text()
        with pytest.raises(RuntimeError, match="Expected ASGI message"):
            await websocket.send_text("early")
        await websocket.accept()
        with pytest.raises(RuntimeError, match="Expected ASGI message"):
            await websocket.accept()
        await websocket.close()
        for call in (websocket.send_text("late"), websocket.send_json(1), websocket.send_bytes(b""), websocket.close()):
            with pytest.raises(RuntimeError, match="once a close message has been sent"):
                await call

    assert await serve(endpoint) == ([], None)


@pytest.mark.parametrize("call", [lambda ws: ws.send_json(object()), lambda ws: ws.send_json({1j: 2})])
async def test_what_has_no_json_form_leaves_the_connection_open(serve, call):
    async def endpoint(websocket):
        await websocket.accept()
        with pytest.raises(TypeError):
            await call(websocket)
        await websocket.send_text("still here")

    assert await serve(endpoint) == (["still here"], None)


async def test_a_cancelled_receive_loses_no_message(serve):
    async def endpoint(websocket):
        await websocket.accept()
        waiting = asyncio.create_task(websocket.receive_text())
        for _ in range(2):
            # Cancelled before it began, and while it waits.
            waiting.cancel()
            with pytest.raises(asyncio.CancelledError):
                await waiting
            waiting = asyncio.create_task(websocket.receive_text())
            await asyncio.sleep(0)
        await websocket.send_text(await waiting)
        waiting = asyncio.create_task(websocket.receive_text())
        await websocket.send_text(await waiting)

    async def with_pauses(endpoint):
        """The messages come after the endpoint began to wait."""
        inbox = asyncio.Queue()
        inbox.put_nowait({"type": "websocket.connect"})
        client = Client()
        client.receive = inbox.get
        task = asyncio.create_task(endpoint(WebSocket(websocket_scope(), client.receive, client.send)))
        for text in ("first", "second"):
            for _ in range(10):
                await asyncio.sleep(0)
            inbox.put_nowait({"type": "websocket.receive", "text": text})
        await task
        return client.texts

    async def over_memory(endpoint):
        server = Memory(lambda scope, receive, send: endpoint(WebSocket(scope, receive, send)))
        peer = server.open()
        for text in ("first", "second"):
            for _ in range(10):
                await asyncio.sleep(0)
            peer.send(text)
        for _ in range(10):
            await asyncio.sleep(0)
        peer.close()
        await server.ended()
        return peer.messages

    run = with_pauses if serve is over_asgi else over_memory
    assert await run(endpoint) == ["first", "second"]


SENDS = [lambda ws: ws.send_text("x"), lambda ws: ws.send_bytes(b"x"), lambda ws: ws.send_json(1)]


async def lost(websocket, call):
    """What a send over a lost connection does: OSError is the server's word for it."""
    with pytest.raises(WebSocketDisconnect) as caught:
        await call(websocket)
    assert caught.value.code == 1006
    assert websocket.application_state is WebSocketState.DISCONNECTED


@pytest.mark.parametrize("call", [*SENDS, lambda ws: ws.send({"type": "websocket.send", "text": "x"})])
async def test_a_lost_connection_over_asgi(call):
    async def send(message):
        if message["type"] == "websocket.send":
            raise OSError

    websocket = WebSocket(websocket_scope(), Client().receive, send)
    await websocket.accept()
    await lost(websocket, call)


@pytest.mark.parametrize("call", SENDS)
async def test_a_lost_connection_over_a_channel(call):
    seen = []

    async def app(scope, receive, send):
        websocket = WebSocket(scope, receive, send)
        await websocket.accept()
        peer.lose()
        await lost(websocket, call)
        seen.append(websocket)

    server = Memory(app)
    peer = server.open()
    await server.ended()
    assert len(seen) == 1


async def test_states_can_be_set(serve):
    async def endpoint(websocket):
        await websocket.accept()
        websocket.client_state = WebSocketState.DISCONNECTED
        assert not websocket.connected
        with pytest.raises(RuntimeError, match="disconnect message"):
            await websocket.receive_text()
        websocket.client_state = WebSocketState.CONNECTED
        assert websocket.connected
        websocket.application_state = WebSocketState.DISCONNECTED
        assert not websocket.connected
        with pytest.raises(RuntimeError, match="close message"):
            await websocket.send_text("x")
        websocket.application_state = WebSocketState.CONNECTED
        await websocket.send_text(await websocket.receive_text())

    assert await serve(endpoint, "x") == (["x"], None)


@pytest.mark.parametrize("name", ["client_state", "application_state"])
def test_every_state_is_starlettes(name):
    websocket = WebSocket(websocket_scope(), None, None)
    assert getattr(websocket, name) is WebSocketState.CONNECTING
    for state in WebSocketState:
        setattr(websocket, name, state)
        assert getattr(websocket, name) is state


@pytest.mark.parametrize("name", ["client_state", "application_state"])
@pytest.mark.parametrize("value", [None, "CONNECTED", 99])
def test_states_are_of_the_enum(name, value):
    websocket = WebSocket(websocket_scope(), None, None)
    with pytest.raises((AttributeError, TypeError, ValueError)):
        setattr(websocket, name, value)
    assert getattr(websocket, name) is WebSocketState.CONNECTING


# ---- Replaced receive and send ----


# ---- Over ASGI only ----


@pytest.mark.parametrize(
    ("receive", "state"),
    [("receive", WebSocketState.CONNECTING), ("receive", WebSocketState.CONNECTED)]
    + [(name, WebSocketState.CONNECTED) for name in ("receive_text", "receive_bytes", "receive_json")],
)
def test_messages_that_no_server_sends(receive, state):
    async def odd():
        return {"type": "http.request"}

    websocket = WebSocket(websocket_scope(), odd, None)
    websocket.client_state = state
    websocket.application_state = WebSocketState.CONNECTED
    with pytest.raises(RuntimeError, match="Expected ASGI message .* but got 'http.request'"):
        finish(getattr(websocket, receive)())


def test_messages_of_another_mapping():
    class Message(deque):
        """Not a dict, but with its methods."""

        def __getitem__(self, key):
            return {"type": "websocket.receive", "text": "x"}[key]

        def get(self, key, default=None):
            return {"type": "websocket.receive", "text": "x"}.get(key, default)

        def keys(self):
            return ["type", "text"]

    async def receive():
        return Message()

    websocket = WebSocket(websocket_scope(), receive, None)
    websocket.client_state = websocket.application_state = WebSocketState.CONNECTED
    assert finish(websocket.receive_text()) == "x"


@pytest.mark.parametrize("missing", [{}, {"text": None}, {"text": None, "bytes": None}])
@pytest.mark.parametrize("name", ["receive_text", "receive_bytes", "receive_json"])
def test_a_message_without_a_payload(missing, name):
    async def receive():
        return {"type": "websocket.receive", **missing}

    websocket = WebSocket(websocket_scope(), receive, None)
    websocket.client_state = websocket.application_state = WebSocketState.CONNECTED
    with pytest.raises(KeyError):
        finish(getattr(websocket, name)())


def test_the_scope_must_be_a_websockets():
    with pytest.raises(AssertionError):
        WebSocket({"type": "http"}, None, None)


# ---- Over a channel only ----


async def test_callables_of_two_connections_are_not_taken_for_one():
    """``receive`` of one and ``send`` of another: each does its own part."""
    both = []
    met = asyncio.Event()

    async def app(scope, receive, send):
        both.append((receive, send))
        if len(both) < 2:
            await met.wait()
            return
        for own_receive, own_send in both:
            await WebSocket(scope, own_receive, own_send).accept()
        mixed = WebSocket(scope, both[0][0], both[1][1])
        mixed.client_state = mixed.application_state = WebSocketState.CONNECTED
        await mixed.send_text(await mixed.receive_text())
        met.set()

    server = Memory(app)
    first = server.open()
    await asyncio.sleep(0)
    second = server.open()
    first.send("from the first")
    for _ in range(20):
        await asyncio.sleep(0)
    first.close()
    second.close()
    await server.ended()
    assert (first.messages, second.messages) == ([], ["from the first"])


async def test_accept_writes_the_headers_and_subprotocol():
    async def app(scope, receive, send):
        await WebSocket(scope, receive, send).accept(subprotocol="chat", headers=[(b"x-more", b"1")])

    server = Memory(app)
    peer = server.open()
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    peer.close()
    await server.ended()
    head = bytes(peer.transport.written).partition(b"\r\n\r\n")[0].lower()
    assert b"sec-websocket-protocol: chat" in head
    assert b"x-more: 1" in head


@pytest.mark.parametrize("options", [{"subprotocol": "a\r\nX-Injected: 1"}, {"headers": [(b"x", b"1\r\ny: 2")]}])
async def test_accept_refuses_what_must_not_be_sent(options):
    failures = []

    async def app(scope, receive, send):
        try:
            await WebSocket(scope, receive, send).accept(**options)
        except ValueError as exc:
            failures.append(exc)

    server = Memory(app)
    peer = server.open()
    await server.ended()
    assert len(failures) == 1
    assert b"101" not in bytes(peer.transport.written[:32])
    assert b"Injected" not in bytes(peer.transport.written)


@pytest.mark.parametrize("value", [None, 1, b"bytes"])
async def test_send_text_takes_str(value):
    async def endpoint(websocket):
        await websocket.accept()
        with pytest.raises(TypeError):
            await websocket.send_text(value)
        await websocket.send_text("still here")

    assert await over_channel(endpoint) == (["still here"], None)
