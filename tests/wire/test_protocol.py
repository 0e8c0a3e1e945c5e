"""``WebSocketProtocol``: the ASGI side, from the scope to what the application left open."""

from __future__ import annotations

import asyncio
import contextvars
import time
from typing import Any

import pytest
from apps import echo, recorded
from peer import BINARY, CLOSE, TEXT, close_frame, frame, request
from websockets.sync.client import connect

from memory import Memory
from wirefast import WebSocket
from wirefast.server import WebSocketProtocol


def test_echo_over_a_real_client(serve: Any, loop_name: str) -> None:
    server = serve(echo, loop=loop_name)
    with connect(server.url) as client:
        for message in ("é" * 70, b"\x00\xff", "", b"", "x" * 70000):
            client.send(message)
            assert client.recv() == message
    assert server.errors == []


def scope_of(serve: Any, ws: str, **settings: Any) -> dict[str, Any]:
    app = recorded()
    server = serve(app, ws=ws, **settings)
    with server.opened(
        "/a%20b/%C3%A9?x=1&y=%20",
        headers=[("Sec-WebSocket-Protocol", "a, b"), ("X-Two", "1"), ("X-Two", "2"), ("X-Latin", b"\xe9 \t")],
        Sec_WebSocket_Key="dGhlIHNhbXBsZSBub25jZQ==",
    ) as peer:
        client = peer.sock.getsockname()
        server_address = peer.sock.getpeername()
    scope = app.scopes[0]
    assert scope["client"] == client
    assert scope["server"] == server_address
    return {key: value for key, value in scope.items() if key not in ("client", "server")}


@pytest.mark.parametrize("root_path", ["", "/root"])
@pytest.mark.parametrize("http", ["wirefast.server:HttpProtocol", "httptools", "h11"])
def test_scope_equals_uvicorns(serve: Any, root_path: str, http: str) -> None:
    ours = scope_of(serve, "wirefast.server:WebSocketProtocol", root_path=root_path, http=http)
    assert isinstance(ours["extensions"].pop("wirefast"), WebSocketProtocol)
    assert ours == scope_of(serve, "websockets-sansio", root_path=root_path, http="httptools")


@pytest.mark.parametrize("reason", ["bye é", "x" * 123, "\0"])
def test_disconnect_carries_the_peers_code_and_reason(serve: Any, reason: str) -> None:
    app = recorded()
    with serve(app).opened() as peer:
        # The answer has the reason too: a browser's CloseEvent takes the reason of the server's frame.
        assert ((answer := peer.send(close_frame(3001, reason)).frame()).code, answer.reason) == (3001, reason)
        assert peer.ended()
    assert app.events == [{"type": "websocket.disconnect", "code": 3001, "reason": reason}]


def test_disconnect_without_a_code_is_1005(serve: Any) -> None:
    app = recorded()
    server = serve(app)
    with server.opened() as peer:
        peer.send(close_frame(None))
        assert peer.frame() == (CLOSE, b"", True, 0)
        assert peer.ended()
    assert app.events == [{"type": "websocket.disconnect", "code": 1005, "reason": ""}]


@pytest.mark.parametrize("how", ["close", "reset"])
def test_disconnect_of_a_lost_peer_is_1006(serve: Any, how: str) -> None:
    app = recorded()
    server = serve(app)
    peer = server.opened()
    getattr(peer if how == "reset" else peer.sock, how)()
    with server.opened() as other:
        other.send(close_frame()).frame()
    server.stop()
    assert {"type": "websocket.disconnect", "code": 1006} in app.events


def test_receive_after_the_end_repeats_disconnect(serve: Any) -> None:
    seen = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await receive()
        await send({"type": "websocket.accept"})
        seen.extend([await receive() for _ in range(3)])

    server = serve(app)
    with server.opened() as peer:
        peer.send(close_frame(1001))
        assert peer.ended()
    assert [message["code"] for message in seen] == [1001] * 3


