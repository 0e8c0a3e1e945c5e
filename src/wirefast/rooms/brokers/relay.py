"""The relay: the process that connects the hubs of one machine's workers.

``wirefast run --workers N`` holds the listening socket and starts the relay when a worker connects, also again after
the relay has died. Workers that reconnect wait in the queue of the socket meanwhile. The relay ends at the end of its
standard input, when the supervisor ends.

The relay sends a message to every other worker that has its room. The relay disconnects a worker that does not read
when ``BACKLOG_MAX`` bytes wait for it. The worker connects again and tells its rooms of the gap.
"""

from __future__ import annotations

import asyncio
import signal
import socket
import sys
from typing import Any

from wirefast.rooms.brokers.frames import ADD, DONE, DROP, MESSAGE, SYNC, FrameError, Splitter, names_of, split_message
from wirefast.rooms.brokers.frames import frame as make_frame

__all__ = ["BACKLOG_MAX", "Relay", "serve"]

#: Unsent bytes at which the relay disconnects a worker.
BACKLOG_MAX = 33554432
#: The most rooms of one worker.
ROOMS_MAX = 1_000_000

_DONE = make_frame(DONE)


class Relay:
    """The state that all connections share: the workers of each room."""

    def __init__(self) -> None:
        self.rooms: dict[bytes, set[WorkerConnection]] = {}
        self.touched: set[WorkerConnection] = set()


class WorkerConnection(asyncio.Protocol):
    """One worker."""

    def __init__(self, relay: Relay) -> None:
        self.relay = relay
        self.splitter = Splitter()
        self.rooms: set[bytes] = set()
        self.out: list[bytes] = []
        self.transport: Any = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport

    def connection_lost(self, exc: Exception | None) -> None:
        self.drop(self.rooms)
        self.rooms = set()
        self.out = []

    def data_received(self, data: bytes) -> None:
        rooms, touched = self.relay.rooms, self.relay.touched
        try:
            for whole in self.splitter.feed(data):
                kind = whole[4]
                if kind == MESSAGE:
                    room, _ = split_message(whole)
                    for other in rooms.get(room, ()):
                        if other is not self:
                            other.out.append(whole)
                            touched.add(other)
                elif kind == SYNC:
                    self.out.append(_DONE)
                    touched.add(self)
                elif kind == ADD:
                    self.add(set(names_of(whole[5:])))
                elif kind == DROP:
                    self.drop(set(names_of(whole[5:])))
                else:
                    raise FrameError(f"a frame of kind {kind}")
        except FrameError as exc:
            print(f"The relay of rooms disconnects a worker: {exc}", file=sys.stderr, flush=True)
            self.transport.abort()
        for one in touched:
            one.flush()
        touched.clear()

    def add(self, names: set[bytes]) -> None:
        """Add rooms of this worker."""
        if len(self.rooms) + len(names) > ROOMS_MAX:
            raise FrameError(f"more than {ROOMS_MAX} rooms")
        self.rooms |= names
        for name in names:
            self.relay.rooms.setdefault(name, set()).add(self)

    def drop(self, names: set[bytes]) -> None:
        """Remove rooms of this worker."""
        self.rooms = self.rooms - names
        for name in names:
            members = self.relay.rooms.get(name)
            if members is not None:
                members.discard(self)
                if not members:
                    del self.relay.rooms[name]

    def flush(self) -> None:
        """Write all messages of one read."""
        data, self.out = b"".join(self.out), []
        if self.transport.is_closing():
            return
        self.transport.write(data)
        if self.transport.get_write_buffer_size() > BACKLOG_MAX:
            print("The relay of rooms disconnects a worker that does not read", file=sys.stderr, flush=True)
            self.transport.abort()


async def serve(listener: socket.socket) -> None:
    """Serve on a listening socket until the standard input ends."""
    loop = asyncio.get_running_loop()
    relay = Relay()
    ended = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        # A terminal's Ctrl-C, and its end, are for the supervisor: the relay runs until the last worker has drained.
        loop.add_signal_handler(number, lambda: None)
    server = await loop.create_unix_server(lambda: WorkerConnection(relay), sock=listener)
    await loop.connect_read_pipe(lambda: _Ending(ended), sys.stdin)
    await ended.wait()
    server.close()


class _Ending(asyncio.Protocol):
    def __init__(self, ended: asyncio.Event) -> None:
        self.ended = ended

    def connection_lost(self, exc: Exception | None) -> None:
        self.ended.set()


def main() -> None:
    """Run the relay on the inherited descriptor that the command line names."""
    listener = socket.socket(fileno=int(sys.argv[1]))
    try:
        import uvloop  # of an extra
    except ImportError:
        asyncio.run(serve(listener))
    else:
        uvloop.run(serve(listener))


if __name__ == "__main__":
    main()
