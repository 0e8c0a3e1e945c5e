"""One callback a turn and one timer for all connections of a loop."""

from __future__ import annotations

import asyncio
from typing import Any

from apps import recorded
from peer import TEXT, close_frame, frame


def test_one_reactor_a_loop_one_timer_for_all_sockets(serve: Any) -> None:
    server = serve(recorded(), loop="asyncio", ws_ping_interval=30.0)
    peers = [server.opened() for _ in range(30)]
    timers = server.call(lambda: [t for t in asyncio.get_running_loop()._scheduled if "tick" in repr(t)])  # type: ignore[attr-defined]
    assert len([timer for timer in timers if not timer.cancelled()]) == 1
    for peer in peers:
        peer.send(close_frame()).frame()


def test_messages_of_one_turn_wake_their_tasks_in_order(serve: Any) -> None:
    order: list[str] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await receive()
        await send({"type": "websocket.accept"})
        while (message := await receive())["type"] == "websocket.receive":
            order.append(message["text"])

    server = serve(app)
    peers = [server.opened() for _ in range(3)]
    for number, peer in enumerate(peers):
        peer.send(frame(TEXT, b"%d" % number) * 3, close_frame())
    assert all(peer.ended() for peer in peers)
    server.stop()
    assert sorted(order) == ["0"] * 3 + ["1"] * 3 + ["2"] * 3
    assert [item for item in order if item == "1"] == ["1"] * 3
