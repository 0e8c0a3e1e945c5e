"""Connections that fail, in every place where one can; over ASGI messages and over our protocol.

Refused handshakes, dependencies that raise on the way in and out, handlers that raise, peers that vanish, calls in the
wrong state, values and messages that are no JSON, exception handlers that raise.
What each failure ends with is asserted, so that a place that stopped failing is noticed.

In the test suite this is short. The long form, 100,000 failing connections of each kind::

    WIREFAST_ERRORS_COUNT=100000 python tests/isolated/errors.py
"""

import asyncio
import json
import logging
import os
from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Any

from leaks import check

from asgi import Client
from memory import Memory
from wirefast import App, Depends, HTTPException, Query, WebSocket, WebSocketDisconnect, WebSocketException
from wirefast.responses import JSONResponse
from wirefast.websockets import UnexpectedFrame

COUNT = int(os.environ.get("WIREFAST_ERRORS_COUNT", "300"))
WARM_UP = 100 + COUNT // 20

#: More JSON than any parser descends into.
DEEP = "[" * 5000


class Broken(Exception):
    """Nobody handles it."""


class Handled(Exception):
    """Its handler closes with 4000."""


class Mishandled(Exception):
    """Its handler raises Broken."""


@dataclass
class Place:
    """Where a connection fails, and how that looks.

    Args:
        raises: what leaves the application.
        last: code or status of the last ASGI message; None: it is another one.
        wire: status of the handshake and code of the close frame, as the peer sees them.
        peer: what happens at the peer: messages in their order, "close", "lose".
    """

    path: str
    raises: type[BaseException] | None
    last: int | None
    wire: tuple[int, int | None]
    peer: tuple[str, ...] = ()


PLACES: dict[str, list[Place]] = {}
app = App()


def place(
    kind: str,
    raises: type[BaseException] | None,
    last: int | None,
    wire: tuple[int, int | None],
    *peer: str,
    query: str = "",
) -> Callable[[Any], Any]:
    """The endpoint is where a connection fails."""

    def add(endpoint: Any) -> Any:
        path = f"/{kind}/{endpoint.__name__}"
        app.websocket(path)(endpoint)
        PLACES.setdefault(kind, []).append(Place(path + query, raises, last, wire, peer))
        return endpoint

    return add


@app.exception_handler(Handled)
async def close_4000(websocket: WebSocket, exc: Handled) -> None:
    await websocket.close(4000)


@app.exception_handler(Mishandled)
async def fail_again(websocket: WebSocket, exc: Mishandled) -> None:
    raise Broken from exc


# ---- The handshake ----

REFUSED = (403, None)
NO_ROUTE = (404, None)
FAILED = (500, None)


@place("handshake", None, 401, (401, None))
async def http_exception(websocket: WebSocket) -> None:
    raise HTTPException(401, "no")


@place("handshake", None, 3000, REFUSED)
async def websocket_exception(websocket: WebSocket) -> None:
    raise WebSocketException(3000, "no")


@place("handshake", None, 1008, REFUSED, query="?number=x")
async def validation(websocket: WebSocket, number: Annotated[int, Query()]) -> None:
    raise AssertionError


@place("handshake", None, 4000, REFUSED)
async def handled(websocket: WebSocket) -> None:
    raise Handled


@place("handshake", Broken, None, FAILED)
async def mishandled(websocket: WebSocket) -> None:
    raise Mishandled


@place("handshake", Broken, None, FAILED)
async def unhandled(websocket: WebSocket) -> None:
    raise Broken


@place("handshake", None, 1000, REFUSED)
async def closed(websocket: WebSocket) -> None:
    await websocket.close()


@place("handshake", None, 418, (418, None))
async def denied(websocket: WebSocket) -> None:
    await websocket.send_denial_response(JSONResponse({"no": 1}, status_code=418))


PLACES["handshake"] += [
    Place("/handshake/nowhere", None, 1000, NO_ROUTE),
    Place("/middleware/closes", None, 4001, REFUSED),
    Place("/middleware/raises", Broken, None, FAILED),
    Place("/middleware/late", Broken, None, (101, 1011), ("close",)),
]


class Middleware:
    """Refuses by its paths, and raises behind the application."""

    def __init__(self, app: Any) -> None:
        self.app = app

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["path"] == "/middleware/closes":
            await receive()
            await send({"type": "websocket.close", "code": 4001, "reason": "no"})
        elif scope["path"] == "/middleware/raises":
            raise Broken
        else:
            await self.app(scope, receive, send)
            if scope["path"] == "/middleware/late":
                raise Broken


app.add_middleware(Middleware)


@app.websocket("/middleware/late")
async def late(websocket: WebSocket) -> None:
    await websocket.accept()


# ---- Dependencies ----


