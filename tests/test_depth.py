"""One depth of JSON, 1,024 levels, in and out: by every reader and writer, whatever is at the bottom of it."""

import asyncio
import json
import threading
from collections.abc import AsyncIterator, Callable
from typing import Annotated, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel

from exchanges import respond
from memory import accepted
from wirefast import App, Body, HTTPException, WebSocket
from wirefast._core.fanout import make_message
from wirefast._core.json import dumps, loads, loads_deep
from wirefast.encoders import jsonable_encoder
from wirefast.responses import EventSourceResponse

DEEPEST = 1024
# By orjson; by the json module: NaN, an infinity, a long integer, half a pair, a number that orjson writes otherwise.
BOTTOMS = ["1", "NaN", "123456789012345678901234567890", r'"\ud83d"', "1e300", '{"_sa": 1}']
DEPTHS = [1, 254, 255, 500, 980, 1000, 1024]


def nested(depth: int, bottom: str = "1", key: bool = False) -> str:
    """JSON text of so many levels."""
    depth -= bottom.startswith("{")
    return ('{"a":' * depth + bottom + "}" * depth) if key else ("[" * depth + bottom + "]" * depth)


def levels(value: Any) -> int:
    count = 0
    while isinstance(value, (list, dict)):
        count += 1
        value = next(iter(value.values() if isinstance(value, dict) else value), None)
    return count


def in_a_thread(call: Callable[[], Any]) -> Any:
    results: list[Any] = []
    thread = threading.Thread(target=lambda: results.append(call()))
    thread.start()
    thread.join()
    return results[0]


def deep_in_the_stack(call: Callable[[], Any], frames: int = 700) -> Any:
    return call() if frames == 0 else deep_in_the_stack(call, frames - 1)


PLACES = {"here": lambda call: call(), "in a thread": in_a_thread, "deep in the stack": deep_in_the_stack}


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("bottom", BOTTOMS)
def test_what_is_read_can_be_written(bottom: str, place: str):
    for depth in DEPTHS[1:]:
        for key in (True, False):
            check_both_ways(depth, bottom, key, place)


def check_both_ways(depth: int, bottom: str, key: bool, place: str) -> None:
    def both() -> Any:
        value = loads(nested(depth, bottom, key))
        assert levels(value) == depth
        assert make_message(value).asgi()["text"].encode() == dumps(value)
        return dumps(value), dumps(jsonable_encoder(value))

    written, encoded = PLACES[place](both)
    assert levels(loads(written)) == depth
    assert levels(loads(encoded)) == depth


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("bottom", BOTTOMS)
@pytest.mark.parametrize("depth", [1025, 2000, 100_000])
def test_deeper_is_refused(depth: int, bottom: str, place: str):
    def read() -> None:
        with pytest.raises(json.JSONDecodeError):
            loads(nested(depth, bottom))

    PLACES[place](read)


JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
)


@given(JSON_VALUES, st.integers(0, 200), st.sampled_from(["", ",", "]", "}", "[", "{", '"', " ", "x", "1", ":", "\\"]))
def test_the_reader_without_a_stack_is_the_json_module(value: Any, at: int, change: str):
    text = json.dumps(value)
    for case in (text, json.dumps(value, indent=1), text[:at], text[:at] + change + text[at:], text[:at] + change):
        outcomes = []
        for read in (loads_deep, json.loads):
            try:
                outcomes.append(repr(read(case)))
            except json.JSONDecodeError:
                outcomes.append("refused")
        assert outcomes[0] == outcomes[1]


class Said(BaseModel):
    said: Any


class Node(BaseModel):
    a: "Node | int | None" = None


app = App()


@app.post("/any")
async def any_(value: Annotated[Any, Body()]):
    return value


@app.post("/typed")
async def typed(value: Annotated[Any, Body()]) -> Any:
    return value


@app.post("/list")
async def list_(value: list[Any]) -> list[Any]:
    return value


