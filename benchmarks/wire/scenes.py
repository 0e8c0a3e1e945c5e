"""What is measured: the connection, the message, how many of them, and who takes part."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cache

from benchmarks import scene, typed_peers
from benchmarks.wire.load import ACCEPT, masked_frame, upgrade_request
from benchmarks.wire.peers import EXCHANGE, FLOORS, TYPED_ALONE, Peer

# Of the scene with dependencies, as in benchmarks/scene.py.
TARGET = f"{scene.PATH}?{scene.QUERY.decode()}"
HEADERS = [(name.decode().title(), value.decode()) for name, value in scene.HEADERS]
ADDRESSES = 200  # loopback addresses to connect from: each has its own 28,000 ports


def _large(size: int) -> bytes:
    """JSON of about so many bytes."""
    row = len(scene.compact(scene.LARGE)) / len(scene.LARGE)
    return scene.compact([scene.LARGE[n % len(scene.LARGE)] for n in range(round(size / row))]).encode()


@cache
def payload(kind: str, size: str) -> bytes:
    """The payload of a kind, ``"text"`` or ``"json"``, and a size of ``SIZES``."""
    if kind == "text":
        return b"x" * SIZES[size]
    return scene.compact(scene.SMALL).encode() if size == "128B" else _large(SIZES[size])


SIZES = {"128B": 128, "16KiB": 16_384, "1MiB": 2**20}


@dataclass(frozen=True)
class Scene:
    """One measurement, the same for every peer that takes part.

    Attributes:
        name: what the report and ``--scenes`` call it; the part before the first dash is its group.
        title: in words.
        mode: ``echo``, ``paced``, ``storm`` or ``fanout`` of the load generator, ``idle`` for memory, or ``capacity``:
            ``paced`` at ever other rates.
        unit: what the cost is divided by.
        subject: the application, see apps.py.
        target: of the upgrade request.
        headers: of the upgrade request, besides a browser's.
        message, answer, own: payloads, see load.c.
        shapes: message and answer of the frameworks whose messages have a shape of their own.
        sockets, in_flight: see load.c.
        rate: messages a second for ``paced``; 0 for half of what the peer manages.
        seconds: of the window, as a multiple of the run's.
        rounds: at most so many.
        takes: whether a peer takes part, but for what `taken_by` adds.
    """

    name: str
    title: str
    mode: str
    unit: str
    subject: str = "scene"
    target: str = "/json"
    headers: tuple[tuple[str, str], ...] = ()
    message: bytes = b""
    answer: bytes = b""
    own: bytes = b""
    shapes: Mapping[str, tuple[bytes, bytes]] = field(default_factory=dict)
    sockets: int = 32
    in_flight: int = 1
    rate: float = 0
    seconds: float = 1.0
    rounds: int = 1_000
    takes: Callable[[Peer], bool] = field(default=lambda peer: peer.name != EXCHANGE)

    @property
    def group(self) -> str:
        return self.name.partition("-")[0]

    def taken_by(self, peer: Peer) -> bool:
        """Whether a peer takes part: those that have typed messages alone only where these are measured."""
        return self.takes(peer) and (peer.framework not in TYPED_ALONE or self.subject == "typed")

    def contents(self, peer: Peer) -> dict[str, bytes]:
        """The files of the load generator."""
        message, answer = self.shapes.get(peer.framework, (self.message, self.answer))
        files = {"request": upgrade_request(self.target, list(self.headers)), "accept": ACCEPT}
        files |= {"message": masked_frame(message), "answer": answer}
        return files | ({"own": self.own} if self.own else {})


def is_websocket(peer: Peer) -> bool:
    return peer.name not in (*FLOORS, EXCHANGE)


def answers_upgrades(peer: Peer) -> bool:
    return peer.name not in FLOORS


def has_chat(peer: Peer) -> bool:
    return is_websocket(peer) and peer.name != "socketify"


def has_rooms(peer: Peer) -> bool:
    return peer.name in ("wirefast", "wirefast/loop", "fastapi/wirefast", "fastapi/websockets")


def has_growing_routes(peer: Peer) -> bool:
    """Each framework once: what grows is the framework's."""
    return bool(peer.framework) and peer.server in ("run", "websockets")


def has_many_routes(peer: Peer) -> bool:
    """Litestar needs more than a minute to start with 10,000 of them."""
    return has_growing_routes(peer) and peer.framework != "litestar"


def has_dependencies(peer: Peer) -> bool:
    return peer.framework in ("wirefast", "fastapi") and peer.server in ("run", "run-loop", "wirefast", "websockets")


def echo(kind: str, size: str, in_flight: int = 1, sockets: int = 32) -> Scene:
    what = payload(kind, size)
    group, how = ("echo", "ping-pong") if in_flight == 1 else ("pipelined", f"{in_flight} in flight")
    return Scene(
        f"{group}-{kind}-{size}",
        f"{'JSON' if kind == 'json' else 'text'} echo, {size}, {sockets} sockets, {how}",
        "echo",
        "message",
        target=f"/{kind}",
        message=what,
        answer=what,
        sockets=sockets,
        in_flight=in_flight,
        rounds=3 if size == "1MiB" else 1_000,
    )


def is_ours(peer: Peer) -> bool:
    return peer.framework == "wirefast"


def has_listeners(peer: Peer) -> bool:
    return peer.framework in ("wirefast", "litestar", "chanx")


