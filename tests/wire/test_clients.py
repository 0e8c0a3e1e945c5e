"""Clients that people use, and the ways they come: TLS, a Unix socket, a reverse proxy.

What is not installed is left out with a reason: ``aiohttp``, the npm package ``ws`` (found by node, for example through
NODE_PATH) and nginx.
"""

from __future__ import annotations

import asyncio
import gc
import json
import shutil
import socket
import ssl
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from peer import CLOSE, TEXT, Peer, close_frame, frame, request
from proxies import nginx
from websockets.asyncio.client import connect as connect_async
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import ClientConnection, connect, unix_connect

from certificates import make_certificate
from processes import foreign
from wirefast import App, WebSocket, WebSocketDisconnect

# Python 3.10's asyncio forgets to call its TLS transports closed when the connection is lost, the clients' here too.
pytestmark = pytest.mark.filterwarnings(
    "ignore:.*_SSLProtocolTransport.__del__:pytest.PytestUnraisableExceptionWarning"
    if sys.version_info < (3, 11)
    else "error"
)


@pytest.fixture(autouse=True)
def _forgotten_here() -> Iterator[None]:
    """Those transports are collected after the test that made them, not in a later one that counts objects."""
    yield
    if sys.version_info < (3, 11):
        gc.collect()


# Every form of the length, both kinds, and more than one read.
MESSAGES: list[str | bytes] = ["", "grüße", b"\x00\xff" * 63, "a" * 125, b"b" * 126, "c" * 65535, b"d" * 65536]
LARGE = "e" * 1_000_000


def build() -> App:
    app = App()
    app.state.ends = []

    @app.websocket("/echo")
    async def echo(websocket: WebSocket) -> None:
        await websocket.accept(subprotocol="chat" if "chat" in websocket.scope["subprotocols"] else None)
        try:
            while True:
                message = await websocket.receive()
                if message["type"] == "websocket.disconnect":
                    return app.state.ends.append(message["code"])
                if message.get("text") == "close me":
                    return await websocket.close(4321, "as you wish")
                await websocket.send({**message, "type": "websocket.send"})
        except WebSocketDisconnect as exc:
            app.state.ends.append(exc.code)

    @app.websocket("/who")
    async def who(websocket: WebSocket) -> None:
        await websocket.accept()
        client = websocket.client
        await websocket.send_json(
            {"client": client and client.host, "scheme": websocket.url.scheme, "host": websocket.headers["host"]}
        )

    @app.websocket("/no")
    async def no(websocket: WebSocket) -> None:
        await websocket.close(4000, "not you")

    return app


def converse(websocket: ClientConnection) -> None:
    """What every client has to be able to do."""
    for message in [*MESSAGES, LARGE]:
        websocket.send(message)
        assert websocket.recv(10) == message
    websocket.send(["in ", "three ", "fragments"])
    assert websocket.recv(10) == "in three fragments"
    assert websocket.ping().wait(10)


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, str]:
    return make_certificate(tmp_path_factory.mktemp("tls"))


@pytest.fixture
def secure(serve: Any, certificate: tuple[str, str], loop_name: str) -> Any:
    """A server over TLS, with the client's ``context`` as an attribute."""
    cert, key = certificate
    app = build()
    server = serve(app, loop=loop_name, ssl_certfile=cert, ssl_keyfile=key)
    server.app, server.context = app, ssl.create_default_context(cafile=cert)
    server.secure_url = server.url.replace("ws:", "wss:")
    return server


def handshaken(server: Any) -> Peer:
    """A raw peer over TLS."""
    peer = server.peer()
    peer.sock = server.context.wrap_socket(peer.sock, server_hostname="127.0.0.1")
    return peer


# Over TLS the asyncio client: the one with threads reads and writes one SSL object from two of them, which OpenSSL
# forbids, and now and then hangs, whichever server it talks to.
def test_websockets_over_tls(secure: Any) -> None:
    async def client() -> None:
        echo = f"{secure.secure_url}/echo"
        async with connect_async(echo, ssl=secure.context, subprotocols=["chat"], max_size=None) as websocket:
            assert websocket.subprotocol == "chat"
            for message in [*MESSAGES, LARGE]:
                await websocket.send(message)
                assert await websocket.recv() == message
            await websocket.send(["in ", "three ", "fragments"])
            assert await websocket.recv() == "in three fragments"
            await (await websocket.ping())
        async with connect_async(f"{secure.secure_url}/who", ssl=secure.context) as websocket:
            assert json.loads(await websocket.recv())["scheme"] == "wss"
        with pytest.raises(InvalidStatus) as refused:
            await connect_async(f"{secure.secure_url}/no", ssl=secure.context)
        assert refused.value.response.status_code == 403

    asyncio.run(asyncio.wait_for(client(), 30))
    secure.stop()
    assert (secure.app.state.ends, secure.errors) == ([1000], [])


