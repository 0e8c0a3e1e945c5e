"""docs/start.md typed to the letter, in an empty directory and in a checkout: files saved, commands run, pages read.

``.venv`` is the environment of these tests: an install is read and compared with what there is, not run.
"""

from __future__ import annotations

import importlib.metadata
import json
import re
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path
from typing import NamedTuple

import pytest
from websockets.sync.client import connect

from processes import TIMEOUT, environment

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "start.md").read_text(encoding="utf-8")
TAB = re.compile(r"^:::\{tab-item\} ([^\n]*)\n(.*?)^:::$", re.MULTILINE | re.DOTALL)
BLOCK = re.compile(
    r"(?:[Ss]ave (?:it|this)(?: \w+ it)? as `([\w.]+)`[^`]*?)?^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL
)


class Step(NamedTuple):
    """A file to save, or commands to type; what the page says they print."""

    file: str
    language: str
    code: str


def steps_of(place: str) -> list[Step]:
    """The steps of the page, with the tab of this place."""
    tabs = dict(TAB.findall(PAGE))
    (start, end) = PAGE.index("::::{tab-set}"), PAGE.rindex("::::") + 4
    text = PAGE[:start] + tabs[place] + PAGE[end:]
    return [Step(*found) for found in BLOCK.findall(text)]


def free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


def install(words: str, folder: Path) -> None:
    """What it would bring is there: the checkout where the page says, and the packages of its extras."""
    path, extras = re.findall(r"'([./\w]+)\[([\w,]+)\]'", words)[0]
    assert (folder / path / "pyproject.toml").exists()
    provided = importlib.metadata.metadata("wirefast").get_all("Provides-Extra") or []
    assert set(extras.split(",")) <= set(provided)


def serve(command: str, folder: Path) -> None:
    """Start a server as the page does, but on a free port, look at it, and stop it."""
    port = free_port()
    words = command.replace("--port 8000", f"--port {port}").split()
    log = folder / "server.log"
    with log.open("wb") as out:
        process = subprocess.Popen(words, cwd=folder, env=environment(), stdout=out, stderr=out)
    try:
        deadline = time.monotonic() + TIMEOUT
        while f"Uvicorn running on http://127.0.0.1:{port} (Press CTRL+C to quit)" not in log.read_text():
            assert process.poll() is None and time.monotonic() < deadline, log.read_text()
            time.sleep(0.02)
        if "main.py" in command:
            for path in ("/docs", "/hello?name=ada"):
                with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=TIMEOUT) as answer:
                    assert answer.status == 200
            with connect(f"ws://127.0.0.1:{port}/rooms/7?name=ada") as websocket:
                websocket.send("hello")
                assert json.loads(websocket.recv()) == {"room": 7, "from": "ada", "text": "hello"}
        else:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/asyncapi", timeout=TIMEOUT) as answer:
                assert b"console/page.js" in answer.read()
            with connect(f"ws://127.0.0.1:{port}/rooms/7") as ada, connect(f"ws://127.0.0.1:{port}/rooms/7") as bob:
                ada.send('{"type": "say", "text": "hello"}')
                assert json.loads(bob.recv()) == {"type": "say", "text": "hello"}
    finally:
        process.terminate()
        process.wait(TIMEOUT)
    assert "Traceback" not in log.read_text()


def type_in(command: str, folder: Path, printed: str) -> None:
    if command.startswith("python3 -m venv"):
        (folder / ".venv").symlink_to(sys.prefix)
    elif " pip install " in command.replace("/", " "):
        install(command, folder)
    elif "wirefast run" in command:
        serve(command, folder)
    else:
        done = subprocess.run(
            command, shell=True, cwd=folder, env=environment(), capture_output=True, text=True, timeout=TIMEOUT
        )
        assert done.returncode == 0 and printed.strip() in done.stdout, done.stdout + done.stderr


@pytest.mark.parametrize("place", ["In an empty directory", "In the checkout"])
def test_the_page_can_be_followed_to_the_letter(place: str, tmp_path: Path) -> None:
    if shutil.which("wirefast", path=str(Path(sys.prefix) / "bin")) is None:
        pytest.skip("the tests run without an environment of their own")
    pytest.importorskip("fastapi")
    (tmp_path / "wirefast").mkdir()
    checkout = tmp_path / "wirefast"
    shutil.copy(ROOT / "pyproject.toml", checkout)
    shutil.copytree(ROOT / "examples", checkout / "examples")
    folder = checkout
    if place != "In the checkout":
        folder = tmp_path / "hello"
        folder.mkdir()
    steps = steps_of(place)
    saved = [step.file for step in steps if step.file]
    assert saved == ["main.py", "service.py", "test_service.py", "chat.py"]
    for step, after in zip(steps, [*steps[1:], Step("", "", "")], strict=True):
        if step.file:
            (folder / step.file).write_text(step.code, encoding="utf-8")
        elif step.language == "sh":
            for command in step.code.splitlines():
                type_in(command, folder, after.code if after.language == "text" and "Uvicorn" not in after.code else "")
