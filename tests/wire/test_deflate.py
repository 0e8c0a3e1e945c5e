"""permessage-deflate: negotiation, both directions, and bombs."""

from __future__ import annotations

import asyncio
import zlib
from typing import Any

import pytest
from apps import Wrapping, deaf, echo
from peer import BINARY, CONT, PING, PONG, TEXT, Peer, close_frame, frame, request
from websockets.extensions.permessage_deflate import ClientPerMessageDeflateFactory
from websockets.sync.client import connect

from measures import resident
from slower import SLOWER
from wirefast import APIRouter, App, WebSocket
from wirefast.server.deflate import parse_extensions

RSV1 = 0x40
MIB = 1048576


def squeeze(data: bytes, compressor: Any = None) -> bytes:
    compressor = compressor or zlib.compressobj(wbits=-15)
    return (compressor.compress(data) + compressor.flush(zlib.Z_SYNC_FLUSH))[:-4]


def expand(data: bytes, decompressor: Any = None) -> bytes:
    return (decompressor or zlib.decompressobj(wbits=-15)).decompress(data + b"\x00\x00\xff\xff")


def deflating(server: Any, offer: str = "permessage-deflate") -> tuple[Peer, str | None]:
    peer = server.peer()
    peer.send(request(headers=[("Sec-WebSocket-Extensions", offer)]))
    return peer, peer.response().header("sec-websocket-extensions")


OFFERS = [
    ("permessage-deflate", "permessage-deflate; server_max_window_bits=12"),
    (
        "permessage-deflate; client_max_window_bits",
        "permessage-deflate; server_max_window_bits=12; client_max_window_bits=12",
    ),
    (
        "permessage-deflate; client_max_window_bits=9; server_max_window_bits=10",
        "permessage-deflate; server_max_window_bits=10; client_max_window_bits=9",
    ),
    (
        "permessage-deflate; server_no_context_takeover; client_no_context_takeover",
        "permessage-deflate; server_no_context_takeover; client_no_context_takeover; server_max_window_bits=12",
    ),
    ('permessage-deflate; server_max_window_bits="8"', "permessage-deflate; server_max_window_bits=8"),
    ("permessage-deflate; unknown, permessage-deflate", "permessage-deflate; server_max_window_bits=12"),
    ("x-webkit-deflate-frame, permessage-deflate", "permessage-deflate; server_max_window_bits=12"),
    ("permessage-deflate; server_max_window_bits=7", None),
    ("permessage-deflate; server_max_window_bits=16", None),
    ("permessage-deflate; server_max_window_bits=08", None),
    ("permessage-deflate; server_max_window_bits", None),
    ("permessage-deflate; server_no_context_takeover=1", None),
    ("permessage-deflate; client_no_context_takeover; client_no_context_takeover", None),
    ("other", None),
]


@pytest.mark.parametrize(("offer", "answer"), OFFERS)
def test_negotiation(serve: Any, offer: str, answer: str | None) -> None:
    server = serve(echo)
    peer, found = deflating(server, offer)
    assert found == answer
    text = b"compressible " * 100
    if answer is None:
        peer.send(frame(TEXT, text))
        assert peer.frame() == (TEXT, text, True, 0)
    else:
        bits = 9 if "client_max_window_bits=9" in answer else 12
        peer.send(frame(TEXT, squeeze(text, zlib.compressobj(wbits=-bits)), rsv=RSV1))
        reply = peer.frame()
        if "server_max_window_bits=8" in answer:
            assert reply == (TEXT, text, True, 0)
        else:
            assert reply.rsv == RSV1 and len(reply.data) < 200 and expand(reply.data) == text
    peer.send(close_frame())


@pytest.mark.parametrize("offer", ["permessage-deflate; a=", "permessage-deflate;;", "a b", ",", 'a; b="c', "a=b"])
def test_malformed_offers_are_refused(serve: Any, offer: str) -> None:
    server = serve(echo)
    with server.peer() as peer:
        response = peer.send(request(headers=[("Sec-WebSocket-Extensions", offer)])).response()
    assert (response.status, response.body) == (400, b"malformed Sec-WebSocket-Extensions")


def test_parse_extensions() -> None:
    assert parse_extensions('a; b=c; d, e ; f = "g"') == [("a", [("b", "c"), ("d", None)]), ("e", [("f", "g")])]
    with pytest.raises(ValueError):
        parse_extensions("a; b=")


def test_off_by_setting(serve: Any) -> None:
    server = serve(echo, ws_per_message_deflate=False)
    peer, found = deflating(server)
    assert found is None
    peer.send(frame(TEXT, b"x", rsv=RSV1))
    assert peer.frame().code == 1002


