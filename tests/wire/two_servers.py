"""Two servers of the application of rooms on one broker."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from broker_servers import PATIENCE
from websockets.sync.client import ClientConnection, connect

from processes import ServerProcess, running

APPLICATION = Path(__file__).with_name("rooms_app.py")


@contextmanager
def two_servers() -> Iterator[list[ServerProcess]]:
    with running(str(APPLICATION), "--port", "0") as one, running(str(APPLICATION), "--port", "0") as two:
        yield [one, two]


def port_of(server: ServerProcess) -> int:
    for line in server.lines:
        if found := re.search(r"running on http://127\.0\.0\.1:(\d+)", line):
            return int(found[1])
    return server.wait_for_port()


@contextmanager
def members_of(room: str, one: ServerProcess, two: ServerProcess) -> Iterator[list[ClientConnection]]:
    """Three members of a room: one of the first process, two of the second."""
    with ExitStack() as stack:
        ports = {server: port_of(server) for server in (one, two)}
        members = []
        for server in (one, two, two):
            members.append(stack.enter_context(connect(f"ws://127.0.0.1:{ports[server]}/{room}", max_queue=None)))
            assert members[-1].recv(PATIENCE) == "joined"
        yield members
