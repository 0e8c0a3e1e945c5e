"""uvicorn's settings, each where it shows."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest
from apps import echo, recorded
from peer import BINARY, TEXT, close_frame, frame, request
from uvicorn.middleware.proxy_headers import ProxyHeadersMiddleware

from wirefast.server.settings import Settings, finish, nothing


def test_settings_are_read_once_a_server(serve: Any) -> None:
    server = serve(echo)
    for _ in range(2):
        with server.opened() as peer:
            peer.send(close_frame()).frame()
    assert isinstance(server.server.server_state.wirefast_settings, Settings)
    assert server.server.server_state.wirefast_settings.config is server.config


@pytest.mark.parametrize(("size", "code"), [(10, None), (11, 1009)])
def test_ws_max_size(serve: Any, size: int, code: int | None) -> None:
    server = serve(echo, ws_max_size=10)
    with server.opened() as peer:
        peer.send(frame(BINARY, b"x" * size))
        found = peer.frame()
        assert found.data == b"x" * size if code is None else found.code == code
        peer.send(close_frame(code or 1000))


def test_headers_of_the_server(serve: Any) -> None:
    server = serve(echo, server_header=False, date_header=False, headers=[("X-Mine", "1")])
    with server.peer() as peer:
        response = peer.send(request()).response()
    assert response.header("server") is None and response.header("date") is None
    assert response.header("x-mine") == "1"


def test_proxy_headers(serve: Any) -> None:
    app = recorded()
    server = serve(app, proxy_headers=True, forwarded_allow_ips="127.0.0.1")
    with server.opened(headers=[("X-Forwarded-For", "1.2.3.4"), ("X-Forwarded-Proto", "https")]) as peer:
        peer.send(close_frame()).frame()
    assert app.scopes[0]["client"][0] == "1.2.3.4"
    assert app.scopes[0]["scheme"] == "wss"


def test_proxy_headers_that_are_not_trusted_or_not_there(serve: Any) -> None:
    app = recorded()
    server = serve(app, proxy_headers=True, forwarded_allow_ips="192.0.2.1")
    for headers in ([("X-Forwarded-For", "1.2.3.4"), ("X-Forwarded-Proto", "https")], []):
        with server.opened(headers=headers) as peer:
            peer.send(close_frame()).frame()
    assert [(scope["client"][0], scope["scheme"]) for scope in app.scopes] == [("127.0.0.1", "ws")] * 2
    assert server.server.server_state.wirefast_settings.app is app


class Around(ProxyHeadersMiddleware):
    """A middleware of one's own, which stays around the application."""

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        await super().__call__(scope, receive, send)
        scope["after"] = True


def test_a_wrapper_like_uvicorns_is_not_taken_for_it(serve: Any) -> None:
    app = recorded()
    server = serve(Around(app, "127.0.0.1"), proxy_headers=False)  # type: ignore[arg-type]
    with server.opened(headers=[("X-Forwarded-For", "1.2.3.4")]) as peer:
        peer.send(close_frame()).frame()
    assert app.scopes[0]["client"][0] == "1.2.3.4"
    server.stop()
    assert app.scopes[0]["after"] is True


def test_a_rewrite_that_waits_is_noticed() -> None:
    async def waits() -> None:
        await asyncio.sleep(0)

    finish(nothing(None, None, None))
    with pytest.raises(RuntimeError):
        finish(waits())


def test_a_unix_socket(serve: Any, short_path: Path) -> None:
    app = recorded()
    server = serve(app, uds=str(short_path / "ws.sock"))
    with server.opened() as peer:
        peer.send(frame(TEXT, b"x"), close_frame())
        assert peer.frame().code == 1000
    assert app.scopes[0]["server"] == (str(short_path / "ws.sock"), None)
    assert app.scopes[0]["client"] is None
