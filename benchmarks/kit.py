"""A thousand tests of the kit in one run of pytest: ``python -m benchmarks.kit``.

Each has the fixture ``live``: a server, its lifespan, two peers, a message between them, the search for what is left.
It prints the seconds of processor and of wall time, start-up and collection included, that all of them need.
"""

from __future__ import annotations

import argparse
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

APP = """
from contextlib import asynccontextmanager
from wirefast import App, WebSocket
from wirefast.rooms import Hub, Policy

@asynccontextmanager
async def lifespan(app):
    yield {"name": "kit"}

app = App(lifespan=lifespan, hub=Hub())

@app.websocket("/rooms/{room}")
async def speak(websocket: WebSocket, room: int, user: str, hub: Hub):
    await websocket.accept()
    await hub.join(f"room:{room}", websocket)
    async for text in websocket.iter_text():
        await hub.publish(f"room:{room}", f"{user}: {text}")
"""
TEST = """
import pytest
from service import app

@pytest.fixture
def live_app():
    return app

@pytest.mark.parametrize("number", range(COUNT))
async def test_room(live, number):
    async with live.connect("/rooms/1?user=ann") as ann, live.connect("/rooms/1?user=bob") as bob:
        await ann.send(f"hi {number}")
        await bob.expect(f"ann: hi {number}")
        await ann.expect(f"ann: hi {number}")
"""


def main() -> int:
    """Run them; the exit code is pytest's."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=1000, help="how many tests")
    parser.add_argument("--profile", metavar="FILE", help="write what cProfile sees there")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as place:
        directory = Path(place)
        (directory / "service.py").write_text(APP)
        (directory / "test_kit.py").write_text(TEST.replace("COUNT", str(options.count)))
        (directory / "pytest.ini").write_text("[pytest]\n")
        profiled = ["-m", "cProfile", "-o", os.path.abspath(options.profile)] if options.profile else []
        command = [sys.executable, *profiled, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-p", "no:asyncio"]
        began = time.monotonic()
        done = subprocess.run(command, cwd=directory, env={**os.environ, "PYTHONPATH": place}, check=False)
        wall, used = time.monotonic() - began, resource.getrusage(resource.RUSAGE_CHILDREN)
    print(f"{options.count} tests: {used.ru_utime + used.ru_stime:.2f} s of processor time, {wall:.2f} s of wall time")
    return done.returncode


if __name__ == "__main__":
    sys.exit(main())
