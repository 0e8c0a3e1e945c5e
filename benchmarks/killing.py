"""kill -9 at random under load: ``python -m benchmarks.killing [--minutes 10]``.

Four workers with rooms across them. Clients talk in rooms all the time and come back when they are cut off; every few
seconds a worker or the relay is killed. After each kill the rooms have to be whole again: a message said through each
worker that has clients is heard in all of them. At the end the service stops; nothing may be left of it.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import os
import random
import re
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from websockets.asyncio.client import connect
from websockets.exceptions import WebSocketException

WORKERS = 4
CLIENTS = 40
SERVICE = """
import os
from wirefast import App, WebSocket
from wirefast.rooms import Hub

gaps = 0

def gap(room):
    global gaps
    gaps += 1

hub = Hub(on_gap=gap)
app = App(hub=hub)

@app.websocket("/")
async def room(websocket: WebSocket):
    await websocket.accept()
    async with hub.join("all", websocket):
        await websocket.send_json({"pid": os.getpid()})
        async for text in websocket.iter_text():
            if text == "gaps":
                await websocket.send_json({"gaps": gaps})
            else:
                await hub.publish("all", text)
"""


class Client:
    """A member that talks, hears, and comes back."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.pid = 0
        self.heard: set[str] = set()
        self.socket: Any = None
        self.returns = 0

    async def live(self) -> None:
        while True:
            try:
                async with connect(self.url, open_timeout=30, ping_interval=None) as self.socket:
                    self.pid = json.loads(await self.socket.recv())["pid"]
                    async for text in self.socket:
                        if text.startswith("probe"):
                            self.heard.add(text)
            except (OSError, WebSocketException, TimeoutError, ValueError, KeyError):
                pass
            self.pid, self.socket = 0, None
            self.returns += 1
            await asyncio.sleep(random.uniform(0.05, 0.5))

    async def say(self, text: str) -> None:
        try:
            if self.socket is not None:
                await self.socket.send(text)
        except (OSError, WebSocketException):
            pass


async def whole(clients: list[Client], number: int) -> float:
    """Seconds until a message said through each worker was heard by all clients that are connected."""
    began = time.monotonic()
    attempt = 0
    while time.monotonic() - began < 60:
        attempt += 1
        speakers = {client.pid: client for client in clients if client.pid}
        texts = [f"probe {number} {attempt} {pid}" for pid in speakers]
        for text, speaker in zip(texts, speakers.values(), strict=True):
            await speaker.say(text)
        await asyncio.sleep(0.3)
        reached = [client for client in clients if client.pid and client.heard.issuperset(texts)]
        if len(reached) == len(clients):
            return time.monotonic() - began
    connected = sum(bool(client.pid) for client in clients)
    raise SystemExit(
        f"kill {number}: not whole after 60 s: {connected} clients of {len(clients)} at {len(speakers)} workers, "
        f"{len(reached)} heard all"
    )


async def run(seconds: float) -> None:
    with tempfile.TemporaryDirectory(prefix="wire") as directory, contextlib.ExitStack() as stack:
        (Path(directory) / "service.py").write_text(SERVICE)
        environment = os.environ | {"WIREFAST_RUN_DIR": f"{directory}/run"}
        arguments = ["run", "service", "--port", "0", "--workers", str(WORKERS), "--no-access-log"]
        log = Path(directory) / "log"
        with log.open("wb") as output:
            service = subprocess.Popen(
                [sys.executable, "-m", "wirefast", *arguments],
                cwd=directory,
                stdout=output,
                stderr=output,
                env=environment,
            )
        stack.callback(lambda: service.poll() is None and service.kill())
        stack.callback(lambda: print(log.read_text()[-3000:]) if service.poll() is None else None)
        while not (found := re.search(r"running on http://127\.0\.0\.1:(\d+)", log.read_text())):
            await asyncio.sleep(0.05)
        clients = [Client(f"ws://127.0.0.1:{found[1]}/") for _ in range(CLIENTS)]
        tasks = [asyncio.ensure_future(client.live()) for client in clients]

        async def chatter() -> None:
            while True:
                await random.choice(clients).say("chatter")
                await asyncio.sleep(0.005)

        tasks.append(asyncio.ensure_future(chatter()))
        await whole(clients, 0)
        ends = time.monotonic() + seconds
        killed: dict[str, int] = {"worker": 0, "relay": 0}
        waits: list[float] = []
        while time.monotonic() < ends:
            text = log.read_text()
            relays = re.findall(r"Started the relay of rooms \[(\d+)\]", text)
            if random.random() < 0.3 and relays:
                kind, pid = "relay", int(relays[-1])
            else:
                kind, pid = "worker", random.choice([client.pid for client in clients if client.pid])
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                continue
            killed[kind] += 1
            await asyncio.sleep(random.uniform(0.0, 1.0))
            waits.append(await whole(clients, sum(killed.values())))
        for task in tasks:
            task.cancel()
        for _ in range(2):
            service.send_signal(signal.SIGTERM)
            await asyncio.sleep(0.3)
        await asyncio.to_thread(service.wait, 30)
        left = list((Path(directory) / "run").iterdir())
        text = log.read_text()
        pids = {int(pid) for pid in re.findall(r"\[(\d+)\]", text)}
        alive = [pid for pid in pids if Path(f"/proc/{pid}").exists()]
        lost = len(re.findall(r"may be lost|is back after", text))
        middle = sorted(waits)[len(waits) // 2]
        print(f"killed {killed}, rooms whole after {max(waits):.1f} s at most, {middle:.1f} s mostly")
        returns = sum(client.returns for client in clients)
        print(f"clients came back {returns} times; the log tells of {lost} interruptions")
        print(f"left behind: files {left}, processes {alive}; tracebacks {text.count('Traceback')}")
        if left or alive or "Traceback" in text:
            raise SystemExit(text[-4000:])


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.killing", description=__doc__)
    parser.add_argument("--minutes", type=float, default=10.0)
    asyncio.run(run(parser.parse_args().minutes * 60))


if __name__ == "__main__":
    main()