def routes_that_choose() -> App:
    app, router, nested, mounted = App(), APIRouter(prefix="/in"), APIRouter(), App()

    async def endpoint(websocket: WebSocket) -> None:
        await websocket.accept()
        async for text in websocket.iter_text():
            await websocket.send_text(text)

    for owner in (app, nested, mounted):
        owner.websocket("/on", per_message_deflate=True)(endpoint)
        owner.websocket("/off", per_message_deflate=False)(endpoint)
        owner.add_api_websocket_route("/unsaid", endpoint)
    app.add_api_websocket_route("/added", endpoint, per_message_deflate=True)
    router.include_router(nested)
    app.include_router(router)
    app.mount("/sub", mounted)
    return app


PATHS = ("/on", "/in/on", "/sub/on", "/added", "/off", "/in/off", "/sub/off", "/unsaid", "/in/unsaid")


@pytest.mark.parametrize("wrapped", [False, True], ids=["direct", "asgi"])
@pytest.mark.parametrize("setting", [False, True])
def test_each_route_may_choose(serve: Any, setting: bool, wrapped: bool) -> None:
    app: Any = routes_that_choose()
    server = serve(Wrapping(app) if wrapped else app, ws_per_message_deflate=setting)
    text = b"compressible " * 100
    for path in PATHS:
        expected = setting if path.endswith("unsaid") else not path.endswith("off")
        with server.peer() as peer:
            peer.send(request(path, headers=[("Sec-WebSocket-Extensions", "permessage-deflate")]))
            assert (peer.response().header("sec-websocket-extensions") is not None) is expected, path
            peer.send(frame(TEXT, text))
            reply = peer.frame()
            assert (reply.rsv == RSV1) is expected, path
            assert (expand(reply.data) if expected else reply.data) == text
            if expected:
                peer.send(frame(TEXT, squeeze(text, zlib.compressobj(wbits=-12)), rsv=RSV1))
                assert peer.frame().rsv == RSV1
            else:
                peer.send(frame(TEXT, squeeze(text), rsv=RSV1))
                assert peer.frame().code == 1002
        # Where the client offers nothing, nothing is agreed.
        with server.opened(path) as peer:
            peer.send(frame(TEXT, text))
            assert peer.frame() == (TEXT, text, True, 0)
    refused = 9 - sum(setting if path.endswith("unsaid") else not path.endswith("off") for path in PATHS)
    assert [line.partition(" - ")[2][:26] for line in server.errors] == ["WebSocket closed with 1002"] * refused


@pytest.mark.parametrize("answer", [True, False, None])
def test_any_application_may_choose(serve: Any, answer: bool | None) -> None:
    scopes: list[Any] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        scopes.append(dict(scope["extensions"]))
        scope["extensions"]["wirefast"].configure(per_message_deflate=answer)
        await echo(scope, receive, send)

    server = serve(app)
    peer, found = deflating(server)
    assert (found is not None) is (answer is not False)
    peer.send(close_frame())
    peer.frames()
    server.opened().send(close_frame()).frames()
    assert [sorted(extensions) for extensions in scopes] == [["websocket.http.response", "wirefast"]] * 2


def test_malformed_offers_are_refused_also_where_compression_is_off(serve: Any) -> None:
    server = serve(echo, ws_per_message_deflate=False)
    with server.peer() as peer:
        assert peer.send(request(headers=[("Sec-WebSocket-Extensions", "a=b")])).response().status == 400


@pytest.mark.parametrize("takeover", [True, False])
def test_a_real_client(serve: Any, takeover: bool) -> None:
    server = serve(echo)
    factory = ClientPerMessageDeflateFactory(
        server_no_context_takeover=not takeover, client_no_context_takeover=not takeover
    )
    with connect(server.url, extensions=[factory], compression=None) as client:
        assert client.protocol.extensions
        for message in ("short", "é" * 5000, b"\x00" * 100000, "", bytes(range(256)) * 500, "é" * 5000):
            client.send(message)
            assert client.recv() == message
        client.send(["frag" * 100, "ments" * 100])
        assert client.recv() == "frag" * 100 + "ments" * 100
    assert server.errors == []


def test_short_messages_are_not_compressed(serve: Any) -> None:
    server = serve(echo)
    peer, _ = deflating(server)
    peer.send(frame(TEXT, squeeze(b"a" * 100), rsv=RSV1))
    assert peer.frame() == (TEXT, b"a" * 100, True, 0)
    peer.send(frame(TEXT, b"b" * 200))
    assert peer.frame().rsv == RSV1


def test_context_is_kept_between_messages(serve: Any) -> None:
    server = serve(echo)
    peer, _ = deflating(server)
    ours, theirs = zlib.compressobj(wbits=-12), zlib.decompressobj(wbits=-12)
    sizes = []
    for _ in range(3):
        text = bytes(range(32, 127)) * 4
        peer.send(frame(TEXT, squeeze(text, ours), rsv=RSV1))
        reply = peer.frame()
        assert expand(reply.data, theirs) == text
        sizes.append(len(reply.data))
    assert sizes[1] < sizes[0] / 2


def test_no_context_is_kept_where_the_client_asked_for_none(serve: Any) -> None:
    server = serve(echo)
    peer, answer = deflating(server, "permessage-deflate; server_no_context_takeover")
    assert answer is not None and "server_no_context_takeover" in answer
    text = bytes(range(32, 127)) * 4
    for _ in range(3):
        peer.send(frame(TEXT, squeeze(text), rsv=RSV1))
        assert expand(peer.frame().data) == text


