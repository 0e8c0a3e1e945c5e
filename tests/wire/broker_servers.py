"""Real brokers for the tests, ended by their process ids, and a proxy that can stall what passes through it."""

from __future__ import annotations

import asyncio
import random
import shutil
import socket
import subprocess
import sys
import threading
import time
from abc import ABC, abstractmethod
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from processes import foreign
from slower import SLOWER
from wirefast.rooms.brokers import Broker

PATIENCE = 20.0 * SLOWER


def free_port() -> int:
    """A port of 127.0.0.1 that nobody listens on now, from below the range that outgoing connections take theirs of."""
    while True:
        port = random.randrange(15_000, 30_000)
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port


class BrokerProcess(ABC):
    """A server of one kind, which may be killed and started again on its port."""

    binary: str
    package: str
    scheme: str
    greeting: bytes  # what a connection says to see that the server is there

    def __init__(
        self,
        directory: Path,
        password: str | None = None,
        tls: tuple[Path, Path] | None = None,
        configuration: str = "",
    ) -> None:
        executable = shutil.which(self.binary) or shutil.which(self.binary, path="/usr/sbin:/usr/local/sbin")
        if executable is None:
            pytest.skip(f"{self.binary} is not installed (Debian: apt-get install {self.package})")
        self.executable = executable
        self.directory = directory
        self.password = password
        self.tls = tls  # certificate and key
        self.configuration = configuration
        self.process: subprocess.Popen[bytes] | None = None
        self.port = 0
        for _ in range(5):  # the port may be taken between the probe and the start
            self.port = free_port()
            if self.start():
                return
        pytest.fail(f"{self.binary} does not start:\n{self.log}")

    @abstractmethod
    def arguments(self) -> list[str]:
        """The rest of the command line."""

    @property
    def url(self) -> str:
        return self.url_at(self.port)

    @property
    def address(self) -> int | Path:
        """Where it listens: a port, or a path."""
        return self.port

    def url_behind(self, proxy: Proxy) -> str:
        return self.url_at(proxy.port)

    def url_at(self, port: int, password: str | None = None) -> str:
        password = password or self.password
        return f"{self.scheme}://{f'wirefast:{password}@' if password else ''}127.0.0.1:{port}"

    @property
    def log(self) -> str:
        return (self.directory / "log").read_text(errors="replace")

    def start(self) -> bool:
        """Whether it answers; False where its port was taken."""
        with (self.directory / "log").open("ab") as log:
            command = [self.executable, *self.arguments()]
            self.process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=foreign())
        deadline = time.monotonic() + PATIENCE
        while self.process.poll() is None:
            try:
                with socket.create_connection(("127.0.0.1", self.port), timeout=1) as probe:
                    probe.sendall(self.greeting)
                    if self.tls or probe.recv(1):
                        return True
            except OSError:
                pass
            assert time.monotonic() < deadline, f"{self.binary} does not answer:\n{self.log}"
            time.sleep(0.01)
        return False

    def restart(self) -> None:
        deadline = time.monotonic() + PATIENCE
        while not self.start():
            assert time.monotonic() < deadline, f"{self.binary} does not start again:\n{self.log}"

    def kill(self) -> None:
        if self.process is not None:
            self.process.kill()
            self.process.wait()
            self.process = None

    def end(self) -> None:
        """Kill it for good."""
        self.kill()


class RedisProcess(BrokerProcess):
    binary = package = "redis-server"
    scheme = "redis"
    greeting = b"PING\r\n"

    def arguments(self) -> list[str]:
        options = ["--port", str(self.port), "--bind", "127.0.0.1", "--dir", str(self.directory)]
        options += ["--save", "", "--appendonly", "no", "--unixsocket", str(self.directory / "redis.sock")]
        if self.tls:
            tls = ["--port", "0", "--tls-port", str(self.port), "--tls-auth-clients", "no"]
            options += [*tls, "--tls-cert-file", str(self.tls[0]), "--tls-key-file", str(self.tls[1])]
        if self.password:
            options += ["--user", "wirefast", "on", f">{self.password}", "~*", "&*", "+@all"]
            options += ["--requirepass", self.password]
        return options


class NatsProcess(BrokerProcess):
    binary = package = "nats-server"
    scheme = "nats"
    greeting = b""

    def arguments(self) -> list[str]:
        options = ["-a", "127.0.0.1", "-p", str(self.port)]
        if self.password:
            options += ["--user", "wirefast", "--pass", self.password]
        if self.tls:
            options += ["--tls", "--tlscert", str(self.tls[0]), "--tlskey", str(self.tls[1])]
        if self.configuration:
            (self.directory / "nats.conf").write_text(self.configuration)
            options += ["-c", str(self.directory / "nats.conf")]
        return options


