"""A peer that ends its side and reads nothing more is let go in time."""

from __future__ import annotations

import asyncio
import socket
from typing import Any

import pytest
import uvicorn
from peer import request

from wirefast import App, WebSocket
from wirefast.server import HttpProtocol, WebSocketProtocol
from wirefast.server.arrival import Reception
from wirefast.server.sockets.listening import SocketServer


@pytest.mark.both_transports
@pytest.mark.parametrize("reads", [False, True], ids=["deaf", "reading"])
def test_a_half_closed_peer(reads: bool, transport: str) -> None:
    app = App()
    size = 16 << 20

    @app.websocket("/")
    async def endpoint(websocket: WebSocket) -> None:
        await websocket.accept()
        await websocket.send_bytes(b"x" * size)

    async def main() -> None:
        config = uvicorn.Config(app, http=HttpProtocol, ws=WebSocketProtocol, log_config=None, lifespan="off")
        config.load()
        state = uvicorn.server.ServerState()
        made: list[Any] = []

        class Quick(WebSocketProtocol):
            def __init__(self, *args: Any, **kwargs: Any) -> None:
                super().__init__(*args, **kwargs)
                self.close_timeout = 0.3
                made.append(self)

        config.ws_protocol_class = Quick
        loop = asyncio.get_running_loop()
        server: Any
        if transport == "sockets":
            sockets = [socket.create_server(("127.0.0.1", 0))]
            server = SocketServer(sockets, Reception(config, state, {}, loop), 10)
        else:
            server = await loop.create_server(
                lambda: HttpProtocol(config=config, server_state=state, app_state={}, _loop=loop), "127.0.0.1", 0
            )
        with socket.socket() as client:
            client.setblocking(False)
            await loop.sock_connect(client, server.sockets[0].getsockname())
            await loop.sock_sendall(client, request("/"))
            head = await loop.sock_recv(client, 4096)
            assert b" 101 " in head
            client.shutdown(socket.SHUT_WR)
            received = 0
            while reads and (data := await loop.sock_recv(client, 1 << 20)):
                received += len(data)
            ends = loop.time() + 8
            while state.connections:
                assert loop.time() < ends, "the connection is kept"
                await asyncio.sleep(0.01)
        server.close()
        assert len(made) == 1
        if reads:
            assert received + len(head) > size  # all of it

    asyncio.run(main())