async def raising() -> None:
    raise Broken


async def nested(value: Annotated[None, Depends(raising)]) -> None:
    raise AssertionError


def handled_in_a_thread() -> None:
    raise Handled


def raising_in_a_thread() -> None:
    raise Broken


class Callable_:
    async def __call__(self) -> None:
        raise WebSocketException(3001)


async def entering() -> Any:
    raise Broken
    yield


async def leaving() -> Any:
    yield
    raise Broken


async def converting() -> Any:
    try:
        yield
    except Handled as exc:
        raise WebSocketException(3002) from exc


async def swallowing() -> Any:
    try:
        yield
    except Broken:
        pass


async def cleaning() -> Any:
    try:
        yield "value"
    finally:
        await asyncio.sleep(0)


async def accepting(websocket: WebSocket) -> Any:
    await websocket.accept()
    yield
    await websocket.close(4002)
    await websocket.close(4003)


def leaving_in_a_thread() -> Any:
    yield
    raise Broken


for kind, name, dependency, raises, last, wire in [
    ("dependency", "raising", raising, Broken, None, FAILED),
    ("dependency", "nested", nested, Broken, None, FAILED),
    ("dependency", "callable", Callable_(), None, 3001, REFUSED),
    ("dependency", "entering", entering, Broken, None, FAILED),
    ("dependency", "leaving", leaving, Broken, None, (101, 1011)),
    ("dependency", "closing_twice", accepting, RuntimeError, 4002, (101, 4002)),
    ("thread", "handled", handled_in_a_thread, None, 4000, REFUSED),
    ("thread", "raising", raising_in_a_thread, Broken, None, FAILED),
    ("thread", "leaving", leaving_in_a_thread, Broken, None, (101, 1011)),
]:

    async def endpoint(websocket: WebSocket, cleaned: Annotated[str, Depends(cleaning)], found: Any) -> None:
        if websocket.application_state.name == "CONNECTING":
            await websocket.accept()

    endpoint.__name__ = name
    endpoint.__annotations__["found"] = Annotated[Any, Depends(dependency)]
    place(kind, raises, last, wire)(endpoint)


@place("dependency", None, None, FAILED)
async def swallowed(websocket: WebSocket, found: Annotated[None, Depends(swallowing)]) -> None:
    raise Broken


@place("dependency", None, 3002, REFUSED)
async def converted(websocket: WebSocket, found: Annotated[None, Depends(converting)]) -> None:
    raise Handled


@place("dependency", None, 3002, (101, 3002))
async def converted_late(websocket: WebSocket, found: Annotated[None, Depends(converting)]) -> None:
    await websocket.accept()
    raise Handled


# ---- The handler, after it accepted ----


@place("handler", Broken, None, (101, 1011))
async def raises_(websocket: WebSocket) -> None:
    await websocket.accept()
    raise Broken


@place("handler", None, 4000, (101, 4000))
async def raises_handled(websocket: WebSocket, cleaned: Annotated[str, Depends(cleaning)]) -> None:
    await websocket.accept()
    raise Handled


@place("handler", Broken, None, (101, 1011))
async def raises_mishandled(websocket: WebSocket, cleaned: Annotated[str, Depends(cleaning)]) -> None:
    await websocket.accept()
    raise Mishandled


@place("handler", None, 3003, (101, 3003))
async def raises_websocket_exception(websocket: WebSocket) -> None:
    await websocket.accept()
    raise WebSocketException(3003, "no")


@place("handler", None, 1008, (101, 1008))
async def raises_http_exception(websocket: WebSocket) -> None:
    await websocket.accept()
    raise HTTPException(404, "no")


@place("handler", WebSocketDisconnect, None, (101, 1000), "close")
async def disconnected(websocket: WebSocket) -> None:
    await websocket.accept()
    await websocket.receive_text()


@place("handler", WebSocketDisconnect, None, (101, None), "lose")
async def lost(websocket: WebSocket, cleaned: Annotated[str, Depends(cleaning)]) -> None:
    await websocket.accept()
    await websocket.receive_json()


@place("handler", RuntimeError, None, (101, 1000), "close")
async def receives_again(websocket: WebSocket) -> None:
    await websocket.accept()
    try:
        await websocket.receive_bytes()
    except WebSocketDisconnect:
        await websocket.receive_bytes()


@place("handler", RuntimeError, None, (101, 1011))
async def accepts_twice(websocket: WebSocket) -> None:
    await websocket.accept()
    await websocket.accept()


@place("handler", RuntimeError, 1000, (101, 1000))
async def sends_after_close(websocket: WebSocket) -> None:
    await websocket.accept()
    await websocket.close()
    await websocket.send_text("late")


