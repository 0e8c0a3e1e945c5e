"""Who is compared: a framework on a server, or a server with an interface of its own."""

from __future__ import annotations

import importlib.metadata
import importlib.util
from dataclasses import dataclass

from benchmarks import typed_peers

OURS = "wirefast"
FLOOR = "raw"
# All that echo bytes without WebSocket; and what answers any upgrade with the same bytes.
FLOORS = (FLOOR, "raw/poller")
EXCHANGE = "raw/exchange"

# Import names of the packages that are not named like the peer's parts.
PACKAGES = {
    "run": ["wirefast", "uvicorn", "uvloop", "httptools"],
    "run-loop": ["wirefast", "uvicorn", "uvloop", "httptools"],
    "wirefast": ["wirefast", "uvicorn", "uvloop", "httptools"],
    "websockets": ["uvicorn", "uvloop", "httptools", "websockets"],
    "websockets-sansio": ["uvicorn", "uvloop", "httptools", "websockets"],
    "wsproto": ["uvicorn", "uvloop", "httptools", "wsproto"],
    "granian": ["granian", "uvloop"],
    "hypercorn": ["hypercorn", "uvloop"],
    "aiohttp": ["aiohttp", "uvloop"],
    "picows": ["picows", "uvloop"],
    "socketify": ["socketify"],
    "raw": ["uvloop"],
    "raw-poller": ["uvloop"],
    "raw-exchange": ["uvloop"],
}

FRAMEWORKS = {
    "wirefast": "wirefast",
    "fastapi": "FastAPI",
    "litestar": "Litestar",
    "starlette": "Starlette alone",
    "chanx": "Chanx, of which only typed messages are measured,",
}
# Frameworks that take part in the scenes of typed messages only.
TYPED_ALONE = ("chanx",)
# Frameworks that need more than the package of their name.
FRAMEWORK_PACKAGES = {"chanx": [*typed_peers.PEERS["chanx"], "starlette"]}
SERVERS = {
    "run": "as `wirefast run` serves it",
    "run-loop": "the same with `--transport loop`",
    "wirefast": "on uvicorn with wirefast's protocol for WebSockets",
    "websockets": "on uvicorn with its older implementation, deprecated there",
    "websockets-sansio": "on uvicorn as it comes",
    "wsproto": "on uvicorn with wsproto",
    "granian": "on granian, a server in Rust",
    "hypercorn": "on hypercorn",
}
BARE = {
    "aiohttp": "aiohttp's own server, with orjson",
    "picows": "picows, a protocol in Cython, with orjson",
    "socketify": "socketify: uWebSockets, a server in C++, with orjson",
    "raw": "uvloop sends the bytes back: TCP without WebSocket",
    "raw-poller": "a program in Python sends them back, with an epoll of its own that uvloop watches",
    "raw-exchange": "uvloop answers an upgrade with bytes made before, and closes",
}

_DISTRIBUTIONS = {"humps": "pyhumps"}


@dataclass(frozen=True)
class Peer:
    """One row of the comparison.

    Attributes:
        name: what the report and ``--peers`` call it.
        framework: of ``apps.build``, or "" for a server with an interface of its own.
        server: of ``serve.py``.
        does: what it does for an upgrade, in words.
    """

    name: str
    framework: str
    server: str
    does: str

    @property
    def legend(self) -> str:
        """What the name stands for."""
        if not self.framework:
            return BARE[self.server]
        return f"{FRAMEWORKS[self.framework]} {SERVERS[self.server]}"

    @property
    def absent(self) -> list[str]:
        """The packages that it needs and that are not installed."""
        return [name for name in self._packages() if importlib.util.find_spec(name) is None]

    def versions(self) -> str:
        """The packages and their versions."""
        dists = [_DISTRIBUTIONS.get(name, name) for name in dict.fromkeys(self._packages())]
        return ", ".join(f"{name} {importlib.metadata.version(name)}" for name in dists)

    def _packages(self) -> list[str]:
        own = [self.framework] if self.framework else []
        return [*FRAMEWORK_PACKAGES.get(self.framework, own), *PACKAGES[self.server]]


DI, ROUTING, NEITHER = "routing, dependencies, validation", "routing", "neither routing nor dependencies"

PEERS = [
    Peer("wirefast", "wirefast", "run", DI),
    Peer("wirefast/loop", "wirefast", "run-loop", DI),
    *[
        Peer(f"fastapi/{server}", "fastapi", server, DI)
        for server in ("wirefast", "websockets", "websockets-sansio", "wsproto", "granian", "hypercorn")
    ],
    *[Peer(f"litestar/{server}", "litestar", server, DI) for server in ("websockets", "websockets-sansio", "wsproto")],
    *[
        Peer(f"starlette/{server}", "starlette", server, ROUTING)
        for server in ("websockets", "websockets-sansio", "wsproto")
    ],
    Peer("chanx/websockets-sansio", "chanx", "websockets-sansio", ROUTING),
    Peer("aiohttp", "", "aiohttp", ROUTING),
    Peer("socketify", "", "socketify", ROUTING),
    Peer("picows", "", "picows", NEITHER),
    Peer("raw", "", "raw", "TCP echo, no WebSocket"),
    Peer("raw/poller", "", "raw-poller", "TCP echo by one epoll of its own under uvloop, in Python"),
    Peer(EXCHANGE, "", "raw-exchange", "connect, one answer that never changes, close"),
]
BY_NAME = {peer.name: peer for peer in PEERS}
# What `--quick` runs: ourselves, what uvicorn comes with and what it had before, the two fast ones, the floor.
QUICK = ["wirefast", "fastapi/wirefast", "fastapi/websockets-sansio", "fastapi/websockets", "aiohttp", "picows", "raw"]