def test_unread_messages_come_before_the_disconnect(serve: Any) -> None:
    app = recorded(lambda receive, send: asyncio.sleep(0.05))
    server = serve(app)
    with server.opened() as peer:
        peer.send(frame(TEXT, b"one"), frame(BINARY, b"two"), close_frame())
        assert peer.ended()
    server.stop()
    assert app.events == [
        {"type": "websocket.receive", "text": "one"},
        {"type": "websocket.receive", "bytes": b"two"},
        {"type": "websocket.disconnect", "code": 1000, "reason": ""},
    ]


@pytest.mark.parametrize(
    ("error", "code", "logged"),
    [
        (None, 1000, False),
        (RuntimeError("broken"), 1011, True),
        (type("WebSocketDisconnect", (Exception,), {})(1000), 1000, False),
    ],
)
def test_what_the_application_left_open_is_closed(serve: Any, error: Any, code: int, logged: bool) -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "websocket.accept"})
        await send({"type": "websocket.send", "text": "last"})
        if error is not None:
            raise error

    server = serve(app)
    with server.opened() as peer:
        assert peer.frame() == (TEXT, b"last", True, 0)
        assert peer.frame().code == code
        peer.send(close_frame(code))
        assert peer.ended()
    assert server.errors == (["Exception in ASGI application\n"] if logged else [])


def test_a_return_value_is_an_error(serve: Any) -> None:
    async def app(scope: Any, receive: Any, send: Any) -> int:
        await send({"type": "websocket.accept"})
        return 123

    server = serve(app)
    with server.opened() as peer:
        assert peer.frame().code == 1011
    assert server.errors == ["ASGI callable should return None, but returned '123'."]


@pytest.mark.parametrize("error", [None, RuntimeError("broken")])
def test_an_application_that_never_answers_gives_500(serve: Any, error: Any) -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        if error is not None:
            raise error

    server = serve(app)
    with server.peer() as peer:
        response = peer.send(request()).response()
        assert (response.status, response.body) == (500, b"Internal Server Error")
        assert peer.ended()
    assert len(server.errors) == 1


def test_an_application_that_raises_when_it_is_called_gives_500(serve: Any) -> None:
    def app(scope: Any, receive: Any, send: Any) -> Any:
        raise RuntimeError("broken")

    server = serve(app, interface="asgi3")
    with server.peer() as peer:
        assert peer.send(request()).response().status == 500
        assert peer.ended()
    assert server.errors == ["Exception in ASGI application\n"]


def test_an_application_may_return_any_awaitable(serve: Any) -> None:
    def app(scope: Any, receive: Any, send: Any) -> Any:
        return asyncio.ensure_future(echo(scope, receive, send))

    server = serve(app, interface="asgi3")
    with server.opened() as peer:
        assert peer.send(frame(TEXT, b"hello")).frame().data == b"hello"
        assert peer.send(close_frame()).frame().code == 1000
    assert server.errors == []


VARIABLE: contextvars.ContextVar[str] = contextvars.ContextVar("VARIABLE", default="nothing")


@pytest.mark.parametrize(("reset", "seen"), [(False, "of the server"), (True, "nothing")])
def test_reset_contextvars_gives_each_application_an_empty_context(reset: bool, seen: str) -> None:
    """uvicorn's setting of that name; what was set where the server was started is hidden."""

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "websocket.accept"})
        await send({"type": "websocket.close", "reason": VARIABLE.get()})

    async def main() -> None:
        VARIABLE.set("of the server")
        memory = Memory(app)
        memory.config.reset_contextvars = reset  # type: ignore[attr-defined]
        peer = memory.open()
        await memory.settled(peer)
        assert peer.frames[-1][1][2:].decode() == seen

    asyncio.run(main())


