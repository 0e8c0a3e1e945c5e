"""A rolling reload under clients: ``python -m benchmarks.moving [--sockets 5000]``.

Each client counts up: it sends a number and waits for its acknowledgement, which the service gives once the number is
in a file. On close 1012 a client comes back after `retry=MS` and goes on with the first number that was not
acknowledged. At the end each acknowledged number has to be in the files, and all clients have to be back within 30 s.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import os
import re
import resource
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

REQUEST = (
    b"GET /?client=%d HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\nSec-WebSocket-Version: 13\r\n\r\n"
)
SERVICE = """
import os
from wirefast import App, WebSocket

app = App()
kept = open(f"kept.{os.getpid()}", "a", buffering=1)

@app.websocket("/")
async def count(websocket: WebSocket, client: int):
    await websocket.accept()
    async for text in websocket.iter_text():
        kept.write(f"{client} {text}\\n")
        await websocket.send_text(text)
"""


class Client:
    """One counting client, with as little of the protocol as it needs."""

    def __init__(self, number: int, port: int, gate: asyncio.Semaphore) -> None:
        self.number = number
        self.port = port
        self.gate = gate
        self.acknowledged = 0
        self.away_since: float | None = None
        self.longest = 0.0
        self.moves = 0

    async def live(self, pause: float) -> None:
        while True:
            delay = 0.5
            with contextlib.suppress(OSError, asyncio.IncompleteReadError):
                async with self.gate:
                    reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
                    writer.write(REQUEST % self.number)
                    head = await reader.readuntil(b"\r\n\r\n")
                if b" 101 " in head:
                    if self.away_since is not None:
                        self.longest = max(self.longest, time.monotonic() - self.away_since)
                        self.away_since = None
                    delay = await self.talk(reader, writer, pause)
                writer.close()
            if self.away_since is None:
                self.away_since = time.monotonic()
                self.moves += 1
            await asyncio.sleep(delay)

    async def talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, pause: float) -> float:
        """Count until the service closes; seconds until the client may come back."""
        incoming = asyncio.ensure_future(reader.readexactly(2))
        try:
            while True:
                text = b"%d" % (self.acknowledged + 1)
                writer.write(b"\x81" + bytes((0x80 | len(text),)) + bytes(4) + text)
                first, size = await incoming
                body = await reader.readexactly(size)
                if first == 0x88:
                    writer.write(b"\x88\x82\0\0\0\0" + body[:2])
                    told = re.fullmatch(rb"retry=(\d+)", body[2:])
                    return int(told[1]) / 1000 if told else 0.5
                if body == text:
                    self.acknowledged += 1
                incoming = asyncio.ensure_future(reader.readexactly(2))
                await asyncio.wait({incoming}, timeout=pause)  # a close is heard at once
        finally:
            incoming.cancel()
            await asyncio.gather(incoming, return_exceptions=True)


async def run(sockets: int, workers: int) -> bool:
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    with tempfile.TemporaryDirectory(prefix="wire") as directory:
        (Path(directory) / "service.py").write_text(SERVICE)
        log = Path(directory) / "log"
        arguments = ["run", "service", "--port", "0", "--workers", str(workers), "--no-access-log", "--backlog", "4096"]
        with log.open("wb") as output:
            service = subprocess.Popen(
                [sys.executable, "-m", "wirefast", *arguments],
                cwd=directory,
                stdout=output,
                stderr=output,
                env=os.environ | {"WIREFAST_RUN_DIR": f"{directory}/run"},
            )
        while log.read_text().count("startup complete") < workers:
            await asyncio.sleep(0.05)
        found = re.search(r"running on http://127\.0\.0\.1:(\d+)", log.read_text())
        assert found is not None
        gate = asyncio.Semaphore(128)
        clients = [Client(number, int(found[1]), gate) for number in range(sockets)]
        tasks = [asyncio.ensure_future(client.live(5.0)) for client in clients]
        while not all(client.acknowledged for client in clients):
            await asyncio.sleep(0.1)
        began = time.monotonic()
        service.send_signal(signal.SIGHUP)
        while log.read_text().count("Finished server process") < workers:
            await asyncio.sleep(0.1)
        while any(client.away_since is not None for client in clients):
            await asyncio.sleep(0.1)
        await asyncio.sleep(1.0)  # the last closes are on their way
        while any(client.away_since is not None for client in clients):
            await asyncio.sleep(0.1)
        took = time.monotonic() - began
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        for _ in range(2):
            service.send_signal(signal.SIGTERM)
            await asyncio.sleep(0.2)
        await asyncio.to_thread(service.wait)
        kept = {line for path in Path(directory).glob("kept.*") for line in path.read_text().splitlines()}
        lost = [
            (client.number, number)
            for client in clients
            for number in range(1, client.acknowledged + 1)
            if f"{client.number} {number}" not in kept
        ]
        longest = max(client.longest for client in clients)
        moves = sum(client.moves for client in clients)
        print(
            f"{sockets} sockets, {workers} workers: reload {took:.1f} s, {moves} moves, longest absence {longest:.1f} s"
        )
        print(f"acknowledged {sum(client.acknowledged for client in clients)}, lost {len(lost)}")
        return not lost and longest < 30


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.moving", description=__doc__)
    parser.add_argument("--sockets", type=int, default=5000)
    parser.add_argument("--workers", type=int, default=2)
    options = parser.parse_args()
    return int(not asyncio.run(run(options.sockets, options.workers)))


if __name__ == "__main__":
    sys.exit(main())
