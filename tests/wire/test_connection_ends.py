"""The first end counts, in every order of good frames, faults, a close and an end of file; transports that raise."""

from __future__ import annotations

import asyncio
import itertools
import logging
import time
from typing import Any

import pytest
from apps import echo
from peer import BINARY, TEXT, close_frame, frame

from memory import Memory, MemoryPeer, MemoryTransport
from wirefast import App, WebSocket, WebSocketDisconnect

pytestmark = pytest.mark.both_transports

MAX_SIZE = 1000
PIECES = {
    "good": frame(TEXT, b"good"),
    "bad text": frame(TEXT, b"\xff"),
    "bad opcode": frame(3, b""),
    "too big": frame(BINARY, bytes(MAX_SIZE + 1)),
    "bad close": frame(8, b"\x03"),
    "close": close_frame(3000, "bye"),
}
# What the handler hears of each, and whether the log has a line.
ENDS = {
    "bad text": (1007, "invalid UTF-8", True),
    "bad opcode": (1002, "reserved opcode", True),
    "too big": (1009, None, True),
    "bad close": (1002, "malformed close frame", True),
    "close": (3000, "bye", False),
}
ORDERS = [
    order for length in (1, 2, 3) for order in itertools.permutations([*PIECES, "eof"], length) if order != ("eof",)
]


async def turns(count: int = 6) -> None:
    for _ in range(count):
        await asyncio.sleep(0)


def lines(caplog: pytest.LogCaptureFixture) -> list[str]:
    """Return what the server warned of. In Python's development mode asyncio warns of slow turns too."""
    warnings = [record for record in caplog.records if record.levelno >= logging.WARNING and record.name != "asyncio"]
    return [record.getMessage() for record in warnings]


def give(peer: MemoryPeer, piece: str) -> None:
    if piece == "eof":
        if peer.transport.protocol is not None:
            peer.transport.protocol.eof_received()
            peer.lose()
    else:
        peer.receive(PIECES[piece])


@pytest.mark.parametrize("cut", ["one segment", "one a turn", "one a time"])
@pytest.mark.parametrize("handler", ["echo", "busy"])
def test_the_first_end_counts(caplog: pytest.LogCaptureFixture, handler: str, cut: str) -> None:
    heard: list[Any] = []
    go_on: asyncio.Event

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await receive()
        await send({"type": "websocket.accept"})
        if handler == "busy":
            await go_on.wait()
        while (message := await receive())["type"] == "websocket.receive":
            heard.append(message["text"])
            if handler == "echo":
                try:
                    await send({"type": "websocket.send", "text": message["text"]})
                except OSError:
                    pass
        heard.append((message["code"], message.get("reason")))
        assert (await receive())["code"] == message["code"]

    async def run(order: tuple[str, ...]) -> None:
        nonlocal go_on
        go_on = asyncio.Event()
        memory = Memory(app, ws_max_size=MAX_SIZE)
        peer = memory.open()
        await turns()
        if cut == "one segment":
            peer.receive(b"".join(PIECES[piece] for piece in itertools.takewhile(lambda name: name != "eof", order)))
            if "eof" in order:
                give(peer, "eof")
        else:
            for piece in order:
                give(peer, piece)
                if cut == "one a turn":
                    await turns()
        await turns()
        if handler == "busy":
            go_on.set()
        if not any(piece in ENDS or piece == "eof" for piece in order):
            peer.lose()
        deadline = time.monotonic() + 20
        while memory.state.tasks:
            assert time.monotonic() < deadline, order
            await asyncio.sleep(0)
        peer.lose()
        await memory.ended()

    for order in ORDERS:
        heard.clear()
        caplog.clear()
        asyncio.run(run(order))
        first = next((piece for piece in order if piece != "good"), "eof")
        before = list(itertools.takewhile(lambda name: name == "good", order))
        code, reason, logged = ENDS.get(first, (1006, None, False))
        assert heard[:-1] == before, order
        assert heard[-1][0] == code, (order, heard)
        assert reason is None or heard[-1][1] == reason, (order, heard)
        assert len(lines(caplog)) == logged, (order, lines(caplog))
        assert all(f"closed with {code}: " in line for line in lines(caplog)), order


def test_the_peer_is_told_of_the_first_fault() -> None:
    async def main() -> None:
        memory = Memory(echo)
        peer = memory.open()
        await turns()
        peer.receive(PIECES["good"] + PIECES["bad text"] + PIECES["close"])
        await turns()
        assert peer.close_code == 1007 and peer.transport.closing
        await memory.ended()

    asyncio.run(main())


def test_a_half_close_behind_a_fault(serve: Any, loop_name: str) -> None:
    """On asyncio's loop ending our side of a connection raises when the peer has reset it."""
    ends: list[Any] = []
    app = App()

    @app.websocket("/")
    async def endpoint(websocket: WebSocket) -> None:
        await websocket.accept()
        try:
            async for text in websocket.iter_text():
                await websocket.send_text(text)
                await asyncio.sleep(0.01)
            ends.append("quiet")
        except BaseException as exc:
            ends.append(exc)
            raise

    server = serve(app, loop=loop_name)
    for rude in (False, True) * 5:
        peer = server.opened()
        peer.send(PIECES["good"] + PIECES["bad opcode"])
        if rude:
            peer.reset()
        else:
            peer.sock.shutdown(1)
    deadline = time.monotonic() + 20
    while server.call(lambda: len(server.server.server_state.connections) + len(server.server.server_state.tasks)):
        assert time.monotonic() < deadline
        time.sleep(0.01)
    assert set(ends) == {"quiet"}
    assert all("WebSocket closed with 1002" in line for line in server.errors)


