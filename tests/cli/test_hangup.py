"""SIGHUP without workers: the end in order, also with the terminal."""

from __future__ import annotations

import os
import pty
import re
import signal
import subprocess
import sys
import threading
import urllib.request
from pathlib import Path

import pytest

from processes import TIMEOUT, environment, running
from wirefast.cli.hangup import ending_on_hangup

APP = """\
from wirefast import App
app = App()
@app.get("/")
def root():
    return "here"
"""
#: Makes the standard input the controlling terminal, then becomes the program.
WITH_TERMINAL = """\
import fcntl, os, sys, termios
fcntl.ioctl(0, termios.TIOCSCTTY, 0)
os.execv(sys.argv[1], sys.argv[1:])
"""


@pytest.mark.parametrize("more", [[], ["--reload"]], ids=["alone", "reload"])
def test_a_hangup_without_workers_ends_in_order(tmp_path: Path, more: list[str]) -> None:
    """However often the signal comes: systemd and shells send one more."""
    (tmp_path / "main.py").write_text(APP)
    with running("main.py", "--port", "0", *more, cwd=tmp_path) as server:
        server.wait_for_port()
        server.wait_for("Application startup complete") if more else None  # the parent logs its address first
        for _ in range(3):
            server.process.send_signal(signal.SIGHUP)
        assert server.process.wait(TIMEOUT) == 0
        server.end()
        assert "Application shutdown complete" in server.log
        assert more or "SIGHUP ends this service: without --workers there are no workers to reload" in server.log


def test_a_hangup_after_the_end_began_does_not_hurry(tmp_path: Path) -> None:
    (tmp_path / "main.py").write_text(APP)
    with running("main.py", "--port", "0", cwd=tmp_path) as server:
        server.wait_for_port()
        server.process.send_signal(signal.SIGTERM)
        server.process.send_signal(signal.SIGHUP)
        assert server.process.wait(TIMEOUT) == -signal.SIGTERM
        server.end()
        assert "Application shutdown complete" in server.log


def test_workers_leave_the_signal_of_a_terminal_to_their_parent(tmp_path: Path) -> None:
    (tmp_path / "main.py").write_text(APP)
    with running("main.py", "--port", "0", "--workers", "2", cwd=tmp_path) as server:
        port = server.wait_for_port()
        for _ in range(2):
            server.wait_for("Application startup complete")
        for pid in re.findall(r"Started server process \[(\d+)\]", server.log):
            os.kill(int(pid), signal.SIGHUP)
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/", timeout=TIMEOUT) as answer:
            assert answer.read() == b'"here"'
        assert server.end() == 0
        assert "died" not in server.log


def test_a_closed_terminal_ends_the_process_in_order(tmp_path: Path) -> None:
    (tmp_path / "main.py").write_text(APP)
    ours, theirs = pty.openpty()
    command = [sys.executable, "-m", "wirefast", "run", "main.py", "--port", "0"]
    with subprocess.Popen(
        [sys.executable, "-c", WITH_TERMINAL, *command],
        cwd=tmp_path,
        env=environment(),
        stdin=theirs,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    ) as process:
        os.close(theirs)
        guard = threading.Timer(TIMEOUT, process.kill)
        guard.start()
        try:
            assert process.stderr is not None
            for line in process.stderr:
                if "Uvicorn running" in line:
                    break
            os.close(ours)
            rest = process.stderr.read()
            assert "Application shutdown complete" in rest
            assert process.wait() == 0
        finally:
            guard.cancel()
            process.kill()


def test_a_handler_of_the_program_stays() -> None:
    before = signal.getsignal(signal.SIGHUP)
    try:
        for kept in (signal.SIG_IGN, lambda number, frame: None):
            signal.signal(signal.SIGHUP, kept)
            with ending_on_hangup(lambda: None):
                assert signal.getsignal(signal.SIGHUP) is kept
        signal.signal(signal.SIGHUP, signal.SIG_DFL)
        with ending_on_hangup(lambda: None):
            assert callable(signal.getsignal(signal.SIGHUP))
        assert signal.getsignal(signal.SIGHUP) is signal.SIG_DFL
    finally:
        signal.signal(signal.SIGHUP, before)
