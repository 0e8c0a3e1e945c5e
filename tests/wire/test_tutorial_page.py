"""The board of docs/tutorial in a real browser: log in, see readings and notes, come back after the server was away."""

from __future__ import annotations

import json
import os
import urllib.request
from pathlib import Path

from browser import Browser, Page
from processes import ServerProcess

BOARD = Path(__file__).parents[2] / "examples" / "tutorial" / "board.py"
#: Where the picture of the documentation is written, where it is asked for.
PICTURES = os.environ.get("WIREFAST_PICTURES")


def start(port: int) -> tuple[ServerProcess, int]:
    server = ServerProcess(str(BOARD), "--port", str(port), "--no-access-log")
    return server, server.wait_for_port()


def post(port: int, sensor: str, value: float) -> int:
    headers = {"Content-Type": "application/json", "X-Sensor-Key": "for trying out"}
    body = json.dumps({"sensor": sensor, "value": value}).encode()
    request = urllib.request.Request(f"http://127.0.0.1:{port}/readings", body, headers)
    with urllib.request.urlopen(request, timeout=30) as answer:
        return int(json.load(answer)["told"])


def state(page: Page, words: str) -> None:
    page.wait_for(f"document.getElementById('state').textContent.includes({json.dumps(words)})")


def test_log_in_look_and_come_back(browser: Browser) -> None:
    server, port = start(0)
    try:
        page = Page(browser, f"http://127.0.0.1:{port}/")
        state(page, "log in first")
        page.evaluate("user.value = 'ada'; password.value = 'guess'; login.requestSubmit()")
        state(page, "wrong name or password")
        page.evaluate("password.value = 'lovelace'; login.requestSubmit()")
        state(page, "live")
        assert post(port, "door", 1) == 1
        page.wait_for("document.querySelector('dd')?.textContent === '1'")
        page.evaluate("text.value = '<b>the door</b>'; document.getElementById('write').requestSubmit()")
        page.wait_for("document.querySelector('#notes li')?.textContent === 'ada: <b>the door</b>'")
        if PICTURES:
            post(port, "load", 0.42)
            post(port, "memory", 61.5)
            page.wait_for("document.querySelectorAll('dd').length === 3")
            browser.command(
                "Emulation.setDeviceMetricsOverride",
                page.session,
                width=520,
                height=420,
                deviceScaleFactor=2,
                mobile=False,
            )
            page.picture(Path(PICTURES) / "board.png")
    finally:
        server.end()
    state(page, "trying again")
    server, _ = start(port)
    try:
        state(page, "live")
        assert post(port, "door", 0) == 1
        page.wait_for("document.querySelector('dd').textContent === '0'")
    finally:
        server.end()
    assert "Traceback" not in server.log, server.log