@place("handler", RuntimeError, None, FAILED)
async def sends_before_accept(websocket: WebSocket) -> None:
    await websocket.send_json({})


@place("handler", RuntimeError, None, (101, 1011))
async def wrong_mode(websocket: WebSocket) -> None:
    await websocket.accept()
    await websocket.receive_json(mode="other")


@place("handler", json.JSONDecodeError, None, (101, 1003), "{", "close")
async def malformed(websocket: WebSocket) -> None:
    await websocket.accept()
    await websocket.receive_json()


@place("handler", json.JSONDecodeError, None, (101, 1003), DEEP, "close")
async def deep(websocket: WebSocket) -> None:
    await websocket.accept()
    await websocket.receive_json()


@place("handler", UnexpectedFrame, None, (101, 1003), "text", "close")
async def unexpected(websocket: WebSocket) -> None:
    await websocket.accept()
    await websocket.receive_bytes()


@place("handler", TypeError, None, (101, 1011))
async def not_json(websocket: WebSocket) -> None:
    await websocket.accept()
    await websocket.send_json({"a": [object()]})


@place("handler", TypeError, None, (101, 1011))
async def not_bytes(websocket: WebSocket) -> None:
    await websocket.accept()
    await websocket.send_bytes(7)  # type: ignore[arg-type]
    raise TypeError  # over ASGI the server looks at it


# ---- What is done in a loop ----


async def over_asgi(one: Place, waits: bool) -> None:
    client = Client(*(message for message in one.peer if message not in ("close", "lose")), waits=waits)
    try:
        await client.connect(app, one.path)
    except Exception as exc:
        assert one.raises is not None and isinstance(exc, one.raises), (one.path, exc)
    else:
        assert one.raises is None, f"{one.path}: nothing was raised"
    ends = [
        message for message in client.sent if message["type"] in ("websocket.close", "websocket.http.response.start")
    ]
    found = ends[-1].get("code", ends[-1].get("status")) if ends else None
    assert found == one.last, (one.path, client.sent)


async def over_memory(one: Place) -> None:
    peer = memory.open(one.path)
    for what in one.peer:
        if what in ("close", "lose"):
            for _ in range(8):
                await asyncio.sleep(0)
            getattr(peer, what)()
        else:
            peer.send(what)
    await memory.settled(peer)
    assert (peer.status, peer.close_code) == one.wire, (one.path, bytes(peer.transport.written[:200]))


def failing(kind: str, wire: bool) -> Callable[[int], Any]:
    places = PLACES[kind]

    async def work(i: int) -> None:
        one = places[i % len(places)]
        await (over_memory(one) if wire else over_asgi(one, waits=i // len(places) % 2 == 0))

    work.__name__ = f"{kind} {'over our protocol' if wire else 'over ASGI'}"
    return work


# ---- A peer that is gone, while something is sent ----


@app.websocket("/gone/{what}")
async def gone(websocket: WebSocket, what: str, cleaned: Annotated[str, Depends(cleaning)]) -> None:
    await websocket.accept()
    send: Any = {"text": websocket.send_text, "bytes": websocket.send_bytes, "json": websocket.send_json}[what]
    while True:
        await send(b"x" if what == "bytes" else "x")
        await asyncio.sleep(0)


class Vanishing(Client):
    """Takes the accept and a message; then its connection is gone."""

    async def send(self, message: Any) -> None:
        await super().send(message)
        if len(self.sent) > 2:
            raise ConnectionResetError


async def sending_to_nobody(i: int) -> None:
    client = Vanishing(waits=i % 2 == 0)
    try:
        await client.connect(app, f"/gone/{('text', 'bytes', 'json')[i % 3]}")
    except WebSocketDisconnect as exc:
        assert exc.code == 1006 and len(client.sent) == 3
        return
    raise AssertionError("the loss was not told")


async def sending_to_a_lost_connection(i: int) -> None:
    peer = memory.open(f"/gone/{('text', 'bytes', 'json')[i % 3]}")
    while len(peer.frames) < 2:
        await asyncio.sleep(0)
    if i % 2:
        # Its transport wrote slowly: a drain is waited for.
        peer.transport.protocol.pause_writing()
        await asyncio.sleep(0)
    peer.lose()
    await memory.ended()
    assert peer.close_code is None


if __name__ == "__main__":
    # The protocol logs what an application raised.
    logging.getLogger("uvicorn.error").disabled = True
    memory = Memory(app)
    for kind in PLACES:
        for wire in (False, True):
            # anyio's future holds the exception that came out of a thread, whose frames hold the future.
            check(failing(kind, wire), COUNT, warm_up=WARM_UP, cycles=kind == "thread")
    for work in (sending_to_nobody, sending_to_a_lost_connection):
        check(work, COUNT, warm_up=WARM_UP)
