"""Over ASGI, what is read while a handler waits has bounds, and the end behind it is seen."""

import asyncio
from typing import Any

import pytest

from asgi import websocket_scope
from wirefast import App
from wirefast._core.message_reader import AHEAD_BYTES, AHEAD_MESSAGES
from wirefast.messages import Disconnect


class Server:
    """Gives one message after the other for ever, each ``size`` bytes long, until ``last`` were given; then the end."""

    def __init__(self, size: int, last: int = 10**9) -> None:
        self.text = '{"ref": 1, "x": "' + "x" * (size - 19) + '"}'
        self.last = last
        self.given = 0
        self.sent: list[Any] = []
        self.begun = False

    async def receive(self) -> Any:
        if not self.begun:
            self.begun = True
            return {"type": "websocket.connect"}
        if self.given == self.last:
            return {"type": "websocket.disconnect", "code": 4000}
        self.given += 1
        return {"type": "websocket.receive", "text": self.text}

    async def send(self, message: Any) -> None:
        self.sent.append(message)


def serve(server: Server) -> list[Any]:
    """What happened in a handler that waits until nothing more can be read, or is cancelled."""
    seen: list[Any] = []
    app = App()
    room = app.messages("/")

    @room.on
    async def text(message: str) -> None:
        given = -1
        try:
            while given != server.given:
                given = server.given
                for _ in range(20):
                    await asyncio.sleep(0)
        except asyncio.CancelledError:
            seen.append("cancelled")
            raise
        seen.append(server.given)
        raise RuntimeError

    @room.on_disconnect
    async def left(end: Disconnect) -> None:
        seen.append(end.code)

    async def main() -> None:
        task = asyncio.create_task(app(websocket_scope(), server.receive, server.send))
        while not seen:
            await asyncio.sleep(0)
        task.cancel()
        await asyncio.wait([task])

    asyncio.run(main())
    return seen


@pytest.mark.parametrize(
    ("size", "read"), [(100, AHEAD_MESSAGES), (AHEAD_BYTES // 4, 4), (AHEAD_BYTES, 1), (AHEAD_BYTES - 1, 2)]
)
def test_no_more_is_read_than_the_bounds(size: int, read: int) -> None:
    assert serve(Server(size))[0] == 1 + read


@pytest.mark.parametrize("last", range(1, AHEAD_MESSAGES + 1))
def test_an_end_within_the_bounds_is_seen(last: int) -> None:
    assert serve(Server(100, last)) == ["cancelled", 4000]
