"""How evenly workers share sockets: ``python -m benchmarks.workers [--sockets 600] [--ways shared hash shares]``.

Four workers, 600 sockets opened 1, 8 and 64 at a time; then the busiest worker is killed, then all are reloaded one
after the other, and each time the clients come back, after a reload at the time that `retry=MS` says. What counts is
the busiest worker's sockets over the mean. `shared`: all accept from one socket, as with uvicorn; `hash`: a socket
each, the kernel's hash chooses; `shares`: a socket each, the supervisor's shares choose, as `wirefast run` does.
The exit code is 1 where `shares` passes 1.35, or where a connection is lost.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import re
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

WORKERS = 4
ALLOWED = 1.35
SERVICE = """
import os
from wirefast import App, WebSocket

app = App()

@app.websocket("/")
async def who(websocket: WebSocket):
    await websocket.accept()
    await websocket.send_json(os.getpid())
    async for text in websocket.iter_text():
        await websocket.send_text(text)
"""
PATCHES = {
    "shared": "import wirefast.cli.workers as w; w.balanced_sockets = lambda config: None",
    "hash": "import wirefast.server.reuseport as l, wirefast.cli.workers as w\n"
    "l.choose_by_shares = w.choose_by_shares = lambda *given: None",
    "shares": "",
}


class Service:
    """A server with four workers."""

    def __init__(self, directory: str, way: str, *more: str) -> None:
        (Path(directory) / "service.py").write_text(SERVICE)
        code = f"import sys\nif __name__ == '__main__':\n  exec({PATCHES[way]!r})\n  from wirefast.cli import main\n"
        code += "  sys.exit(main(sys.argv[1:]))\n"
        (Path(directory) / "start.py").write_text(code)
        arguments = ["start.py", "run", "service", "--port", "0", "--workers", str(WORKERS), "--no-access-log", *more]
        self.log = Path(directory) / "log"
        with self.log.open("wb") as log:
            self.process = subprocess.Popen([sys.executable, *arguments], cwd=directory, stdout=log, stderr=log)
        self.port = int(self.wait(r"running on http://127\.0\.0\.1:(\d+)", 1)[0])
        self.wait("startup complete", WORKERS)

    def wait(self, pattern: str, times: int) -> list[str]:
        deadline = time.monotonic() + 120
        while len(found := re.findall(pattern, self.log.read_text())) < times:
            if time.monotonic() > deadline or self.process.poll() is not None:
                raise SystemExit(self.log.read_text())
            time.sleep(0.02)
        return found

    def end(self) -> None:
        for _ in range(2):
            self.process.send_signal(signal.SIGTERM)
            time.sleep(0.3)
        self.process.wait()


class Clients:
    """Sockets that come back when they are closed."""

    def __init__(self, port: int) -> None:
        self.url = f"ws://127.0.0.1:{port}/"
        self.where: dict[ClientConnection, int] = {}
        self.failed = 0
        self.returning = True
        self.tasks: set[asyncio.Task[None]] = set()

    async def open(self, gate: asyncio.Semaphore) -> None:
        async with gate:
            try:
                client = await connect(self.url, open_timeout=60, ping_interval=None)
                self.where[client] = json.loads(await client.recv())
            except (OSError, ConnectionClosed, TimeoutError) as exc:
                self.failed += 1
                print("lost:", repr(exc))
                return
        task = asyncio.ensure_future(self.stay(client))
        self.tasks.add(task)
        task.add_done_callback(self.tasks.discard)

    async def stay(self, client: ClientConnection) -> None:
        pause = 0.1
        try:
            await client.recv()
        except ConnectionClosed as exc:
            if exc.rcvd is not None and (told := re.fullmatch(r"retry=(\d+)", exc.rcvd.reason)):
                pause = int(told[1]) / 1000
        self.where.pop(client, None)
        if self.returning:
            await asyncio.sleep(pause)
            await self.open(asyncio.Semaphore())

    async def settle(self, number: int) -> None:
        deadline = time.monotonic() + 120
        while len(self.where) < number - self.failed:
            if time.monotonic() > deadline:
                raise SystemExit(f"{len(self.where)} of {number} sockets are open")
            await asyncio.sleep(0.05)

    @property
    def tilt(self) -> float:
        counts = Counter(self.where.values())
        return max(counts.values()) / (len(self.where) / WORKERS)


async def measure(way: str, sockets: int, at_once: int) -> tuple[list[float], int]:
    """The busiest worker over the mean: opened, after a kill, after a reload; and how many connections were lost."""
    with tempfile.TemporaryDirectory() as directory:
        service = Service(directory, way)
        clients = Clients(service.port)
        try:
            gate = asyncio.Semaphore(at_once)
            await asyncio.gather(*(clients.open(gate) for _ in range(sockets)))
            tilts = [clients.tilt]
            busiest = Counter(clients.where.values()).most_common(1)[0][0]
            os.kill(busiest, signal.SIGKILL)
            await asyncio.to_thread(service.wait, "startup complete", WORKERS + 1)
            await clients.settle(sockets)
            tilts.append(clients.tilt)
            service.process.send_signal(signal.SIGHUP)
            await asyncio.to_thread(service.wait, "Finished server process", WORKERS)
            await clients.settle(sockets)
            tilts.append(clients.tilt)
        finally:
            clients.returning = False
            service.end()
        for task in list(clients.tasks):
            task.cancel()
        return tilts, clients.failed


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.workers", description=__doc__)
    parser.add_argument("--sockets", type=int, default=600)
    parser.add_argument("--ways", nargs="*", choices=list(PATCHES), default=list(PATCHES))
    parser.add_argument("--at-once", nargs="*", type=int, default=[1, 8, 64])
    options = parser.parse_args()
    print(f"{'way':>8} {'at once':>8} {'opened':>8} {'killed':>8} {'reloaded':>9} {'lost':>6}")
    bad = False
    for way in options.ways:
        for at_once in options.at_once:
            tilts, lost = asyncio.run(measure(way, options.sockets, at_once))
            print(f"{way:>8} {at_once:>8} {tilts[0]:>8.2f} {tilts[1]:>8.2f} {tilts[2]:>9.2f} {lost:>6}", flush=True)
            bad |= way == "shares" and (max(tilts) > ALLOWED or lost > 0)
    return int(bad)


if __name__ == "__main__":
    sys.exit(main())