def test_accept_with_subprotocol_and_headers(serve: Any) -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        headers = [(b"X-One", b"1"), (b"x-one", b"2")]
        await send({"type": "websocket.accept", "subprotocol": "chat", "headers": headers})

    server = serve(app, headers=[("Server", "mine")])
    with server.peer() as peer:
        response = peer.send(request(headers=[("Sec-WebSocket-Protocol", "chat")])).response()
    assert response.header("sec-websocket-protocol") == "chat"
    assert [value for name, value in response.headers if name == "x-one"] == ["1", "2"]
    assert [value for name, value in response.headers if name == "server"] == ["mine"]
    assert [name for name, _ in response.headers].count("date") == 1


def test_accept_key_of_the_rfc(serve: Any) -> None:
    server = serve(echo)
    with server.peer() as peer:
        response = peer.send(request(Sec_WebSocket_Key="dGhlIHNhbXBsZSBub25jZQ==")).response()
    assert response.header("sec-websocket-accept") == "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="


STATES: list[tuple[list[dict[str, Any]], str]] = [
    ([{"type": "websocket.send", "text": "x"}], "Expected ASGI message 'websocket.accept'"),
    ([{"type": "websocket.accept"}, {"type": "websocket.accept"}], "Expected ASGI message 'websocket.send'"),
    (
        [{"type": "websocket.accept"}, {"type": "websocket.close"}, {"type": "websocket.send", "text": "x"}],
        "Unexpected ASGI message 'websocket.send', after sending 'websocket.close'.",
    ),
    (
        [{"type": "websocket.accept"}, {"type": "websocket.close"}, {"type": "websocket.close"}],
        "Unexpected ASGI message 'websocket.close', after sending 'websocket.close'.",
    ),
    ([{"type": "websocket.accept"}, {"type": "bogus"}], "Expected ASGI message 'websocket.send'"),
    ([{"type": "bogus"}], "Expected ASGI message 'websocket.accept'"),
    (
        [{"type": "websocket.http.response.start", "status": 400}, {"type": "websocket.accept"}],
        "Expected ASGI message 'websocket.http.response.body'",
    ),
    (
        [{"type": "websocket.http.response.start", "status": 400}, {"type": "websocket.close"}],
        "Expected ASGI message 'websocket.http.response.body'",
    ),
    (
        [{"type": "websocket.http.response.start", "status": 400}, {"type": "websocket.http.response.start"}],
        "Expected ASGI message 'websocket.http.response.body'",
    ),
    (
        [{"type": "websocket.accept"}, {"type": "websocket.http.response.start", "status": 400}],
        "Expected ASGI message 'websocket.send' or 'websocket.close', but got 'websocket.http.response.start'.",
    ),
    (
        [{"type": "websocket.close"}, {"type": "websocket.http.response.start", "status": 400}],
        "Unexpected ASGI message 'websocket.http.response.start'",
    ),
    (
        [{"type": "websocket.accept"}, {"type": "websocket.close"}, {"type": "websocket.accept"}],
        "Unexpected ASGI message 'websocket.accept', after sending 'websocket.close'.",
    ),
    ([{"type": "websocket.http.response.start", "status": 99}], "Invalid HTTP status code '99'"),
    ([{"type": "websocket.accept"}, {"type": "websocket.send"}], "needs 'bytes' or 'text'"),
    (
        [{"type": "websocket.accept"}, {"type": "websocket.close", "code": 1005}],
        "1005 is not a close code that may be sent: those are 1000 to 1003, 1007 to 1014 and 3000 to 4999",
    ),
    ([{"type": "websocket.accept"}, {"type": "websocket.close", "code": 10**12}], "1000000000000 is not a close code"),
]


