"""One worker process of ``--workers N``: the words between it and the supervisor (`wirefast.cli.workers`)."""

from __future__ import annotations

import multiprocessing
import os
import socket
import threading
import time
import zlib
from contextlib import suppress
from pathlib import Path
from typing import Any

from uvicorn._subprocess import get_subprocess

from wirefast.cli.attending import Joined
from wirefast.cli.hangup import leave_hangups_to_parent
from wirefast.control.paths import CONTROL, ROOMS
from wirefast.rooms.workers import ROOMS_VARIABLE
from wirefast.server.serving import Server

__all__ = ["RETIRE", "STOP", "Worker"]

#: Seconds between two questions whether a worker lives.
ASK_EVERY = 0.5
#: Seconds for which a worker waits for the lock of the last failure: another may have been killed while it held it.
LOCK_PATIENCE = 1.0
#: How the supervisor's words reach a worker.
PING, STOP, RETIRE = b"ping", b"stop", b"retire"


class Worker:
    """One worker process, from its start to its end.

    Args:
        config: the server's.
        sockets: the listening sockets of the worker; the supervisor keeps them too.
        index: its place among the workers.
        load: shared memory, two numbers for each place: open sockets, and turns of the loop.
        cpu: the only core that it may run on; None for all.
        directory: the directory of the service's sockets; None if there is none.
        told: shared memory, the checksum of the last failure of a start that a worker has logged.
    """

    #: Whether the loop has turned, in the worker.
    has_begun = False

    def __init__(
        self,
        config: Any,
        sockets: list[socket.socket],
        index: int,
        load: Any,
        cpu: int | None = None,
        directory: Path | None = None,
        told: Any = None,
    ) -> None:
        self.config = config
        self.index = index
        self.load = load
        self.cpu = cpu
        self.directory = directory
        self.told = told
        self.ours, self.theirs = multiprocessing.get_context("spawn").Pipe()
        self.process = get_subprocess(config, self.target, sockets)
        self.ready = False
        self.started = time.monotonic()
        self.asked: float | None = None
        self.answered = self.started
        self.ends: float | None = None

    def __getstate__(self) -> dict[str, Any]:
        """Give the process only the objects that it needs, without the supervisor's side."""
        names = ("config", "index", "load", "cpu", "directory", "told", "theirs")
        return {name: self.__dict__[name] for name in names}

    # ---- In the worker ----

    def target(self, sockets: list[socket.socket] | None = None) -> None:
        """Serve; the main function of the process."""
        if self.cpu is not None:
            os.sched_setaffinity(0, {self.cpu})
        if self.told is not None:
            self.config.is_new_failure = self.is_new_failure
        leave_hangups_to_parent()
        server = Server(self.config)
        server.report = self.report
        if self.directory is not None:
            os.environ[ROOMS_VARIABLE] = str(self.directory / ROOMS)  # before the application starts its hub
            server.attendants = [Joined(self.directory / CONTROL, self.index)]
        threading.Thread(target=self.listen, args=(server,), daemon=True).start()
        server.run(sockets)

    def is_new_failure(self, text: str) -> bool:
        """Whether no worker has logged this failure of its start; the caller logs it."""
        checksum = zlib.crc32(text.encode())
        lock, told = self.told.get_lock(), self.told.get_obj()
        has_lock = lock.acquire(timeout=LOCK_PATIENCE)
        is_new = bool(told.value != checksum)
        told.value = checksum
        if has_lock:
            lock.release()
        return is_new

    def report(self, open_sockets: int) -> None:
        """Write what the supervisor shares connections out by.

        The first turn says that the server has started, before it could stand still: a worker that has not said so is
        thought to be importing, and is waited for.
        """
        if not self.has_begun:
            self.has_begun = True
            with suppress(OSError):  # the supervisor was killed
                self.theirs.send_bytes(b"1")
        self.load[2 * self.index] = open_sockets
        self.load[2 * self.index + 1] += 1

    def listen(self, server: Server) -> None:
        """Do what the supervisor says, and end with it."""
        while True:
            try:
                word = self.theirs.recv_bytes()
                if word == PING:
                    self.theirs.send_bytes(b"1" if server.started else b"0")
            except (EOFError, OSError):
                word = RETIRE  # the supervisor was killed
            if word in (STOP, RETIRE):
                server.stop(for_all=word == STOP)
                return

    # ---- In the supervisor ----

    def start(self) -> None:
        """Start the process."""
        self.process.start()
        self.theirs.close()

    @property
    def pid(self) -> int | None:
        """The process's number."""
        return self.process.pid

    def tell(self, word: bytes) -> None:
        """Say one word; nothing if the process is gone."""
        try:
            self.ours.send_bytes(word)
        except OSError:
            pass

    def end(self, word: bytes, seconds: float) -> None:
        """Tell the worker to drain and end; it is killed when the seconds are over."""
        self.tell(word)
        self.ends = time.monotonic() + seconds
        if not self.ready and self.process.is_alive():
            self.process.terminate()  # during the import the process does not read the supervisor's words

    def kill(self) -> None:
        """End the process now."""
        if self.process.pid is not None:
            self.process.kill()
            self.process.join()
        self.ours.close()

    def look(self, now: float, patience: float) -> bool:
        """Ask whether the worker lives, take its answer; False once it is dead, or has not answered for too long."""
        if not self.process.is_alive():
            return False
        if self.ends is not None:
            if now > self.ends:
                self.kill()
                return False
            return True
        try:
            while self.ours.poll():
                self.ready = self.ours.recv_bytes() == b"1"
                self.asked, self.answered = None, now
            if self.asked is None and now - self.answered >= (ASK_EVERY if self.ready else 0):
                self.tell(PING)
                self.asked = now
        except (EOFError, OSError):
            pass  # its end is seen in the next look
        # While it starts, it is importing: no thread of it may listen yet.
        return self.asked is None or not self.ready or now - self.asked < patience
