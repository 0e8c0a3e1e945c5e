"""Nothing is smuggled through a proxy: nginx as documented, nginx that passes any upgrade, and HAProxy."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from conversations import Seen
from hidden import AFTER, BAD_HANDSHAKES, HIDDEN, OFFERS, chunked, sized
from peer import Peer, request
from proxies import DENY, haproxy, nginx, trusting


class Backend:
    """What a server behind a proxy saw."""

    def __init__(self) -> None:
        self.seen: list[Seen] = []
        self.headers: list[dict[bytes, bytes]] = []
        self.lock = threading.Lock()

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "websocket":
            await receive()
            await send({"type": "websocket.accept"})
            while (await receive())["type"] != "websocket.disconnect":
                pass
            return
        body = b""
        while True:
            message = await receive()
            body += message.get("body", b"")
            if not message.get("more_body"):
                break
        with self.lock:
            self.seen.append(Seen(scope["method"], scope["path"], body))
            self.headers.append(dict(scope["headers"]))
        content = scope["path"].encode()
        headers = [(b"content-length", b"%d" % len(content))]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": content})


# nginx adds the connection option that one of them lacks, and makes a handshake of it.
PASSED = [name for name in OFFERS if name != "no connection option"]


@pytest.fixture(params=["nginx as documented", "nginx that passes any upgrade", "haproxy"])
def proxied(request: pytest.FixtureRequest, serve: Any, tmp_path: Path) -> Iterator[tuple[Backend, Any]]:
    backend = Backend()
    upstream = f"127.0.0.1:{serve(backend).address[1]}"
    if request.param == "haproxy":
        proxy = haproxy(upstream, tmp_path)
    else:
        proxy = nginx(upstream, tmp_path, trusting() if "any" in request.param else None, DENY)
    with proxy as port:
        yield backend, lambda: Peer(("127.0.0.1", port))


@pytest.mark.parametrize("framed", [sized, chunked], ids=["length", "chunks"])
@pytest.mark.parametrize("offer", [OFFERS[name] for name in PASSED], ids=PASSED)
def test_nothing_is_smuggled_through_a_proxy(proxied: tuple[Backend, Any], offer: list[bytes], framed: Any) -> None:
    backend, connect = proxied
    head, mark, body = framed(*offer).partition(b"\r\n\r\n")
    with connect() as attacker:
        attacker.send(head + mark)
        attacker.send(body)
        assert attacker.response().body == b"/post"
        for number in range(3):
            with connect() as other:
                other.send(b"GET /%d HTTP/1.1\r\nHost: a\r\n\r\n" % number)
                response = other.response()
                assert (response.status, response.body) == (200, b"/%d" % number), "the answer to another request"
    assert backend.seen == [Seen("POST", "/post", HIDDEN), *(Seen("GET", f"/{number}") for number in range(3))]


def test_the_proxy_itself_refuses_the_hidden_request(proxied: tuple[Backend, Any]) -> None:
    backend, connect = proxied
    with connect() as peer:
        peer.send(HIDDEN)
        assert peer.response().status == 403
    assert backend.seen == []


@pytest.mark.parametrize("changed", BAD_HANDSHAKES.values(), ids=BAD_HANDSHAKES.keys())
def test_nothing_is_smuggled_behind_a_refused_handshake(proxied: tuple[Backend, Any], changed: dict[str, str]) -> None:
    backend, connect = proxied
    with connect() as attacker:
        attacker.send(request(**changed), HIDDEN)
        attacker.response()
        with connect() as other:
            other.send(AFTER)
            assert other.response().body == b"/after"
    assert all(each.path != "/admin" for each in backend.seen)


def test_trailers_do_not_pass_by_a_proxy_as_headers(proxied: tuple[Backend, Any]) -> None:
    backend, connect = proxied
    with connect() as peer:
        peer.send(chunked(body=b"abc", trailers=b"X-User: admin\r\nX-Forwarded-For: 192.0.2.1\r\n"), AFTER)
        peer.response()
        peer.response()
    assert [each.path for each in backend.seen] == ["/post", "/after"]
    for headers in backend.headers:
        assert b"x-user" not in headers and b"192.0.2.1" not in headers.get(b"x-forwarded-for", b"")


@pytest.mark.parametrize("loop", ["uvloop", "asyncio"])
def test_every_cut_over_a_socket(serve: Any, loop: str) -> None:
    backend = Backend()
    server = serve(backend, loop=loop)
    data = sized(*OFFERS["h2c"]) + AFTER
    for at in range(1, len(data), 3):
        backend.seen.clear()
        with Peer(server.address) as peer:
            peer.send(data[:at])
            server.heard(peer)
            peer.send(data[at:])
            assert [peer.response().body, peer.response().body] == [b"/post", b"/after"], at
            peer.sock.shutdown(socket.SHUT_WR)
            assert peer.ended()
        assert backend.seen == [Seen("POST", "/post", HIDDEN), Seen("GET", "/after")], at
