"""What a client sent can always be repeated to it: lone surrogates, NaN, depth, on every way out."""

import asyncio
import json
from typing import Annotated, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel

from asgi import Client, websocket_scope
from memory import accepted
from wirefast import App, Body, HTTPException, WebSocket, WebSocketException
from wirefast._core.fanout import make_message
from wirefast._core.json import dumps, loads
from wirefast._core.unicode import utf8, well_formed
from wirefast.responses import HTMLResponse, PlainTextResponse
from wirefast.sse import format_sse_event
from wirefast.testclient import TestClient

HALF = "\ud83d"


class Model(BaseModel):
    number: int


@pytest.mark.parametrize(
    "text, right",
    [
        (HALF, "\ufffd"),
        ("\ude00", "\ufffd"),
        (HALF + "\ude00", "😀"),
        ("a\ude00" + HALF + "b", "a\ufffd\ufffdb"),
        ("é", "é"),
    ],
)
def test_the_rule(text, right):
    assert well_formed(text) == right
    assert utf8(text) == right.encode()
    assert loads(dumps([text, {text: 1}])) == [right, {right: 1}]
    assert make_message(text).asgi() == {"type": "websocket.send", "text": right}
    assert make_message([text]).asgi() == {"type": "websocket.send", "text": json.dumps([right], ensure_ascii=False)}
    assert format_sse_event(data_str=text) == f"data: {right}\n\n".encode()


@given(st.text(st.characters()))
def test_always_utf_8(text):
    assert utf8(text).decode() == well_formed(text)


@pytest.mark.parametrize("ours", [True, False])
@pytest.mark.parametrize("way", ["text", "json", "binary json", "refusal", "HTTPException"])
def test_sockets(ours, way):
    async def endpoint(websocket: WebSocket):
        await websocket.accept()
        if way == "text":
            await websocket.send_text(HALF)
        elif way == "refusal":
            raise WebSocketException(4000, HALF)
        elif way == "HTTPException":
            raise HTTPException(403, HALF)
        else:
            await websocket.send_json(HALF, mode="binary" if way == "binary json" else "text")

    app = App()
    app.websocket("/")(endpoint)

    async def on_ours():
        async with accepted(app) as peer:
            while not peer.frames:
                await asyncio.sleep(0)
            return peer.frames[0][1]

    if ours:
        sent = asyncio.run(on_ours())
    else:
        client = Client()
        asyncio.run(app(websocket_scope("/"), client.receive, client.send))
        message = client.sent[1]
        if way == "refusal":  # Starlette's handler; the server's part is in the case above
            return
        text = message.get("text") or message.get("reason") or message.get("bytes").decode()
        sent = text.encode()
    assert "\ufffd".encode() in sent or way == "refusal"


app = App()


@app.post("/any")
async def any_json(value: Annotated[Any, Body()]):
    return value


@app.post("/dict")
async def dict_json(value: dict[str, Any]) -> dict[str, Any]:
    return value


@app.post("/model")
async def model(value: Model):
    return value


@app.post("/text", response_class=PlainTextResponse)
async def text(value: Annotated[Any, Body()]):
    return value


@app.post("/html", response_class=HTMLResponse)
async def html(value: Annotated[Any, Body()]):
    return value


@app.post("/error")
async def error(value: Annotated[Any, Body()]):
    raise HTTPException(400, value)


client = TestClient(app)
JSON = {"content-type": "application/json"}


@pytest.mark.parametrize(
    "path, body, status, answer",
    [
        ("/any", r'["\ud83d", NaN, -Infinity]', 200, '["\ufffd",null,null]'),
        ("/dict", r'{"a": "\ud83d"}', 200, '{"a":"\ufffd"}'),
        ("/text", r'"\ud83d"', 200, "\ufffd"),
        ("/html", r'"\ud83d"', 200, "\ufffd"),
        ("/error", r'["\ud83d", NaN]', 400, '{"detail":["\ufffd",null]}'),
    ],
)
def test_http(path, body, status, answer):
    response = client.post(path, content=body, headers=JSON)
    assert (response.status_code, response.text) == (status, answer)


@pytest.mark.parametrize("body", [r'{"number": "\ud83d"}', '{"number": NaN}', "NaN", r'{"\ud83d": 1}', r'"\ud83d"'])
def test_a_validation_error_is_always_a_422(body):
    response = client.post("/model", content=body, headers=JSON)
    assert response.status_code == 422 and response.json()["detail"]


@pytest.mark.parametrize("path", ["/any", "/model", "/dict", "/error"])
@pytest.mark.parametrize("depth", [100, 253, 254, 255, 332, 500, 900, 979, 1000, 1020, 1023, 1100, 100_000])
def test_depth_over_http(path, depth):
    response = client.post(path, content='{"a":' + "[" * depth + "]" * depth + "}", headers=JSON)
    right = {"/any": 200, "/model": 422, "/dict": 200, "/error": 400}[path]
    assert response.status_code == right if depth < 1024 else response.status_code == 400


def nested(depth):
    value = 1
    for _ in range(depth):
        value = [value]
    return value


@pytest.mark.parametrize("depth", [253, 254, 255, 900, 975, 1000, 1023, 1024])
@pytest.mark.parametrize("leaf", [1, HALF, {1: float("nan")}, 2**80])
def test_what_was_received_can_be_sent(depth, leaf):
    value = leaf
    for _ in range(depth - isinstance(leaf, dict)):
        value = [value]
    assert dumps(value).startswith(b"[" * (depth - 1))


@pytest.mark.parametrize("stack", [0, 500, 900])
def test_from_deep_in_the_stack(stack):
    def call(left):
        return dumps(nested(1000)) if left == 0 else call(left - 1)

    assert call(stack).count(b"[") == 1000


def test_too_deep_or_circular_is_a_value_error():
    circular: list[Any] = []
    circular.append(circular)
    for value in (circular, nested(100_000)):
        with pytest.raises(ValueError, match="Circular|deeper than 1040"):
            dumps(value)
