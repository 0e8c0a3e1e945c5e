"""``--watch-loop``: what blocks the event loop is in the log, with its stack."""

from __future__ import annotations

import http.client
import logging
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from processes import TIMEOUT, running
from wirefast.server import watching
from wirefast.server.watching import LoopWatch, describe

APP = """
import logging, time
from wirefast import App
app = App()
def blocks_the_loop():
    time.sleep(1.0)
@app.get("/")
async def read():
    logging.getLogger("wirefast.mine").info("said by a logger of wirefast")
    blocks_the_loop()
"""


def ask(port: int) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=TIMEOUT)
    try:
        connection.request("GET", "/")
        connection.getresponse().read()
    finally:
        connection.close()


def test_the_log_has_the_stack(tmp_path: Path) -> None:
    (tmp_path / "main.py").write_text(APP)
    with running("main.py", "--port", "0", "--watch-loop", "0.3", cwd=tmp_path) as server:
        ask(server.wait_for_port())
        server.wait_for("INFO: +said by a logger of wirefast")
        server.wait_for(
            "WARNING: +The event loop has stood still for 0.[3-9] s, and every socket of this process with it"
        )
        server.wait_for("File ")
        assert server.lines[-1].endswith('main.py", line 10, in read'), server.log
        server.wait_for('main.py", line 6, in blocks_the_loop')
        server.wait_for("WARNING: +The event loop runs again, after 1.[0-9] s.")
    assert "/uvicorn/" not in server.log


def test_without_it_there_is_no_thread(tmp_path: Path) -> None:
    program = APP.replace("blocks_the_loop()\n", "pass\n").replace("async def read():", "async def read():\n    show()")
    (tmp_path / "main.py").write_text(
        f"{program}\ndef show():\n    import threading\n    print(sorted(t.name for t in threading.enumerate()))\n"
    )
    for seconds, there in (("0", False), ("1", True)):
        with running("main.py", "--port", "0", "--watch-loop", seconds, cwd=tmp_path) as server:
            ask(server.wait_for_port())
            names = server.wait_for(r"^\[.*MainThread.*\]$")[0]
        assert ("watch-loop" in names) is there


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Iterator[dict[str, float]]:
    """The time that a watch sees, which moves one look a time unless it is told to jump."""
    times = {"now": 100.0, "used": 0.0, "step": 0.25, "work": 0.0}

    class Clock:
        @staticmethod
        def monotonic() -> float:
            return times["now"]

        @staticmethod
        def process_time() -> float:
            return times["used"]

    monkeypatch.setattr(watching, "time", Clock)
    yield times


class Looks:
    """In the place of the event that ends a watch: each wait is one look, of so many."""

    def __init__(self, times: dict[str, float], looks: list[tuple[float, float]]) -> None:
        self.times = times
        self.looks = looks

    def wait(self, seconds: float) -> bool:
        if not self.looks:
            return True
        wall, used = self.looks.pop(0)
        self.times["now"] += wall
        self.times["used"] += used
        return False


def said(clock: dict[str, float], looks: list[tuple[float, float]], caplog: pytest.LogCaptureFixture) -> list[str]:
    watch = LoopWatch(1.0, lambda: 100.0)
    watch.ended = Looks(clock, looks)  # type: ignore[assignment]
    with caplog.at_level(logging.WARNING, "uvicorn.error"):
        watch._run()
    return [record.getMessage() for record in caplog.records]


def test_a_loop_that_stands_still_is_told_once(clock: dict[str, float], caplog: pytest.LogCaptureFixture) -> None:
    assert said(clock, [(0.25, 0.0)] * 4, caplog) == []
    clock["now"] = 100.0
    (text,) = said(clock, [(0.25, 0.0)] * 20, caplog)
    assert text.startswith("The event loop has stood still for 1.2 s, ")


def test_a_process_that_did_not_run_blames_nobody(clock: dict[str, float], caplog: pytest.LogCaptureFixture) -> None:
    """It was stopped, or the machine was busy with others."""
    assert said(clock, [(0.25, 0.0), (30.0, 0.1)], caplog) == []


def test_code_that_holds_the_interpreter_is_told(clock: dict[str, float], caplog: pytest.LogCaptureFixture) -> None:
    (text,) = said(clock, [(0.25, 0.0), (30.0, 29.0)], caplog)
    assert "stood still for 30.2 s" in text


def test_the_frames_are_the_applications() -> None:
    found: list[str] = []
    begun, end = threading.Event(), threading.Event()

    def inner() -> None:
        begun.set()
        end.wait(TIMEOUT)

    thread = threading.Thread(target=inner)
    thread.start()
    begun.wait(TIMEOUT)

    found.append(describe(sys._current_frames().get(thread.ident or 0)))
    end.set()
    thread.join()
    assert "in inner" in found[0] and len(found[0].splitlines()) <= 2 * watching.FRAMES_MAX + 6
    assert describe(None) == ""
