"""How long a scrape takes: ``python -m benchmarks.scraping [--sockets 10000] [--scrapes 200]``.

Four workers hold the sockets; one answer is for all of them. Printed are the milliseconds of a scrape, as a client on
the same machine sees them, and the processor time that the parent and each worker spend on one.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import os
import tempfile
import time
import urllib.request
from pathlib import Path

from benchmarks.workers import WORKERS, Service

HANDSHAKE = (
    b"GET / HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
)


def processor_time(pid: int) -> float:
    """Milliseconds that a process has computed."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) * 1000 / os.sysconf("SC_CLK_TCK")


def scrape(port: int, times: int) -> list[float]:
    """Milliseconds of each scrape, ascending."""
    taken = []
    for _ in range(times):
        began = time.perf_counter()
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics") as response:
            response.read()
        taken.append((time.perf_counter() - began) * 1000)
        time.sleep(0.02)
    return sorted(taken)


async def run(sockets: int, scrapes: int) -> None:
    with tempfile.TemporaryDirectory() as directory:
        os.environ["WIREFAST_RUN_DIR"] = f"{directory}/run"
        service = Service(directory, "shares", "--metrics-port", "0")
        try:
            metrics = int(service.wait(r"Metrics on http://127\.0\.0\.1:(\d+)", 1)[0])
            gate = asyncio.Semaphore(64)

            async def open_one() -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
                async with gate:
                    reader, writer = await asyncio.open_connection("127.0.0.1", service.port)
                    writer.write(HANDSHAKE)
                    await reader.readuntil(b"\r\n\r\n")
                    return reader, writer

            held = await asyncio.gather(*(open_one() for _ in range(sockets)))
            gc.collect()
            gc.freeze()  # this process's own rounds are no part of a scrape
            pids = [service.process.pid, *map(int, service.wait(r"Started server process \[(\d+)\]", WORKERS))]
            before = [processor_time(pid) for pid in pids]
            taken = await asyncio.to_thread(scrape, metrics, scrapes)
            spent = [(processor_time(pid) - old) / scrapes for pid, old in zip(pids, before, strict=True)]
            middle, most = taken[scrapes // 2], taken[int(scrapes * 0.95)]
            print(f"{len(held)} sockets, {scrapes} scrapes: ", end="")
            print(f"p50 {middle:.1f} ms, p95 {most:.1f} ms, max {taken[-1]:.1f} ms")
            workers = ", ".join(f"{one:.1f}" for one in spent[1:])
            print(
                f"processor time of one: parent {spent[0]:.1f} ms, workers {workers} ms; load {os.getloadavg()[0]:.1f}"
            )
        finally:
            service.end()


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.scraping", description=__doc__)
    parser.add_argument("--sockets", type=int, default=10_000)
    parser.add_argument("--scrapes", type=int, default=200)
    options = parser.parse_args()
    asyncio.run(run(options.sockets, options.scrapes))


if __name__ == "__main__":
    main()
