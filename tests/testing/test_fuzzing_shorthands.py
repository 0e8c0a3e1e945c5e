"""``fuzz`` over listeners and streams: what they take is sent, what they raise is found, what is sound is not."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Annotated, Literal

import pytest
from pydantic import BaseModel, Field

from wirefast import App
from wirefast.testing import Broken, fuzz
from wirefast.testing.targets import targets_of


class Order(BaseModel):
    type: Literal["order"]
    item: Annotated[str, Field(max_length=10)]
    pieces: Annotated[int, Field(ge=1, le=100)]


def shop(most: int) -> App:
    app = App()

    @app.websocket_listener("/orders/{shop_id}")
    async def order(data: Order, shop_id: int) -> Order:
        if data.pieces > most:
            raise LookupError("not so many")
        return data

    @app.websocket_listener("/plain")
    async def shout(data: str) -> str:
        return data.upper()

    return app


def ticking(most: int) -> App:
    app = App()

    @app.websocket_stream("/ticks/{count}")
    async def ticks(count: int) -> AsyncIterator[int]:
        for number in range(min(count, 3)):
            yield number
        if count > most:
            raise LookupError("not so many")

    @app.websocket_stream("/forever")
    async def forever() -> AsyncIterator[int]:
        while True:
            yield 1
            await asyncio.sleep(0.001)

    return app


def test_what_a_listener_takes_is_known() -> None:
    typed = {target.path: target.typed for target in targets_of(shop(100))}
    assert typed == {"/orders/{shop_id}": True, "/plain": False}


@pytest.mark.parametrize("app", [shop(100), ticking(10**400)], ids=["listeners", "streams"])
def test_what_is_sound_stays_whole(app: App) -> None:
    report = fuzz(app, examples=12, seed=1)
    assert report.unopened == [] and len(report.connections) == 2


@pytest.mark.parametrize(("app", "path"), [(shop(5), "/orders/{shop_id}"), (ticking(50), "/ticks/{count}")])
def test_what_they_raise_is_found(app: App, path: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("wirefast.testing.fuzzing.SHRINK_SECONDS", 1.0)
    with pytest.raises(Broken, match="LookupError: not so many") as found:
        # The examples of a seed differ between versions of Python. Half as many miss the order with one seed in 32.
        fuzz(app, examples=600, seed=1)
    assert found.value.path == path
