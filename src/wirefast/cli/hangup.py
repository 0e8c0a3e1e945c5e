"""SIGHUP of a service without workers: a warning, or the end after its terminal has been closed."""

from __future__ import annotations

import logging
import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

__all__ = ["attending_hangups"]

logger = logging.getLogger("uvicorn.error")


def has_terminal() -> bool:
    """Return whether this process has a controlling terminal. The system takes it away before it sends SIGHUP."""
    try:
        os.close(os.open("/dev/tty", os.O_RDWR | os.O_NOCTTY))
    except OSError:
        return False
    return True


@contextmanager
def attending_hangups() -> Iterator[None]:
    """Handle SIGHUP during a ``with`` block, unless the process ignores the signal (``nohup``) or has a handler for it.

    The signal of a person or a supervisor leads to a warning. The signal of a closed terminal becomes SIGTERM.
    """
    number = getattr(signal, "SIGHUP", None)
    is_main = threading.current_thread() is threading.main_thread()  # only there may Python set a handler
    if number is None or not is_main or signal.getsignal(number) is not signal.SIG_DFL:
        yield
        return
    had_terminal = has_terminal()

    def attend(number: int, frame: FrameType | None) -> None:
        if had_terminal and not has_terminal():
            signal.raise_signal(signal.SIGTERM)
            return
        text = "SIGHUP reloads the workers of --workers; without them it does nothing"
        # In a thread: the signal may have interrupted the main thread while that writes a line of the log.
        threading.Thread(target=logger.warning, args=(text,), daemon=True).start()

    signal.signal(number, attend)
    try:
        yield
    finally:
        signal.signal(number, signal.SIG_DFL)