def typed(way: str, how: str, takes: Callable[[Peer], bool], in_flight: int = 1) -> Scene:
    """A route of typed_peers.py, by the first word of its path."""
    pace = "ping-pong" if in_flight == 1 else f"{in_flight} in flight"
    return Scene(
        f"typed-{way}" + (f"-{in_flight}" if in_flight > 1 else ""),
        f"a tagged message of 128 B validated, handled and answered, 32 sockets, {pace}: {how}",
        "echo",
        "message",
        subject="typed",
        target=f"/{'typed' if way == 'handlers' else way}/h/3",
        message=typed_peers.MESSAGE.encode(),
        answer=typed_peers.ANSWER,
        shapes={"chanx": (typed_peers.IN_PAYLOAD.encode(), typed_peers.ANSWER_IN_PAYLOAD)},
        in_flight=in_flight,
        takes=takes,
    )


def idle(count: int) -> Scene:
    what = payload("json", "128B")
    title = f"memory of {count:,} idle sockets"
    return Scene(
        f"idle-{count}", title, "idle", "socket", message=what, answer=what, sockets=count, rounds=3, takes=is_websocket
    )


def growth(subject: str, title: str, target: str, takes: Callable[[Peer], bool]) -> Scene:
    return Scene(
        subject, title, "storm", "connection", subject=subject, target=target, sockets=8, rounds=3, takes=takes
    )


def fanout(group: str, subject: str, how: str, takes: Callable[[Peer], bool]) -> Scene:
    said = "x" * 128
    return Scene(
        f"{group}-1000",
        f"one message to 1,000 members {how}",
        "fanout",
        "delivery",
        subject=subject,
        target="/ws/0",
        message=said.encode(),
        answer=f"Client #0 says: {said}".encode(),
        own=f"You wrote: {said}".encode(),
        sockets=1_000,
        rounds=3,
        takes=takes,
    )


# The short ones first: what a run that is out of time leaves out are the long ones.
SCENES = [
    echo("json", "128B"),
    echo("text", "128B"),
    echo("json", "128B", 16),
    echo("text", "128B", 16),
    Scene(
        "upgrade",
        "upgrade, route among 32, 4 dependencies, 6 parameters, close",
        "storm",
        "connection",
        target=TARGET,
        headers=tuple(HEADERS),
        sockets=8,
        takes=answers_upgrades,
    ),
    idle(1_000),
    *[
        typed(way, how, takes, in_flight)
        for in_flight in (1, 16)
        for way, how, takes in (
            ("handlers", "handlers of the framework", has_listeners),
            ("hand", "a loop with TypeAdapter", is_ours),
            ("loop", "iter_messages() and send_message()", is_ours),
            ("generator", "handlers, with a generator for each message", is_ours),
        )
    ],
    # Before the broadcast, whose servers are slower, so that a short run has it.
    fanout("rooms", "rooms", "by wirefast.rooms", has_rooms),
    fanout("broadcast", "chat", "by the chat's loop over its members", has_chat),
    Scene(
        "capacity-10ms",
        "JSON echo, 128B, 32 sockets: the most messages a second of which 99 % are answered within 10 ms",
        "capacity",
        "message",
        message=payload("json", "128B"),
        answer=payload("json", "128B"),
        rounds=3,
        takes=is_websocket,
    ),
    *[
        growth(f"routes-{n}", f"upgrade to the last of {n:,} routes", f"/service{n - 1}/42/ws", takes)
        for n, takes in ((10, has_growing_routes), (1_000, has_growing_routes), (10_000, has_many_routes))
    ],
    *[
        growth(f"dependencies-{n}", f"upgrade with {n} dependencies (coroutines)", "/ws", has_dependencies)
        for n in (1, 4, 16, 64)
    ],
    *[
        growth(
            f"parameters-{n}",
            f"upgrade with {n} parameters (integers from the query)",
            "/ws?" + "&".join(f"v{number}={number}" for number in range(n)),
            has_dependencies,
        )
        for n in (1, 4, 16, 64)
    ],
    echo("json", "16KiB"),
    echo("text", "16KiB"),
    echo("json", "16KiB", 16, 8),
    Scene(
        "latency-half",
        "JSON echo, 128B, at half of the peer's own ping-pong rate",
        "paced",
        "message",
        message=payload("json", "128B"),
        answer=payload("json", "128B"),
        seconds=2.0,
        rounds=3,
    ),
    Scene(
        "latency-5000",
        "JSON echo, 128B, at 5,000 messages a second",
        "paced",
        "message",
        message=payload("json", "128B"),
        answer=payload("json", "128B"),
        rate=5_000,
        seconds=2.0,
        rounds=3,
    ),
    idle(10_000),
    echo("text", "1MiB", sockets=8),
    echo("json", "1MiB", sockets=8),
    echo("text", "1MiB", 16, 4),
]
BY_NAME = {each.name: each for each in SCENES}
QUICK = ["echo-json-128B", "pipelined-json-128B", "upgrade", "idle-1000", "rooms-1000", "broadcast-1000"]


def chosen(names: list[str]) -> list[Scene]:
    """The scenes with these names or groups, in the order of ``SCENES``.

    Raises:
        KeyError: there is no such scene or group.
    """
    for name in names:
        if not any(name in (each.name, each.group) for each in SCENES):
            raise KeyError(name)
    return [each for each in SCENES if each.name in names or each.group in names]