def test_tls_records_of_one_byte(secure: Any) -> None:
    with handshaken(secure) as peer:
        for byte in request("/echo") + frame(TEXT, "grüße".encode()):
            peer.sock.send(bytes([byte]))
        assert peer.response().status == 101
        assert peer.frame().data.decode() == "grüße"
        for byte in close_frame(1000):
            peer.sock.send(bytes([byte]))
        assert (found := peer.frame()).opcode == CLOSE and found.code == 1000
        assert peer.ended()


def test_tls_peer_that_leaves_without_a_word(secure: Any) -> None:
    """Neither a close frame nor a close_notify."""
    peer = handshaken(secure)
    peer.open("/echo")
    peer.send(frame(TEXT, b"hello")).frame()
    socket.socket(fileno=peer.sock.detach()).close()
    deadline = time.monotonic() + 20
    while not secure.app.state.ends:  # or the server's own end may come first
        assert time.monotonic() < deadline, "the server does not notice"
        time.sleep(0.01)
    secure.stop()
    assert (secure.app.state.ends, secure.errors) == ([1006], [])


def test_plain_text_to_a_tls_port(secure: Any) -> None:
    with secure.peer() as peer:
        assert peer.send(request("/echo")).ended(5)
    with handshaken(secure) as peer:
        peer.open("/echo")
        assert peer.send(frame(TEXT, b"others are served")).frame().data == b"others are served"


def test_tls_peer_that_stops_reading(secure: Any) -> None:
    """What it does not read is kept within bounds, and arrives once it reads again."""
    count, message = 400, b"x" * 10_000

    async def client() -> None:
        async with connect_async(f"{secure.secure_url}/echo", ssl=secure.context, max_queue=1) as websocket:

            async def send() -> None:
                for _ in range(count):
                    await websocket.send(message)

            sender = asyncio.ensure_future(send())
            assert all([await websocket.recv() == message for _ in range(count)])
            await sender

    asyncio.run(asyncio.wait_for(client(), 30))
    secure.stop()
    assert secure.errors == []


def test_websockets_over_a_unix_socket(serve: Any, loop_name: str, short_path: Path) -> None:
    app = build()
    path = str(short_path / "wire.sock")
    server = serve(app, loop=loop_name, uds=path)
    with unix_connect(path, uri="ws://localhost/echo", max_size=None) as websocket:
        converse(websocket)
    with unix_connect(path, uri="ws://localhost/who") as websocket:
        assert json.loads(websocket.recv(10)) == {"client": None, "scheme": "ws", "host": "localhost"}
    server.stop()
    assert (app.state.ends, server.errors) == ([1000], [])


@pytest.mark.parametrize("deflate", [False, True], ids=["plain", "deflate"])
def test_websockets(serve: Any, deflate: bool) -> None:
    app = build()
    server = serve(app, ws_per_message_deflate=deflate)
    with connect(f"{server.url}/echo", max_size=None) as websocket:
        assert bool(websocket.protocol.extensions) is deflate
        converse(websocket)
        websocket.send("close me")
        with pytest.raises(ConnectionClosed) as closed:
            websocket.recv(10)
    assert closed.value.rcvd is not None
    assert (closed.value.rcvd.code, closed.value.rcvd.reason) == (4321, "as you wish")
    server.stop()
    assert server.errors == []


@pytest.mark.parametrize("deflate", [False, True], ids=["plain", "deflate"])
@pytest.mark.parametrize("tls", [False, True], ids=["ws", "wss"])
def test_aiohttp(serve: Any, certificate: tuple[str, str], deflate: bool, tls: bool) -> None:
    aiohttp = pytest.importorskip("aiohttp", reason="needs aiohttp")
    app = build()
    files = {"ssl_certfile": certificate[0], "ssl_keyfile": certificate[1]} if tls else {}
    server = serve(app, ws_per_message_deflate=deflate, **files)
    url = server.url.replace("ws:", "wss:") if tls else server.url
    options = {"ssl": ssl.create_default_context(cafile=certificate[0])} if tls else {}

    async def client() -> None:
        async with aiohttp.ClientSession() as session:
            compress = 15 if deflate else 0
            async with session.ws_connect(f"{url}/echo", protocols=["chat"], compress=compress, **options) as websocket:
                assert (websocket.protocol, bool(websocket.compress)) == ("chat", deflate)
                for message in [*MESSAGES, LARGE]:
                    if isinstance(message, str):
                        await websocket.send_str(message)
                        assert await websocket.receive_str() == message
                    else:
                        await websocket.send_bytes(message)
                        assert await websocket.receive_bytes() == message
                await websocket.send_str("close me")
                closed = await websocket.receive()
                assert (closed.type, closed.data, closed.extra) == (aiohttp.WSMsgType.CLOSE, 4321, "as you wish")
            async with session.ws_connect(f"{url}/echo", **options) as websocket:
                await websocket.close(code=4001)
            with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
                await session.ws_connect(f"{url}/no", **options)
            assert refused.value.status == 403
        # While this loop still runs: aiohttp's TLS connections end some turns after their session.
        await asyncio.to_thread(server.stop)

    asyncio.run(asyncio.wait_for(client(), 30))
    assert (app.state.ends, server.errors) == ([4001], [])


