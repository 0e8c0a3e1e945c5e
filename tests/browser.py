"""A real browser for tests: Chromium without a window, driven over its DevTools protocol.

The fixture ``browser`` is in conftest.py; it skips the test, and says so, where there is no browser.
"""

from __future__ import annotations

import base64
import itertools
import json
import os
import re
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from websockets.sync.client import ClientConnection, connect

from processes import foreign
from slower import SLOWER

NAMES = ("chromium", "chromium-browser", "google-chrome")
FLAGS = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--disable-dev-shm-usage",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--remote-debugging-port=0",
]
PATIENCE = 60.0 * SLOWER


class Browser:
    """One Chromium process, and commands to it."""

    def __init__(self, program: str, directory: Path) -> None:
        self.errors = directory / "stderr"
        with self.errors.open("wb") as errors:
            self.process = subprocess.Popen(
                [program, *FLAGS, f"--user-data-dir={directory / 'profile'}", "about:blank"],
                env=foreign() | {"HOME": str(directory)},
                stdin=subprocess.DEVNULL,
                stdout=errors,
                stderr=errors,
                start_new_session=True,
            )
        self.numbers = itertools.count(1)
        self.connection: ClientConnection

    def address(self) -> str:
        deadline = time.monotonic() + PATIENCE
        while True:
            found = re.search(r"DevTools listening on (ws://\S+)", self.errors.read_text(errors="replace"))
            if found:
                return found[1]
            assert self.process.poll() is None and time.monotonic() < deadline, self.errors.read_text(errors="replace")
            time.sleep(0.05)

    def command(self, method: str, session: str | None = None, **parameters: Any) -> Any:
        """Its result; events are passed over."""
        message = {"id": next(self.numbers), "method": method, "params": parameters}
        self.connection.send(json.dumps(message if session is None else message | {"sessionId": session}))
        while True:
            answer = json.loads(self.connection.recv(timeout=PATIENCE))
            if answer.get("id") == message["id"]:
                assert "error" not in answer, answer
                return answer["result"]

    def end(self) -> None:
        os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait(PATIENCE)


class Page:
    def __init__(self, browser: Browser, url: str) -> None:
        self.browser = browser
        self.target = browser.command("Target.createTarget", url="about:blank")["targetId"]
        attached = browser.command("Target.attachToTarget", targetId=self.target, flatten=True)
        self.session = attached["sessionId"]
        loading = browser.command("Page.navigate", self.session, url=url)
        assert "errorText" not in loading, loading

    def evaluate(self, script: str) -> Any:
        """The value of a JavaScript expression, awaited when it is a promise; it counts as a gesture of the user."""
        options = {"awaitPromise": True, "returnByValue": True, "userGesture": True}
        answer = self.browser.command("Runtime.evaluate", self.session, expression=script, **options)
        assert "exceptionDetails" not in answer, answer
        return answer["result"].get("value")

    def wait_for(self, condition: str) -> None:
        deadline = time.monotonic() + PATIENCE
        while not self.evaluate(f"document.readyState === 'complete' && Boolean({condition})"):
            assert time.monotonic() < deadline, (condition, self.evaluate("document.body.innerText"))
            time.sleep(0.02)

    def picture(self, file: Path) -> None:
        """Write what the page looks like, as PNG."""
        data = self.browser.command("Page.captureScreenshot", self.session, format="png")["data"]
        file.write_bytes(base64.b64decode(data))

    def close(self) -> None:
        self.browser.command("Target.closeTarget", targetId=self.target)


@contextmanager
def chromium(directory: Path) -> Iterator[Browser]:
    """A browser with a profile in ``directory``, for the length of a ``with`` block."""
    program = next(filter(None, map(shutil.which, NAMES)), None)
    if program is None:
        pytest.skip(f"needs a browser: {', '.join(NAMES)}")
    browser = Browser(program, directory)
    try:
        with connect(browser.address(), max_size=None, open_timeout=PATIENCE) as browser.connection:
            yield browser
    finally:
        browser.end()
