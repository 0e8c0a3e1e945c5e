"""uvicorn's settings, each where it shows."""

from __future__ import annotations

from typing import Any

import pytest
from apps import echo, recorded
from peer import BINARY, TEXT, close_frame, frame, request

from wirefast.server.settings import Settings


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


def test_a_unix_socket(serve: Any, tmp_path: Any) -> None:
    app = recorded()
    server = serve(app, uds=str(tmp_path / "ws.sock"))
    with server.opened() as peer:
        peer.send(frame(TEXT, b"x"), close_frame())
        assert peer.frame().code == 1000
    assert app.scopes[0]["server"] == (str(tmp_path / "ws.sock"), None)
    assert app.scopes[0]["client"] is None
