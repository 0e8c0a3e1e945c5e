"""The opening handshake: refusals, strictness, header injection. Tests named after a probe hold its pass line."""

from __future__ import annotations

import time
from typing import Any

import pytest
from apps import echo, echo_and_http, recorded
from peer import Response, close_frame, request
from serving import serving

from measures import resident
from slower import SLOWER
from wirefast.server.head import HeadReader

HTTPS = ["wirefast.server:HttpProtocol", "httptools"]


@pytest.fixture(scope="module", params=HTTPS)
def server(request: pytest.FixtureRequest) -> Any:
    """One server for all requests here: nothing they do may harm it."""
    with serving(echo_and_http, http=request.param) as served:
        yield served.warm()


def answer(server: Any, data: bytes) -> Response | None:
    """The response, None when the connection was closed without one; the server is well afterwards."""
    before = len(server.records)
    with server.peer() as peer:
        peer.send(data)
        try:
            response = peer.response()
        except EOFError:
            response = None
    with server.opened() as peer:
        peer.send(close_frame()).frame()
    assert not [record.exc_info for record in server.records[before:] if record.exc_info]
    return response


def test_HS03_a_header_of_a_mebibyte(server: Any) -> None:
    with server.peer() as peer:
        try:
            peer.send(request(headers=[("X-Large", "x" * 1048576)]))
            response = peer.response()
        except (EOFError, BrokenPipeError, ConnectionResetError):
            return
        assert response.status in (400, 414, 431)


def test_HS04_ten_thousand_headers(server: Any) -> None:
    with server.peer() as peer:
        try:
            response = peer.send(request(headers=[(f"X-{i}", "x") for i in range(10000)])).response()
        except (EOFError, BrokenPipeError, ConnectionResetError):
            return
        assert response.status in (400, 431)


@pytest.mark.parametrize(("count", "status"), [(95, 101), (96, 431)])
def test_header_count_limit(server: Any, count: int, status: int) -> None:
    response = answer(server, request(headers=[("X-More", "1")] * count))
    assert response is not None and response.status == status


@pytest.mark.parametrize(("size", "status"), [(8000, 101), (8192, 431)])
def test_header_line_limit(server: Any, size: int, status: int) -> None:
    response = answer(server, request(headers=[("X-Large", "x" * size)]))
    assert response is not None and response.status == status


def test_head_limit(server: Any) -> None:
    response = answer(server, request(headers=[("X-Large", "x" * 8000)] * 9))
    assert response is None or response.status == 431


def test_HS05_a_target_of_256_kibibytes(server: Any) -> None:
    with server.peer() as peer:
        try:
            response = peer.send(request("/" + "a" * 262144)).response()
        except (EOFError, BrokenPipeError, ConnectionResetError):
            return
        assert response.status in (400, 414, 431)


@pytest.mark.parametrize("version", ["8", "12", "14", "13, 8", "", "x"])
def test_HS06_other_versions_get_426_and_ours(server: Any, version: str) -> None:
    response = answer(server, request(Sec_WebSocket_Version=version))
    assert response is not None
    assert (response.status, response.header("sec-websocket-version")) == (426, "13")


KEY = "dGhlIHNhbXBsZSBub25jZQ=="
MALFORMED = {
    "no key": request(drop=["Sec-WebSocket-Key"]),
    "short key": request(Sec_WebSocket_Key="c2hvcnQ="),
    "key not base64": request(Sec_WebSocket_Key="!" * 22 + "=="),
    "two keys": request(headers=[("Sec-WebSocket-Key", KEY)]),
    "no version": request(drop=["Sec-WebSocket-Version"]),
    "two versions": request(headers=[("Sec-WebSocket-Version", "13")]),
    "post": request(method="POST"),
    "http 1.0": request(version="1.0"),
    "connection without upgrade": request(Connection="notupgrade"),
    "no host": request(drop=["Host"]),
    "two hosts": request(headers=[("Host", "other")]),
    "bad host": request(Host="a/../b?c"),
    "empty host": request(Host=""),
    "body": request(headers=[("Content-Length", "5")]) + b"hello",
    "chunked body": request(headers=[("Transfer-Encoding", "chunked")]) + b"0\r\n\r\n",
    "fragment in the target": request("/a#b"),
    "target without a slash": request("a"),
    "space in a name": request(headers=[("X Y", "1")]),
    "folded line": request(headers=[("X-Folded", "1\r\n 2")]),
    "bare line feed": request(headers=[("X-Bare", "1\nX-Evil: 2")]),
    "control in a value": request(headers=[("X-Control", "a\x01b")]),
    "nul in a value": request(headers=[("X-Control", "a\x00b")]),
    "no version in the request line": request().replace(b" HTTP/1.1", b"", 1),
    "no target": request().replace(b"GET / ", b"GET ", 1),
    "one word": request().replace(b"GET / HTTP/1.1", b"GET", 1),
    "control in the method": request().replace(b"GET", b"G\x01T", 1),
    "another protocol": request().replace(b"HTTP/1.1", b"ICY/1.1", 1),
    "http 2.0": request(version="2.0"),
}
HIDDEN = {"http 1.0", "http 2.0", "no version in the request line", "body", "folded line"}


