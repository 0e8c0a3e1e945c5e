"""Each script of tests/isolated in an interpreter of its own; what they check stands in tests/isolated/leaks.py."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ISOLATED = Path(__file__).parents[1] / "isolated"
SCRIPTS = sorted(path for path in ISOLATED.glob("*.py") if path.name != "leaks.py")


def test_there_are_scripts():
    assert SCRIPTS


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: path.stem)
def test_nothing_is_kept(script):
    run = subprocess.run([sys.executable, str(script)], capture_output=True, text=True, timeout=600)
    assert run.returncode == 0, run.stdout + run.stderr
    assert run.stderr == ""


KEEPING = """
from leaks import check
from wirefast.websockets import WebSocket

kept = []

async def receive(): ...
async def send(message): ...

async def keeping(i):
    websocket = WebSocket({"type": "websocket"}, receive, send)
    WAY

check(keeping, 300)
"""


@pytest.mark.parametrize(
    ("way", "message"),
    [
        ("pass", ""),
        ("kept.append(websocket)", "left {'wirefast.websockets.WebSocket': 300"),
        # The collector does not know bytes: a payload that nobody lets go of looks like this.
        ("kept.append(b'%d' % i)", "blocks more after 300 times"),
        ("websocket.itself = websocket", "{'wirefast.websockets.WebSocket': 100} wait for the garbage collector"),
    ],
)
def test_what_is_kept_is_found(way, message):
    """The scripts' own check, on an object that is kept and on one that only the collector frees."""
    run = subprocess.run(
        [sys.executable, "-c", KEEPING.replace("WAY", way)],
        env=os.environ | {"PYTHONPATH": str(ISOLATED)},
        capture_output=True,
        text=True,
        timeout=600,
    )
    assert (run.returncode == 0) == (not message)
    assert message in run.stderr
