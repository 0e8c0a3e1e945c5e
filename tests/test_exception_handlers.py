"""`wirefast.exception_handlers`: FastAPI's answers over HTTP, and the reasons a WebSocket gets."""

import json
from collections.abc import Iterable
from typing import Any

import fastapi.exception_handlers as oracle
import pytest
import starlette.exceptions
from pydantic import BaseModel, TypeAdapter, ValidationError
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Message
from starlette.websockets import WebSocket, WebSocketState

from wirefast import exception_handlers as handlers
from wirefast.exceptions import HTTPException, RequestValidationError, WebSocketRequestValidationError

pytestmark = pytest.mark.anyio

MISSING = {"type": "missing", "loc": ("query", "q"), "msg": "Field required", "input": None}
MISSING_TEXT = '[{"type":"missing","loc":["query","q"],"msg":"Field required"}]'


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


class Peer:
    """A WebSocket over hand-made messages; what the application sends is in ``sent``."""

    def __init__(self, *, extensions: Any = None, subprotocols: Iterable[str] = (), gone: bool = False) -> None:
        self.sent: list[Message] = []
        self.gone = gone
        self.incoming: list[Message] = [{"type": "websocket.connect"}, {"type": "websocket.disconnect", "code": 1001}]
        scope = {
            "type": "websocket",
            "path": "/ws",
            "headers": [],
            "subprotocols": list(subprotocols),
            "extensions": extensions,
        }
        self.websocket = WebSocket(scope, self.receive, self.send)

    async def receive(self) -> Message:
        return self.incoming.pop(0)

    async def send(self, message: Message) -> None:
        if self.gone and message["type"] == "websocket.close":
            raise OSError("gone")
        self.sent.append(message)

    async def accepted(self) -> "Peer":
        await self.websocket.accept()
        self.sent.clear()
        return self


def close_message(reason: str) -> Message:
    return {"type": "websocket.close", "code": 1008, "reason": reason}


def request() -> Request:
    return Request({"type": "http", "method": "GET", "path": "/", "headers": []})


def shown(response: Response | None) -> tuple[int, list[tuple[bytes, bytes]], bytes]:
    assert response is not None
    return response.status_code, response.raw_headers, bytes(response.body)


@pytest.mark.parametrize(
    "exc",
    [
        HTTPException(404),
        HTTPException(401, {"why": [1]}, headers={"WWW-Authenticate": "Bearer"}),
        HTTPException(204, headers={"X-A": "b"}),
        HTTPException(304),
        starlette.exceptions.HTTPException(400, "no"),
    ],
    ids=repr,
)
async def test_http_exception_over_http(exc: Any) -> None:
    ours = await handlers.http_exception_handler(request(), exc)
    assert shown(ours) == shown(await oracle.http_exception_handler(request(), exc))


async def test_http_exception_refuses_a_handshake() -> None:
    peer = Peer(extensions={"websocket.http.response": {}})
    exc = HTTPException(401, "Not authenticated", headers={"WWW-Authenticate": "Bearer"})
    ours = await handlers.http_exception_handler(peer.websocket, exc)
    assert shown(ours) == shown(await oracle.http_exception_handler(request(), exc))
    assert peer.sent == []


@pytest.mark.parametrize(
    ("detail", "reason"),
    [
        ("no", "no"),
        (None, "Forbidden"),
        ("", ""),
        ({"why": ["é", 1]}, '{"why":["é",1]}'),
        ("x" * 200, "x" * 123),
        ("é" * 100, "é" * 61),
        ("a" * 122 + "€", "a" * 122),
        ("\ud800", "\ufffd"),
    ],
    ids=lambda value: str(value)[:12].encode("ascii", "replace").decode(),
)
async def test_http_exception_closes_an_open_socket(detail: Any, reason: str) -> None:
    peer = await Peer().accepted()
    exc = HTTPException(403, detail)
    assert await handlers.http_exception_handler(peer.websocket, exc) is None
    assert peer.sent == [close_message(reason)]
    assert peer.websocket.application_state is WebSocketState.DISCONNECTED


async def test_http_exception_after_close_says_nothing() -> None:
    peer = await Peer().accepted()
    await peer.websocket.close()
    peer.sent.clear()
    assert await handlers.http_exception_handler(peer.websocket, HTTPException(403)) is None
    assert peer.sent == []


async def test_request_validation() -> None:
    exc = RequestValidationError([MISSING])
    ours = await handlers.request_validation_exception_handler(request(), exc)
    theirs = await oracle.request_validation_exception_handler(request(), exc)  # type: ignore[arg-type]
    assert shown(ours) == shown(theirs)
    assert ours.status_code == 422


async def test_validation_before_accept() -> None:
    peer = Peer()
    exc = WebSocketRequestValidationError([MISSING])
    await handlers.websocket_request_validation_exception_handler(peer.websocket, exc)
    assert peer.sent == [close_message(MISSING_TEXT)]

    theirs = Peer()
    await oracle.websocket_request_validation_exception_handler(theirs.websocket, exc)  # type: ignore[arg-type]
    (their_close,) = theirs.sent
    for error in their_close["reason"]:
        del error["input"]
    assert json.loads(peer.sent[0]["reason"]) == their_close["reason"]
    assert their_close["code"] == 1008


async def test_validation_before_accept_is_not_cut() -> None:
    peer = Peer()
    await handlers.websocket_request_validation_exception_handler(
        peer.websocket, WebSocketRequestValidationError([MISSING] * 5)
    )
    assert json.loads(peer.sent[0]["reason"]) == json.loads(MISSING_TEXT) * 5


