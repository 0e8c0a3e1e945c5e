"""What the parent of the workers does when one cannot start, or ends while another takes its place."""

from __future__ import annotations

import logging
import multiprocessing
import signal
import socket
import urllib.request
from collections import deque
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from processes import once_up, running
from wirefast.cli.errors import NOT_STARTED, REFUSED
from wirefast.cli.worker import Worker
from wirefast.cli.workers import RETRY_EVERY, Supervisor

APP = """\
from wirefast import App
app = App()
@app.get("/")
def root():
    return "here"
"""
BROKEN = f"{APP}raise RuntimeError('no database')\n"


class Process:
    """A worker without a process."""

    def __init__(self, index: int, *, ready: bool = False) -> None:
        self.index, self.ready = index, ready
        self.pid = self.started = 0
        self.exitcode: int | None = None
        self.hangs = False
        self.words: list[bytes] = []

    @property
    def process(self) -> Process:
        return self

    def look(self, now: float, patience: float) -> bool:
        return self.exitcode is None and not self.hangs

    def kill(self) -> None: ...

    def end(self, word: bytes, seconds: float) -> None:
        self.words.append(word)

    def tell(self, word: bytes) -> None: ...


class Parent(Supervisor):
    """A supervisor of such workers, all of which serve."""

    def __init__(self, workers: int) -> None:
        self.config = SimpleNamespace(
            timeout_graceful_shutdown=None, timeout_worker_healthcheck=5, limit_max_requests=None
        )
        self.told = multiprocessing.get_context("spawn").Value("q", 0)
        self.workers: dict[int, Any] = {index: Process(index, ready=True) for index in range(workers)}
        self.load = [0] * 64
        self.leaving: list[Any] = []
        self.to_roll, self.signals = deque(), deque()
        self.coming: Any = None
        self.vacant = {}
        self.terminal: Any = SimpleNamespace(has_just_ended=lambda: False)
        self.thread: Any = SimpleNamespace(service=SimpleNamespace(deaths=0))
        self.failed = self.has_started = self.balanced = self.stopping = False

    def make(self, index: int) -> Any:
        return Process(index)

    def share_out(self, now: float) -> None: ...

    def tick(self, *numbers: int) -> None:
        self.signals += numbers
        self.take_signals()
        self.look()


@pytest.mark.parametrize("code", [REFUSED, NOT_STARTED])
def test_the_others_go_on_when_one_cannot_start(monkeypatch: pytest.MonkeyPatch, code: int) -> None:
    now = 0.0
    monkeypatch.setattr("time.monotonic", lambda: now)
    parent = Parent(2)
    parent.tick()
    parent.tick(signal.SIGTTIN)
    parent.workers[2].exitcode = code
    parent.tick()
    assert set(parent.workers) == {0, 1} and not parent.stopping
    parent.tick(signal.SIGTTIN)
    assert set(parent.workers) == {0, 1, 3}
    now = RETRY_EVERY
    parent.tick()
    assert set(parent.workers) == {0, 1, 2, 3}
    parent.workers[2].exitcode = code
    parent.tick()
    parent.tick(signal.SIGTTOU)
    now = 3 * RETRY_EVERY
    parent.tick()
    assert set(parent.workers) == {0, 1, 3} and not parent.failed


@pytest.mark.parametrize("code", [REFUSED, NOT_STARTED])
def test_the_service_ends_when_none_serves(code: int) -> None:
    parent = Parent(2)
    parent.tick()
    parent.workers[0].exitcode = parent.workers[1].exitcode = -9
    parent.tick()
    assert not parent.stopping
    parent.workers[0].exitcode = code
    parent.tick()
    assert parent.stopping and parent.failed


def test_the_service_ends_when_one_cannot_start_with_it() -> None:
    parent = Parent(2)
    parent.workers[1] = Process(1)
    parent.tick()
    parent.workers[1].exitcode = NOT_STARTED
    parent.tick()
    assert parent.stopping and parent.failed


def test_a_worker_that_has_served_is_replaced_whatever_its_exit_code() -> None:
    parent = Parent(2)
    parent.tick()
    parent.workers[0].exitcode = NOT_STARTED
    parent.tick()
    assert set(parent.workers) == {0, 1} and not parent.workers[0].ready and not parent.stopping


def test_an_old_worker_dies_in_a_reload_that_fails() -> None:
    parent = Parent(2)
    parent.tick()
    parent.tick(signal.SIGHUP)
    coming = parent.coming
    parent.workers[0].exitcode = -9
    parent.tick()
    assert parent.workers[0] is coming
    coming.exitcode = NOT_STARTED
    parent.tick()
    assert set(parent.workers) == {1} and parent.workers[1].ready and not parent.stopping


