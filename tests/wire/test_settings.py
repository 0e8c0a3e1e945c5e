"""uvicorn's settings, each where it shows."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path
from typing import Any

import pytest
from apps import echo, recorded
from peer import BINARY, TEXT, close_frame, frame, request
from uvicorn.middleware.proxy_headers import ProxyHeadersMiddleware

from wirefast.server.bounds import BOUNDS
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


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"ws_max_size": -5}, "ws_max_size -5 is not 1 or more"),
        ({"ws_max_size": None}, "ws_max_size None is not a whole number"),
        ({"ws_max_queue": -4}, "ws_max_queue -4 is not 0 or more"),
        ({"ws_ping_interval": float("nan")}, "ws_ping_interval nan is not 0 or more"),
        ({"ws_ping_timeout": "9"}, "ws_ping_timeout 9 is not a number"),
        ({"limit_concurrency": 2**80}, f"limit_concurrency {2**80} is not between 0 and {sys.maxsize}"),
    ],
)
def test_numbers_out_of_bounds_are_one_line_and_no_traceback(
    serve: Any, settings: dict[str, Any], message: str
) -> None:
    server = serve(echo, **settings)
    for _ in range(2):
        with server.peer() as peer:
            response = peer.send(request()).response()
            assert (response.status, response.body) == (500, b"Internal Server Error")
            assert peer.ended()
    server.stop()
    errors = [record.getMessage() for record in server.records if record.levelname == "ERROR"]
    assert errors == [f"No WebSocket is accepted: {message}"]


@pytest.mark.parametrize("least", [True, False])
def test_numbers_at_their_bounds(serve: Any, least: bool) -> None:
    names = ["ws_max_size", "ws_max_queue", "ws_ping_interval", "ws_ping_timeout", "limit_concurrency"]
    settings = {name: BOUNDS[name][0 if least else 1] for name in names} | ({"limit_concurrency": 1} if least else {})
    server = serve(echo, **settings)
    with server.opened() as peer:
        peer.send(frame(BINARY, b"x"))
        assert peer.frame().data == b"x"
        peer.send(close_frame()).frame()


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


@pytest.mark.parametrize(
    ("name", "asked"),
    [
        ("X-Forwarded-For", True),
        ("x-forwarded-PROTO", True),
        ("X-FORWARDED-HOST", True),
        ("Forwarded", True),
        ("X-Forward", False),
    ],
)
def test_uvicorn_is_asked_only_where_a_proxy_wrote(
    serve: Any, monkeypatch: pytest.MonkeyPatch, name: str, asked: bool
) -> None:
    calls = []
    trusted = type(ProxyHeadersMiddleware(recorded(), "127.0.0.1").trusted_hosts)
    original = trusted.__contains__

    def counting(self: Any, host: Any) -> bool:
        calls.append(host)
        return original(self, host)

    monkeypatch.setattr(trusted, "__contains__", counting)
    server = serve(recorded(), proxy_headers=True, forwarded_allow_ips="127.0.0.1").warm()
    calls.clear()
    with server.opened(headers=[(name, "http")]) as peer:
        peer.send(close_frame()).frame()
    assert bool(calls) is asked


def test_uvicorn_is_asked_always_where_it_changes_every_scope(serve: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    original = ProxyHeadersMiddleware.__call__

    async def changing(self: Any, scope: Any, receive: Any, send: Any) -> None:
        scope["scheme"] = "wss"
        await original(self, scope, receive, send)

    monkeypatch.setattr(ProxyHeadersMiddleware, "__call__", changing)
    app = recorded()
    with serve(app, proxy_headers=True).opened() as peer:
        peer.send(close_frame()).frame()
    assert app.scopes[0]["scheme"] == "wss"


def test_a_replaced_middleware_of_uvicorn_may_read_any_header(serve: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    original = ProxyHeadersMiddleware.__call__

    async def reads_another(self: Any, scope: Any, receive: Any, send: Any) -> None:
        address = dict(scope["headers"]).get(b"x-real-ip")
        if address is not None:
            scope["client"] = (address.decode(), 0)
        await original(self, scope, receive, send)

    monkeypatch.setattr(ProxyHeadersMiddleware, "__call__", reads_another)
    app = recorded()
    with serve(app, proxy_headers=True).opened(headers=[("X-Real-IP", "1.2.3.4")]) as peer:
        peer.send(close_frame()).frame()
    assert app.scopes[0]["client"][0] == "1.2.3.4"


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
    server = serve(Around(app, "127.0.0.1"), proxy_headers=False)
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
