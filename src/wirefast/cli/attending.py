"""The parts beside a server: its control socket, its metrics port, and the connection of workers to the supervisor's
service."""

from __future__ import annotations

import asyncio
import logging
import threading
from pathlib import Path
from typing import Any

from wirefast.control.agent import Agent
from wirefast.control.paths import CONTROL, RunDirectoryError, make_run_directory, remove
from wirefast.control.service import Service
from wirefast.metrics.source import set_source

__all__ = ["Alone", "ControlThread", "Joined", "run_directory"]

logger = logging.getLogger("uvicorn.error")


def run_directory() -> Path | None:
    """Make the private directory of this process. Returns None, with a log line, if that fails."""
    try:
        return make_run_directory()
    except RunDirectoryError as exc:
        logger.warning("No control socket, so no `wirefast top`: %s", exc)
        return None


async def open_service(service: Service, port: tuple[str, int] | None) -> list[Any]:
    """Start a service's listeners. Returns those that have to be stopped at the end."""
    started: list[Any] = []
    await service.start()
    started.append(service)
    if port is not None:
        from wirefast.control.metrics_port import MetricsPort  # needs prometheus-client

        metrics = MetricsPort(service, *port)
        try:
            await metrics.start()
        except OSError as exc:
            logger.error("No metrics: --metrics-port %d: %s", port[1], exc.strerror or exc)
        else:
            logger.info("Metrics on http://%s:%d/metrics", port[0], metrics.port)
            started.append(metrics)
    return started


class Alone:
    """The parts beside the only server of a service: it listens itself.

    Args:
        port: host and port for metrics; None for none.
        control: whether there is a control socket.
    """

    #: The metrics port answers probes while the application starts.
    starts_first = True

    def __init__(self, port: tuple[str, int] | None, *, control: bool = True) -> None:
        self.port = port
        self.control = control

    async def start(self, server: Any) -> None:
        """Open the sockets."""
        self.directory = run_directory() if self.control else None
        self.started: list[Any] = []
        if self.directory is None:
            return
        service = Service(self.directory / CONTROL, lambda: server.stop(for_all=True), Agent(server))
        try:
            self.started = await open_service(service, self.port)
        except OSError as exc:
            logger.warning("No control socket: %s", exc)
            return
        set_source(service.snapshot)

    async def stop(self) -> None:
        """Close them, and remove the directory."""
        set_source(None)
        for one in reversed(self.started):
            await one.stop()
        if self.directory is not None:
            remove(self.directory)


class Joined:
    """The parts beside the server of a worker: it connects to the supervisor's service.

    Args:
        path: the path of the control socket.
        index: the number of the worker.
    """

    #: A worker that starts is no part of the service yet: the readiness of the other workers is not its own.
    starts_first = False

    def __init__(self, path: Path, index: int) -> None:
        self.path = path
        self.index = index

    async def start(self, server: Any) -> None:
        """Join."""
        self.agent = Agent(server, self.index)
        await self.agent.connect(self.path)

        async def ask() -> Any:
            return await self.agent.ask("snapshot")

        set_source(ask)

    async def stop(self) -> None:
        """Leave."""
        set_source(None)
        await self.agent.goodbye()


class ControlThread:
    """The service of a supervisor, in a thread with a loop of its own.

    Args:
        directory: the directory of the run.
        port: host and port for metrics; None for none.
        drain: called when a command asks for the end.
    """

    def __init__(self, directory: Path, port: tuple[str, int] | None, drain: Any) -> None:
        self.service = Service(directory / CONTROL, drain)
        self.port = port
        self._started = threading.Event()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._end: asyncio.Event | None = None
        self._thread = threading.Thread(target=lambda: asyncio.run(self._run()), daemon=True, name="control")

    def start(self) -> None:
        """Start the thread; returns when the sockets are open."""
        self._thread.start()
        self._started.wait(10.0)

    async def _run(self) -> None:
        self._loop, self._end = asyncio.get_running_loop(), asyncio.Event()
        started: list[Any] = []
        try:
            started = await open_service(self.service, self.port)
        except OSError as exc:
            logger.warning("No control socket: %s", exc)
        finally:
            self._started.set()
        await self._end.wait()
        for one in reversed(started):
            await one.stop()

    def stop(self) -> None:
        """End the thread."""
        if self._loop is not None and self._end is not None:
            self._loop.call_soon_threadsafe(self._end.set)
            self._thread.join(5.0)