@pytest.mark.parametrize("name", MALFORMED)
def test_HS07_malformed_upgrades(server: Any, name: str) -> None:
    response = answer(server, MALFORMED[name])
    if server.config.http == "wirefast.server:HttpProtocol":
        assert response is not None and response.status == 400
    else:  # what uvicorn's parser hides from us is not ours to refuse
        assert response is None or response.status < 500
        assert response is None or response.status != 101 or name in HIDDEN


def wants_websocket(data: bytes) -> bool:
    found = HeadReader().read(data)
    assert found is not None
    return found[0].is_upgrade


def test_HS07_upgrade_lists() -> None:
    assert wants_websocket(request(Upgrade="foo, WebSocket"))
    assert not wants_websocket(request(Upgrade="websocketx"))
    assert not wants_websocket(request(drop=["Upgrade"]))
    # The connection header is what makes an upgrade of it, or what else only a handshake has.
    key, version = "Sec-WebSocket-Key", "Sec-WebSocket-Version"
    for drop in ([], [key], [version], [key, version], ["Connection"], ["Connection", key], ["Connection", version]):
        assert wants_websocket(request(drop=drop))
    assert not wants_websocket(request(drop=["Connection", key, version]))
    assert not wants_websocket(request(drop=[key, version], Connection="keep-alive"))
    assert wants_websocket(request(drop=[key, version], Connection="x", headers=[("connection", "y,UPGRADE")]))
    assert not wants_websocket(request(Upgrade="foo, bar", Connection="x"))
    assert HeadReader().read(request()[:-2]) is None


@pytest.mark.parametrize("connection", ["keep-alive, Upgrade", "UPGRADE", "upgrade , x"])
def test_connection_lists(server: Any, connection: str) -> None:
    response = answer(server, request(Connection=connection, Upgrade="WebSocket"))
    assert response is not None and response.status == 101


@pytest.mark.parametrize("name", ["Sec-WebSocket-Protocol", "Sec-WebSocket-Extensions", "X-Any", "Origin", "Cookie"])
@pytest.mark.parametrize("byte", [0x00, 0x0B, 0x1F, 0x7F, 0x80, 0xFF])
def test_HS09_bad_bytes_in_headers(server: Any, name: str, byte: int) -> None:
    response = answer(server, request(headers=[(name, b"a" + bytes([byte]) + b"b")]))
    assert response is None or response.status in (101, 400)


@pytest.mark.parametrize("size", [65, 8000])
def test_names_are_read_to_their_end_in_lower_case(serve: Any, size: int) -> None:
    app = recorded()
    server = serve(app)
    names = ["ABCDEFGHIJKLMNOPQRSTUVWXYZ", "N" * size]
    # The blanks around a value are none of it.
    server.opened(headers=[(name, " \tx\t ") for name in names]).send(close_frame()).frames()
    assert {(name.lower().encode(), b"x") for name in names} <= set(app.scopes[0]["headers"])


