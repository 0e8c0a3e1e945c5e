"""SIGHUP without workers: a warning, or the end with the terminal."""

from __future__ import annotations

import os
import pty
import signal
import socket
import subprocess
import sys
import threading
import urllib.request
from pathlib import Path

import pytest

from processes import TIMEOUT, ServerProcess, environment, once_up, running
from wirefast.cli.hangup import attending_hangups

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


def is_served(server: ServerProcess, port: int) -> bool:
    once_up(lambda: socket.create_connection(("127.0.0.1", port), TIMEOUT)).close()
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/", timeout=TIMEOUT) as answer:
        return bool(answer.read() == b'"here"')


@pytest.mark.parametrize("more", [[], ["--reload"]], ids=["alone", "reload"])
def test_a_hangup_without_workers_is_a_warning(tmp_path: Path, more: list[str]) -> None:
    (tmp_path / "main.py").write_text(APP)
    with running("main.py", "--port", "0", *more, cwd=tmp_path) as server:
        port = server.wait_for_port()
        if more:  # the parent logs its address first
            server.wait_for("Application startup complete")
        for _ in range(2):
            server.process.send_signal(signal.SIGHUP)
            server.wait_for("WARNING: .*SIGHUP reloads the workers of --workers; without them it does nothing")
        assert is_served(server, port)
        assert server.end() == (0 if more else -signal.SIGTERM)


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
            assert "Application shutdown complete" in rest and "SIGHUP" not in rest
            assert process.wait() == -signal.SIGTERM
        finally:
            guard.cancel()
            process.kill()


def test_a_handler_of_the_program_stays() -> None:
    before = signal.getsignal(signal.SIGHUP)
    try:
        for kept in (signal.SIG_IGN, lambda number, frame: None):
            signal.signal(signal.SIGHUP, kept)
            with attending_hangups():
                assert signal.getsignal(signal.SIGHUP) is kept
        signal.signal(signal.SIGHUP, signal.SIG_DFL)
        with attending_hangups():
            assert callable(signal.getsignal(signal.SIGHUP))
        assert signal.getsignal(signal.SIGHUP) is signal.SIG_DFL
    finally:
        signal.signal(signal.SIGHUP, before)
