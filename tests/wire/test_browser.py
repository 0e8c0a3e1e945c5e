"""A real browser: two pages of examples/chat.py talk to each other, until one goes and then the server does.

Chromium without a window, driven over its DevTools protocol; skipped, and saying so, where there is none.
"""

from __future__ import annotations

import itertools
import json
import os
import re
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from websockets.sync.client import ClientConnection, connect

from processes import ServerProcess, foreign
from slower import SLOWER

EXAMPLE = Path(__file__).parents[2] / "examples" / "chat.py"
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
        """The value of a JavaScript expression, awaited when it is a promise."""
        answer = self.browser.command(
            "Runtime.evaluate", self.session, expression=script, awaitPromise=True, returnByValue=True
        )
        assert "exceptionDetails" not in answer, answer
        return answer["result"].get("value")

    def wait_for(self, condition: str) -> None:
        deadline = time.monotonic() + PATIENCE
        while not self.evaluate(f"document.readyState === 'complete' && Boolean({condition})"):
            assert time.monotonic() < deadline, (condition, self.evaluate("document.body.innerText"))
            time.sleep(0.02)

    def state(self, text: str) -> None:
        self.wait_for(f"document.getElementById('state').textContent.startsWith({json.dumps(text)})")

    @property
    def number(self) -> str:
        return str(self.evaluate("document.getElementById('me').textContent"))

    def say(self, text: str) -> None:
        self.evaluate(f"document.getElementById('text').value = {json.dumps(text)}, null")
        self.evaluate("document.getElementById('form').requestSubmit()")

    def reads(self, *texts: str) -> None:
        """Wait until exactly these messages are listed."""
        listed = "JSON.stringify(Array.from(document.querySelectorAll('#messages li'), item => item.textContent))"
        self.wait_for(f"{listed} === {json.dumps(json.dumps(texts, ensure_ascii=False, separators=(',', ':')))}")

    def close(self) -> None:
        self.browser.command("Target.closeTarget", targetId=self.target)


@pytest.fixture
def browser(tmp_path: Path) -> Iterator[Browser]:
    program = next(filter(None, map(shutil.which, NAMES)), None)
    if program is None:
        pytest.skip(f"needs a browser: {', '.join(NAMES)}")
    browser = Browser(program, tmp_path)
    try:
        with connect(browser.address(), max_size=None, open_timeout=PATIENCE) as browser.connection:
            yield browser
    finally:
        browser.end()


@pytest.mark.parametrize("deflate", [False, True], ids=["plain", "deflate"])
def test_two_pages_chat(browser: Browser, deflate: bool) -> None:
    server = ServerProcess(str(EXAMPLE), "--port", "0", "--ws-per-message-deflate", str(deflate).lower())
    try:
        url = f"http://127.0.0.1:{server.wait_for_port()}/"
        one, two = Page(browser, url), Page(browser, url)
        for page in (one, two):
            page.state("connected")
        hello, answer = "hello " * 100, "grüße 👋"
        one.say(hello)
        one.reads(f"You wrote: {hello}", f"Client #{one.number} says: {hello}")
        two.reads(f"Client #{one.number} says: {hello}")
        two.say(answer)
        heard = [f"Client #{one.number} says: {hello}", f"You wrote: {answer}", f"Client #{two.number} says: {answer}"]
        two.reads(*heard)
        assert two.evaluate("socket.extensions").startswith("permessage-deflate") is deflate
        gone = one.number
        one.close()
        two.reads(*heard, f"Client #{gone} left the chat")
        two.evaluate("window.ended = new Promise(resolve => socket.addEventListener('close', resolve)), null")
        server.process.send_signal(signal.SIGTERM)
        two.state("disconnected")
        assert two.evaluate("ended.then(event => [event.code, event.wasClean])") == [1012, True]
    finally:
        server.end()
    assert "Finished server process" in server.log
    assert "Traceback" not in server.log and "ERROR" not in server.log, server.log
