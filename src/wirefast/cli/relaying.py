"""Keep the relay of rooms for the supervisor of workers: start it when a worker connects, and again after it died."""

from __future__ import annotations

import logging
import select
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

__all__ = ["RelayProcess"]

#: How many workers may wait for the relay.
BACKLOG = 1024
#: Seconds between two starts of a relay that ends at once.
START_EVERY = 1.0

logger = logging.getLogger("uvicorn.error")


class RelayProcess:
    """The relay and its listening socket, which outlives it.

    Args:
        path: the path of the socket, in a private directory.
    """

    def __init__(self, path: Path) -> None:
        self.listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.listener.bind(str(path))
        path.chmod(0o600)
        self.listener.listen(BACKLOG)
        self.process: subprocess.Popen[bytes] | None = None
        self.started = 0.0

    def waited(self) -> list[Any]:
        """Return the socket to wait on for the first connection, while there is no relay."""
        late = time.monotonic() - self.started >= START_EVERY
        return [self.listener] if self.process is None and late else []

    def look(self) -> None:
        """Start the relay if a worker waits for one; note its death."""
        if self.process is not None:
            if self.process.poll() is None:
                return
            logger.warning("The relay of rooms [%d] died", self.process.pid)
            self._close()
        if self.waited() and select.select([self.listener], [], [], 0)[0]:
            self.started = time.monotonic()
            descriptor = self.listener.fileno()
            self.process = subprocess.Popen(
                [sys.executable, "-m", "wirefast.rooms.brokers.relay", str(descriptor)],
                stdin=subprocess.PIPE,
                pass_fds=(descriptor,),
            )
            logger.info("Started the relay of rooms [%d]", self.process.pid)

    def _close(self) -> None:
        if self.process is not None:
            if self.process.stdin is None:
                raise AssertionError
            self.process.stdin.close()
            self.process = None

    def stop(self) -> None:
        """End the relay."""
        self.listener.close()
        if self.process is not None:
            process = self.process
            self._close()
            try:
                process.wait(2.0)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