CALLS = (
    "write", "write_eof", "close", "abort", "pause_reading", "resume_reading", "get_write_buffer_size",
    "get_extra_info", "can_write_eof", "is_closing",
)  # fmt: skip


class Raising(MemoryTransport):
    """Raises at the n-th call of any method that our protocol uses; for ever after, or only then."""

    at: int
    always: bool
    error: type[Exception]
    count = 0
    buffered = 0

    def called(self) -> None:
        self.count += 1
        if self.count == self.at or (self.always and self.count > self.at):
            raise self.error("the transport failed")

    def can_write_eof(self) -> bool:
        return True

    def write_eof(self) -> None:
        pass

    def get_write_buffer_size(self) -> int:
        return self.buffered


def counting(name: str) -> Any:
    def method(self: Raising, *args: Any, **options: Any) -> Any:
        self.called()
        return getattr(super(Raising, self), name)(*args, **options)

    return method


for call in CALLS:
    if call in vars(Raising):
        original = vars(Raising)[call]

        def own(self: Raising, *args: Any, original: Any = original) -> Any:
            self.called()
            return original(self, *args)

        setattr(Raising, call, own)
    else:
        setattr(Raising, call, counting(call))


async def s_echo(peer: MemoryPeer) -> None:
    for _ in range(3):
        peer.send("hello")
        await turns()
    peer.close()


async def s_fault(peer: MemoryPeer) -> None:
    peer.receive(PIECES["good"] + PIECES["bad opcode"])
    await turns()
    if peer.transport.protocol is not None:
        peer.transport.protocol.eof_received()


async def s_fault_and_close(peer: MemoryPeer) -> None:
    peer.receive(PIECES["good"] + PIECES["bad text"] + PIECES["close"])


async def s_closed(peer: MemoryPeer) -> None:
    peer.send("close")
    await turns()
    peer.close()


async def s_flood(peer: MemoryPeer) -> None:
    if peer.transport.protocol is not None:
        peer.transport.protocol.pause_writing()
    peer.receive(frame(BINARY, bytes(900)) * 120)
    await turns()
    if peer.transport.protocol is not None:
        peer.transport.protocol.resume_writing()
    await turns(50)
    peer.close()


async def s_stopped(peer: MemoryPeer) -> None:
    if peer.transport.protocol is not None:
        peer.transport.protocol.shutdown()
    await turns()
    peer.close(1012)


async def s_silent(peer: MemoryPeer) -> None:
    """Until the keepalive ends it."""
    deadline = time.monotonic() + 20
    while peer.transport.protocol is not None and time.monotonic() < deadline and peer.close_code is None:
        await asyncio.sleep(0.01)
        if peer.transport.protocol not in peer.memory.state.connections:  # type: ignore[attr-defined]
            return


async def s_refused(peer: MemoryPeer) -> None:
    await turns()


SCRIPTS: dict[str, Any] = {
    "echo": s_echo, "fault": s_fault, "fault and close": s_fault_and_close, "closed": s_closed, "flood": s_flood,
    "stopped": s_stopped, "silent": s_silent, "refused": s_refused,
}  # fmt: skip


@pytest.mark.parametrize("always", [False, True], ids=["once", "for ever"])
@pytest.mark.parametrize("error", [OSError, RuntimeError])
@pytest.mark.parametrize("script", SCRIPTS)
def test_a_transport_that_raises(
    caplog: pytest.LogCaptureFixture, script: str, error: type[Exception], always: bool
) -> None:
    """At whichever of its calls: the handler ends as with any lost peer, without a traceback, and nothing stays."""
    escaped: list[BaseException] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        websocket = WebSocket(scope, receive, send)
        try:
            if script == "refused":
                await websocket.close()
                return
            try:
                await websocket.accept()
            except OSError:
                return
            while True:
                message = await websocket.receive()
                if message["type"] == "websocket.disconnect":
                    return
                if message.get("text") == "close":
                    await websocket.close()
                    return
                if "text" in message:
                    await websocket.send_text(message["text"])
                else:
                    await websocket.send_bytes(message["bytes"] * 20)
        except WebSocketDisconnect:
            raise
        except BaseException as exc:
            escaped.append(exc)
            raise

    async def run(at: int) -> bool:
        """Whether the transport was called that often."""
        memory = Memory(app, ws_ping_interval=0.02, ws_ping_timeout=0.02, ws_max_size=MAX_SIZE, ws_max_queue=4)
        Raising.at, Raising.always, Raising.error = at, always, error
        peer = memory.open(transport=Raising)
        peer.memory = memory  # type: ignore[attr-defined]
        await turns()
        await SCRIPTS[script](peer)
        deadline = asyncio.get_running_loop().time() + 20
        while memory.state.tasks:
            assert asyncio.get_running_loop().time() < deadline, at
            if peer.transport.protocol is not None and asyncio.get_running_loop().time() > deadline - 19.5:
                peer.lose()
            await asyncio.sleep(0)
        protocol = peer.transport.protocol
        if protocol is not None and protocol in memory.state.connections:
            # It waits for its peer, or for a transport that said that it closes.
            peer.lose()
        assert not memory.state.connections, at
        return peer.transport.count >= at  # type: ignore[attr-defined]

    at = 0
    going = True
    while going:
        at += 1
        going = asyncio.run(run(at))
        assert escaped == [], (at, escaped)
        assert [
            line for line in lines(caplog) if not line.startswith(("127.0.0.1:50000 - ", "unknown - ", "Writing"))
        ] == [], at
        assert "Traceback" not in caplog.text
    assert at > 5
