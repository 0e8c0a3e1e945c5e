"""The page of scope keys, and what is injected from the scope by its class alone."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated, Any

import pytest

from wirefast import App, Depends, Query, Request, WebSocket
from wirefast._core import scope as keys
from wirefast._core.scope import FromScope
from wirefast.testclient import TestClient

SOURCE = Path(__file__).parents[2] / "src" / "wirefast"
KEYS = {name: value for name, value in vars(keys).items() if name.isupper()}


class Counters(FromScope):
    scope_key = "tests.counters"
    scope_advice = "WithCounters(app)"

    def __init__(self) -> None:
        self.connections = 0


class SpecialCounters(Counters): ...


class WithCounters:
    """A middleware is one way to put an object into the scope; an application's own ``__call__`` is another."""

    def __init__(self, app: Any, counters: Counters) -> None:
        self.app, self.counters = app, counters

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        await self.app(scope | {Counters.scope_key: self.counters}, receive, send)


app = App()


def count(counters: Counters) -> int:
    counters.connections += 1
    return counters.connections


@app.websocket("/socket")
async def socket(websocket: WebSocket, mine: Counters, same: SpecialCounters, number: int = Depends(count)) -> None:
    assert mine is same
    await websocket.accept()
    await websocket.send_json([mine.connections, number])


@app.get("/page")
async def page(request: Request, mine: Counters, number: Annotated[int, Depends(count)]) -> Any:
    return [mine.connections, number]


@app.websocket_listener("/listener")
async def listener(message: str, mine: Counters, again: SpecialCounters) -> Any:
    assert mine is again
    return f"{message} {mine.connections}"


def test_an_object_of_the_scope_is_injected_by_its_class() -> None:
    counters = SpecialCounters()
    client = TestClient(WithCounters(app, counters))
    with client.websocket_connect("/socket") as websocket:
        assert websocket.receive_json() == [1, 1]
    assert client.get("/page").json() == [2, 2]
    with client.websocket_connect("/listener") as websocket:
        websocket.send_text("hello")
        assert websocket.receive_text() == "hello 2"


@pytest.mark.parametrize("path", ["/socket", "/listener"])
def test_an_application_without_it_says_so(path: str) -> None:
    advice = "asks for a Counters, but the application has none; give it one: WithCounters"
    with pytest.raises(RuntimeError, match=advice), TestClient(app).websocket_connect(path):
        pass


def test_it_is_no_parameter() -> None:
    async def wrong(counters: Annotated[Counters, Query()]) -> None: ...

    with pytest.raises(AssertionError, match="Cannot specify FastAPI annotation for type"):
        App().get("/")(wrong)


def test_keys_stand_on_their_page_alone() -> None:
    assert len(KEYS) > 6 and len(set(KEYS.values())) == len(KEYS)
    literal = re.compile(
        "|".join(rf"\"{re.escape(key)}\"" for key in KEYS.values() if key not in ("fastapi", "wirefast"))
    )
    found = [
        f"{path.relative_to(SOURCE)}:{number}: {line.strip()}"
        for path in sorted([*SOURCE.rglob("*.py"), *SOURCE.rglob("*.pyx")])
        if path != SOURCE / "_core" / "scope.py"
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1)
        if literal.search(line)
    ]
    assert not found
