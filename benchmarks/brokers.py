"""Two server processes and a broker: does every message arrive once and in order, and what does an outage cost?

``python -m benchmarks.brokers [redis] [nats] [--messages 100000] [--away 1.0]`` starts the broker (its server has to be
installed) and two ``wirefast run`` of the application below. A client publishes through each of them, and one listens
at each of them. First as fast as they hear, then at a steady pace while the broker is killed and started again. Every
message is checked; the exit code is 1 where one is wrong.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from websockets.asyncio.client import ClientConnection, connect

from wirefast import App, WebSocket
from wirefast.rooms import Hub

ROOM = "room"
WINDOW = 500  # messages published and not yet heard, so that no member falls behind
PACE = 0.001  # seconds between the messages of one publisher during the outage
PATIENCE = 60.0
SERVERS = ("first", "second")

# ---- The application ----


async def tell_gap(room: str) -> None:
    for member in hub.members(room):
        member.try_send("gap")


hub = Hub(os.environ.get("BROKER_URL"), on_gap=tell_gap)
app = App(hub=hub)


@app.websocket("/listen")
async def listen(websocket: WebSocket) -> None:
    await websocket.accept()
    async with hub.join(ROOM, websocket):
        await websocket.send_text("joined")
        async for _ in websocket.iter_text():
            pass


@app.websocket("/publish")
async def publish(websocket: WebSocket) -> None:
    await websocket.accept()
    async for text in websocket.iter_text():
        await hub.publish(ROOM, text)


# ---- Processes ----


class BrokerServer:
    def __init__(self, kind: str, directory: str) -> None:
        with socket.create_server(("127.0.0.1", 0)) as probe:
            self.port = probe.getsockname()[1]
        self.url = f"{kind}://127.0.0.1:{self.port}"
        port = str(self.port)
        if kind == "redis":
            self.command = ["redis-server", "--port", port, "--bind", "127.0.0.1", "--dir", directory, "--save", ""]
        else:
            self.command = [which_nats(), "-a", "127.0.0.1", "-p", port]
        self.process: subprocess.Popen[bytes] | None = None
        self.start()

    def start(self) -> None:
        """Start it and return once it accepts."""
        self.process = subprocess.Popen(self.command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        deadline = time.monotonic() + PATIENCE
        while True:
            try:
                socket.create_connection(("127.0.0.1", self.port)).close()
                return
            except OSError:
                if self.process.poll() is not None or time.monotonic() > deadline:
                    raise SystemExit(f"{self.command[0]} does not start") from None
                time.sleep(0.002)

    def kill(self) -> None:
        if self.process is not None:
            self.process.kill()
            self.process.wait()


def which_nats() -> str:
    return shutil.which("nats-server") or "/usr/sbin/nats-server"


@contextmanager
def server(url: str) -> Iterator[tuple[int, int]]:
    """A ``wirefast run`` of this file: its process id and port."""
    command = [sys.executable, "-m", "wirefast", "run", __file__, "--port", "0"]
    environment = os.environ | {"BROKER_URL": url, "PYTHONUNBUFFERED": "1"}
    process = subprocess.Popen(command, env=environment, stderr=subprocess.PIPE, text=True)
    assert process.stderr is not None
    try:
        for line in process.stderr:
            if "running on" in line:
                yield process.pid, int(line.split("running on ")[1].split()[0].rpartition(":")[2])
                break
        else:
            raise SystemExit("the server does not start")
    finally:
        process.send_signal(signal.SIGTERM)
        print("".join(f"    {line}" for line in process.stderr if " is lost" in line or " is back" in line), end="")
        process.wait()


def cpu_seconds(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


# ---- What is measured ----


class Listener:
    """A member, what it has heard of each publisher, and when it was told of gaps."""

    def __init__(self, connection: ClientConnection) -> None:
        self.connection = connection
        self.heard: dict[str, list[int]] = {name: [] for name in SERVERS}
        self.at: dict[str, list[float]] = {name: [] for name in SERVERS}
        self.gaps: list[float] = []
        self.task = asyncio.ensure_future(self.listen())

    async def listen(self) -> None:
        async for text in self.connection:
            if text == "gap":
                self.gaps.append(time.monotonic())
            else:
                publisher, _, number = str(text).partition(" ")
                self.heard[publisher].append(int(number))
                self.at[publisher].append(time.monotonic())


async def until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE
    while not condition():
        if time.monotonic() > deadline:
            raise SystemExit("    messages are missing")
        await asyncio.sleep(0.001)


async def throughput(
    publishers: list[ClientConnection], listeners: list[Listener], count: int, pids: list[int]
) -> bool:
    """As fast as everything is heard; ``count`` messages in all."""
    each = count // len(publishers)
    before, began = [cpu_seconds(pid) for pid in pids], time.monotonic()

    async def talk(name: str, connection: ClientConnection) -> None:
        for number in range(each):
            while not number % 50 and number - min(len(listener.heard[name]) for listener in listeners) >= WINDOW:
                await asyncio.sleep(0.001)
            await connection.send(f"{name} {number}")

    await asyncio.gather(*map(talk, SERVERS, publishers))
    await until(lambda: all(len(heard) >= each for listener in listeners for heard in listener.heard.values()))
    seconds = time.monotonic() - began
    used = sum(map(cpu_seconds, pids)) - sum(before)
    right = all(heard == list(range(each)) for listener in listeners for heard in listener.heard.values())
    right = right and not any(listener.gaps for listener in listeners)
    print(f"    {count:,} messages, each heard in both processes: {seconds:.1f} s, {count / seconds:,.0f} a second")
    print(f"    CPU of the two servers: {used / count * 1e6:.0f} µs a message; once and in order: {right}")
    return right


async def outage(
    publishers: list[ClientConnection], listeners: list[Listener], broker: BrokerServer, away: float, first: int
) -> bool:
    """A steady pace; the broker is killed and started again."""
    stop = asyncio.Event()
    published = dict.fromkeys(SERVERS, first)

    async def talk(name: str, connection: ClientConnection) -> None:
        while not stop.is_set():
            await connection.send(f"{name} {published[name]}")
            published[name] += 1
            await asyncio.sleep(PACE)

    talking = asyncio.gather(*map(talk, SERVERS, publishers))
    await asyncio.sleep(0.5)
    broker.kill()
    await asyncio.sleep(away)
    broker.start()
    back = time.monotonic()
    await until(lambda: all(listener.gaps for listener in listeners))
    whole_from = dict(published)
    await asyncio.sleep(1.0)
    stop.set()
    await talking
    pairs = list(zip(listeners, reversed(SERVERS), strict=True))  # who is heard through the broker
    await until(lambda: all(listener.heard[name][-1] == published[name] - 1 for listener, name in pairs))
    right = True
    for here, (listener, there) in zip(SERVERS, pairs, strict=True):
        heard, at = listener.heard[there], listener.at[there]
        local = listener.heard[here] == list(range(published[here]))
        ordered = heard == sorted(set(heard))
        whole = heard[-(published[there] - whole_from[there]) :] == list(range(whole_from[there], published[there]))
        resumed = min(moment for moment in at if moment > back) - back
        gap = listener.gaps[0] - back
        right = right and local and ordered and whole and len(listener.gaps) == 1
        print(
            f"    {here}: {gap:.2f} s after the broker was back told of the gap ({len(listener.gaps)} time), and after "
            f"{resumed:.2f} s heard the other; {published[there] - len(heard):,} of {published[there] - first:,} lost; "
            f"own messages all there: {local}; once and in order: {ordered}; whole after the gap: {whole}"
        )
    return right


async def measure(kind: str, count: int, away: float) -> bool:
    with tempfile.TemporaryDirectory() as directory, ExitStack() as stack:
        broker = BrokerServer(kind, directory)
        stack.callback(broker.kill)
        servers = [stack.enter_context(server(broker.url)) for _ in SERVERS]
        pids, urls = [pid for pid, _ in servers], [f"ws://127.0.0.1:{port}" for _, port in servers]
        publishers = [await connect(f"{url}/publish", compression=None) for url in urls]
        listeners = [Listener(await joined(url)) for url in urls]
        right = await throughput(publishers, listeners, count, pids)
        right = await outage(publishers, listeners, broker, away, count // len(SERVERS)) and right
        for connection in [*publishers, *(listener.connection for listener in listeners)]:
            await connection.close()
        return right


async def joined(url: str) -> ClientConnection:
    connection = await connect(f"{url}/listen", compression=None, max_queue=None)
    assert await connection.recv() == "joined"
    return connection


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("brokers", nargs="*", metavar="redis, nats", help="default: both")
    parser.add_argument("--messages", type=int, default=100_000)
    parser.add_argument("--away", type=float, default=1.0, help="seconds that the broker is away")
    options = parser.parse_args()
    right = True
    for kind in options.brokers or ["redis", "nats"]:
        print(kind)
        right = asyncio.run(measure(kind, options.messages, options.away)) and right
    return 0 if right else 1


if __name__ == "__main__":
    raise SystemExit(main())
