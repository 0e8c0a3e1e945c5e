"""What fuzzing finds: exceptions, hangs and leaks, each by its smallest example; nothing in what is sound."""

from __future__ import annotations

import asyncio
import re
import sys
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Annotated, Any, Literal

import pytest
from hypothesis import find, settings
from pydantic import BaseModel, Field, TypeAdapter

from wirefast import App, Cookie, Depends, Header, HTTPException, Query, WebSocket
from wirefast.cli import main
from wirefast.rooms import Hub
from wirefast.security import APIKeyQuery, HTTPBasic, HTTPBearer
from wirefast.testing import Broken, fuzz, live
from wirefast.testing.fuzzing import Example
from wirefast.testing.steps import Part, Step, message
from wirefast.testing.strategies import values_of
from wirefast.testing.targets import Handshake, targets_of

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
    monkeypatch.setattr("wirefast.testing.fuzzing.SHRINK_SECONDS", 1.0)
    monkeypatch.setattr("wirefast.testing.watchdog.LOOK_EVERY", 0.05)
    monkeypatch.setattr("wirefast.testing.fuzzing.STANDS_STILL", 0.3)


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
    assert report.messages["/shop/{shop_id}"] > 10 and report.unopened == []
    assert "nothing broke" in str(report) and "/shop/{shop_id}: 2" in str(report)


def test_an_exception_is_found_by_its_smallest_example() -> None:
    async def say(message: Order) -> None:
        if message.pieces > 50:
            raise LookupError("not so many")

    with pytest.raises(Broken) as found:
        fuzz(typed(say), examples=100, seed=1)
    text = str(found.value)
    assert "LookupError: not so many" in text and "an exception:" in text
    assert "test_fuzzing.py" in text and "in say" in text  # where it was raised
    assert "/shop/{shop_id} breaks; seed 1" in text and found.value.path == "/shop/{shop_id}"
    assert found.value.code.count("await peer.send(") == 1 and '"type": "order"' in found.value.code


def test_an_exception_of_the_handshake_is_found() -> None:
    app = App()

    @app.websocket("/")
    async def endpoint(
        websocket: WebSocket, number: Annotated[int, Depends(odd)], x_name: Annotated[str, Header()]
    ) -> None:
        await websocket.accept()

    with pytest.raises(Broken, match="ZeroDivisionError"):
        fuzz(app, examples=30, seed=1)


def test_a_hang_of_the_handshake_is_found() -> None:
    app = App()

    @app.websocket("/")
    async def endpoint(websocket: WebSocket) -> None:
        await asyncio.sleep(3600)

    with pytest.raises(Broken, match="a hang: the handshake was not answered"):
        fuzz(app, examples=3, answer_within=0.05, seed=1)


def test_a_handler_that_does_not_end_is_found_and_where() -> None:
    app = App()

    @app.websocket("/")
    async def endpoint(websocket: WebSocket) -> None:
        await websocket.accept()
        await asyncio.Event().wait()

    with pytest.raises(
        Broken, match="a hang: the handler of /, at .*test_fuzzing.py:[0-9]+ in endpoint, has not ended"
    ):
        # Longer than a busy machine keeps a loop from running.
        fuzz(app, examples=1, answer_within=1.0, seed=1)


@pytest.mark.parametrize("blocked", ["while True: pass", "time.sleep(3600)", "re.match('(a+)+$', 'a' * 64 + 'b')"])
def test_code_that_keeps_the_loop_is_found_and_where(blocked: str) -> None:
    app, namespace = App(), {"time": time, "re": re}
    exec(f"def stand_still():\n    {blocked}", namespace)

    @app.websocket("/")
    async def endpoint(websocket: WebSocket) -> None:
        await websocket.accept()
        async for data in messages(websocket):
            if len(data) > 2:
                namespace["stand_still"]()

    with pytest.raises(Broken, match="a hang: the event loop stood still for 0.3 s in") as found:
        fuzz(app, examples=20, answer_within=0.1, seed=1)
    assert "in stand_still" in found.value.wrong and "in endpoint" in found.value.wrong


