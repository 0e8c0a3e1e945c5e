"""``in_flight``: so many handlers of one socket run at once, and then the peer is held back."""

import asyncio
from typing import Literal

import pytest
from pydantic import BaseModel

from ways import REAL
from wirefast import App
from wirefast.testing import Live


class Work(BaseModel):
    type: Literal["work"] = "work"
    number: int
    padding: str = ""


class Done(BaseModel):
    number: int


class Gate:
    """Handlers that wait until they are let go, and what they did."""

    def __init__(self, app: App, in_flight: int) -> None:
        self.gates: dict[int, asyncio.Event] = {}
        self.running = self.most = 0
        room = app.messages("/", in_flight=in_flight)

        @room.on(concurrent=True)
        async def work(message: Work) -> Done:
            gate = self.gates[message.number] = asyncio.Event()
            self.running += 1
            self.most = max(self.most, self.running)
            await gate.wait()
            self.running -= 1
            return Done(number=message.number)


@pytest.mark.parametrize("in_flight", [1, 2, 8])
async def test_no_more_run_than_may(app: App, live: Live, in_flight: int) -> None:
    gate, total = Gate(app, in_flight), in_flight + 5
    async with live.connect("/") as peer:
        for number in range(total):
            await peer.send(Work(number=number), ref=number)
        for number in range(total):
            begun = list(range(min(number + in_flight, total)))
            await live.until(lambda begun=begun: len(gate.gates) >= len(begun))
            # The next one begins when this one has ended, and not before: the others are all that run.
            assert list(gate.gates) == begun
            gate.gates[number].set()
            await peer.expect({"ref": number, "number": number})
    assert gate.most == in_flight


@pytest.mark.parametrize("live", [REAL], indirect=True)
async def test_the_peer_is_held_back(app: App, live: Live) -> None:
    """Once two run, what the peer sends stays in its own kernel after the bounds of ours; then all of it is read."""
    gate, total = Gate(app, 2), 300
    async with live.connect("/") as peer:
        await peer.send_all(*(Work(number=number, padding="x" * 70_000) for number in range(total)))
        await live.until(lambda: len(gate.gates) == 2)
        await peer.expect_nothing()
        assert peer.unsent > 70_000
        for number in range(total):
            await live.until(lambda number=number: number in gate.gates)
            gate.gates[number].set()
        await peer.expect_all(*[Done] * total)
    assert gate.most == 2 and peer.unsent == 0