# Echoes each message and prints what came of it as JSON.
NODE = """
const WebSocket = require('ws')
const ca = process.argv[3] && require('fs').readFileSync(process.argv[3])
const options = { perMessageDeflate: process.argv[2] === 'deflate', ca }
const messages = ['', 'grüße', Buffer.alloc(126, 0xff), 'a'.repeat(125), Buffer.alloc(65536, 7), 'e'.repeat(1000000)]
const client = new WebSocket(process.argv[1] + '/echo', ['chat'], options)
const report = { same: 0, pong: '' }
client.on('open', () => {
  Object.assign(report, { protocol: client.protocol, extensions: client.extensions })
  client.send(messages[0])
})
client.on('pong', data => { report.pong = data.toString(); client.send('close me') })
client.on('message', (data, binary) => {
  const sent = messages[report.same]
  if (binary === Buffer.isBuffer(sent) && Buffer.from(sent).equals(data)) report.same++
  else return client.terminate()
  if (report.same < messages.length) client.send(messages[report.same])
  else client.ping('are you there')
})
client.on('close', (code, reason) => {
  Object.assign(report, { code, reason: reason.toString() })
  const refused = new WebSocket(process.argv[1] + '/no', options)
  refused.on('error', () => {})
  refused.on('unexpected-response', (_, response) => {
    report.status = response.statusCode
    response.resume()
    response.on('end', () => console.log(JSON.stringify(report)))
  })
})
"""


@pytest.fixture(scope="module")
def node() -> str:
    found = shutil.which("node")
    probe = [found or "", "-e", "require('ws')"]
    if found is None or subprocess.run(probe, capture_output=True, timeout=60, env=foreign()).returncode:
        pytest.skip("needs node and the npm package ws")
    return found


@pytest.mark.parametrize("deflate", [False, True], ids=["plain", "deflate"])
@pytest.mark.parametrize("tls", [False, True], ids=["ws", "wss"])
def test_npm_ws(serve: Any, node: str, certificate: tuple[str, str], deflate: bool, tls: bool) -> None:
    app = build()
    files = {"ssl_certfile": certificate[0], "ssl_keyfile": certificate[1]} if tls else {}
    server = serve(app, ws_per_message_deflate=deflate, **files)
    url = server.url.replace("ws:", "wss:") if tls else server.url
    arguments = [url, "deflate" if deflate else "plain", *([certificate[0]] if tls else [])]
    command = [node, "-e", NODE, *arguments]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=60, env=foreign())
    assert ended.returncode == 0, ended.stderr
    report = json.loads(ended.stdout)
    assert ("permessage-deflate" in report.pop("extensions")) is deflate
    assert report == {
        "same": 6,
        "pong": "are you there",
        "protocol": "chat",
        "code": 4321,
        "reason": "as you wish",
        "status": 403,
    }
    server.stop()
    assert server.errors == []


@pytest.mark.parametrize("trusted", [True, False], ids=["proxy headers", "no proxy headers"])
@pytest.mark.parametrize("unix", [False, True], ids=["tcp", "unix"])
def test_behind_nginx(serve: Any, tmp_path: Path, short_path: Path, trusted: bool, unix: bool) -> None:
    app = build()
    settings: dict[str, Any] = {"uds": str(short_path / "up.sock")} if unix else {}
    if unix:
        settings["forwarded_allow_ips"] = "*"
    server = serve(app, proxy_headers=trusted, **settings)
    upstream = f"unix:{server.address}" if unix else f"127.0.0.1:{server.address[1]}"
    with nginx(upstream, tmp_path) as port:
        url = f"ws://127.0.0.1:{port}"
        with connect(f"{url}/echo", max_size=None, subprotocols=["chat"]) as websocket:  # type: ignore[list-item]
            assert websocket.subprotocol == "chat"
            converse(websocket)
            websocket.send("close me")
            with pytest.raises(ConnectionClosed) as closed:
                websocket.recv(10)
        assert closed.value.rcvd is not None and closed.value.rcvd.code == 4321
        with connect(f"{url}/who", additional_headers={"X-Forwarded-For": "203.0.113.7"}) as websocket:
            found = json.loads(websocket.recv(10))
        assert found["host"] == f"127.0.0.1:{port}"
        if trusted:
            assert (found["client"], found["scheme"]) == ("203.0.113.7", "wss")
        else:
            assert (found["client"], found["scheme"]) == (None if unix else "127.0.0.1", "ws")
        with pytest.raises(InvalidStatus) as refused:
            connect(f"{url}/no")
        assert refused.value.response.status_code == 403
        assert json.loads(refused.value.response.body or b"") == {"code": 4000, "reason": "not you"}
        # A client that the proxy loses is one that the application loses.
        peer = Peer(("127.0.0.1", port))
        peer.open("/echo")
        peer.send(frame(TEXT, b"hello")).frame()
        peer.reset()
    server.stop()
    assert server.errors == []
    assert app.state.ends[-1:] == [1006]
