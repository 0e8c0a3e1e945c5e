"""on_disconnect of typed routes: once, whatever ended the socket, and whether or not a handler runs."""

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Annotated, Any, Literal

import pytest
from message_models import Said
from pydantic import BaseModel

from ways import MEMORY, live_by
from wirefast import App, Depends, Limits, Rate, WebSocket
from wirefast._core import clock
from wirefast.messages import Disconnect
from wirefast.testing import Live


class Do(BaseModel):
    type: Literal["do", "aside"]
    what: str = ""


def watched(limits: Limits | None, log: Any) -> App:
    """A route whose sockets say what became of them: it does what the message says, beside others or before them."""
    app = App(limits=limits)
    room = app.messages("/")

    async def held() -> AsyncIterator[None]:
        try:
            yield
        finally:
            log("left")

    async def do(message: Do, websocket: WebSocket, held: Annotated[None, Depends(held, scope="message")]) -> Said:
        if message.what == "wait":
            try:
                await asyncio.Event().wait()
            finally:
                log("stopped")
        elif message.what == "expire":
            websocket.expires_at = clock.wall_time() + 1
        return Said(text=message.what)

    @room.on_connect
    async def came() -> None:
        log("came")

    @room.on("stream")
    async def stream(websocket: WebSocket) -> AsyncIterator[Said]:
        websocket.app.state.given = 0
        try:
            while True:
                websocket.app.state.given += 1
                yield Said(text="x" * 1000)
        finally:
            log("stopped")

    room.on("do")(do)
    room.on("aside", concurrent=True)(do)

    @room.on_disconnect
    async def gone(end: Disconnect) -> None:
        log(("gone", end.code))

    return app


# The code that on_disconnect is told, and what brings the end about.
ENDS = {
    "first message": (4408, lambda peer, live: live.clock.advance(31)),
    "idle": (4408, lambda peer, live: live.clock.advance(61)),
    "lifetime": (1012, lambda peer, live: kept_busy(peer, live)),
    "too many": (1008, lambda peer, live: many(peer)),
    "too large": (1009, lambda peer, live: peer.send('{"type": "nope", "x": "' + "x" * 2000 + '"}')),
    "expiry": (4401, lambda peer, live: live.clock.advance(3)),
    "drain": (1012, lambda peer, live: live.shutdown()),
    "client": (4000, lambda peer, live: peer.close(4000)),
    "reset": (1006, lambda peer, live: reset(peer)),
}


BEHIND = ("lifetime", "too many", "too large")


async def kept_busy(peer: Any, live: Any) -> None:
    for _ in range(20):
        if peer.closed is None:
            await peer.send('{"type": "aside"}')
            await live.clock.advance(20)


async def reset(peer: Any) -> None:
    peer.reset()


async def many(peer: Any) -> None:
    for _ in range(30):
        if peer.closed is None:
            await peer.send('{"type": "aside"}')


live = live_by(MEMORY)


@pytest.fixture
def entries() -> list[Any]:
    return []


@pytest.fixture
def live_app(entries: list[Any]) -> App:
    limits = Limits(lifetime=300, idle=60, first_message=30, messages=Rate(10, per=1.0), message_bytes=1000)
    return watched(limits, entries.append)


# A handler that others wait for keeps what came behind it unread, so nothing there counts as sent. A client that waits
# for a handler is not idle.
@pytest.mark.parametrize(
    ("end", "doing"),
    [
        (end, doing)
        for end in ENDS
        for doing in ("nothing", "do", "aside")
        if (doing != "do" or end not in BEHIND) and (doing == "nothing" or end not in ("first message", "idle"))
    ],
)
async def test_once_by_our_server(live: Live, entries: list[Any], end: str, doing: str) -> None:
    code, bring_about = ENDS[end]
    peer = await live.connect("/")
    if end == "expiry":
        await peer.send('{"type": "do", "what": "expire"}')
        await peer.receive()
    if doing != "nothing":
        await peer.send(json.dumps({"type": doing, "what": "wait"}))
    await bring_about(peer, live)
    if end == "too large":
        await peer.expect_close(code)
    for _ in range(20_000):
        if entries[-1] == ("gone", code):
            break
        await asyncio.sleep(0)
    assert entries[0] == "came" and entries[-1] == ("gone", code)
    assert [entry for entry in entries if isinstance(entry, tuple)] == [("gone", code)]
    assert entries.count("stopped") == (doing != "nothing")


async def test_replies_wait_for_a_peer_that_reads_nothing(live: Live, live_app: App, entries: list[Any]) -> None:
    peer = await live.connect("/")
    peer.stall()
    await peer.send('{"type": "stream"}')
    given = -1
    while given != getattr(live_app.state, "given", 0):
        given = getattr(live_app.state, "given", 0)
        for _ in range(50):
            await asyncio.sleep(0)
    # What the transport holds before it tells us to stop, and one turn's sends.
    assert 1 <= given <= 200
    peer.reset()
    while not isinstance(entries[-1], tuple):
        await asyncio.sleep(0)
    assert entries == ["came", "stopped", ("gone", 1006)]