@pytest.mark.parametrize(("messages", "expected"), STATES)
def test_messages_out_of_order_raise(serve: Any, messages: list[dict[str, Any]], expected: str) -> None:
    raised = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        for message in messages[:-1]:
            await send(message)
        try:
            await send(messages[-1])
        except (RuntimeError, ValueError, KeyError) as exc:
            raised.append(str(exc))
            raise

    server = serve(app)
    with server.peer() as peer:
        peer.send(request())
        deadline = time.monotonic() + 20
        while not raised and time.monotonic() < deadline:
            time.sleep(0.01)
    server.stop()
    assert len(raised) == 1 and expected in raised[0]


PAIRS = '"headers" of websocket.accept takes pairs of bytes, such as [(b"x-name", b"value")], not '
ACCEPT = {"type": "websocket.accept"}
TYPES: list[tuple[dict[str, Any], str]] = [
    (ACCEPT | {"headers": {"a": "b"}}, PAIRS + "dict"),
    (ACCEPT | {"headers": 5}, PAIRS + "int"),
    (ACCEPT | {"headers": [("a", "b")]}, PAIRS + "('a', 'b')"),
    (ACCEPT | {"headers": [(b"a", None)]}, PAIRS + "(b'a', None)"),
    (ACCEPT | {"headers": [b"a"]}, PAIRS + "b'a'"),
    (ACCEPT | {"headers": [5]}, PAIRS + "5"),
    (ACCEPT | {"subprotocol": 5}, '"subprotocol" of websocket.accept takes a str, not int'),
    ({"type": "websocket.close", "code": "bye"}, '"code" of websocket.close takes an int, not str'),
    ({"type": "websocket.close", "code": 1000.9}, '"code" of websocket.close takes an int, not float'),
    (
        {"type": "websocket.http.response.start", "status": "404"},
        '"status" of websocket.http.response.start takes an int, not str',
    ),
    (
        {"type": "websocket.http.response.start", "status": 404, "headers": {"a": "b"}},
        '"headers" of websocket.http.response.start takes pairs of bytes, such as [(b"x-name", b"value")], not dict',
    ),
    (ACCEPT, ""),
    ({"type": "websocket.send", "text": {"a": 1}}, '"text" of websocket.send takes a str, not dict'),
    ({"type": "websocket.send", "bytes": "x"}, '"bytes" of websocket.send takes bytes, not str'),
    ({"type": "websocket.close", "code": "bye"}, '"code" of websocket.close takes an int, not str'),
    ({"type": "websocket.close", "code": 1000.9}, '"code" of websocket.close takes an int, not float'),
    ({"type": "websocket.close", "reason": 5}, '"reason" of websocket.close takes a str, not int'),
]


def test_values_of_another_type_are_named(serve: Any) -> None:
    """None of them changes anything: what is right still works after all of them."""
    said = []

    class Why(str):
        pass

    async def app(scope: Any, receive: Any, send: Any) -> None:
        for message, _ in TYPES:
            try:
                await send(message)
            except TypeError as exc:
                said.append(str(exc))
            else:
                said.append("")
        await send({"type": "websocket.send", "text": "\ud800"})
        await send({"type": "websocket.send", "text": "done"})
        await send({"type": "websocket.close", "code": 4000, "reason": Why("bye")})

    server = serve(app)
    with server.opened() as peer:
        assert peer.frame().data.decode() == "\ufffd"
        assert peer.frame().data == b"done"
        last = peer.frame()
        assert (last.code, last.reason) == (4000, "bye")
    server.stop()
    assert said == [text for _, text in TYPES]
    assert server.errors == []


WRONG: list[tuple[Any, str]] = [
    (lambda ws: ws.send_text({"a": 1}), "send_text() takes a str, not dict; use send_json()"),
    (lambda ws: ws.send_text(b"a"), "send_text() takes a str, not bytes; use send_bytes()"),
    (lambda ws: ws.send_text(None), "send_text() takes a str, not NoneType; use send_json()"),
    (lambda ws: ws.send_bytes("x"), "send_bytes() takes bytes, not str; use send_text()"),
    (lambda ws: ws.send_bytes([1]), "send_bytes() takes bytes, not list; use send_json()"),
]