def test_a_leak_is_found() -> None:
    app, tasks = App(), []

    @app.websocket("/")
    async def endpoint(websocket: WebSocket) -> None:
        await websocket.accept()
        async for data in messages(websocket):
            tasks.append(asyncio.create_task(asyncio.sleep(3600), name=f"forgotten {len(data)}"))

    with pytest.raises(Broken, match="a leak: a task: sleep .forgotten"):
        fuzz(app, examples=5, seed=1)


def test_what_a_forgotten_task_raises_is_found() -> None:
    app = App()

    async def fail() -> None:
        raise LookupError("in the background")

    @app.websocket("/")
    async def endpoint(websocket: WebSocket) -> None:
        await websocket.accept()
        asyncio.ensure_future(fail())

    with pytest.raises(Broken, match="LookupError: in the background"):
        fuzz(app, examples=5, seed=1)


class Paging(BaseModel):
    page: Annotated[int, Field(ge=1)] = 1
    tags: list[str] = []


@pytest.mark.parametrize(
    ("annotation", "fails"),
    [
        (Annotated[Paging, Query()], lambda found: found.page > 9),
        (Annotated[Paging, Query()], lambda found: len(found.tags) > 1),
        (Annotated[str, Cookie()], lambda found: "%" in found),
        (Annotated[str, Header()], lambda found: len(found) > 2000),
        (Annotated[Any, Depends(HTTPBearer())], lambda found: found.credentials.isdigit()),
        (Annotated[Any, Depends(HTTPBasic())], lambda found: found.username.isdigit()),
        (Annotated[Any, Depends(APIKeyQuery(name="key"))], lambda found: "x" not in found),
    ],
    ids=["query", "list", "cookie", "header", "bearer", "basic", "key"],
)
def test_parameters_and_credentials_are_sent(annotation: Any, fails: Any) -> None:
    async def endpoint(websocket: WebSocket, found: Any) -> None:
        await websocket.accept()
        if fails(found):
            raise LookupError("found")

    endpoint.__annotations__ = {"websocket": WebSocket, "found": annotation}
    app = App()
    app.websocket("/")(endpoint)
    with pytest.raises(Broken, match="LookupError: found"):
        fuzz(app, examples=400, seed=1)


@pytest.mark.filterwarnings("ignore:Generating overly large repr")
@pytest.mark.parametrize(
    "shows",
    [
        lambda step: len(step.parts) == 3 and step.parts[1].opcode == 0 and step.parts[2].fin,
        lambda step: any(part.opcode == 9 for part in step.parts[1:]),
        lambda step: [part.opcode for part in step.parts][:1] == [8] and len(step.parts) == 2,
        lambda step: any(part.mask is None for part in step.parts),
        lambda step: any(part.rsv for part in step.parts),
        lambda step: any(part.opcode in (3, 11) for part in step.parts),
        lambda step: any(part.opcode == 1 and b"\xff" in part.data for part in step.parts),
        lambda step: any(len(part.data) > 65535 for part in step.parts),
        lambda step: any(part.data.startswith(b"[[[[") for part in step.parts),
        lambda step: any(b"ud800" in part.data for part in step.parts),
        lambda step: step.raw.startswith(b"\x81\xff\x7f"),
        lambda step: step.times == 50,
        lambda step: step.parts[:1] and step.parts[0].opcode == 2 and step.parts[0].data.startswith(b"{"),
    ],
    ids="fragments ping after_close unmasked reserved opcode utf8 long deep surrogate endless flood binary".split(),
)
def test_each_way_to_go_wrong_is_sent(shows: Any) -> None:
    (target,) = targets_of(typed(nothing))
    find(target.steps, shows, settings=settings(max_examples=20_000, database=None))


@pytest.mark.parametrize(
    "shows",
    ["Sec-WebSocket-Key", "Origin", "Sec-WebSocket-Protocol", "Sec-WebSocket-Extensions", "Content-Length", "%zz"],
)
def test_each_odd_handshake_is_sent(shows: str) -> None:
    (target,) = targets_of(typed(nothing))
    find(
        target.handshakes,
        lambda handshake: shows in repr(handshake),
        settings=settings(max_examples=5_000, database=None),
    )


