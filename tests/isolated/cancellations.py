"""Connections that are cancelled, at every await where they can be; over ASGI messages and over our protocol.

In the test suite this is short. The long form, 100,000 cancellations each way::

    WIREFAST_ERRORS_COUNT=100000 python tests/isolated/cancellations.py
"""

import asyncio
import logging
import os
from typing import Annotated, Any

from leaks import check

from asgi import Client
from memory import Memory
from wirefast import App, Depends, WebSocket

COUNT = int(os.environ.get("WIREFAST_ERRORS_COUNT", "300"))

app = App()


class Broken(Exception):
    """Nobody handles it."""


class Endless(Exception):
    """Its handler never ends."""


async def cleaning() -> Any:
    try:
        yield
    finally:
        await asyncio.sleep(0)


class Stop:
    """Where things wait for ever; ``arrived`` counts."""

    arrived = 0

    async def __call__(self) -> Any:
        self.arrived += 1
        return await asyncio.get_running_loop().create_future()


stop = Stop()


async def stops_entering() -> Any:
    await stop()
    yield


async def stops_leaving() -> Any:
    yield
    await stop()


async def stops_at_both_ends() -> Any:
    try:
        yield
    finally:
        await asyncio.sleep(0)
        await stop()


@app.exception_handler(Endless)
async def stops_handling(websocket: WebSocket, exc: Endless) -> None:
    await stop()


Stopped = Annotated[Any, Depends(stop)]
Entering = Annotated[Any, Depends(stops_entering)]
Leaving = Annotated[Any, Depends(stops_leaving)]
BothEnds = Annotated[Any, Depends(stops_at_both_ends)]
Cleaned = Annotated[Any, Depends(cleaning)]


@app.websocket("/cancel/dependency")
async def in_dependency(websocket: WebSocket, cleaned: Cleaned, stopped: Stopped) -> None:
    raise AssertionError


@app.websocket("/cancel/entry")
async def in_entry(websocket: WebSocket, cleaned: Cleaned, entering: Entering) -> None:
    raise AssertionError


@app.websocket("/cancel/exit")
async def in_exit(websocket: WebSocket, cleaned: Cleaned, leaving: Leaving) -> None:
    await websocket.accept()


@app.websocket("/cancel/error-exit")
async def in_error_exit(websocket: WebSocket, cleaned: Cleaned, leaving: BothEnds) -> None:
    await websocket.accept()
    raise Broken


@app.websocket("/cancel/exception-handler")
async def in_exception_handler(websocket: WebSocket, cleaned: Cleaned) -> None:
    raise Endless


@app.websocket("/cancel/handler")
async def in_handler(websocket: WebSocket, cleaned: Cleaned) -> None:
    await websocket.accept()
    await stop()


@app.websocket("/cancel/messages")
async def in_messages(websocket: WebSocket, cleaned: Cleaned) -> None:
    """Over ASGI the client stops one of these calls; over our protocol the last one waits."""
    await websocket.accept()
    await websocket.receive_text()
    await websocket.send_json(await websocket.receive_json())
    await websocket.send_text("x" * 100)
    stop.arrived += 1
    await websocket.receive()


@app.websocket("/cancel/drain")
async def in_drain(websocket: WebSocket, cleaned: Cleaned) -> None:
    await websocket.accept()
    await websocket.receive_text()
    stop.arrived += 1
    while True:
        await websocket.send_text("x" * 100)


class Stopping(Client):
    """Its n-th receive or send never ends."""

    def __init__(self, call: int, waits: bool) -> None:
        super().__init__("text", "[1]", "more", waits=waits)
        self.calls_left = call

    async def called(self) -> None:
        self.calls_left -= 1
        if self.calls_left < 0:
            await stop()

    async def receive(self) -> Any:
        await self.called()
        return await super().receive()

    async def send(self, message: Any) -> None:
        await self.called()
        await super().send(message)


#: The path, and for an ASGI client which of its calls is the one that never ends.
CANCELLED = [
    *((f"/cancel/{where}", 1000) for where in ("dependency", "entry", "exit", "error-exit")),
    *((f"/cancel/{where}", 1000) for where in ("exception-handler", "handler")),
    *(("/cancel/messages", call) for call in range(6)),
]


async def cancel(task: "asyncio.Future[Any]", before: int) -> None:
    while stop.arrived == before:
        assert not task.done(), task
        await asyncio.sleep(0)
    task.cancel()
    try:
        await task
    except asyncio.CancelledError:
        return
    raise AssertionError("the cancellation was lost")


async def over_asgi(i: int) -> None:
    path, call = CANCELLED[i % len(CANCELLED)]
    before = stop.arrived
    await cancel(asyncio.ensure_future(Stopping(call, waits=i % 2 == 0).connect(app, path)), before)
    # The callback that brought us here holds the task that ended.
    await asyncio.sleep(0)


CANCELLED_HERE = sorted({path for path, _ in CANCELLED} | {"/cancel/drain"})


async def over_memory(i: int) -> None:
    path = CANCELLED_HERE[i % len(CANCELLED_HERE)]
    before = stop.arrived
    peer = memory.open(path)
    peer.send("text")
    if path == "/cancel/drain":
        peer.transport.protocol.pause_writing()
    peer.send("[1]")
    (task,) = memory.state.tasks
    while stop.arrived == before:
        assert not task.done(), path
        await asyncio.sleep(0)
    # What waits is one turn behind the count of some.
    await asyncio.sleep(0)
    task.cancel()
    await memory.settled(peer)
    assert (peer.status, peer.close_code) in ((101, 1012), (500, None)), (path, peer.transport.written)


if __name__ == "__main__":
    # The protocol logs what was cancelled.
    logging.getLogger("uvicorn.error").disabled = True
    memory = Memory(app)
    for work in (over_asgi, over_memory):
        check(work, COUNT, warm_up=100 + COUNT // 20)
