"""SIGHUP, from an operator or from the end of the terminal: see docs/deployment.md."""

from __future__ import annotations

import errno
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from multiprocessing import resource_tracker
from types import FrameType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from wirefast.server.serving import Server

__all__ = ["Terminal", "ending_on_hangup", "leave_hangups_to_parent", "run_child", "start_resource_tracker"]

#: Seconds after the end of a terminal in which a SIGHUP is its: a shell passes the signal on to its jobs.
PASSED_ON_WITHIN = 5.0
#: Opens the controlling terminal of a process. The system takes the terminal away before it sends SIGHUP.
_TERMINAL = "/dev/tty"


@contextmanager
def ending_on_hangup(hang_up: Callable[[], object]) -> Iterator[None]:
    """Call a function at each SIGHUP during a ``with`` block.

    A process that ignores the signal (``nohup``) goes on to ignore it, and a program's own handler stays.

    Args:
        hang_up: begins the end of the service. A shell and the system may both send the signal when a terminal is
            closed, so a second call has to do nothing.
    """
    number = getattr(signal, "SIGHUP", None)
    is_main = threading.current_thread() is threading.main_thread()  # only there may Python set a handler
    if number is None or not is_main or signal.getsignal(number) is not signal.SIG_DFL:
        yield
        return
    signal.signal(number, lambda number, frame: hang_up())
    try:
        yield
    finally:
        signal.signal(number, signal.SIG_DFL)


class Terminal:
    """The controlling terminal of this process, if there is one.

    A process that ignores SIGHUP (``nohup``) has been told that its terminal does not matter: it counts as one without.
    """

    def __init__(self) -> None:
        self._is_open = signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN and self._opens()
        self._ended_at: float | None = None

    def has_just_ended(self) -> bool:
        """Whether a SIGHUP that comes now is that of the terminal's end.

        Ask often: the answer counts the seconds from the first time that the terminal was not there. A service that
        outlives its terminal (``disown``) has none after that.
        """
        if self._is_open and not self._opens():
            self._is_open, self._ended_at = False, time.monotonic()
        return self._ended_at is not None and time.monotonic() - self._ended_at < PASSED_ON_WITHIN

    def _opens(self) -> bool:
        try:
            os.close(os.open(_TERMINAL, os.O_RDONLY | os.O_NOCTTY))
        except OSError as exc:
            return exc.errno in (errno.EMFILE, errno.ENFILE, errno.ENOMEM)  # which say nothing of the terminal
        return True


def leave_hangups_to_parent() -> None:
    """Do nothing at SIGHUP in this process: a terminal sends the signal to the parent too, which ends this process."""
    if hasattr(signal, "SIGHUP"):
        signal.signal(signal.SIGHUP, _nothing)  # not SIG_IGN, which the programs that the application starts inherit


def start_resource_tracker() -> None:
    """Start multiprocessing's process that cleans up, so that the end of a terminal does not end it before its parent.

    The process itself ignores SIGINT and SIGTERM alone. It keeps the signals that are blocked when it starts.
    """
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGHUP})
    try:
        resource_tracker.ensure_running()
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def run_child(server: Server, sockets: list[Any] | None = None) -> None:
    """Run the server in a process that the parent of ``--reload`` ends."""
    leave_hangups_to_parent()
    server.run(sockets)


def _nothing(number: int, frame: FrameType | None) -> None:
    pass