class LocalProcess(BrokerProcess):
    """A relay, as the supervisor starts it: the listening socket is kept here."""

    binary = sys.executable
    scheme = "local"

    def __init__(self, directory: Path, **options: object) -> None:
        self.directory = directory
        self.path = directory / "rooms.sock"
        self.listener = socket.socket(socket.AF_UNIX)
        self.listener.bind(str(self.path))
        self.listener.listen(64)
        self.start()

    def arguments(self) -> list[str]:
        return ["-m", "wirefast.rooms.brokers.relay", str(self.listener.fileno())]

    @property
    def url(self) -> str:
        return f"local://{self.path}"

    @property
    def address(self) -> int | Path:
        return self.path

    def url_behind(self, proxy: Proxy) -> str:
        return f"local://{proxy.path}"

    def start(self) -> bool:
        with (self.directory / "log").open("ab") as log:
            self.process = subprocess.Popen(
                [self.binary, *self.arguments()],
                stdin=subprocess.PIPE,
                stderr=log,
                pass_fds=(self.listener.fileno(),),
            )
        return True

    def kill(self) -> None:
        if self.process is not None:
            assert self.process.stdin is not None
            self.process.stdin.close()
        super().kill()

    def end(self) -> None:
        super().end()
        self.listener.close()


def certificate(directory: Path) -> tuple[Path, Path]:
    """A certificate for 127.0.0.1 that signs itself, and its key."""
    openssl = shutil.which("openssl")
    if openssl is None:
        pytest.skip("openssl is not installed")
    paths = directory / "certificate.pem", directory / "key.pem"
    command = [openssl, "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
    command += ["-subj", "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1", "-days", "2"]
    command += ["-out", str(paths[0]), "-keyout", str(paths[1])]
    subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, check=True, env=foreign())
    return paths


class Proxy:
    """Passes TCP on in threads of its own; ``flowing.clear()`` stalls it with every connection kept open."""

    def __init__(self, target: int | Path) -> None:
        self.target = target
        self.flowing = threading.Event()
        self.flowing.set()
        self.ended = threading.Event()
        if isinstance(target, Path):
            self.path = target.with_name("proxy.sock")
            self.listener = socket.socket(socket.AF_UNIX)
            self.listener.bind(str(self.path))
            self.listener.listen()
        else:
            self.listener = socket.create_server(("127.0.0.1", 0))
        # What is on its way during a stall shall not all fit into the kernel's buffers.
        self.listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 16384)
        self.port: int = 0 if isinstance(target, Path) else self.listener.getsockname()[1]
        self.sockets: list[socket.socket] = [self.listener]
        self.threads = [threading.Thread(target=self.accept, daemon=True)]
        self.threads[0].start()

    def accept(self) -> None:
        while True:
            try:
                near, _ = self.listener.accept()
            except OSError:
                return
            self.sockets.append(near)
            self.flowing.wait()
            try:
                far = self.connect()
            except OSError:
                near.close()
                continue
            self.sockets.append(far)
            for source, sink in ((near, far), (far, near)):
                self.threads.append(threading.Thread(target=self.pump, args=(source, sink), daemon=True))
                self.threads[-1].start()

    def connect(self) -> socket.socket:
        if isinstance(self.target, int):
            return socket.create_connection(("127.0.0.1", self.target))
        far = socket.socket(socket.AF_UNIX)
        try:
            far.connect(str(self.target))
        except OSError:
            far.close()
            raise
        return far

    def pump(self, source: socket.socket, sink: socket.socket) -> None:
        try:
            while data := source.recv(65536):
                self.flowing.wait()
                sink.sendall(data)
        except OSError:
            pass
        for end in (source, sink):
            try:
                end.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass

    def stop(self) -> None:
        self.flowing.set()
        for end in self.sockets:
            try:
                end.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass
            end.close()
        if isinstance(self.target, Path):
            self.path.unlink()
        for thread in self.threads:
            thread.join(PATIENCE)
            assert not thread.is_alive()


@contextmanager
def proxy_to(target: int | Path) -> Iterator[Proxy]:
    proxy = Proxy(target)
    try:
        yield proxy
    finally:
        proxy.stop()


class Ear:
    """A started broker and what it told: payloads by room, and gaps."""

    def __init__(self, broker: Broker) -> None:
        self.broker = broker
        self.heard: dict[str, list[bytes]] = defaultdict(list)
        self.gaps: list[str] = []

    async def start(self, *rooms: str) -> Ear:
        await self.broker.start(lambda room, payload: self.heard[room].append(payload), self.gaps.extend)
        await self.join(*rooms)
        return self

    async def join(self, *rooms: str) -> None:
        for room in rooms:
            self.broker.subscribe(room)
        for room in rooms:
            await asyncio.wait_for(self.broker.subscribed(room), PATIENCE)


async def until(condition: Callable[[], object]) -> None:
    deadline = asyncio.get_running_loop().time() + PATIENCE
    while not condition():
        assert asyncio.get_running_loop().time() < deadline, "it did not come to that"
        await asyncio.sleep(0.005)
