"""The run: every scene, its rounds interleaved over the peers, so that all share the machine's good and bad moments."""

from __future__ import annotations

import resource
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any

from benchmarks.wire.load import Held, Load, LoadError
from benchmarks.wire.peers import FLOORS, Peer
from benchmarks.wire.processes import Server, ServerError, running
from benchmarks.wire.scenes import ADDRESSES, Scene

LEAST = 10  # units in a window, however slow the peer or busy the machine
SPARE_FILES = 300  # descriptors of a server besides its sockets
PROMISE = 0.010  # seconds within which 99 of 100 answers come at a rate that a server can take
PROBES = 8  # rates that are tried to find the highest one
CLOSE_ENOUGH = 1.05  # between the highest rate that held and the lowest that did not


@dataclass(frozen=True)
class Plan:
    """What to run and how long.

    Attributes:
        peers, scenes: in this order.
        rounds: of each scene; one with fewer of its own has those.
        seconds: the window that is measured.
        warmup: seconds before it, under the same load.
        limit: seconds after which nothing new is started; what is missing then is named in the report.
        spin: whether the load never sleeps, so that no server pays for waking it.
    """

    peers: list[Peer]
    scenes: list[Scene]
    rounds: int
    seconds: float
    warmup: float
    limit: float
    spin: bool = False

    def __len__(self) -> int:
        """How many measurements."""
        takers = [sum(map(scene.taken_by, self.peers)) * min(self.rounds, scene.rounds) for scene in self.scenes]
        return sum(takers)


class Overloaded(LoadError):
    """More was sent than the generator keeps times of."""


class Servers:
    """The running servers of one subject: started when first asked for, ended when another subject comes."""

    def __init__(self) -> None:
        self._subject = ""
        self._running: dict[str, tuple[Server, ExitStack]] = {}

    def get(self, peer: Peer, subject: str) -> Server:
        if subject != self._subject:
            self.stop()
            self._subject = subject
        if peer.name not in self._running:
            stack = ExitStack()
            self._running[peer.name] = stack.enter_context(running(peer, subject)), stack
        return self._running[peer.name][0]

    def drop(self, peer: Peer) -> None:
        """End one, after an error of its own or in the middle of its work."""
        if peer.name in self._running:
            self._running.pop(peer.name)[1].close()

    def stop(self) -> None:
        for _, stack in self._running.values():
            stack.close()
        self._running.clear()


