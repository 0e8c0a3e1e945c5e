"""SIGHUP without workers, and from the end of the terminal: the end in order."""

from __future__ import annotations

import errno
import os
import pty
import re
import signal
import subprocess
import sys
import threading
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from types import SimpleNamespace

import pytest

from processes import TIMEOUT, environment, running
from wirefast.cli import hangup
from wirefast.cli.hangup import ending_on_hangup

APP = """\
from wirefast import App
from wirefast.rooms import Hub
app = App(hub=Hub())
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


#: The same as a shell, which passes the end of the terminal on to its job, and ends.
SHELL = """\
import fcntl, os, signal, subprocess, sys, termios
fcntl.ioctl(0, termios.TIOCSCTTY, 0)
def pass_on(number, frame):
    job.send_signal(number)
    os._exit(0)
job = subprocess.Popen(sys.argv[1:])
signal.signal(signal.SIGHUP, pass_on)
job.wait()
"""


@pytest.fixture(autouse=True)
def hangups_count() -> Iterator[None]:
    """Servers get SIGHUP, also where nohup runs the tests: a child ignores what its parent does."""
    before = signal.signal(signal.SIGHUP, signal.SIG_DFL)
    yield
    signal.signal(signal.SIGHUP, before)


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


@contextmanager
def in_terminal(tmp_path: Path, workers: int, program: str) -> Iterator[tuple[subprocess.Popen[str], int]]:
    """A service in a terminal of its own, and the descriptor whose end is the terminal's."""
    (tmp_path / "main.py").write_text(APP)
    ours, theirs = pty.openpty()
    command = [sys.executable, "-m", "wirefast", "run", "main.py", "--port", "0", "--workers", str(workers)]
    with subprocess.Popen(
        [sys.executable, "-c", program, *command],
        cwd=tmp_path,
        env=environment(),
        stdin=theirs,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    ) as process:
        os.close(theirs)

        def kill() -> None:
            """End what is left of the session: the leader may have ended alone."""
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)

        guard = threading.Timer(TIMEOUT, kill)
        guard.start()
        try:
            yield process, ours
        finally:
            guard.cancel()
            kill()


def wait_for(process: subprocess.Popen[str], *texts: str) -> None:
    """Read the log until each text has come, in any order, as often as it is named."""
    assert process.stderr is not None
    left = list(texts)
    while left:
        line = process.stderr.readline()
        assert line, f"the log has ended before {left}"
        left = [text for index, text in enumerate(left) if text not in line or text in left[:index]]


@pytest.mark.parametrize("program", [WITH_TERMINAL, SHELL], ids=["alone", "shell"])
@pytest.mark.parametrize("workers", [1, 2])
def test_a_closed_terminal_ends_the_service_in_order(tmp_path: Path, workers: int, program: str) -> None:
    with in_terminal(tmp_path, workers, program) as (process, ours):
        wait_for(process, *["Application startup complete"] * workers, *["Started the relay"] * (workers - 1))
        os.close(ours)
        assert process.stderr is not None
        rest = process.stderr.read()  # to the end of all processes
        assert rest.count("Application shutdown complete") == workers
        assert "restarting" not in rest and "died" not in rest
        assert process.wait() == 0


def test_a_hangup_while_there_is_a_terminal_reloads_workers(tmp_path: Path) -> None:
    with in_terminal(tmp_path, 2, WITH_TERMINAL) as (process, ours):
        wait_for(process, *["Application startup complete"] * 2)
        process.send_signal(signal.SIGHUP)
        wait_for(process, "restarting", *["Application startup complete", "Application shutdown complete"] * 2)
        os.close(ours)
        assert process.stderr is not None
        assert process.stderr.read().count("Application shutdown complete") == 2
        assert process.wait() == 0


@pytest.fixture
def terminal(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A file in place of the terminal."""
    path = tmp_path / "tty"
    path.touch()
    monkeypatch.setattr(hangup, "_TERMINAL", str(path))
    return path


def test_a_service_outlives_its_terminal(terminal: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    times = [200.0, 204.0, 206.0, 207.0]
    monkeypatch.setattr(hangup, "time", SimpleNamespace(monotonic=lambda: times[0]))
    found = hangup.Terminal()
    assert not found.has_just_ended()
    terminal.unlink()
    for ended in (True, True, False):
        assert found.has_just_ended() is ended
        del times[0]
    terminal.touch()
    assert not found.has_just_ended()


def test_without_a_terminal_nothing_ends(terminal: Path) -> None:
    terminal.unlink()
    assert not hangup.Terminal().has_just_ended()


def test_a_service_that_ignores_hangups_has_no_terminal(terminal: Path) -> None:
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        found = hangup.Terminal()
    finally:
        signal.signal(signal.SIGHUP, before)
    terminal.unlink()
    assert not found.has_just_ended()


def test_a_process_without_descriptors_keeps_its_terminal(terminal: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found = hangup.Terminal()

    def fail(path: str, flags: int) -> int:
        raise OSError(errno.EMFILE, "no descriptors")

    with monkeypatch.context() as patch:
        patch.setattr(hangup.os, "open", fail)
        assert not found.has_just_ended()
    terminal.unlink()
    assert found.has_just_ended()


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