def test_a_send_of_another_type_says_which_to_use(serve: Any) -> None:
    said = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        websocket = WebSocket(scope, receive, send)
        await websocket.accept()
        for call, _ in WRONG:
            with pytest.raises(TypeError) as raised:
                await call(websocket)
            said.append(str(raised.value))
        await websocket.send_bytes(bytearray(b"done"))

    server = serve(app)
    with server.opened() as peer:
        assert peer.frame().data == b"done"
    server.stop()
    assert said == [text for _, text in WRONG]


def test_send_after_the_peer_closed_raises_oserror(serve: Any) -> None:
    raised = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await receive()
        await send({"type": "websocket.accept"})
        await receive()
        try:
            await send({"type": "websocket.send", "text": "x"})
        except OSError as exc:
            raised.append(exc)
            raise

    server = serve(app)
    with server.opened() as peer:
        peer.send(close_frame())
        assert peer.ended()
    server.stop()
    assert len(raised) == 1
    assert server.errors == []


def test_an_event_loops_turn_leaves_in_one_write(serve: Any) -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        await receive()
        await send({"type": "websocket.accept"})
        for number in range(16):
            await send({"type": "websocket.send", "text": str(number)})
        await receive()

    server = serve(app)
    with server.peer() as peer:
        peer.send(request())
        peer.fill()
        assert peer.response().status == 101
        assert peer.buffer.endswith(b"15"), "the frames of one turn came in more than one segment"


def test_long_reasons_are_cut_on_a_character_border(serve: Any) -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "websocket.accept"})
        await send({"type": "websocket.close", "code": 1008, "reason": "é" * 100})

    server = serve(app)
    with server.opened() as peer:
        assert peer.frame().reason == "é" * 61


def test_limit_concurrency_counts_websockets(serve: Any) -> None:
    server = serve(recorded(), limit_concurrency=2)
    first, second = server.opened(), server.opened()
    with server.peer() as third:
        response = third.send(request()).response()
        assert (response.status, response.body) == (503, b"Service Unavailable")
        assert third.ended()
    first.reset()
    second.send(close_frame()).frame()
    second.sock.close()


def test_lifespan_state_is_copied(serve: Any) -> None:
    states = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "lifespan":
            await receive()
            scope["state"]["name"] = "value"
            await send({"type": "lifespan.startup.complete"})
            await receive()
            return await send({"type": "lifespan.shutdown.complete"})
        states.append(dict(scope["state"]))
        scope["state"]["name"] = "changed"
        await echo(scope, receive, send)

    server = serve(app, lifespan="on")
    for _ in range(2):
        with server.opened() as peer:
            peer.send(close_frame()).frame()
    assert states == [{"name": "value"}] * 2


def test_a_flood_before_accept_is_not_read(serve: Any) -> None:
    """What a peer sends before it is accepted is kept up to a bound, and is there afterwards."""
    gate = asyncio.Event()
    received = []

    async def undecided(scope: Any, receive: Any, send: Any) -> None:
        await receive()
        await gate.wait()
        await send({"type": "websocket.accept"})
        while (message := await receive())["type"] == "websocket.receive":
            received.append(message["bytes"])

    server = serve(undecided)
    data = frame(BINARY, b"x" * 65536)
    sent = 0
    with server.peer(timeout=1.0) as peer:
        peer.send(request())
        with pytest.raises(TimeoutError):
            while sent < 3200:  # 200 MiB
                peer.sock.sendall(data)
                sent += 1
        # What the kernel's two buffers hold is not ours.
        assert sent * len(data) < 16 * 1024 * 1024
        server.call(gate.set)
        peer.sock.settimeout(20)
        assert peer.response().status == 101
        deadline = time.monotonic() + 20
        while len(received) < sent and time.monotonic() < deadline:
            time.sleep(0.01)
    server.stop()
    assert len(received) >= sent and set(received) == {b"x" * 65536}
