"""A connection of ``HttpProtocol`` always has a timer, a running request or an open WebSocket."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from peer import request

from memory import Memory, MemoryTransport
from wirefast.server import http as module
from wirefast.server.http import HttpProtocol, State
from wirefast.server.protocol import WebSocketProtocol


class Transport(MemoryTransport):
    """Keeps whether it is read."""

    reading = True

    def can_write_eof(self) -> bool:
        return False

    def set_protocol(self, protocol: Any) -> None:
        self.protocol = protocol

    def pause_reading(self) -> None:
        self.reading = False

    def resume_reading(self) -> None:
        self.reading = True


class Wire:
    """One connection in memory to an application that answers when it is told to."""

    def __init__(self, app: Any = None, **options: Any) -> None:
        self.requests: list[dict[str, Any]] = []
        self.bodies: list[bytes] = []
        self.answer = asyncio.Event()
        self.memory = Memory(app or self.app, **options)
        self.memory.config.ws_protocol_class = WebSocketProtocol
        self.protocol = HttpProtocol(config=self.memory.config, server_state=self.memory.state, app_state={})
        self.transport = Transport(self.protocol)
        self.protocol.connection_made(self.transport)

    async def app(self, scope: Any, receive: Any, send: Any) -> None:
        self.requests.append(scope)
        if scope["type"] == "websocket":
            await receive()
            await send({"type": "websocket.accept"})
            while (await receive())["type"] != "websocket.disconnect":
                pass
            return
        body = b""
        if scope["method"] == "POST":
            while True:
                message = await receive()
                body += message.get("body", b"")
                if not message.get("more_body"):
                    break
        self.bodies.append(body)
        if scope["path"] == "/wait":
            await self.answer.wait()
        elif scope["path"] == "/fail":
            raise OSError("of the application")
        elif scope["path"] == "/nothing":
            return
        length = (b"content-length", b"2")
        await send({"type": "http.response.start", "status": 200, "headers": [length]})
        if scope["path"] == "/half":
            return
        if scope["path"] == "/stream":
            await self.answer.wait()
        await send({"type": "http.response.body", "body": b"ok"})

    async def send(self, data: bytes) -> None:
        if self.transport.protocol is not None and not self.transport.closing:
            self.transport.protocol.data_received(data)
        await turns()

    def alive(self) -> str:
        """What ends the connection by itself; raises where nothing does."""
        if self.transport.protocol is not self.protocol:
            return "lost" if self.transport.protocol is None else "WebSocket"
        state, timer = self.protocol.state, self.protocol.timer
        if state is State.REQUEST:
            assert self.memory.state.tasks, "no request runs"
            return "request"
        assert state in (State.HEAD, State.IDLE, State.DISCARD, State.LINGERING, State.CLOSING), state
        assert timer is not None and not timer.cancelled(), f"no timer in {state}"
        return "timer"

    async def end(self) -> None:
        self.answer.set()
        if self.transport.protocol is not None:
            self.transport.lost(None)
        await turns()
        assert not self.memory.state.tasks and not self.memory.state.connections
        assert self.protocol.timer is None and self.protocol.body_timer is None and self.protocol.look_timer is None


async def turns() -> None:
    for _ in range(12):
        await asyncio.sleep(0)


def run(work: Callable[[], Any]) -> Any:
    return asyncio.run(work())


HOST = b" HTTP/1.1\r\nHost: a\r\n"
PIECES = [
    *(b"GET /" + path + HOST + b"\r\n" for path in (b"", b"wait", b"stream", b"fail", b"nothing", b"half")),
    *(b"\r\n", b"\r\n\r\n", b"\n", b"\r", b"GET / HTTP/1.1\r\n", b"Host: a\r\n", b"G", b"GET / HTTP/1.1\nHost: a\n\n"),
    b"POST /" + HOST + b"Content-Length: 4\r\n\r\n",
    b"POST /" + HOST + b"Transfer-Encoding: chunked\r\n\r\n",
    *(b"4\r\nbody\r\n", b"0\r\n\r\n", b"0\r\nX-User: root\r\n\r\n", b"body", b"xyz\r\n"),
    b"GET /body" + HOST + b"Content-Length: 4\r\n\r\n",
    b"GET /close" + HOST + b"Connection: close\r\n\r\n",
    b"GET / HTTP/1.0\r\n\r\n",
    b"POST /" + HOST + b"Connection: Upgrade\r\nUpgrade: h2c\r\nContent-Length: 4\r\n\r\n",
    request(),
    request(drop=["Sec-WebSocket-Key"]),
    b"\x16\x03\x01",
    b"x" * 9000,
]


@settings(max_examples=300, deadline=None)
@given(st.lists(st.tuples(st.sampled_from(PIECES), st.sampled_from(["", "answer", "timeout", "stop"])), max_size=9))
def test_always_something_ends_it(steps: list[tuple[bytes, str]]) -> None:
    async def work() -> None:
        wire = Wire()
        assert wire.alive() == "timer"
        for data, event in steps:
            await wire.send(data)
            wire.alive()
            if event == "answer":
                wire.answer.set()
                await turns()
                wire.answer.clear()
            elif event == "timeout" and wire.protocol.timer is not None:
                wire.protocol.timer.cancel()
                wire.protocol.timed_out()
                assert wire.transport.closing
                await turns()
            elif event == "stop" and wire.transport.protocol is not None:
                wire.transport.protocol.shutdown()
                await turns()
            wire.alive()
        await wire.end()

    run(work)


HEAD, IDLE = module.HEAD_TIMEOUT, 5.0
TIMERS = {
    "nothing": ([], State.HEAD, HEAD),
    "an empty line": ([b"\r\n"], State.HEAD, HEAD),
    "two empty lines": ([b"\r\n\r\n"], State.HEAD, HEAD),
    "a part of a head": ([b"GET / HT"], State.HEAD, HEAD),
    "a head without its end": ([b"GET / HTTP/1.1\r\nHost: a\r\n"], State.HEAD, HEAD),
    "a response": ([PIECES[0]], State.IDLE, IDLE),
    "an empty line behind a response": ([PIECES[0], b"\r\n"], State.IDLE, IDLE),
    "two of them": ([PIECES[0], b"\r\n\r\n"], State.IDLE, IDLE),
    "a part of a later head": ([PIECES[0], b"GET / HT"], State.HEAD, HEAD),
    "one in the segment of the request": ([PIECES[0] + b"G"], State.HEAD, HEAD),
    "a running request": ([b"GET /wait" + HOST + b"\r\n"], State.REQUEST, None),
    "a body that does not come": ([b"POST /" + HOST + b"Content-Length: 4\r\n\r\n"], State.REQUEST, None),
    "a body that comes after its response": (
        [b"GET /" + HOST + b"Content-Length: 4\r\n\r\n"],
        State.DISCARD,
        60.0,
    ),
    "one after the last response": (
        [b"GET /" + HOST + b"Connection: close\r\nContent-Length: 4\r\n\r\n"],
        State.LINGERING,
        1.0,
    ),
    "one that has come": ([b"GET /" + HOST + b"Content-Length: 4\r\n\r\nbody"], State.IDLE, IDLE),
    "a refused head": ([b"\n"], State.CLOSING, 60.0),
}


@pytest.mark.parametrize("name", TIMERS)
def test_the_timer_of_each_state(name: str) -> None:
    pieces, state, seconds = TIMERS[name]

    async def work() -> None:
        wire = Wire()
        wire.transport.close = lambda: setattr(wire.transport, "closing", True)  # type: ignore[method-assign]
        for piece in pieces:
            await wire.send(piece)
        assert wire.protocol.state is state
        timer = wire.protocol.timer
        if seconds is None:
            assert timer is None and wire.alive() == "request"
        else:
            assert timer is not None
            assert seconds - 2 < timer.when() - asyncio.get_running_loop().time() <= seconds
        if pieces and b"POST" in pieces[0]:
            assert wire.protocol.body_timer is not None
        await wire.end()

    run(work)


def test_an_empty_line_does_not_renew_the_timer() -> None:
    async def work() -> None:
        wire = Wire()
        await wire.send(PIECES[0])
        timer = wire.protocol.timer
        await wire.send(b"\r\n")
        assert wire.protocol.timer is timer
        await wire.send(b"\r\n\r\n")
        assert b"HTTP/1.1 400 " in wire.transport.written and wire.transport.closing
        await wire.end()

    run(work)


def test_the_table_of_states_is_whole() -> None:
    assert module.__doc__ is not None
    assert [line.split()[0] for line in module.__doc__.splitlines()[4:13] if line.strip()][1:] == [
        s.name for s in State
    ]


# ---- One request at a time ----


@pytest.mark.parametrize(
    ("behind", "answer"),
    [
        (b"GET / HTTP/9\r\n\r\n", b"HTTP/1.1 400 "),
        (b"GET /" + b"a" * 9000 + b" HTTP/1.1\r\n\r\n", b"HTTP/1.1 414 "),
        (b"GET /" + HOST + b"X: " + b"a" * 9000 + b"\r\n\r\n", b"HTTP/1.1 431 "),
        (b"GET /" + HOST + b"\r\n", b"HTTP/1.1 200 "),
        (request(), b"HTTP/1.1 101 "),
        (request(drop=["Sec-WebSocket-Key"]), b"HTTP/1.1 400 "),
    ],
    ids=["400", "414", "431", "200", "101", "refused upgrade"],
)
def test_what_comes_behind_a_stream_waits_for_its_end(behind: bytes, answer: bytes) -> None:
    async def work() -> None:
        wire = Wire()
        await wire.send(b"GET /stream" + HOST + b"\r\n" + behind)
        first = bytes(wire.transport.written)
        assert first.startswith(b"HTTP/1.1 200 ") and first.endswith(b"\r\n\r\n") and len(wire.requests) == 1
        wire.answer.set()
        await turns()
        written = bytes(wire.transport.written)
        assert written.startswith(first + b"ok" + answer), written
        await wire.end()

    run(work)


@pytest.mark.parametrize("behind", [b"", request(), b"GET / HT", b"GET /" + HOST + b"\r\n"])
def test_a_client_that_leaves_a_stream_ends_it(behind: bytes) -> None:
    ended: list[str] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await receive()
        message = await receive()
        ended.append(message["type"])

    async def work() -> None:
        wire = Wire(app)
        await wire.send(b"GET /" + HOST + b"\r\n" + behind)
        assert wire.alive() == "request"
        await wire.end()

    run(work)
    assert ended == ["http.disconnect"]


def test_what_waits_behind_a_request_is_bounded() -> None:
    async def work() -> None:
        wire = Wire()
        get = b"GET /" + HOST + b"\r\n"
        await wire.send(b"GET /wait" + HOST + b"\r\n")
        await wire.send(get * (65536 // len(get)))
        assert wire.transport.reading
        await wire.send(get)
        assert not wire.transport.reading and wire.protocol.look_timer is not None
        # The application that listens for the disconnect does not make the server read on.
        assert wire.protocol.flow is not None
        wire.protocol.flow.resume_reading()
        assert not wire.transport.reading and len(wire.requests) == 1
        count = 65536 // len(get) + 1
        wire.answer.set()
        while len(wire.requests) < count + 1:
            await asyncio.sleep(0)
        await turns()
        assert wire.transport.reading
        assert wire.transport.written.count(b"HTTP/1.1 200 ") == count + 1
        await wire.end()

    run(work)


# ---- Bodies ----


def test_trailers_are_dropped() -> None:
    async def work() -> None:
        wire = Wire()
        head = b"POST /" + HOST + b"Transfer-Encoding: chunked\r\nTrailer: X-User\r\n\r\n"
        await wire.send(head + b"2\r\nab\r\n")
        await wire.send(b"0\r\nX-User: root\r\nContent-Length: 99\r\n\r\n")
        assert wire.bodies == [b"ab"]
        assert [name for name, _ in wire.requests[0]["headers"]] == [b"host", b"transfer-encoding", b"trailer"]
        await wire.send(b"GET /" + HOST + b"\r\n")
        assert len(wire.requests) == 2 and len(wire.requests[1]["headers"]) == 1
        await wire.end()

    run(work)


@pytest.mark.parametrize("started", [False, True])
def test_a_malformed_body_is_answered_only_before_the_response(started: bool) -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        if started:
            await send({"type": "http.response.start", "status": 200, "headers": []})
        while (message := await receive())["type"] != "http.disconnect":
            assert message["more_body"]

    async def work() -> None:
        wire = Wire(app)
        await wire.send(b"POST /" + HOST + b"Transfer-Encoding: chunked\r\n\r\n")
        await wire.send(b"xyz\r\nGET /smuggled" + HOST + b"\r\n")
        written = bytes(wire.transport.written)
        assert written.count(b"HTTP/1.1 ") == 1 and wire.transport.closing
        assert written.startswith(b"HTTP/1.1 200 " if started else b"HTTP/1.1 400 ")
        assert not wire.requests
        await wire.end()

    run(work)


@pytest.mark.parametrize("progress", [False, True])
def test_a_body_without_progress_is_408(progress: bool) -> None:
    async def work() -> None:
        wire = Wire()
        wire.memory.config.timeout_body = 0.05
        await wire.send(b"POST /" + HOST + b"Content-Length: 40\r\n\r\n")
        if progress:
            # Each byte gives the body its time again.
            for _ in range(40):
                await asyncio.sleep(0.01)
                await wire.send(b"b")
            assert wire.bodies == [b"b" * 40] and wire.transport.written.startswith(b"HTTP/1.1 200 ")
        else:
            while not wire.transport.closing:
                await asyncio.sleep(0.01)
            assert wire.transport.written.startswith(b"HTTP/1.1 408 ")
        await wire.end()

    run(work)


def test_a_busy_application_is_no_slow_client() -> None:
    """Only the time that the application waits for bytes counts."""

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await asyncio.sleep(0.1)
        while (await receive())["more_body"]:
            pass
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"ok"})

    async def work() -> None:
        wire = Wire(app)
        wire.memory.config.timeout_body = 0.03
        await wire.send(b"POST /" + HOST + b"Content-Length: 4\r\n\r\n")
        while wire.protocol.body_timer is None:
            await asyncio.sleep(0)
        await wire.send(b"body")
        assert wire.transport.written.startswith(b"HTTP/1.1 200 ")
        await wire.end()

    run(work)


# ---- Sends that nobody hears ----


def test_an_endless_response_ends_with_its_client() -> None:
    sent: list[int] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        while True:
            sent.append(len(sent))
            await send({"type": "http.response.body", "body": b"x", "more_body": True})

    async def work() -> None:
        wire = Wire(app)
        wire.protocol.data_received(b"GET /" + HOST + b"\r\n")
        await turns()
        # It lets the loop turn although its peer takes everything.
        before = len(sent)
        assert before <= 64 * 12
        wire.transport.lost(None)
        with contextlib.suppress(asyncio.TimeoutError):
            async with asyncio.timeout(5) if hasattr(asyncio, "timeout") else contextlib.AsyncExitStack():
                while wire.memory.state.tasks:
                    await asyncio.sleep(0)
        assert len(sent) <= before + 64 + 64 + 1
        await wire.end()

    run(work)


def test_a_config_that_was_not_loaded(monkeypatch: pytest.MonkeyPatch) -> None:
    import uvicorn
    from uvicorn.server import ServerState

    async def work() -> None:
        config = uvicorn.Config(Wire.app, log_config=None, ws="wirefast.server:WebSocketProtocol", lifespan="off")
        protocol = HttpProtocol(config=config, server_state=ServerState(), app_state={})
        transport = Transport(protocol)
        protocol.connection_made(transport)
        protocol.data_received(request(drop=["Sec-WebSocket-Version"]))
        assert transport.written.startswith(b"HTTP/1.1 400 ")
        transport.lost(None)

    run(work)