@pytest.mark.parametrize("separator", [0x0A, 0x0B, 0x0C, 0x0D, 0x1C, 0x1D, 0x1E, 0x85, 0x00])
def test_HS11_nothing_but_crlf_splits_headers(serve: Any, separator: int) -> None:
    app = recorded()
    server = serve(app)
    with server.peer() as peer:
        response = peer.send(request(headers=[("X-A", b"1" + bytes([separator]) + b"x-evil: 1")])).response()
    assert response.status == (101 if separator == 0x85 else 400)
    assert not any(name == b"x-evil" for scope in app.scopes for name, _ in scope["headers"])


SMUGGLED = b"GET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n"
SMUGGLERS = {
    "length": request(headers=[("Content-Length", str(len(SMUGGLED)))]) + SMUGGLED,
    "chunked": request(headers=[("Transfer-Encoding", "chunked")]) + b"24\r\n" + SMUGGLED + b"\r\n0\r\n\r\n",
    "version": request(Sec_WebSocket_Version="7") + SMUGGLED,
    "key": request(drop=["Sec-WebSocket-Key"]) + SMUGGLED,
}


@pytest.mark.parametrize("http", HTTPS)
@pytest.mark.parametrize("name", SMUGGLERS)
def test_HS12_nothing_after_a_refused_upgrade_is_a_request(serve: Any, http: str, name: str) -> None:
    paths = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        paths.append(scope["path"])
        await echo_and_http(scope, receive, send)

    server = serve(app, http=http)
    with server.peer() as peer:
        peer.send(SMUGGLERS[name])
        assert peer.ended() or peer.buffer.startswith(b"HTTP/1.1 101")
    assert peer.buffer.count(b"HTTP/1.1") == 1
    assert "/smuggled" not in paths


OFFERS: dict[str, list[str] | None] = {
    "a": ["a"],
    "a, b": ["a", "b"],
    "a,b , \tc": ["a", "b", "c"],
    # An empty element of a list is ignored (RFC 9110 section 5.6.1).
    "a,,b": ["a", "b"],
    ",a,": ["a"],
    "": None,
    ",": None,
    " , ,": None,
    "a b": None,
    "a/b": None,
    'a, "b"': None,
    "a;b": None,
    "\xe9": None,
    "a, a": None,
}


@pytest.mark.parametrize("http", HTTPS)
@pytest.mark.parametrize("offer", OFFERS)
def test_offered_subprotocols_may_be_sent_back(serve: Any, http: str, offer: str) -> None:
    offered = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        offered.append(scope["subprotocols"])
        await send({"type": "websocket.accept", "subprotocol": scope["subprotocols"][0]})

    server = serve(app, http=http)
    with server.peer() as peer:
        response = peer.send(request(headers=[("Sec-WebSocket-Protocol", offer)])).response()
    subprotocols = OFFERS[offer]
    assert response.status == (400 if subprotocols is None else 101)
    assert offered == ([] if subprotocols is None else [subprotocols])
    if subprotocols is not None:
        assert response.header("sec-websocket-protocol") == subprotocols[0]
    assert not [record for record in server.records if record.exc_info]


BAD_ACCEPTS: list[dict[str, Any]] = [
    {"subprotocol": "a\r\nX-Injected: 1"},
    {"subprotocol": "a b"},
    {"subprotocol": "é"},
    {"subprotocol": ""},
    {"headers": [(b"X-A", b"1\r\nX-Injected: 1")]},
    {"headers": [(b"X-A", b"1\nX-Injected: 1")]},
    {"headers": [(b"X-A: 1\r\nX-Injected", b"1")]},
    {"headers": [(b"", b"1")]},
    {"headers": [(b"X-A", b"\x00")]},
    {"headers": [(b"Sec-WebSocket-Accept", b"x")]},
    {"headers": [(b"Content-Length", b"5")]},
]


@pytest.mark.parametrize("message", BAD_ACCEPTS, ids=str)
def test_HS10_accept_cannot_inject(serve: Any, message: dict[str, Any]) -> None:
    raised = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        try:
            await send({"type": "websocket.accept", **message})
        except ValueError as exc:
            raised.append(exc)
            raise

    server = serve(app)
    with server.peer() as peer:
        response = peer.send(request(headers=[("Sec-WebSocket-Protocol", "a")])).response()
    assert response.status == 500
    assert response.header("x-injected") is None
    assert len(raised) == 1