@app.post("/model", response_model=Said)
async def model(value: Annotated[Any, Body()]):
    return {"said": value}


@app.post("/untyped-model")
async def untyped_model(value: Annotated[Any, Body()]):
    return Said(said=value)


@app.post("/error")
async def error(value: Annotated[Any, Body()]):
    raise HTTPException(400, value)


@app.post("/invalid")
async def invalid(value: Said):
    return value


@app.post("/node")
async def node(value: Node) -> Node:
    return value


@app.post("/lines")
async def lines(value: Annotated[Any, Body()]) -> AsyncIterator[Any]:
    yield value


@app.post("/typed-lines")
async def typed_lines(value: Annotated[Any, Body()]) -> AsyncIterator[Said]:
    yield Said(said=value)


@app.post("/events", response_class=EventSourceResponse)
async def events(value: Annotated[Any, Body()]):
    yield value


STATUS = {"/error": 400, "/invalid": 422}
PATHS = [
    "/any",
    "/typed",
    "/list",
    "/model",
    "/untyped-model",
    "/error",
    "/invalid",
    "/lines",
    "/typed-lines",
    "/events",
]


def post(path: str, text: str, coding: str = "utf-8") -> Any:
    answer = respond(app, "POST", path, body=text.encode(coding), headers={"content-type": "application/json"})
    assert answer.raised is None
    return answer


@pytest.mark.parametrize("bottom", BOTTOMS)
@pytest.mark.parametrize("path", PATHS)
def test_over_http(path: str, bottom: str):
    for depth in DEPTHS:
        if path == "/list" and depth == 1 and bottom.startswith("{"):
            continue
        answer = post(path, nested(depth, bottom))
        assert answer.status == STATUS.get(path, 200), depth
        text = answer.body.decode().removeprefix("data: ")
        assert text.count("[") + text.count("{") >= depth


@pytest.mark.parametrize("coding", ["utf-8", "utf-16", "utf-32"])
@pytest.mark.parametrize("path", PATHS)
def test_deeper_over_http(path: str, coding: str):
    for bottom in BOTTOMS[:2]:
        for depth in (1025, 5000):
            assert post(path, nested(depth, bottom), coding).status in (400, 422)
    assert post(path, nested(DEEPEST), coding).status == STATUS.get(path, 200)


@pytest.mark.parametrize("depth", [254, 255, 1024, 1025])
def test_a_recursive_model(depth: int):
    """pydantic reads 254 models in each other; the rest is the client's error."""
    answer = post("/node", nested(depth, "1", True))
    assert answer.status == (200 if depth < 255 else 422 if depth <= DEEPEST else 400)


@pytest.mark.parametrize("mode", ["text", "binary"])
@pytest.mark.parametrize("bottom", BOTTOMS)
def test_over_sockets(mode: str, bottom: str):
    socket_app = App()
    outcomes: list[Any] = []

    @socket_app.websocket("/")
    async def endpoint(websocket: WebSocket) -> None:
        await websocket.accept()
        for _ in range(len(DEPTHS) + 1):
            try:
                value = await websocket.receive_json(mode=mode)  # type: ignore[arg-type]
            except json.JSONDecodeError:
                outcomes.append("refused")
            else:
                outcomes.append(levels(value))
                await websocket.send_json(value, mode=mode)  # type: ignore[arg-type]

    async def main() -> list[Any]:
        async with accepted(socket_app) as peer:
            for depth in (*DEPTHS, DEEPEST + 1):
                peer.send(nested(depth, bottom) if mode == "text" else nested(depth, bottom).encode())
            while len(outcomes) <= len(DEPTHS):
                await asyncio.sleep(0)
            while len(peer.frames) < len(DEPTHS):
                await asyncio.sleep(0)
            return [levels(loads(payload)) for _, payload in peer.frames[: len(DEPTHS)]]

    assert asyncio.run(main()) == DEPTHS
    assert outcomes == [*DEPTHS, "refused"]
