"""What fuzzing finds: exceptions, hangs and leaks, each by its smallest example; nothing in what is sound."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Annotated, Any, Literal

import pytest
from hypothesis import find, settings
from hypothesis import strategies as st
from pydantic import BaseModel, Field, TypeAdapter

from wirefast import App, Depends, Header, HTTPException, Query, WebSocket
from wirefast.cli import main
from wirefast.rooms import Hub
from wirefast.testing import fuzz
from wirefast.testing.fuzzing import Broken
from wirefast.testing.strategies import broken, values_of
from wirefast.testing.targets import targets_of

EXAMPLES = Path(__file__).parents[2] / "examples"


class Order(BaseModel):
    type: Literal["order"]
    item: Annotated[str, Field(max_length=10)]
    pieces: Annotated[int, Field(ge=1, le=100)]


class Cancel(BaseModel):
    type: Literal["cancel"]
    number: int


def typed(say: Any) -> App:
    app = App(hub=Hub())
    shop = app.messages("/shop/{shop_id}")

    @shop.on
    async def order(message: Order, shop_id: int) -> None:
        await say(message)

    @shop.on
    async def cancel(message: Cancel) -> None: ...

    return app


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("wirefast.testing.fuzzing.SHRINK_SECONDS", 2.0)


async def nothing(message: Any) -> None: ...


def odd(number: Annotated[int, Query()]) -> int:
    return 1 // (number % 2)


def refuse() -> None:
    raise HTTPException(401)


async def messages(websocket: WebSocket) -> AsyncIterator[Any]:
    """What a client sends, text or bytes, until it leaves."""
    while (message := await websocket.receive())["type"] == "websocket.receive":
        yield message.get("text") or message.get("bytes") or b""


def test_an_application_that_is_sound() -> None:
    report = fuzz(typed(nothing), examples=25, seed=1)
    assert report.messages["/shop/{shop_id}"] > 20 and report.unopened == []
    assert "nothing broke" in str(report) and "/shop/{shop_id}: 2" in str(report)


def test_an_exception_is_found_by_its_smallest_example() -> None:
    async def say(message: Order) -> None:
        if message.pieces > 50:
            raise LookupError("not so many")

    with pytest.raises(Broken) as found:
        fuzz(typed(say), examples=100, seed=1)
    text = str(found.value)
    assert "LookupError: not so many" in text and "an exception:" in text
    assert "await peer.send_frame(" in text and '"type": "order"' in text


def test_an_exception_of_the_handshake_is_found() -> None:
    app = App()

    @app.websocket("/")
    async def endpoint(
        websocket: WebSocket, number: Annotated[int, Depends(odd)], x_name: Annotated[str, Header()]
    ) -> None:
        await websocket.accept()

    with pytest.raises(Broken, match="ZeroDivisionError"):
        fuzz(app, examples=30, seed=1)


def test_a_hang_is_found() -> None:
    app = App()

    @app.websocket("/")
    async def endpoint(websocket: WebSocket) -> None:
        if websocket.query_params.get("never"):
            await asyncio.sleep(3600)
        await asyncio.sleep(3600)

    with pytest.raises(Broken, match="a hang: the handshake was not answered"):
        fuzz(app, examples=3, answer_within=0.05, seed=1)


def test_a_leak_is_found() -> None:
    app, tasks = App(), []

    @app.websocket("/")
    async def endpoint(websocket: WebSocket) -> None:
        await websocket.accept()
        async for data in messages(websocket):
            tasks.append(asyncio.create_task(asyncio.sleep(3600), name=f"forgotten {len(data)}"))

    with pytest.raises(Broken, match="a leak: a task: sleep .forgotten"):
        fuzz(app, examples=5, seed=1)


def test_who_refuses_everybody_is_named() -> None:
    app = App()

    @app.websocket("/secret")
    async def endpoint(websocket: WebSocket, _: Annotated[None, Depends(refuse)]) -> None:
        await websocket.accept()

    report = fuzz(app, examples=5)
    assert report.unopened == ["/secret"]
    assert "/secret has refused every handshake: give headers=, token= or acting=" in str(report)
    assert fuzz(app, examples=5, acting={refuse: None}).unopened == []


def test_what_is_no_target_is_refused() -> None:
    with pytest.raises(ValueError, match="no WebSocket route"):
        fuzz(App(), examples=1)
    with pytest.raises(ValueError, match="there is no WebSocket route /x; there are /shop/{shop_id}"):
        fuzz(typed(nothing), examples=1, routes=["/x"])

    async def inside() -> None:
        with pytest.raises(RuntimeError, match="a loop runs here already"):
            fuzz(typed(nothing), examples=1)

    asyncio.run(inside())


def test_routes_of_routers_and_mounts_are_targets() -> None:
    app = App()
    app.mount("/below", typed(nothing))
    assert [target.path for target in targets_of(app)] == ["/below/shop/{shop_id}"]
    assert targets_of(app)[0].typed


@pytest.mark.parametrize(
    "annotation",
    [
        Order,
        Order | Cancel,
        list[Annotated[int, Field(gt=3, le=9)]],
        dict[str, Order],
        Annotated[str, Field(min_length=3, max_length=5)],
        Annotated[str, Field(pattern=r"^[a-f]{2}$")],
        Annotated[float, Field(ge=0, lt=1)],
        tuple[int, str],
        Literal["a", 1] | None,
    ],
)
def test_values_of_a_schema_are_valid(annotation: Any) -> None:
    adapter = TypeAdapter(annotation)
    values = values_of(adapter.json_schema())

    def is_invalid(value: Any) -> bool:
        try:
            adapter.validate_python(value)
        except ValueError:
            return True
        return False

    with pytest.raises(Exception, match="No examples found"):
        print(find(values, is_invalid, settings=settings(max_examples=60, database=None)))


def test_broken_messages_are_broken_in_every_way() -> None:
    seen = set()
    nearly = broken(st.fixed_dictionaries({"type": st.just("order"), "item": st.text(), "pieces": st.integers()}))
    for wanted in (
        lambda text: text.startswith(b"[["),
        lambda text: b"ud800" in text,
        lambda text: b"order" not in text,
    ):
        seen.add(find(nearly, wanted)[:10])
    assert len(seen) == 3


def test_the_command(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "path", list(sys.path))
    assert main(["fuzz", str(EXAMPLES / "typed_chat.py"), "--seconds", "0.3", "--seed", "1"]) == 0
    assert "connections in" in capsys.readouterr().out
    broken_app = str(Path(__file__).with_name("scenes_app.py")) + ":make_app"
    assert main(["fuzz", broken_app, "--factory", "--seconds", "5", "--route", "/raises"]) == 1
    assert "LookupError: a mistake" in capsys.readouterr().out
    assert main(["fuzz", broken_app, "--factory", "--route", "/x"]) == 2
    assert "there is no WebSocket route /x" in capsys.readouterr().err
    assert main(["fuzz", broken_app, "--header", "x"]) == 2
    assert "has no colon" in capsys.readouterr().err
