"""Servers as processes: started on a port of the system's choice, pinned to a core, measured, ended by their id.

Linux only: everything is read from /proc, also the port, so that no server needs a way to tell it.
"""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from benchmarks.wire.peers import Peer

ROOT = Path(__file__).parents[2]
START_TIMEOUT = 120.0
STOP_TIMEOUT = 10.0
LISTENING = "0A"


class ServerError(Exception):
    """A server did not start, or said something on stderr that it should not."""


def cores() -> tuple[set[int], set[int]]:
    """The core of the servers and the core of the load; the same one where the process may use only one."""
    allowed = sorted(os.sched_getaffinity(0))
    return {allowed[0]}, {allowed[-1]}


def children(pid: int) -> list[int]:
    """The process and all that descend from it."""
    parents: dict[int, list[int]] = {}
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            text = path.read_text()
        except OSError:  # it has just ended
            continue
        parents.setdefault(int(text.rpartition(")")[2].split()[1]), []).append(int(path.parent.name))
    found = [pid]
    for parent in found:
        found += parents.get(parent, [])
    return found


def listening_port(pids: list[int]) -> int | None:
    """The TCP port on which one of these processes listens."""
    inodes: dict[str, int] = {}
    for line in Path("/proc/net/tcp").read_text().splitlines()[1:]:
        fields = line.split()
        if fields[3] == LISTENING:
            inodes[fields[9]] = int(fields[1].rpartition(":")[2], 16)
    for pid in pids:
        try:
            links = [os.readlink(entry) for entry in Path(f"/proc/{pid}/fd").iterdir()]
        except OSError:
            continue
        for link in links:
            if (found := re.fullmatch(r"socket:\[(\d+)\]", link)) and found[1] in inodes:
                return inodes[found[1]]
    return None


def resident(pids: list[int]) -> int:
    """Resident memory of the processes, in bytes."""
    page = os.sysconf("SC_PAGE_SIZE")
    return sum(int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * page for pid in pids)


class Server:
    """A running server; make it with ``running``.

    Attributes:
        peer: who it is.
        port: where it listens on 127.0.0.1.
        pids: its processes.
        command: how it was started.
    """

    def __init__(self, peer: Peer, subject: str) -> None:
        self.peer = peer
        self.command = ["-m", "benchmarks.wire.serve", peer.server, peer.framework, subject]
        self._log: IO[bytes] = tempfile.TemporaryFile()
        environment = {name: value for name, value in os.environ.items() if not name.startswith("UVICORN_")}
        self._process = subprocess.Popen(
            [sys.executable, *self.command],
            cwd=ROOT,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=self._log,
            stderr=self._log,
        )
        try:
            os.sched_setaffinity(self._process.pid, cores()[0])
            self.port, self.pids = self._wait()
        except BaseException:
            self.stop()
            raise

    def _wait(self) -> tuple[int, list[int]]:
        deadline = time.monotonic() + START_TIMEOUT
        while time.monotonic() < deadline:
            if self._process.poll() is not None:
                raise ServerError(f"{self.peer.name} ended with {self._process.returncode}:\n{self.log()}")
            pids = children(self._process.pid)
            port = listening_port(pids)
            if port is not None:
                return port, pids
            time.sleep(0.02)
        raise ServerError(f"{self.peer.name} did not listen within {START_TIMEOUT:.0f} s:\n{self.log()}")

    def log(self) -> str:
        """The end of what it wrote."""
        size = self._log.seek(0, os.SEEK_END)
        self._log.seek(max(0, size - 4_000))
        return self._log.read().decode(errors="replace")

    def memory(self) -> int:
        """Resident bytes of all its processes."""
        return resident(self.pids)

    def stop(self, force: bool = False) -> None:
        """End it and its children, each by its id.

        Args:
            force: with SIGKILL at once, for a server whose clients are still there.
        """
        if self._process.poll() is None:
            ids = children(self._process.pid)
            if not force:
                self._process.terminate()
                try:
                    self._process.wait(STOP_TIMEOUT)
                except subprocess.TimeoutExpired:
                    force = True
            if force:
                for pid in ids:
                    try:
                        os.kill(pid, signal.SIGKILL)
                    except ProcessLookupError:
                        pass
                self._process.wait()
        self._log.close()


@contextmanager
def running(peer: Peer, subject: str, force: bool = False) -> Iterator[Server]:
    """A server for the length of a ``with`` block."""
    server = Server(peer, subject)
    try:
        yield server
    finally:
        server.stop(force)