class Measuring:
    """Measures scenes.

    Args:
        load: the built generator.
        plan: what to run.
        progress: called with a line of text after each measurement.
    """

    def __init__(self, load: Load, plan: Plan, progress: Callable[[str], None]) -> None:
        self.load = load
        self.plan = plan
        self.progress = progress
        self.servers = Servers()
        self.measurements: list[dict[str, Any]] = []
        self.failures: list[dict[str, str]] = []
        self.left_out: list[str] = []

    def run(self) -> None:
        """Everything of the plan, or as much as its limit allows."""
        began = time.monotonic()
        try:
            for scene in self.plan.scenes:
                self._scene(scene, began)
        finally:
            self.servers.stop()

    def _scene(self, scene: Scene, began: float) -> None:
        takers = [peer for peer in self.plan.peers if scene.taken_by(peer)]
        rounds = min(self.plan.rounds, scene.rounds)
        if scene.mode == "idle" and not _enough_files(scene.sockets):
            soft = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
            self.left_out.append(f"{scene.name}: needs {scene.sockets + SPARE_FILES} file descriptors, {soft} allowed")
            return
        for number in range(rounds):
            for peer in list(takers):
                if time.monotonic() - began > self.plan.limit:
                    self.left_out.append(f"{scene.name}: {rounds - number} of {rounds} rounds, out of time")
                    return
                try:
                    measured = self._measure(scene, peer)
                except (LoadError, ServerError) as exc:
                    takers.remove(peer)
                    self.servers.drop(peer)
                    self.failures.append({"scene": scene.name, "peer": peer.name, "error": str(exc)})
                    self.progress(f"{scene.name}, {peer.name}: FAILED: {str(exc).splitlines()[0]}")
                    continue
                self.measurements.append({"scene": scene.name, "peer": peer.name, "round": number} | measured)
                self.progress(f"{scene.name}, round {number + 1} of {rounds}, {peer.name}")

    def _measure(self, scene: Scene, peer: Peer) -> dict[str, Any]:
        if scene.mode == "idle":
            return self._idle(scene, peer)
        # Of a chat, every member that leaves is told to all the others, so its server is ended under its clients.
        if scene.mode == "fanout":
            with running(peer, scene.subject, force=True) as server:
                return self._load(scene, server, scene.mode)
        server = self.servers.get(peer, scene.subject)
        if scene.mode == "capacity":
            return self._capacity(scene, server)
        if scene.mode != "paced":
            return self._load(scene, server, scene.mode)
        rate = scene.rate
        if not rate:
            busy = self._load(scene, server, "echo", seconds=self.plan.seconds)
            rate = 0.5 * busy["units"] / busy["seconds"]
        return self._load(scene, server, "paced", rate=rate) | {"rate": rate}

    def _load(self, scene: Scene, server: Server, mode: str, **values: Any) -> dict[str, Any]:
        seconds = self.plan.seconds * scene.seconds
        values = {
            "sockets": scene.sockets,
            "in_flight": scene.in_flight,
            "addresses": ADDRESSES,
            "least": LEAST,
            "raw": int(server.peer.name in FLOORS),
            "spin": int(self.plan.spin),
            "warmup": self.plan.warmup,
            "seconds": seconds,
        } | values
        measured = self.load.run(mode, server, scene.contents(server.peer), limit=120 + 10 * seconds, **values)
        if measured["overloaded"]:
            raise Overloaded(f"{server.peer.name}: more than 1,024 messages of a socket on their way")
        return measured

    def _capacity(self, scene: Scene, server: Server) -> dict[str, Any]:
        """What was measured at the highest rate that held the promise; found by halving, from the ping-pong rate on.

        A rate also fails when the server answers less than is sent, which a short window need not show in its delays.
        """
        busy = self._load(scene, server, "echo")
        rate, held, failed = busy["units"] / busy["seconds"], 0.0, 0.0
        best: dict[str, Any] | None = None
        for _ in range(PROBES):
            try:
                measured: dict[str, Any] | None = self._load(scene, server, "paced", rate=rate)
            except Overloaded:
                measured = None
            if measured is not None and _holds(measured, rate):
                best, held = measured | {"capacity": rate}, rate
            else:
                failed = rate
            if held and failed and failed / held < CLOSE_ENOUGH:
                break
            rate = (held + failed) / 2 if held and failed else rate * (1.25 if held else 0.8)
        if best is None:
            raise LoadError(f"{server.peer.name}: no rate down to {rate:,.0f} messages a second kept the promise")
        return best

    def _idle(self, scene: Scene, peer: Peer) -> dict[str, Any]:
        """Resident memory before, with the sockets open, and after a message on each."""
        with running(peer, scene.subject, force=True) as server:
            with Held(self.load, server, scene.contents(server.peer), sockets=4) as warm:
                warm.message()
            before = server.memory()
            with Held(
                self.load, server, scene.contents(server.peer), sockets=scene.sockets, addresses=ADDRESSES
            ) as held:
                opened = server.memory()
                held.message()
                return {
                    "units": scene.sockets,
                    "opened": (opened - before) / scene.sockets,
                    "memory": (server.memory() - before) / scene.sockets,
                }


def _holds(measured: dict[str, Any], rate: float) -> bool:
    enough = measured["units"] >= 0.97 * rate * measured["seconds"]
    return enough and bool(measured["latency"]["p99"] <= PROMISE)


def _enough_files(sockets: int) -> bool:
    return resource.getrlimit(resource.RLIMIT_NOFILE)[0] >= sockets + SPARE_FILES


def raise_file_limit() -> None:
    """Servers and load inherit it."""
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
