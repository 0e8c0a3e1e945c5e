"""What metrics count of messages that no handler waits for: those that leave, and their bytes before compression."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from peer import TEXT, Peer, close_frame, frame

from wirefast import App, WebSocket
from wirefast.rooms import Hub, Policy
from wirefast.server.measured import MeasuredWebSocketProtocol

KIB = "x" * 1024


def connection_of(server: Any) -> MeasuredWebSocketProtocol:
    """The only connection of a server."""
    (connection,) = server.server.server_state.connections
    assert isinstance(connection, MeasuredWebSocketProtocol)
    return connection


@pytest.mark.parametrize("size", [1, 125, 126, 65_535, 65_536])
@pytest.mark.parametrize("compressed", [False, True])
def test_bytes_of_rooms_are_those_before_compression(serve: Callable[..., Any], size: int, compressed: bool) -> None:
    hub = Hub()
    app = App(hub=hub)

    @app.websocket("/")
    async def endpoint(websocket: WebSocket) -> None:
        await websocket.accept()
        async with hub.join("lobby", websocket):
            async for text in websocket.iter_text():
                await hub.publish("lobby", "x" * int(text))

    server = serve(app, ws="wirefast.server.measured:MeasuredWebSocketProtocol", lifespan="on", ws_ping_interval=None)
    offered = {"Sec_WebSocket_Extensions": "permessage-deflate"} if compressed else {}
    peer: Peer = server.opened(**offered)
    peer.send(frame(TEXT, str(size).encode()))
    found = peer.frame()
    assert len(found.data) < size / 100 if compressed and size > 1000 else len(found.data) <= size
    assert server.call(connection_of(server).carried)[1::2] == (1, size)
    peer.send(close_frame())
    peer.frames()


@pytest.mark.parametrize("policy", ["drop_new", "drop_old", "conflate", "close"])
def test_what_a_policy_keeps_out_is_not_sent(serve: Callable[..., Any], policy: Any) -> None:
    """Of a peer that reads nothing: what is dropped or closes the socket is not counted as sent."""
    sockets: list[WebSocket] = []
    app = App()

    @app.websocket("/")
    async def endpoint(websocket: WebSocket) -> None:
        await websocket.accept()
        sockets.append(websocket)
        await websocket.receive()

    server = serve(app, ws="wirefast.server.measured:MeasuredWebSocketProtocol", ws_ping_interval=None)
    server.opened(rcvbuf=4096)
    connection = connection_of(server)
    bounds = Policy(policy, max_messages=4, max_bytes=1 << 20)

    def flood() -> list[str]:
        """Send until the outbox has been full for some time."""
        answers: list[str] = []
        while answers.count("dropped") < 3 and answers.count("queued") < 20:
            answers.append(sockets[0].try_send(KIB, policy=bounds))
        return answers

    answers: list[str] = []
    while not (answers.count("dropped") >= 3 or answers.count("queued") >= 20):
        answers += server.call(flood)
    taken = len([answer for answer in answers if answer != "dropped"])
    assert "queued" in answers
    assert server.call(connection.carried)[1::2] == (taken, taken * len(KIB))
    sockets.clear()
