"""Rooms on real sockets: what must hold whatever the server and whosever the WebSocket class."""

from __future__ import annotations

import asyncio
import json
import socket
import threading
import time
from collections.abc import Callable
from typing import Any

from peer import BINARY, CLOSE, TEXT, Peer, close_frame, frame

from wirefast.rooms import Drop, Hub, Policy

PATIENCE = 30.0
PAD = "x" * 4000


def until(condition: Callable[[], Any]) -> Any:
    deadline = time.monotonic() + PATIENCE
    while not (found := condition()):
        assert time.monotonic() < deadline, "nothing came of it"
        time.sleep(0.01)
    return found


class Case:
    """An application with a hub, whose sockets join the room of their path and then only listen.

    Args:
        make: from a hub to an application with ``websocket`` and its WebSocket class.
        hub: started by the lifespan.
    """

    def __init__(self, make: Callable[[Hub], tuple[Any, Any]], hub: Hub) -> None:
        self.hub = hub
        self.app, websocket_class = make(hub)
        self.ends: list[Any] = []
        self.sockets: list[Any] = []
        self.readers: list[Reader] = []

        async def endpoint(websocket: Any, room: str) -> None:
            await websocket.accept()
            self.sockets.append(websocket)
            try:
                async with hub.join(room, websocket):
                    await websocket.send_text("joined")
                    while (message := await websocket.receive())["type"] == "websocket.receive":
                        await websocket.send_text(message["text"].upper())
                self.ends.append((message.get("code"), message.get("reason")))
            finally:
                # What was found out about endpoints is cached, so they outlive the test.
                self.sockets.remove(websocket)

        endpoint.__annotations__["websocket"] = websocket_class
        endpoint.__annotations__["room"] = str
        self.app.websocket("/{room}")(endpoint)

    def start(self, serve: Any, **settings: Any) -> Case:
        self.server = serve(self.app, lifespan="on", timeout_graceful_shutdown=1, **settings)
        return self

    def __enter__(self) -> Case:
        return self

    def __exit__(self, *_: object) -> None:
        for reader in self.readers:
            reader.stop()
        # A server does not stop cleanly before those that read nothing are gone.
        for peer in self.server.peers:
            if peer.sock.fileno() >= 0:
                peer.reset()

    def reading(self, peer: Peer) -> Reader:
        """Have a thread read all that this peer gets."""
        self.readers.append(Reader(peer))
        return self.readers[-1]

    def member(self, room: str = "room", **options: Any) -> Peer:
        peer = self.server.opened(f"/{room}", timeout=PATIENCE, **options)
        assert peer.frame().data == b"joined"
        return peer

    def publish(self, message: Any, room: Any = "room", **options: Any) -> int:
        return self.hub.publish_from_thread(room, message, timeout=PATIENCE, **options)


class Reader(threading.Thread):
    """Reads a peer's frames until a close frame, which it answers."""

    def __init__(self, peer: Peer) -> None:
        super().__init__(daemon=True)
        self.peer = peer
        self.got: list[bytes] = []
        self.closed: Any = None
        self.start()

    def run(self) -> None:
        try:
            while (item := self.peer.frame()).opcode in (TEXT, BINARY):
                self.got.append(item.data)
            if item.opcode == CLOSE:
                self.closed = (item.code, item.reason)
                self.peer.send(close_frame(item.code))
        except (OSError, EOFError):
            pass

    def stop(self) -> None:
        try:
            self.peer.sock.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass
        self.join(PATIENCE)
        assert not self.is_alive()


def healthy_members_get_everything(make: Any, serve: Any, **settings: Any) -> None:
    """While others read nothing, and others are dead."""
    drops: list[Drop] = []
    hub = Hub(policy=Policy("close", max_messages=50), on_drop=drops.append)
    with Case(make, hub).start(serve, **settings) as case:
        # Half of them before the others, half behind.
        healthy = [case.reading(case.member()) for _ in range(5)]
        silent = [case.member(rcvbuf=4096) for _ in range(3)]
        dead = [case.member() for _ in range(3)]
        healthy += [case.reading(case.member()) for _ in range(5)]
        for peer in dead:
            peer.reset()
        count = 0
        while hub.stats.closed < len(silent):
            assert count < 20_000
            case.publish({"n": count, "pad": PAD})
            count += 1
        for _ in range(20):
            case.publish({"n": count, "pad": PAD})
            count += 1
        until(lambda: hub.count("room") == len(healthy))
        assert hub.stats.closed == 3
        assert hub.stats.ended == 6
        assert {drop.policy for drop in drops} == {"close"}
        assert sum(drop.messages for drop in drops) == hub.stats.dropped >= 3 * 50
        assert case.hub.publish_from_thread("room", b"\x00last") == len(healthy)
        until(lambda: all(len(reader.got) == count + 1 for reader in healthy))
        for reader in healthy:
            assert [json.loads(data)["n"] for data in reader.got[:-1]] == list(range(count))
            assert reader.got[-1] == b"\x00last"


def the_latest_reach_a_slow_member(make: Any, serve: Any, **settings: Any) -> None:
    hub = Hub(policy=Policy("drop_old", max_messages=10))
    with Case(make, hub).start(serve, **settings) as case:
        slow, quick = case.member(rcvbuf=4096), case.reading(case.member())
        count = 0
        while hub.stats.dropped < 100:
            assert case.publish({"n": count, "pad": PAD}) == 2
            count += 1
        case.publish("end")
        numbers = []
        while (data := slow.frame().data) != b"end":
            numbers.append(json.loads(data)["n"])
        assert numbers == sorted(set(numbers))
        assert numbers[-9:] == list(range(count - 9, count))
        assert len(numbers) + hub.stats.dropped == count
        until(lambda: len(quick.got) == count + 1)
        assert hub.stats.closed == hub.stats.ended == 0
        # It is a member like any other again.
        assert case.publish("more") == 2
        assert slow.frame().data == b"more"


def a_handler_and_its_hub_keep_their_order(make: Any, serve: Any, **settings: Any) -> None:
    """Echoes of the handler and what is published meanwhile, each in its order, none lost."""
    with Case(make, Hub()).start(serve, **settings) as case:
        peer = case.member()
        reader = case.reading(peer)
        for number in range(300):
            peer.send(frame(TEXT, b"e%d" % number))
            case.publish(f"p{number}")
        until(lambda: len(reader.got) == 600)
        assert [data for data in reader.got if data.startswith(b"E")] == [b"E%d" % number for number in range(300)]
        assert [data for data in reader.got if data.startswith(b"p")] == [b"p%d" % number for number in range(300)]
        reader.stop()
        until(lambda: case.hub.stats.sockets == 0)


def closing_a_room_ends_its_handlers(make: Any, serve: Any, **settings: Any) -> None:
    with Case(make, Hub()).start(serve, **settings) as case:
        readers, other = [case.reading(case.member()) for _ in range(3)], case.member("other")
        case.publish("last words")
        closing = asyncio.run_coroutine_threadsafe(case.hub.close("room", 4321, "é"), case.server.loop)
        assert closing.result(PATIENCE) == 3
        until(lambda: len(case.ends) == 3)
        until(lambda: all(reader.closed == (4321, "é") for reader in readers))
        assert all(reader.got == [b"last words"] for reader in readers)
        assert case.publish("still there", "other") == 1
        assert other.frame().data == b"still there"
        assert not [line for line in case.server.errors if "xception" in line]


CASES = [
    healthy_members_get_everything,
    the_latest_reach_a_slow_member,
    a_handler_and_its_hub_keep_their_order,
    closing_a_room_ends_its_handlers,
]
