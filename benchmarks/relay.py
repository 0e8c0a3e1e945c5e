"""What a message costs between two workers of one machine: by the relay of `Hub()`, and by Redis.

``python -m benchmarks.relay [--messages 50000]``: one process publishes over one link and hears over another, as two
workers would; the CPU time of this process and of the broker's is divided by the messages. `singly` waits for each
message before the next is published, `together` has 200 on their way.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import resource
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import uvloop

from wirefast.rooms.brokers.base import Broker, make_broker

PAYLOAD = b'["0123456789abcdef",1,0,"text",[],null,null]' + b"x" * 128
WINDOW = 200


def cpu_of(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def own_cpu() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


async def measure(url: str, pid: int, count: int, window: int) -> tuple[float, float, float]:
    """CPU microseconds a message here and in the broker, and microseconds of time."""
    heard = 0
    arrived = asyncio.Event()

    def take(room: str, payload: bytes) -> None:
        nonlocal heard
        heard += 1
        arrived.set()

    speaker, listener = make_broker(url), make_broker(url)
    for broker in (speaker, listener):
        await broker.start(take, lambda rooms: None)
    listener.subscribe("room")
    await listener.subscribed("room")

    async def send(number: int, broker: Broker) -> None:
        for sent in range(number):
            broker.publish("room", PAYLOAD)
            while sent + 1 - heard >= window:
                arrived.clear()
                await arrived.wait()
        while heard < number:
            arrived.clear()
            await arrived.wait()

    await send(min(1000, count), speaker)
    heard = 0
    before, theirs, began = own_cpu(), cpu_of(pid), time.perf_counter()
    await send(count, speaker)
    used, broker_used, passed = own_cpu() - before, cpu_of(pid) - theirs, time.perf_counter() - began
    for broker in (speaker, listener):
        await broker.stop()
    return used / count * 1e6, broker_used / count * 1e6, passed / count * 1e6


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.relay", description=__doc__)
    parser.add_argument("--messages", type=int, default=50_000)
    count = parser.parse_args().messages
    with tempfile.TemporaryDirectory(prefix="wire") as directory, socket.socket(socket.AF_UNIX) as held:
        held.bind(f"{directory}/rooms.sock")
        held.listen(16)
        relay = subprocess.Popen(
            [sys.executable, "-m", "wirefast.rooms.brokers.relay", str(held.fileno())],
            stdin=subprocess.PIPE,
            pass_fds=(held.fileno(),),
        )
        redis_server = shutil.which("redis-server")
        if redis_server is None:
            raise SystemExit("redis-server is needed")
        path = f"{directory}/redis.sock"
        redis = subprocess.Popen(
            [redis_server, "--port", "0", "--unixsocket", path, "--save", "", "--dir", directory],
            stdout=subprocess.DEVNULL,
        )
        try:
            while not os.path.exists(path):
                time.sleep(0.01)
            brokers = [("relay", f"local://{directory}/rooms.sock", relay), ("Redis", f"unix://{path}", redis)]
            print(f"{'CPU us a message':>20} {'workers':>9} {'broker':>9} {'together':>9} {'time':>9}")
            for mode, window, number in (("singly", 1, count // 5), ("together", WINDOW, count)):
                totals = {}
                for name, url, process in brokers:
                    ours, theirs, passed = uvloop.run(measure(url, process.pid, number, window))
                    totals[name] = ours + theirs
                    print(f"{name + ' ' + mode:>20} {ours:>9.1f} {theirs:>9.1f} {totals[name]:>9.1f} {passed:>9.1f}")
                print(f"{'Redis / relay':>20} {totals['Redis'] / totals['relay']:.2f}")
        finally:
            for process in (relay, redis):
                process.kill()
                process.wait()


if __name__ == "__main__":
    main()