async def test_validation_after_accept_is_cut() -> None:
    peer = await Peer().accepted()
    errors = [MISSING | {"msg": "€" * 80}]
    await handlers.websocket_request_validation_exception_handler(
        peer.websocket, WebSocketRequestValidationError(errors)
    )
    (message,) = peer.sent
    reason = message["reason"]
    assert 120 < len(reason.encode()) <= 123
    assert reason == ('[{"type":"missing","loc":["query","q"],"msg":"' + "€" * 80).encode()[:123].decode(
        errors="ignore"
    )


class Cat(BaseModel):
    kind: str


def refused(annotation: Any, value: Any) -> list[Any]:
    with pytest.raises(ValidationError) as caught:
        TypeAdapter(annotation).validate_python(value)
    return caught.value.errors()


async def reason_for(errors: Any) -> str:
    peer = Peer()
    await handlers.websocket_request_validation_exception_handler(
        peer.websocket, WebSocketRequestValidationError(errors)
    )
    reason = peer.sent[0]["reason"]
    assert isinstance(reason, str)
    return reason


async def test_reason_does_not_repeat_the_input() -> None:
    attack = "<script>" * 1250
    reason = await reason_for(refused(int, attack))
    assert json.loads(reason) == [
        {
            "type": "int_parsing",
            "loc": [],
            "msg": "Input should be a valid integer, unable to parse string as an integer",
        }
    ]


async def test_reason_does_not_repeat_what_a_message_quotes() -> None:
    attack = "<script>" * 1250
    quoted = {"type": "value_error", "loc": ("query", "q"), "msg": f"Value error, bad {attack}", "input": attack}
    tagged = {"type": "union_tag_invalid", "loc": ("query",), "msg": f"Input tag {attack!r}", "ctx": {"tag": attack}}
    assert json.loads(await reason_for([quoted, tagged])) == [
        {"type": "value_error", "loc": ["query", "q"], "msg": "Value error, bad …"},
        {"type": "union_tag_invalid", "loc": ["query"], "msg": "Input tag '…'"},
    ]


async def test_reason_bounds_each_part() -> None:
    attack = "A" * 10_000
    (error,) = json.loads(await reason_for([{"type": "extra_forbidden", "loc": ("query", attack, 3), "msg": attack}]))
    assert error["loc"] == ["query", "A" * 63 + "…", 3]
    assert error["msg"] == "A" * 255 + "…"


async def test_errors_of_other_shapes() -> None:
    assert json.loads(await reason_for(["text", {"msg": 5}, {"loc": "query"}])) == [
        "text",
        {"msg": 5},
        {"loc": "query"},
    ]


async def test_reason_is_sendable_utf8() -> None:
    (await reason_for([{"type": "a", "loc": ("\ud800",), "msg": "é"}])).encode()


@pytest.mark.parametrize(
    "handler",
    [
        handlers.websocket_request_validation_exception_handler,
        handlers.explain_by_http,
        handlers.explain_by_close,
    ],
)
async def test_nothing_left_to_say(handler: Any) -> None:
    exc = WebSocketRequestValidationError([MISSING])
    closed = await Peer().accepted()
    await closed.websocket.close()
    left = await Peer().accepted()
    await left.websocket.receive()
    going = await Peer(gone=True).accepted()
    for peer in (closed, left, going):
        peer.sent.clear()
        await handler(peer.websocket, exc)
        assert peer.sent == []


async def test_explain_by_http() -> None:
    peer = Peer(extensions={"websocket.http.response": {}})
    exc = WebSocketRequestValidationError([MISSING])
    await handlers.explain_by_http(peer.websocket, exc)
    start, body = peer.sent
    assert (start["type"], start["status"]) == ("websocket.http.response.start", 422)
    assert (b"content-type", b"application/json") in start["headers"]
    over_http = await oracle.request_validation_exception_handler(request(), exc)  # type: ignore[arg-type]
    assert body["body"] == over_http.body


@pytest.mark.parametrize("extensions", [None, {}])
async def test_explain_by_http_needs_the_extension(extensions: Any) -> None:
    peer = Peer(extensions=extensions)
    await handlers.explain_by_http(peer.websocket, WebSocketRequestValidationError([MISSING]))
    assert peer.sent == [close_message(MISSING_TEXT)]


async def test_explain_by_http_after_accept() -> None:
    peer = await Peer(extensions={"websocket.http.response": {}}).accepted()
    await handlers.explain_by_http(peer.websocket, WebSocketRequestValidationError([MISSING]))
    assert peer.sent == [close_message(MISSING_TEXT)]


@pytest.mark.parametrize(
    ("offered", "chosen"),
    [((), None), (("chat", "other"), "chat"), (("caf\xe9", "a\r\nb", "chat"), "chat"), (("a b", ""), None)],
)
async def test_explain_by_close(offered: tuple[str, ...], chosen: str | None) -> None:
    peer = Peer(subprotocols=offered)
    await handlers.explain_by_close(peer.websocket, WebSocketRequestValidationError([MISSING] * 5))
    accept, close = peer.sent
    assert (accept["type"], accept["subprotocol"]) == ("websocket.accept", chosen)
    assert close["code"] == 1008
    assert close["reason"] == ("[" + MISSING_TEXT[1:-1] + "," + MISSING_TEXT[1:-1])[:123]


async def test_explain_by_close_after_accept() -> None:
    peer = await Peer().accepted()
    await handlers.explain_by_close(peer.websocket, WebSocketRequestValidationError([MISSING]))
    assert peer.sent == [close_message(MISSING_TEXT)]
