"""The exceptions that the application raises while it serves a test. None is lost, and none is reported twice.

wirefast only.
"""

from __future__ import annotations

import contextlib
import itertools
import logging
import re
from collections.abc import Iterator
from dataclasses import dataclass
from types import TracebackType

from wirefast.as_wire import is_clients
from wirefast.testing.wire import CURRENT

__all__ = ["Exceptions"]

LOGGERS = ("uvicorn.error", "wirefast", "asyncio")


@dataclass(slots=True)
class Raised:
    """One exception, and the port of its connection; None if the connection is not known.

    The traceback is kept apart, because a server may remove it from the exception after logging it.
    """

    exc: BaseException
    port: int | None
    traceback: TracebackType | None
    known: bool = False


class Exceptions(logging.Handler):
    """The exceptions of an application: those that leave it, and those that are logged with a traceback.

    The end of the test raises the exceptions that the test does not expect.
    """

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self._raised: list[Raised] = []
        #: The records of the log at the level of a warning or above.
        self.records: list[logging.LogRecord] = []

    def begin(self) -> None:
        """Listen to the loggers of the server, of wirefast and of asyncio, which reports the exceptions of tasks that
        no code awaited."""
        for name in LOGGERS:
            logging.getLogger(name).addHandler(self)

    def stop(self) -> None:
        """Stop listening."""
        for name in LOGGERS:
            logging.getLogger(name).removeHandler(self)

    def emit(self, record: logging.LogRecord) -> None:
        self.records.append(record)
        exc = record.exc_info[1] if record.exc_info else None
        # Other servers than ours also log exceptions that a client has caused.
        if exc is not None and record.levelno >= logging.ERROR and not is_clients(exc):
            self.add(exc, CURRENT.get(None))

    def add(self, exc: BaseException, port: int | None) -> None:
        """Note an exception, once."""
        if not any(raised.exc is exc for raised in self._raised):
            self._raised.append(Raised(exc, port, exc.__traceback__))

    def clear(self) -> None:
        """Forget all exceptions."""
        self._raised.clear()
        self.records.clear()

    def know(self, port: int | None) -> None:
        """Note that the test expects the exceptions of this connection."""
        for raised in self._raised:
            if raised.port == port or raised.port is None:
                raised.known = True

    def cause(self, port: int) -> BaseException | None:
        """Return the latest exception of a connection. It may be the reason why a test fails."""
        return next((raised.exc for raised in reversed(self._raised) if raised.port in (port, None)), None)

    @property
    def any(self) -> bool:
        """Tell whether there was an exception. Its traceback keeps frames and their variables alive."""
        return bool(self._raised)

    @property
    def unknown(self) -> list[BaseException]:
        """The exceptions that the test does not expect."""
        return [raised.exc.with_traceback(raised.traceback) for raised in self._raised if not raised.known]

    @contextlib.contextmanager
    def expecting(self, kind: type[BaseException], match: str | None, times: int) -> Iterator[None]:
        """Expect so many exceptions of this kind within the block or before it.

        Raises:
            AssertionError: there were fewer.
        """
        yield
        fitting = (
            raised
            for raised in self._raised
            if not raised.known and isinstance(raised.exc, kind) and re.search(match or "", str(raised.exc))
        )
        expected = list(itertools.islice(fitting, times))
        if len(expected) < times:
            found = ", ".join(repr(exc) for exc in self.unknown) or "none at all"
            wanted = kind.__name__ + (f" that matches {match!r}" if match else "")
            raise AssertionError(f"the application raised no {wanted}{f' {times} times' * (times > 1)}, but {found}")
        for raised in expected:
            raised.known = True
