"""Servers over our sockets: uvicorn's own protocols, Unix sockets, descriptors, large files, the test kit."""

from __future__ import annotations

import asyncio
import os
import socket
from pathlib import Path
from typing import Any

import pytest
from apps import echo
from peer import TEXT, Peer, frame

from wirefast import App, WebSocket
from wirefast.responses import FileResponse
from wirefast.server.sockets.listening import bind_tcp
from wirefast.testing import live

SIZE = 3_000_000


def files(path: Path) -> App:
    app = App()

    @app.get("/file")
    async def large() -> FileResponse:
        return FileResponse(path)

    @app.websocket("/ws")
    async def said(websocket: WebSocket) -> None:
        await websocket.accept()
        async for text in websocket.iter_text():
            await websocket.send_text(text)

    return app


def kinds(served: Any) -> set[str]:
    """The classes of the transports of all open connections."""
    return {type(protocol.transport).__name__ for protocol in list(served.server.server_state.connections)}


def get(address: Any, target: str) -> bytes:
    """The whole response to a request."""
    family = socket.AF_UNIX if isinstance(address, str) else socket.AF_INET
    with socket.socket(family) as client:
        client.settimeout(20)
        client.connect(address)
        client.sendall(f"GET {target} HTTP/1.1\r\nHost: here\r\nConnection: close\r\n\r\n".encode())
        parts = []
        while part := client.recv(65536):
            parts.append(part)
        return b"".join(parts)


@pytest.mark.both_transports
@pytest.mark.parametrize("http", ["h11", "httptools", "wirefast.server:HttpProtocol"])
def test_files_leave_whole_by_any_protocol(serve: Any, loop_name: str, tmp_path: Path, http: str) -> None:
    content = os.urandom(SIZE)
    (tmp_path / "large").write_bytes(content)
    served = serve(files(tmp_path / "large"), loop=loop_name, http=http)
    head, _, body = get(served.address, "/file").partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 200 ") and body == content


@pytest.mark.parametrize("ws", ["websockets", "websockets-sansio", "wsproto", "wirefast.server:WebSocketProtocol"])
@pytest.mark.filterwarnings("ignore:The `websockets` implementation is deprecated", "ignore::DeprecationWarning")
def test_sockets_of_any_protocol(serve: Any, loop_name: str, ws: str) -> None:
    if ws == "wsproto":
        pytest.importorskip("wsproto")
    served = serve(echo, loop=loop_name, ws=ws, http="h11", transport="sockets")
    peer = served.opened()
    assert kinds(served) == {"SocketTransport"}
    for text in (b"short", b"x" * 200_000):
        assert peer.send(frame(TEXT, text)).frame()[1] == text


def test_a_unix_socket(serve: Any, loop_name: str, tmp_path: Path) -> None:
    path = str(tmp_path / "server.sock")
    for _ in range(2):  # the second takes the path of the first, which is dead
        served = serve(echo, loop=loop_name, uds=path, transport="sockets")
        peer: Peer = served.opened()
        assert kinds(served) == {"SocketTransport"}
        assert peer.send(frame(TEXT, b"hello")).frame()[1] == b"hello"
        assert os.stat(path).st_mode & 0o777 == 0o666
        served.stop()
    assert any("unix socket" in record.getMessage() for record in served.records)


def test_a_descriptor(serve: Any, loop_name: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        served = serve(echo, loop=loop_name, fd=listener.fileno(), transport="sockets")
        peer = served.opened()
        assert kinds(served) == {"SocketTransport"}
        assert peer.send(frame(TEXT, b"hello")).frame()[1] == b"hello"


def test_an_address_that_is_taken() -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        with pytest.raises(OSError, match=rf"cannot listen on \('127\.0\.0\.1', {port}\): address already in use"):
            bind_tcp("127.0.0.1", port)
    taken = bind_tcp("localhost", 0)
    assert {one.family for one in taken} <= {socket.AF_INET, socket.AF_INET6}
    for one in taken:
        one.close()


def test_the_loops_transports_where_they_are_asked_for(serve: Any, loop_name: str) -> None:
    served = serve(echo, loop=loop_name, transport="loop")
    served.opened()
    assert "SocketTransport" not in kinds(served)


def test_the_kit_on_our_sockets(tmp_path: Path) -> None:
    async def main() -> None:
        async with live(files(tmp_path / "none"), server="real", transport="sockets") as server:
            async with server.connect("/ws") as peer:
                await peer.send("hello")
                await peer.expect("hello")
                protocols = server._server.protocols()
                assert [type(protocol.transport).__name__ for protocol in protocols] == ["SocketTransport"]

    asyncio.run(main())
