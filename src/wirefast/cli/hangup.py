"""SIGHUP of a service without workers, and of the processes that a parent ends: see docs/deployment.md."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from wirefast.server.serving import Server

__all__ = ["ending_on_hangup", "leave_hangups_to_parent", "run_child"]


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


def leave_hangups_to_parent() -> None:
    """Do nothing at SIGHUP in this process: a terminal sends the signal to the parent too, which ends this process."""
    if hasattr(signal, "SIGHUP"):
        signal.signal(signal.SIGHUP, _nothing)  # not SIG_IGN, which the programs that the application starts inherit


def run_child(server: Server, sockets: list[Any] | None = None) -> None:
    """Run the server in a process that the parent of ``--reload`` ends."""
    leave_hangups_to_parent()
    server.run(sockets)


def _nothing(number: int, frame: FrameType | None) -> None:
    pass