def test_HS10_denial_headers_cannot_inject(serve: Any) -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        headers = [(b"X-A", b"1\r\nX-Injected: 1")]
        await send({"type": "websocket.http.response.start", "status": 400, "headers": headers})

    server = serve(app)
    with server.peer() as peer:
        response = peer.send(request()).response()
    assert (response.status, response.header("x-injected")) == (500, None)


def test_HS17_log_lines_stay_lines(serve: Any) -> None:
    server = serve(echo)
    with server.opened("/%0d%0aERROR%20%1b[31m?%0a") as peer:
        peer.send(close_frame()).frame()
    server.stop()
    for record in server.records:
        assert record.getMessage().isprintable() or record.exc_info


def test_absolute_target(serve: Any) -> None:
    app = recorded()
    server = serve(app)
    with server.opened("http://127.0.0.1/a/b?c=d") as peer:
        peer.send(close_frame()).frame()
    assert (app.scopes[0]["path"], app.scopes[0]["query_string"]) == ("/a/b", b"c=d")


@pytest.mark.parametrize("step", [1, 7, 50])
def test_a_request_in_pieces(serve: Any, step: int) -> None:
    server = serve(echo)
    data = request(headers=[("Sec-WebSocket-Protocol", "a")])
    with server.peer() as peer:
        for start in range(0, len(data), step):
            peer.send(data[start : start + step])
        assert peer.response().status == 101


EXTENSIONS = [
    "a;b=" + '"\\\\' * 2000,
    ",".join(["permessage-deflate"] * 400),
    ";".join(["permessage-deflate", *["a=b"] * 1500]),
    "," * 7000,
    " " * 7000 + "x",
    "a" * 7000,
]


@pytest.mark.parametrize("header", ["Sec-WebSocket-Extensions", "Sec-WebSocket-Protocol"])
@pytest.mark.parametrize("value", EXTENSIONS, ids=range(len(EXTENSIONS)))
def test_long_lists_cost_linear_time(server: Any, header: str, value: str) -> None:
    def cost(size: int) -> float:
        taken = []
        for _ in range(3):
            # Of the server, too: it shares our process.
            start = time.process_time()
            answer(server, request(headers=[(header, value[:size])]))
            taken.append(time.process_time() - start)
        return min(taken)

    assert cost(7900) < 10 * cost(1900) + 0.005


def test_lines_that_many_clients_send_are_one_object(serve: Any) -> None:
    app = recorded()
    server = serve(app)
    common = [("User-Agent", "one"), ("Accept-Language", " en "), ("X-Own", "one"), ("User-Agent", "two")]
    for _ in range(4):
        server.opened(headers=common).send(close_frame()).frames()
    heads = [scope["headers"] for scope in app.scopes]
    first, second = heads[:2]
    assert first is not second
    own = {b"sec-websocket-key"}
    assert [pair for pair in first if pair[0] not in own] == [pair for pair in second if pair[0] not in own]
    # Of the four one may be the client at which the table is full and forgets them all.
    shared = [
        [ours[0] for ours, theirs in zip(*pair, strict=True) if ours is theirs]
        for pair in zip(heads, heads[1:], strict=False)
    ]
    assert max(shared, key=len) == [
        b"host",
        b"upgrade",
        b"connection",
        b"sec-websocket-version",
        b"user-agent",
        b"accept-language",
        b"user-agent",
    ]
    assert dict(first)[b"accept-language"] == b"en"


def test_the_kept_lines_are_bounded(server: Any) -> None:
    def send(first: int, count: int) -> None:
        for number in range(first, first + count):
            with server.peer() as peer:
                lines = [("User-Agent", f"{number}-{line}".ljust(230, "x")) for line in range(90)]
                # The version comes last: the lines before it are kept, and the handshake is refused.
                assert peer.send(request(drop=["Sec-WebSocket-Version"], headers=lines)).response().status == 400

    send(0, 30)
    before = resident()
    send(30, 100)
    # Nine thousand lines, of which 1,024 are there at most: 6 MiB if they stayed.
    assert resident() - before < SLOWER * 3 * 1024 * 1024
    with server.opened(headers=[("User-Agent", "x" * 230)]) as peer:
        peer.send(close_frame())
