"""``--workers N``: the supervisor, its worker processes, and what it does on signals.

Each tick the supervisor takes the signals that came, asks the workers whether they live, replaces those that died, goes
on with a rolling reload, and shares out the next connections (`wirefast.server.reuseport`). It never waits for one
worker, so a second SIGTERM finds it awake.

    SIGTERM, SIGINT   every worker drains and ends; the same signal again: all are killed
    SIGHUP            a rolling reload: for one worker after the other, a new one starts, then the old one drains;
                      from the end of the terminal as SIGTERM
    SIGTTIN, SIGTTOU  one worker more, one less

Workers end with their supervisor, also when that is killed: the pipe between them closes.
"""

from __future__ import annotations

import logging
import math
import multiprocessing
import os
import signal
import socket
import time
from collections import deque
from multiprocessing.connection import wait
from typing import Any

from wirefast.cli.attending import ControlThread, run_directory
from wirefast.cli.errors import NOT_STARTED, REFUSED
from wirefast.cli.hangup import Terminal, start_resource_tracker
from wirefast.cli.relaying import RelayProcess
from wirefast.cli.worker import RETIRE, STOP, Worker
from wirefast.control.paths import ROOMS, remove
from wirefast.server.ending import END_WITHIN
from wirefast.server.reuseport import (
    Shares,
    balanced_sockets,
    choose_by_shares,
    one_more,
    queue_length,
    reset_waiting,
    waits,
)

__all__ = ["Supervisor"]

#: Seconds between two looks.
TICK = 0.1
#: Seconds that connections may wait for a worker that starts; after that they go to the others.
START_PATIENCE = 3.0
#: The same while the service starts, when most of its workers may be as slow.
FIRST_PATIENCE = 15.0
#: Seconds until the next try if a worker cannot start while others serve.
RETRY_EVERY = 5.0
#: Seconds without a turn of its loop after which a worker gets no more connections.
STUCK_AFTER = 1.0

logger = logging.getLogger("uvicorn.error")


def how_it_died(exitcode: int | None) -> str:
    """Return the signal or the exit code of an ended process. The code of a process that does not answer is None."""
    if exitcode is None:
        return "killed, as it did not answer in the time of --timeout-worker-healthcheck"
    if exitcode >= 0:
        return f"exit code {exitcode}"
    try:
        return signal.Signals(-exitcode).name
    except ValueError:  # a real-time signal
        return f"signal {-exitcode}"


