"""Real ``wirefast`` processes for the tests: started on an ephemeral port, awaited by their log, ended by their id."""

from __future__ import annotations

import os
import queue
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import TypeVar

import pytest

from slower import SLOWER

TIMEOUT = 60.0 * SLOWER

Connected = TypeVar("Connected")


def environment() -> dict[str, str]:
    """The environment without settings that would change what uvicorn or Python does."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("UVICORN_", "WEB_CONCURRENCY"))}
    return kept | {"PYTHONUNBUFFERED": "1", "PYTHONDONTWRITEBYTECODE": "1"}


def under_gunicorn(workers: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let this process look like one of gunicorn's workers, whose number is a text of the environment."""
    monkeypatch.setenv("WEB_CONCURRENCY", workers)
    monkeypatch.setitem(sys.modules, "gunicorn.arbiter", ModuleType("gunicorn.arbiter"))


def foreign() -> dict[str, str]:
    """The environment for a program that is not Python: a sanitizer loaded before it can hang it."""
    return {name: value for name, value in os.environ.items() if name != "LD_PRELOAD"}


def wirefast(*arguments: str, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    """Run the command to its end."""
    return subprocess.run(
        [sys.executable, "-m", "wirefast", *arguments],
        cwd=cwd,
        env=environment(),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=TIMEOUT,
    )


class ServerProcess:
    """A running ``wirefast run`` and its log, stdout and stderr in one stream."""

    def __init__(self, *arguments: str, cwd: Path | None = None) -> None:
        self.lines: list[str] = []
        self._arriving: queue.Queue[str | None] = queue.Queue()
        self.process = subprocess.Popen(
            self.command(arguments),
            cwd=cwd,
            env=environment(),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def command(self, arguments: tuple[str, ...]) -> list[str]:
        """The words that start it."""
        return [sys.executable, "-m", "wirefast", "run", *arguments]

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self._arriving.put(line.rstrip("\n"))
        self._arriving.put(None)

    def wait_for(self, pattern: str) -> re.Match[str]:
        """Read the log up to the next line that has *pattern*."""
        deadline = time.monotonic() + TIMEOUT
        while True:
            line = self._arriving.get(timeout=max(0.0, deadline - time.monotonic()))
            assert line is not None, f"the server ended before {pattern!r}:\n{self.log}"
            self.lines.append(line)
            if found := re.search(pattern, line):
                return found

    def wait_for_port(self) -> int:
        """The port of the address line."""
        return int(self.wait_for(r"Uvicorn running on http://127\.0\.0\.1:(\d+)")[1])

    @property
    def log(self) -> str:
        """What has been read so far."""
        return "\n".join(self.lines)

    def end(self, number: int = signal.SIGTERM) -> int:
        """Send a signal, read the rest of the log and return the exit code."""
        if self.process.poll() is None:
            self.process.send_signal(number)
        try:
            code = self.process.wait(TIMEOUT)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            raise
        finally:
            self._reader.join(TIMEOUT)
            assert self.process.stdout is not None
            self.process.stdout.close()
        while not self._arriving.empty():
            if (line := self._arriving.get()) is not None:
                self.lines.append(line)
        return code


def once_up(connect: Callable[[], Connected]) -> Connected:
    """What ``connect`` returns once somebody listens: the address of workers is in the log before they do."""
    deadline = time.monotonic() + TIMEOUT
    while True:
        try:
            return connect()
        except ConnectionRefusedError:
            assert time.monotonic() < deadline
            time.sleep(0.01)


@contextmanager
def running(*arguments: str, cwd: Path | None = None) -> Iterator[ServerProcess]:
    """A server process for the length of a ``with`` block."""
    server = ServerProcess(*arguments, cwd=cwd)
    try:
        yield server
    finally:
        if server.process.stdout is not None and not server.process.stdout.closed:
            server.end()
