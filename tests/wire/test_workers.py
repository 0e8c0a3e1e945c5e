"""Workers of a real ``wirefast run``: how they share, what becomes of those that die, and signals."""

from __future__ import annotations

import json
import os
import signal
import sys
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from peer import Peer

from processes import ServerProcess, running, wirefast
from slower import SLOWER

SERVICE = """
import os
from wirefast import App, WebSocket

app = App()

@app.websocket("/")
async def who(websocket: WebSocket):
    await websocket.accept()
    await websocket.send_json([os.getpid(), sorted(os.sched_getaffinity(0))])
    async for text in websocket.iter_text():
        await websocket.send_text(text)
"""


def ask(peer: Peer) -> tuple[int, list[int]]:
    """The worker that has a socket, and the cores it may run on."""
    pid, cores = json.loads(peer.frame().data)
    return pid, cores


class Clients:
    """Open sockets, by the worker that has them."""

    def __init__(self, port: int) -> None:
        self.port = port
        self.open: dict[Peer, int] = {}
        self.cores: dict[int, list[int]] = {}

    def add(self, number: int) -> None:
        for _ in range(number):
            peer = Peer(("127.0.0.1", self.port), timeout=60 * SLOWER)
            peer.open("/")
            pid, self.cores[pid] = ask(peer)
            self.open[peer] = pid

    def lose(self, pid: int) -> int:
        """Forget the sockets of a worker that is gone; how many there were."""
        lost = [client for client, found in self.open.items() if found == pid]
        for client in lost:
            client.sock.close()
            del self.open[client]
        return len(lost)

    @property
    def counts(self) -> Counter[int]:
        return Counter(self.open.values())

    @property
    def tilt(self) -> float:
        """The busiest worker's sockets over the mean."""
        counts = self.counts
        return max(counts.values()) / (sum(counts.values()) / 4)

    def close(self) -> None:
        for client in self.open:
            client.sock.close()
        self.open.clear()


@contextmanager
def workers(directory: Path, *more: str) -> Iterator[tuple[ServerProcess, Clients]]:
    (directory / "service.py").write_text(SERVICE)
    with running("service", "--port", "0", "--workers", "4", *more, cwd=directory) as server:
        clients = Clients(server.wait_for_port())
        for _ in range(4):
            server.wait_for("Application startup complete")
        try:
            yield server, clients
        finally:
            server.process.send_signal(signal.SIGTERM)
            server.process.send_signal(signal.SIGTERM)
            clients.close()


@pytest.mark.skipif(sys.platform != "linux", reason="the kernel's part is Linux's")
def test_workers_share_evenly_also_after_one_was_killed(tmp_path: Path) -> None:
    with workers(tmp_path) as (server, clients):
        clients.add(600)
        assert len(clients.counts) == 4 and clients.tilt <= 1.35
        victim = clients.counts.most_common(1)[0][0]
        os.kill(victim, signal.SIGKILL)
        server.wait_for("died")
        # They come back while the new worker starts: nobody is refused, and most are for the new one.
        clients.add(clients.lose(victim))
        assert len(clients.counts) == 4 and victim not in clients.counts
        assert clients.tilt <= 1.35


@pytest.mark.skipif(sys.platform != "linux", reason="cores are pinned on Linux")
def test_pin_gives_each_worker_a_core(tmp_path: Path) -> None:
    with workers(tmp_path, "--pin") as (_, clients):
        clients.add(40)
        cores = list(clients.cores.values())
    have = os.sched_getaffinity(0)
    assert all(len(found) == 1 for found in cores)
    assert {found[0] for found in cores} <= have
    assert len({found[0] for found in cores}) == min(len(have), len(cores))


def test_a_killed_supervisor_takes_its_workers_with_it(tmp_path: Path) -> None:
    with workers(tmp_path) as (server, clients):
        clients.add(4)
        pids = set(clients.counts)
        server.process.kill()
        deadline = time.monotonic() + 20 * SLOWER
        while any(Path(f"/proc/{pid}").exists() for pid in pids):
            assert time.monotonic() < deadline, "workers outlive their supervisor"
            time.sleep(0.05)


def test_more_and_fewer_workers(tmp_path: Path) -> None:
    with workers(tmp_path) as (server, clients):
        server.process.send_signal(signal.SIGTTIN)
        server.wait_for("Application startup complete")
        clients.add(60)
        assert len(clients.counts) == 5
        server.process.send_signal(signal.SIGTTOU)
        server.wait_for("Finished server process")
        clients.close()
        clients.add(40)
        assert len(clients.counts) == 4


def test_a_worker_that_cannot_start_ends_all(tmp_path: Path) -> None:
    (tmp_path / "service.py").write_text(
        "from contextlib import asynccontextmanager\nfrom wirefast import App\n"
        "@asynccontextmanager\nasync def lifespan(app):\n    raise RuntimeError('no database')\n    yield\n"
        "app = App(lifespan=lifespan)\n"
    )
    with running("service", "--port", "0", "--workers", "2", cwd=tmp_path) as server:
        assert server.process.wait(60 * SLOWER) == 3
        assert server.end(0) == 3
    assert "no database" in server.log and "failed to start" in server.log


def test_a_stopped_worker_is_replaced_and_gets_nothing_meanwhile(tmp_path: Path) -> None:
    """A worker whose loop does not turn keeps nobody waiting: others get the new connections, and then it is killed."""
    with workers(tmp_path, "--timeout-worker-healthcheck", "10") as (server, clients):
        clients.add(8)
        victim = next(iter(clients.counts))
        os.kill(victim, signal.SIGSTOP)
        time.sleep(4.0)  # as long as the parent takes to see that its loop stands still, on a busy machine too
        clients.add(20)
        assert clients.counts[victim] <= 8
        server.wait_for("died")
        assert not Path(f"/proc/{victim}").exists()


def test_a_port_that_is_taken_is_not_shared(tmp_path: Path) -> None:
    """Two services of one user could listen on one port, each with its sockets in one group: the second is refused."""
    with workers(tmp_path) as (_, clients):
        ended = wirefast("run", "service", "--port", str(clients.port), "--workers", "2", cwd=tmp_path)
    assert ended.returncode == 1 and "already in use" in ended.stderr