class Supervisor:
    """The parent of the workers (`uvicorn.supervisors.Multiprocess`, with other ends).

    Args:
        config: the server's.
        pin: whether each worker runs on a core of its own.
        control: whether there is a control socket.
        metrics: host and port for metrics; None for none.

    Attributes:
        failed: whether the service ends because a worker could not start.
        has_started: whether all workers have been ready at one time.
        vacant: places whose worker could not start, and when to try again.
    """

    def __init__(
        self,
        config: Any,
        *,
        pin: bool = False,
        control: bool = True,
        metrics: tuple[str, int] | None = None,
    ) -> None:
        start_resource_tracker()
        self.config = config
        self.directory = run_directory() if control else None
        self.thread = (
            None
            if self.directory is None
            else ControlThread(self.directory, metrics, lambda: self.signals.append(signal.SIGTERM))
        )
        self.failed = self.has_started = False
        self.vacant: dict[int, float] = {}
        self.cpus = sorted(os.sched_getaffinity(0)) if pin and hasattr(os, "sched_getaffinity") else []
        balanced = balanced_sockets(config)
        self.balanced = balanced is not None
        self.sockets: list[socket.socket] = balanced or [config.bind_socket()]
        if not self.balanced:
            self.sockets[0].listen(config.backlog)
        self.relay = None if self.directory is None else RelayProcess(self.directory / ROOMS)
        self.load = multiprocessing.get_context("spawn").RawArray("q", 2 * max(64, 2 * config.workers))
        self.told = multiprocessing.get_context("spawn").Value("q", 0)
        self.shares = Shares(config.workers)
        self.turns: dict[int, tuple[int, float]] = {}
        self.workers: dict[int, Worker] = {}
        self.leaving: list[Worker] = []
        # The rolling reload: places that are still to come, and the worker that starts.
        self.to_roll: deque[int] = deque()
        self.coming: Worker | None = None
        self.signals: deque[int] = deque()
        self.stopping = False
        self.terminal = Terminal()

    # ---- Workers ----

    def make(self, index: int) -> Worker:
        """Make and start the worker of a place."""
        sockets = [self.sockets[index]] if self.balanced else self.sockets
        cpu = self.cpus[index % len(self.cpus)] if self.cpus else None
        worker = Worker(self.config, sockets, index, self.load, cpu, self.directory, self.told)
        worker.start()
        return worker

    def make_later(self, index: int) -> Worker:
        """Make and start a worker after the start of the service: its failure is told, also if it is known."""
        self.told.get_obj().value = 0  # without the lock, which a killed worker may hold
        return self.make(index)

    @property
    def seconds_to_end(self) -> float:
        """Sum of the graceful timeout, the lifespan's timeout and three times ``END_WITHIN``."""
        seconds = self.config.timeout_graceful_shutdown
        return math.inf if seconds is None else 2.0 * seconds + 3 * END_WITHIN

    def retire(self, worker: Worker, word: bytes) -> None:
        """Have a worker end."""
        logger.info("Waiting for child process [%s]", worker.pid)
        worker.end(word, self.seconds_to_end)
        self.leaving.append(worker)

    # ---- The loop ----

    def run(self) -> None:
        """Keep the workers running until a signal ends them."""
        logger.info("Started parent process [%d]", os.getpid())
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGTTIN, signal.SIGTTOU):
            signal.signal(number, lambda number, frame: self.signals.append(number))
        if self.thread is not None:
            self.thread.start()
        for index in range(self.config.workers):
            self.workers[index] = self.make(index)
        while not self.stopping or self.leaving:
            self.rest()
            self.take_signals()
            self.look()
        logger.info("Stopping parent process [%d]", os.getpid())
        for made in self.sockets:
            made.close()
        if self.relay is not None:
            self.relay.stop()
        if self.thread is not None:
            self.thread.stop()
        if self.directory is not None:
            remove(self.directory)

    def rest(self) -> None:
        """Wait for the next tick, or the end of a worker."""
        waited: list[Any] = [worker.process.sentinel for worker in [*self.workers.values(), *self.leaving]]
        if self.relay is not None:
            waited += self.relay.waited()
        if not self.signals:
            wait(waited, TICK)
        if self.relay is not None:
            self.relay.look()

    def look(self) -> None:
        """Do what is to be done in one tick."""
        now, patience = time.monotonic(), self.config.timeout_worker_healthcheck
        for worker in self.leaving[:]:
            if not worker.look(now, patience):
                worker.kill()
                self.leaving.remove(worker)
        if self.stopping:
            return
        for index, worker in list(self.workers.items()):
            if not worker.look(now, patience):
                self.replace(index, worker, now)
            if self.stopping:
                return
        for index in [index for index, when in self.vacant.items() if now >= when]:
            del self.vacant[index]
            self.workers[index] = self.make_later(index)
        self.roll(now, patience)
        self.has_started = self.has_started or all(worker.ready for worker in self.workers.values())
        if self.balanced:
            self.share_out(now)
            for index in self.vacant:
                reset_waiting(self.sockets[index])

    def replace(self, index: int, worker: Worker, now: float) -> None:
        """Start a worker in the place of one that died; end the service if none can start."""
        code = worker.process.exitcode
        how = how_it_died(code)
        worker.kill()
        self.load[2 * index] = 0
        could_not_start = not worker.ready and code in (REFUSED, NOT_STARTED)
        others_serve = self.has_started and any(each.ready for each in self.workers.values())
        if could_not_start and not others_serve:
            # The application is broken, and would be in the next worker too.
            logger.error("Child process [%s] failed to start, stopping the parent process.", worker.pid)
            self.failed = True
            del self.workers[index]
            self.stop()
        elif self.coming is not None and self.coming.index == index:
            self.note_death(worker.pid, how, code)
            self.workers[index], self.coming = self.coming, None
        elif could_not_start:
            del self.workers[index]
            self.vacant[index] = now + RETRY_EVERY
            if self.balanced:
                self.share_out(now)  # no more connections for it
            logger.error("Child process [%s] failed to start; the next try is in %g s.", worker.pid, RETRY_EVERY)
        else:
            self.note_death(worker.pid, how, code)
            self.workers[index] = self.make_later(index)

    def note_death(self, pid: int | None, how: str, code: int | None = None) -> None:
        """Log and count the death of a worker that was not to end; one may end after ``--limit-max-requests``."""
        if code == 0 and self.config.limit_max_requests is not None:
            logger.info("Child process [%s] ended after the requests that it was to serve", pid)
            return
        if self.thread is not None:
            self.thread.service.deaths += 1
        logger.warning("Child process [%s] died: %s", pid, how)

    # ---- Rolling reload ----

    def roll(self, now: float, patience: float) -> None:
        """Go on with a rolling reload: one worker starts, or ends, at a time."""
        if self.coming is None:
            if self.to_roll and not self.leaving:
                index = self.to_roll.popleft()
                if index in self.workers:
                    self.coming = self.make_later(index)
            return
        coming = self.coming
        if not coming.look(now, patience):
            coming.kill()
            self.coming = None
            self.to_roll.clear()
            old = self.workers[coming.index].pid
            logger.error(
                "New child process [%s] did not start; keeping worker [%s] and ending the reload.", coming.pid, old
            )
        elif coming.ready:
            self.retire(self.workers[coming.index], RETIRE)
            self.workers[coming.index], self.coming = coming, None

    # ---- Sharing out ----

    def share_out(self, now: float) -> None:
        """Tell the kernel which workers lack connections."""
        counts: list[int | None] = []
        for index, listener in enumerate(self.sockets):
            worker = self.workers.get(index)
            takes = worker is not None and self.takes(worker, now)
            counts.append(self.load[2 * index] + queue_length(listener) if takes else None)
        before = self.shares.shares
        after = self.shares.update(counts)
        if after != before and waits(after):
            choose_by_shares(self.sockets[0], after)

    def takes(self, worker: Worker, now: float) -> bool:
        """Whether connections may wait for a worker: it runs, or has begun to start a moment ago."""
        if not worker.ready:
            return now - worker.started < (START_PATIENCE if self.has_started else FIRST_PATIENCE)
        turns = self.load[2 * worker.index + 1]
        before, since = self.turns.get(worker.index, (-1, now))
        if turns != before:
            before, since = self.turns[worker.index] = turns, now
        return now - since < STUCK_AFTER

    # ---- Signals ----

    def take_signals(self) -> None:
        """Do what the signals say that came."""
        hung_up = self.terminal.has_just_ended()
        while self.signals:
            number = self.signals.popleft()
            name = signal.Signals(number).name
            if number in (signal.SIGINT, signal.SIGTERM):
                if self.stopping and number == self.stopped_by:
                    logger.info("Received %s again, killing the workers.", name)
                    for worker in self.leaving:
                        worker.kill()
                    self.leaving.clear()
                elif not self.stopping:
                    logger.info("Received %s, exiting.", name)
                    self.stopped_by = number
                    self.stop()
            elif self.stopping:
                continue
            elif number == signal.SIGHUP and hung_up:
                logger.info("Received SIGHUP from the end of the terminal, exiting.")
                self.stop()
            elif number == signal.SIGHUP:
                logger.info("Received SIGHUP, restarting processes.")
                self.to_roll = deque(self.workers)
            elif number == signal.SIGTTIN:
                self.add()
            else:
                self.remove()

    stopped_by: int | None = None

    def stop(self) -> None:
        """Have all workers drain and end."""
        self.stopping = True
        self.to_roll.clear()
        for worker in [*self.workers.values(), *([self.coming] if self.coming else [])]:
            self.retire(worker, STOP)
        for worker in self.leaving:
            worker.tell(STOP)
        self.workers.clear()
        self.vacant.clear()
        self.coming = None

    def add(self) -> None:
        """Start one worker more."""
        taken = self.workers.keys() | self.vacant.keys()
        index = next(place for place in range(len(taken) + 1) if place not in taken)
        if 2 * index + 1 >= len(self.load):
            logger.info("Received SIGTTIN, but there are as many workers as the parent has room for.")
            return
        logger.info("Received SIGTTIN, increasing the number of processes.")
        if self.balanced and index >= len(self.sockets):
            self.sockets.append(one_more(self.config, self.sockets[0].getsockname()[1]))
            self.sockets[-1].listen(self.config.backlog)
        self.load[2 * index] = 0
        self.workers[index] = self.make_later(index)

    def remove(self) -> None:
        """End one worker, or try no more to start one."""
        if self.vacant:
            logger.info("Received SIGTTOU, decreasing number of processes.")
            self.vacant.popitem()
            return
        if len(self.workers) <= 1:
            logger.info("Received SIGTTOU, but there is one worker only.")
            return
        logger.info("Received SIGTTOU, decreasing number of processes.")
        index = max(self.workers)
        worker = self.workers.pop(index)
        if self.coming is not None and self.coming.index == index:
            self.retire(self.coming, RETIRE)
            self.coming = None
        if self.balanced:
            self.share_out(time.monotonic())  # the worker gets no new connections, and accepts those that wait
        self.retire(worker, RETIRE)