def test_the_test_that_is_printed_shows_the_same() -> None:
    app = App()

    @app.websocket("/")
    async def endpoint(websocket: WebSocket) -> None:
        await websocket.accept()
        sizes = [len(data) async for data in messages(websocket)]
        if sum(sizes) >= 70_000 and len(sizes) == 2:
            raise LookupError("two of them")

    step = Step((Part(1, b"x" * 70_000), Part(0, b"y")), times=2)
    example = Example(targets_of(app)[0], Handshake("/"), (step, message(2, b"\xff")), "close")
    assert len(example.code("live")) < 500
    namespace: dict[str, Any] = {}
    wrong = Step((Part(1, b"x" * 70_000, fin=False), Part(0, b"y")))
    exec(Example(targets_of(app)[0], Handshake("/"), (wrong, message(2, b"\xff")), "close").code("live"), namespace)

    async def run() -> None:
        async with live(app) as server:
            await namespace["test_it"](server)

    with pytest.raises(LookupError, match="two of them"):
        asyncio.run(run())


def test_who_refuses_everybody_is_named() -> None:
    app = App()

    @app.websocket("/secret")
    async def endpoint(websocket: WebSocket, _: Annotated[None, Depends(refuse)]) -> None:
        await websocket.accept()

    report = fuzz(app, examples=5)
    assert report.unopened == ["/secret"]
    assert "/secret has refused every handshake: give headers=, token=, query= or acting=" in str(report)
    assert fuzz(app, examples=5, acting={refuse: None}).unopened == []


TOKEN_IN_QUERY = """
from wirefast import App, WebSocket, WebSocketException

app = App()

async def opened(websocket: WebSocket, token: str | None = None):
    if token != "s&cret":
        raise WebSocketException(1008)
    await websocket.accept()
    async for _ in websocket.iter_text():
        pass

app.add_api_websocket_route("/one", opened)
app.add_api_websocket_route("/two", opened)

@app.websocket("/open")
async def anybody(websocket: WebSocket):
    await websocket.accept()
"""


def test_the_command_opens_by_the_query(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "path", list(sys.path))
    (tmp_path / "token_in_query.py").write_text(TOKEN_IN_QUERY)
    command = ["fuzz", str(tmp_path / "token_in_query.py"), "--seconds", "0.3", "--seed", "1"]
    both = ["--route", "/one", "--route", "/two"]
    assert main([*command, *both]) == 3
    told = capsys.readouterr()
    for path in ("/one", "/two"):
        assert f"{path} has refused every handshake: give --header, --token or --query\n" in told.out
    assert told.err == "wirefast: error: every handshake was refused, so no message was sent\n"
    assert main(command) == 0  # one route was opened
    assert "refused every handshake" in capsys.readouterr().out
    assert main([*command, *both, "--query", "token=s&cret"]) == 0
    assert "refused every handshake" not in capsys.readouterr().out
    assert main([*command, "--query", "token"]) == 2
    assert "--query 'token' has no equals sign; write name=value" in capsys.readouterr().err


def test_parameters_of_the_query_are_in_the_example() -> None:
    app = App()

    @app.websocket("/")
    async def endpoint(websocket: WebSocket, token: str, number: int = 0) -> None:
        await websocket.accept()
        if token == "s&cret":
            raise LookupError("found")

    with pytest.raises(Broken) as broken:
        fuzz(app, examples=50, seed=1, query={"token": "s&cret"})
    assert "connect('/?token=s%26cret')" in broken.value.code


def test_what_is_no_target_is_refused() -> None:
    with pytest.raises(ValueError, match="no WebSocket route"):
        fuzz(App(), examples=1)
    with pytest.raises(ValueError, match="need the wire; leave out mode="):
        fuzz(typed(nothing), examples=1, mode="asgi")
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