@pytest.mark.parametrize(
    ("exitcode", "how"),
    [
        (-signal.SIGKILL, "SIGKILL"),
        (-signal.SIGSEGV, "SIGSEGV"),
        (-63, "signal 63"),
        (1, "exit code 1"),
        (0, "exit code 0"),
        (None, "killed, as it did not answer in the time of --timeout-worker-healthcheck"),
    ],
)
def test_a_death_is_a_warning_with_its_cause(caplog: pytest.LogCaptureFixture, exitcode: int | None, how: str) -> None:
    parent = Parent(2)
    parent.tick()
    with caplog.at_level(logging.WARNING, "uvicorn.error"):
        parent.workers[0].exitcode, parent.workers[0].hangs = exitcode, exitcode is None
        parent.tick()
        assert [record.getMessage() for record in caplog.records] == [f"Child process [0] died: {how}"]
    assert parent.thread.service.deaths == 1
    parent.tick(signal.SIGTTOU)
    assert parent.thread.service.deaths == 1


def test_a_worker_that_has_served_its_requests_has_not_died(caplog: pytest.LogCaptureFixture) -> None:
    parent = Parent(2)
    parent.config.limit_max_requests = 100
    parent.tick()
    with caplog.at_level(logging.INFO, "uvicorn.error"):
        parent.workers[0].exitcode = 0
        parent.tick()
    assert "Child process [0] ended after the requests that it was to serve" in caplog.messages
    assert parent.thread.service.deaths == 0


def test_a_death_in_a_reload_is_a_warning_too(caplog: pytest.LogCaptureFixture) -> None:
    parent = Parent(2)
    parent.tick()
    parent.tick(signal.SIGHUP)
    parent.workers[0].exitcode = -signal.SIGKILL
    with caplog.at_level(logging.WARNING, "uvicorn.error"):
        parent.tick()
    assert [record.getMessage() for record in caplog.records] == ["Child process [0] died: SIGKILL"]
    assert parent.thread.service.deaths == 1


@pytest.mark.parametrize("ready", [True, False])
def test_a_place_goes_while_a_worker_comes_for_it(ready: bool) -> None:
    parent = Parent(2)
    parent.tick()
    parent.to_roll.append(1)
    parent.tick()
    coming = parent.coming
    coming.ready = ready
    parent.signals.append(signal.SIGTTOU)
    parent.take_signals()
    coming.exitcode = None if ready else NOT_STARTED
    parent.look()
    assert set(parent.workers) == {0} and parent.coming is None and coming.words


def test_a_connection_that_waits_for_a_worker_that_cannot_start_is_reset() -> None:
    parent = Parent(1)
    parent.tick()
    parent.tick(signal.SIGTTIN)
    with socket.create_server(("127.0.0.1", 0)) as listener, socket.create_connection(listener.getsockname()) as client:
        parent.balanced, parent.sockets = True, [listener, listener]
        parent.workers[1].exitcode = NOT_STARTED
        parent.tick()
        client.settimeout(60)
        with pytest.raises(ConnectionResetError):
            client.recv(1)


def test_a_failure_is_told_once_for_each_start() -> None:
    parent = Parent(1)

    def worker() -> Worker:
        made = Worker.__new__(Worker)
        made.told = parent.told
        return made

    assert [worker().is_new_failure(text) for text in ("a", "a", "b", "b")] == [True, False, True, False]
    parent.tick()
    parent.tick(signal.SIGTTIN)
    assert worker().is_new_failure("b")


def test_a_worker_that_was_killed_while_it_told_its_failure(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("wirefast.cli.worker.LOCK_PATIENCE", 0.01)
    parent = Parent(1)
    assert parent.told.get_lock().acquire()
    parent.tick(signal.SIGTTIN)
    made = Worker.__new__(Worker)
    made.told = parent.told
    assert made.is_new_failure("a") and not made.is_new_failure("a")


def test_a_service_goes_on_with_the_old_workers(tmp_path: Path) -> None:
    file = tmp_path / "main.py"
    file.write_text(APP)
    with running("main.py", "--workers", "2", "--port", "0", cwd=tmp_path) as server:
        port = server.wait_for_port()
        server.wait_for("Application startup complete")
        server.process.send_signal(signal.SIGHUP)
        for _ in range(2):  # both are ready
            server.wait_for("Waiting for child process")
        file.write_text(BROKEN)
        server.process.send_signal(signal.SIGTTIN)
        server.wait_for("failed to start; the next try is in 5 s")
        assert server.log.count("RuntimeError: no database") == 1
        with once_up(lambda: urllib.request.urlopen(f"http://127.0.0.1:{port}/", timeout=60)) as answer:
            assert answer.read() == b'"here"'
        file.write_text(APP)
        server.wait_for("Application startup complete")
        assert server.end() == 0
