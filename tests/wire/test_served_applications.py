"""A wirefast application on wirefast's protocol: the direct path, and ASGI when a middleware wraps the callables.

Bad input ends one connection, is logged in a line at most, and leaves the server serving.
"""

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Annotated, Any

import pytest
from peer import BINARY, CLOSE, TEXT, Response, close_frame, frame, request

from wirefast import App, Cookie, Depends, Query, WebSocket


class Wrapping:
    """A middleware that wraps ``receive`` and ``send``, so that every message is ordinary ASGI."""

    def __init__(self, app: Any) -> None:
        self.app = app

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        async def wrapped_receive() -> Any:
            return await receive()

        async def wrapped_send(message: Any) -> None:
            await send(message)

        await self.app(scope, wrapped_receive, wrapped_send)


def build() -> tuple[App, list[str]]:
    app = App()
    left: list[str] = []

    async def resource() -> AsyncIterator[str]:
        try:
            yield "resource"
        finally:
            left.append("resource")

    async def number(session: Annotated[int | None, Cookie()] = None) -> int | None:
        return session

    @app.websocket("/rooms/{client_id}")
    async def room(
        websocket: WebSocket,
        client_id: int,
        token: Annotated[str, Query(min_length=3)],
        held: Annotated[str, Depends(resource)],
        session: Annotated[int | None, Depends(number)],
    ) -> None:
        await websocket.accept()
        while True:
            await websocket.send_json({"id": client_id, "session": session, "said": await websocket.receive_json()})

    @app.websocket("/text")
    async def text(websocket: WebSocket) -> None:
        await websocket.accept()
        async for message in websocket.iter_text():
            await websocket.send_text(message)

    @app.websocket("/bytes")
    async def raw(websocket: WebSocket) -> None:
        await websocket.accept()
        async for message in websocket.iter_bytes():
            await websocket.send_bytes(memoryview(message))

    return app, left


@pytest.fixture(params=[False, True], ids=["direct", "asgi"])
def wrapped(request: pytest.FixtureRequest) -> bool:
    return bool(request.param)


@pytest.fixture
def served(wrapped: bool, serve: Any) -> Any:
    app, left = build()
    server = serve(Wrapping(app) if wrapped else app)
    server.left = left
    return server


def refusal(served: Any, path: str, **options: Any) -> Response:
    with served.peer() as peer:
        response: Response = peer.send(request(path, **options)).response()
        return response


def assert_still_serving(served: Any) -> None:
    with served.opened("/rooms/7?token=abc", headers=[("Cookie", "session=5")]) as peer:
        peer.send(frame(TEXT, '{"n":12345678901234567890123,"t":"é"}'.encode()))
        assert peer.frame().data.decode() == '{"id":7,"session":5,"said":{"n":12345678901234567890123,"t":"é"}}'
        peer.send(close_frame(1000))
        assert peer.frame().code == 1000


@pytest.mark.parametrize(
    ("path", "headers", "where"),
    [
        ("/rooms/seven?token=abc", [], ["path", "client_id"]),
        ("/rooms/7", [], ["query", "token"]),
        ("/rooms/7?token=a", [], ["query", "token"]),
        ("/rooms/7?token=abc", [("Cookie", "session=five; =; ;;")], ["cookie", "session"]),
    ],
)
def test_invalid_parameters_refuse_the_handshake_and_say_why(
    served: Any, path: str, headers: list[tuple[str, str]], where: list[str]
) -> None:
    response = refusal(served, path, headers=headers)
    assert response.status == 403
    said = json.loads(response.body)
    assert (said["code"], [error["loc"] for error in said["errors"]]) == (1008, [where])
    assert said["reason"].startswith(f"{'.'.join(where)}: ")
    assert_still_serving(served)
    assert served.errors == []


def test_an_unknown_path_is_refused(served: Any) -> None:
    assert refusal(served, "/nowhere").status == 404
    assert_still_serving(served)
    assert served.errors == []


@pytest.mark.parametrize("payload", [b"{", b"[" * 100_000, b'{"a":NaN,}', b"9" * 5000])
def test_malformed_json_closes_with_1003_and_one_line(served: Any, payload: bytes) -> None:
    with served.opened("/rooms/7?token=abc") as peer:
        peer.send(frame(TEXT, payload))
        closed = peer.frame()
        assert (closed.opcode, closed.code, closed.reason) == (CLOSE, 1003, "malformed JSON")
    assert_still_serving(served)
    assert len(served.errors) == 1
    assert "WebSocket closed with 1003: malformed JSON" in served.errors[0]
    assert all(record.exc_info is None for record in served.records)


@pytest.mark.parametrize(("path", "opcode"), [("/text", BINARY), ("/bytes", TEXT), ("/rooms/7?token=abc", BINARY)])
def test_the_wrong_kind_of_message_closes_with_1003(served: Any, path: str, opcode: int) -> None:
    with served.opened(path) as peer:
        peer.send(frame(opcode, b"{}"))
        assert peer.frame().code == 1003
    assert_still_serving(served)
    assert all(record.exc_info is None for record in served.records)


def test_a_peer_that_vanishes_runs_the_clean_up_and_logs_nothing(served: Any) -> None:
    peer = served.opened("/rooms/7?token=abc")
    peer.send(frame(TEXT, b"1"))
    peer.frame()
    peer.reset()
    # The next connection is served after the loss was noticed: both happen in one loop, in order.
    assert_still_serving(served)
    served.stop()
    assert served.left == ["resource", "resource"]
    assert served.errors == []


def test_text_and_bytes_both_ways(served: Any) -> None:
    with served.opened("/text") as peer:
        peer.send(frame(TEXT, ("é" * 40_000).encode()))
        assert peer.frame().data == ("é" * 40_000).encode()
    with served.opened("/bytes") as peer:
        peer.send(frame(BINARY, b"\x00\xff" * 40_000))
        assert peer.frame().data == b"\x00\xff" * 40_000
    assert served.errors == []


def test_connected_tells_when_the_peer_has_gone(serve: Any) -> None:
    app = App()
    seen: list[bool] = []

    @app.websocket("/")
    async def endpoint(websocket: WebSocket) -> None:
        seen.append(websocket.connected)
        await websocket.accept()
        seen.append(websocket.connected)
        await websocket.receive_text()
        # Nothing is received while the close frame arrives.
        while websocket.connected:
            await asyncio.sleep(0)
        seen.append(websocket.connected)

    with serve(app).opened() as peer:
        peer.send(frame(TEXT, b"on"), close_frame(1000))
        assert peer.frame().code == 1000
        assert peer.ended()
    assert seen == [False, True, False]