def test_fragments_and_final_blocks(serve: Any) -> None:
    server = serve(echo)
    peer, _ = deflating(server)
    packed = squeeze(b"split" * 100)
    peer.send(frame(BINARY, packed[:5], fin=False, rsv=RSV1), frame(PING, b"p"), frame(CONT, packed[5:]))
    assert peer.frame() == (PONG, b"p", True, 0)
    assert expand(peer.frame().data) == b"split" * 100
    compressor = zlib.compressobj(wbits=-12)
    final = compressor.compress(b"f" * 200) + compressor.flush(zlib.Z_FINISH) + b"\x00"
    for _ in range(2):
        peer.send(frame(BINARY, final, rsv=RSV1))
        assert peer.frame().opcode == BINARY
    peer.send(close_frame())


def test_a_final_block_keeps_the_window(serve: Any) -> None:
    """What was said before it may be referred to after it (RFC 7692, section 7.2.3.4)."""
    server = serve(echo)
    peer, _ = deflating(server)
    data = bytes(range(256)) * 4
    first, second = zlib.compressobj(wbits=-12), zlib.compressobj(wbits=-12, zdict=data)
    final = first.compress(data) + first.flush(zlib.Z_FINISH) + b"\x00"
    peer.send(frame(BINARY, final, rsv=RSV1), frame(BINARY, squeeze(data, second), rsv=RSV1))
    theirs = zlib.decompressobj(wbits=-12)
    for _ in range(2):
        assert expand(peer.frame().data, theirs) == data


VIOLATIONS = {
    "continuation with rsv1": (frame(TEXT, b"x", fin=False, rsv=RSV1) + frame(CONT, b"x", rsv=RSV1), 1002),
    "control frame with rsv1": (frame(PING, b"x", rsv=RSV1), 1002),
    "rsv2": (frame(TEXT, b"x", rsv=0x20), 1002),
    "no deflate data": (frame(BINARY, b"\xff\xff\xff\xff", rsv=RSV1), 1002),
    "bad text": (frame(TEXT, squeeze(b"\xff\xfe"), rsv=RSV1), 1007),
    "too big": (frame(BINARY, squeeze(b"x" * (MIB + 1)), rsv=RSV1), 1009),
}


@pytest.mark.parametrize("name", VIOLATIONS)
def test_violations(serve: Any, name: str) -> None:
    server = serve(echo, ws_max_size=MIB)
    peer, _ = deflating(server)
    data, code = VIOLATIONS[name]
    peer.send(data)
    assert peer.frame().code == code
    (complaint,) = server.errors
    assert f"WebSocket closed with {code}: " in complaint


def test_the_largest_message_fits(serve: Any) -> None:
    server = serve(echo, ws_max_size=MIB)
    peer, _ = deflating(server)
    peer.send(frame(BINARY, squeeze(b"x" * MIB), rsv=RSV1))
    assert expand(peer.frame().data) == b"x" * MIB
    peer.send(close_frame())


def test_FR08_a_bomb_costs_its_limit(serve: Any) -> None:
    server = serve(echo, ws_max_size=MIB, ws_ping_interval=None)
    peer, _ = deflating(server)
    compressor = zlib.compressobj(9, wbits=-15)
    block = b"\x00" * MIB
    bomb = b"".join(compressor.compress(block) for _ in range(512)) + compressor.flush(zlib.Z_SYNC_FLUSH)
    before = resident()
    peer.send(frame(BINARY, bomb[:-4], rsv=RSV1))
    assert peer.frame().code == 1009
    assert resident() - before < SLOWER * 4 * MIB


def test_FR09_bombs_under_the_limit_that_nobody_reads(serve: Any) -> None:
    release = asyncio.Event()

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await receive()
        await send({"type": "websocket.accept"})
        await release.wait()
        for _ in range(3):
            assert len((await receive())["bytes"]) == 15 * MIB
        await send({"type": "websocket.send", "text": "read"})

    server = serve(app)
    peer, _ = deflating(server)
    bomb = frame(BINARY, squeeze(b"\x00" * 15 * MIB), rsv=RSV1)
    before = resident()
    peer.send(bomb * 20, frame(PING, b"heard"))
    assert peer.frame().data == b"heard"
    assert resident() - before < SLOWER * 4 * MIB
    server.call(release.set)
    assert peer.frame().data == b"read"


def test_an_unread_bomb_with_a_deaf_handler(serve: Any) -> None:
    server = serve(deaf, timeout_graceful_shutdown=1)
    peer, _ = deflating(server)
    bombs = frame(BINARY, squeeze(b"\x00" * 15 * MIB), rsv=RSV1) * 20
    before = resident()
    peer.send(bombs, frame(PING, b"p"))
    assert peer.frame().opcode == PONG
    assert resident() - before < SLOWER * 4 * MIB
