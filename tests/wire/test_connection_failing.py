"""A peer breaks the protocol, or stops reading, while the application is busy with what came before."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from memory import CLOSE, TEXT, Memory, MemoryPeer, accepted, client_frame

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
        unsent = 1_000_000
        async with accepted(app, ws_ping_interval=0.02, ws_ping_timeout=0.02) as peer:
            loop = asyncio.get_running_loop()
            peer.transport.get_write_buffer_size = lambda: unsent  # type: ignore[method-assign]
            peer.transport.protocol.pause_writing()
            until = loop.time() + 0.3
            while loop.time() < until:
                unsent -= 1000
                await asyncio.sleep(0.005)
                assert peer.close_code is None
            await asyncio.wait_for(closes(peer), 20)
            assert peer.close_code == 1011

    asyncio.run(main())
