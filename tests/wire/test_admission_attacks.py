"""Attacks on who may come in, by real sockets: pages with HTTP credentials, programs that lie, binary tokens."""

import base64
import json
from collections.abc import Callable
from typing import Annotated

import pytest
from peer import BINARY, CLOSE, TEXT, Peer, frame, request
from serving import Served

from wirefast import App, Depends, WebSocket
from wirefast.limits.counters import refusals
from wirefast.security import HTTPBasic, HTTPBasicCredentials, WebSocketBearer

SERVERS = ["wirefast.server:WebSocketProtocol", "websockets-sansio", "wsproto"]
BASIC = ("Authorization", "Basic " + base64.b64encode(b"ada:secret").decode())
EVIL = ("Origin", "https://evil.example")
FORGED = ("Sec-Fetch-Site", "same-origin")
COOKIE = ("Cookie", "session=ada")


def bank(asked: list[str], **options: object) -> App:
    app = App(**options)  # type: ignore[arg-type]

    def user(credentials: Annotated[HTTPBasicCredentials, Depends(HTTPBasic(auto_error=False))]) -> str:
        asked.append("dependency")
        return credentials.username if credentials else ""

    @app.websocket("/")
    async def account(websocket: WebSocket, name: Annotated[str, Depends(user)]) -> None:
        await websocket.accept()
        await websocket.send_text(name)

    return app


def answer(served: Served, *headers: tuple[str, str]) -> tuple[int, Peer]:
    peer = served.peer()
    peer.send(request(headers=headers))
    return peer.response().status, peer


@pytest.mark.parametrize("ws", SERVERS)
def test_a_page_with_http_credentials(serve: Callable[..., Served], ws: str) -> None:
    """A browser repeats Basic by itself, as it does a cookie; it never adds Bearer."""
    asked: list[str] = []
    served = serve(bank(asked), loop="uvloop", ws=ws)
    before = refusals().get("origin", 0)
    assert answer(served, EVIL, BASIC)[0] == 403
    assert answer(served, ("Origin", "null"), BASIC)[0] == 403
    assert asked == [] and refusals()["origin"] == before + 2
    for headers in ([BASIC], [EVIL], [EVIL, ("Authorization", "Bearer x")], [("Origin", "http://127.0.0.1"), BASIC]):
        status, peer = answer(served, *headers)
        assert status == 101, headers
        assert peer.frame().data == (b"ada" if BASIC in headers else b"")


@pytest.mark.parametrize("ws", SERVERS)
def test_a_program_that_forges_what_browsers_say(serve: Callable[..., Served], ws: str) -> None:
    """No page can set Sec-Fetch-Site. A program can, and gets what it would get without any Origin; a list of origins
    believes the Origin alone."""
    asked: list[str] = []
    served = serve(bank(asked), loop="uvloop", ws=ws)
    assert answer(served, EVIL, COOKIE)[0] == 403
    assert answer(served, EVIL, COOKIE, ("Sec-Fetch-Site", "cross-site"))[0] == 403
    assert answer(served, EVIL, COOKIE, FORGED, FORGED)[0] == 403
    assert asked == []
    assert answer(served, EVIL, COOKIE, FORGED)[0] == 101
    listed = serve(bank(asked, origins=["https://app.example"]), loop="uvloop", ws=ws)
    asked.clear()
    assert answer(listed, EVIL, COOKIE, FORGED)[0] == 403
    assert answer(listed, EVIL, FORGED)[0] == 403
    assert asked == []


@pytest.mark.parametrize("ws", SERVERS)
@pytest.mark.parametrize(
    ("says", "expected"),
    [
        (json.dumps({"type": "auth", "token": "abc"}).encode(), b"abc"),
        (b"\xff\xfe\x00", None),
        (b"\x00" * 20_000, None),
        (b'{"type": "auth", "token": "\xff"}', None),
        (b'{"type": "auth", "token": ["abc"]}', None),
        (b"", None),
    ],
    ids=["json", "no utf-8", "long", "bad token", "list", "empty"],
)
def test_a_binary_frame_as_the_first_message(
    serve: Callable[..., Served], ws: str, says: bytes, expected: bytes | None
) -> None:
    """The message is read the same in a text and in a binary frame; nothing else is one."""
    app = App()
    bearer = WebSocketBearer(sources=["message"])

    @app.websocket("/")
    async def socket(websocket: WebSocket, token: Annotated[str, Depends(bearer)]) -> None:
        await websocket.accept()
        await websocket.send_text(token)

    served = serve(app, loop="uvloop", ws=ws)
    with served.opened() as peer:
        peer.send(frame(BINARY, says))
        got = peer.frame()
        if expected is None:
            assert (got.opcode, got.code, got.reason) == (CLOSE, 4401, "Not authenticated")
        else:
            assert (got.opcode, got.data) == (TEXT, expected)
    assert not [record for record in served.records if record.exc_info]
