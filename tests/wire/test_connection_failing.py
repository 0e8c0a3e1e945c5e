"""A peer breaks the protocol, or stops reading, while the application is busy with what came before."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from memory import CLOSE, TEXT, Memory, MemoryPeer, accepted, client_frame
from wirefast import App, WebSocket

#: A text that is not UTF-8.
BROKEN = client_frame(TEXT, b"\xff")


def busy(then: Callable[[Any], Awaitable[None]]) -> Any:
    """An application that accepts, is busy until it is told to go on, and ends with ``then(send)``."""

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await receive()
        await send({"type": "websocket.accept"})
        await app.go_on.wait()  # type: ignore[attr-defined]
        await then(send)

    return app


async def closing(send: Any) -> None:
    await send({"type": "websocket.close", "code": 4000, "reason": "done"})


async def returning(send: Any) -> None: ...


async def sending(send: Any) -> None:
    await send({"type": "websocket.send", "text": "an answer"})


async def closes(peer: MemoryPeer) -> None:
    while peer.close_code is None:
        await asyncio.sleep(0)


@pytest.mark.parametrize("then", [closing, returning, sending])
def test_what_it_still_does_ends_with_the_peers_fault(then: Any) -> None:
    async def main() -> None:
        app = busy(then)
        app.go_on = asyncio.Event()
        async with accepted(app) as peer:
            peer.receive(BROKEN)
            assert peer.close_code is None
            app.go_on.set()
            await closes(peer)
            assert peer.messages == (["an answer"] if then is sending else [])
            assert peer.close_code == 1007

    asyncio.run(main())


@pytest.mark.parametrize("told", [False, True], ids=["before it is told", "after"])
def test_one_fault_is_logged_once(caplog: pytest.LogCaptureFixture, told: bool) -> None:
    """The application fails at an earlier message of the peer that broke the protocol."""

    async def main() -> None:
        app = App()
        go_on = asyncio.Event()

        @app.websocket("/")
        async def endpoint(websocket: WebSocket) -> None:
            await websocket.accept()
            await go_on.wait()
            await websocket.receive_json()

        async with accepted(app) as peer:
            peer.receive(client_frame(TEXT, b"{"))
            peer.receive(BROKEN)
            if told:
                await asyncio.wait_for(closes(peer), 20)
            go_on.set()
            await closes(peer)
            assert peer.close_code == 1007

    asyncio.run(main())
    (line,) = [record.getMessage() for record in caplog.records if record.levelno >= logging.WARNING]
    assert line == "127.0.0.1:50000 - WebSocket closed with 1007: invalid UTF-8"


def test_a_peer_that_leaves_before_it_is_told_is_logged_too(caplog: pytest.LogCaptureFixture) -> None:
    async def main() -> None:
        app = busy(returning)
        app.go_on = asyncio.Event()
        async with accepted(app) as peer:
            peer.receive(BROKEN)
            peer.lose()
            app.go_on.set()

    asyncio.run(main())
    assert [record.getMessage() for record in caplog.records if record.levelno >= logging.WARNING] == [
        "127.0.0.1:50000 - WebSocket closed with 1007: invalid UTF-8"
    ]


def test_it_has_a_fifth_of_a_second() -> None:
    async def main() -> None:
        app = busy(returning)
        app.go_on = asyncio.Event()
        async with accepted(app) as peer:
            loop = asyncio.get_running_loop()
            began = loop.time()
            peer.receive(BROKEN)
            await asyncio.wait_for(closes(peer), 20)
            assert peer.close_code == 1007
            assert loop.time() - began >= 0.2 - 0.02

    asyncio.run(main())


def test_a_server_that_stops_meanwhile() -> None:
    """It says that it restarts, and that is the only close frame."""

    async def main() -> None:
        app = busy(returning)
        app.go_on = asyncio.Event()
        memory = Memory(app)
        peer = memory.open()
        while peer.status is None:
            await asyncio.sleep(0)
        peer.receive(BROKEN)
        peer.transport.protocol.shutdown()
        await closes(peer)
        app.go_on.set()
        peer.close(1012)
        await memory.ended()
        assert [data[:2] for opcode, data in peer.frames if opcode == CLOSE] == [b"\x03\xf4"]

    asyncio.run(main())


def test_a_ping_behind_data_that_leaves_slowly() -> None:
    """An unanswered ping does not end a peer that takes some of what waits for it; once it takes nothing, it does."""

    async def main() -> None:
        app = busy(returning)
        app.go_on = asyncio.Event()
        asked, taking = 0, True

        def unsent() -> int:
            nonlocal asked
            asked += 1
            return 1_000_000 - 1000 * asked if taking else 1

        async with accepted(app, ws_ping_interval=0.02, ws_ping_timeout=0.02) as peer:
            peer.transport.get_write_buffer_size = unsent  # type: ignore[method-assign]
            peer.transport.protocol.pause_writing()
            while asked < 10:
                await asyncio.sleep(0.01)
            assert peer.close_code is None
            taking = False
            await asyncio.wait_for(closes(peer), 20)
            assert peer.close_code == 1011

    asyncio.run(main())
