"""The things that a test has left behind: tasks, sockets, dependencies whose exit has not run, members of rooms.

wirefast only.
"""

from __future__ import annotations

import asyncio
import gc
import os
import socket
import sys
import types
import weakref
from collections.abc import AsyncGenerator, Callable
from typing import Any

from starlette.websockets import WebSocket

from wirefast.rooms.hub import Hub
from wirefast.testing.clock import Clock

__all__ = ["Watch", "members_left", "of_task"]

#: Real seconds in which tasks and sockets may still end by themselves.
PATIENCE = 1.0
RUNNERS = (f"{os.sep}anyio{os.sep}", f"{os.sep}pytest_asyncio{os.sep}", f"{os.sep}_pytest{os.sep}")
DESCRIPTORS = "/proc/self/fd"
#: Files of libraries that wait on behalf of a program; and the most coroutines of the search behind them.
INNER = (
    f"{os.sep}asyncio{os.sep}",
    f"{os.sep}anyio{os.sep}",
    f"{os.sep}wirefast{os.sep}",
    f"{os.sep}starlette{os.sep}",
)
MOST_AWAITED = 200
#: Types that refer to a container without being the place where a program keeps it.
NAMELESS = (types.FrameType, types.CellType, list, tuple, type)


class Watch:
    """Notes what exists when a test begins, and names what has been added when the test ends.

    Args:
        clock: the loop's clock. All waits are in real time.
        app: the application. Its routes tell which generators are dependencies.
    """

    def __init__(self, clock: Clock, app: Any = None) -> None:
        self.clock = clock
        self.app = app
        self._tasks = weakref.WeakSet(asyncio.all_tasks())
        self._sockets = _sockets()
        self._generators: weakref.WeakSet[AsyncGenerator[Any, Any]] = weakref.WeakSet()
        self._protocols: list[tuple[weakref.ref[Any], str]] = []
        self._hooks = sys.get_asyncgen_hooks()
        sys.set_asyncgen_hooks(firstiter=self._first)

    def _first(self, generator: AsyncGenerator[Any, Any]) -> None:
        self._generators.add(generator)
        if self._hooks.firstiter is not None:
            self._hooks.firstiter(generator)

    def protocol(self, protocol: Any, what: str) -> None:
        """Note the server's end of a connection. After its end nothing may refer to it."""
        self._protocols.append((weakref.ref(protocol), what))

    def forget_generators(self) -> None:
        """Take the sockets that are open now as those of the beginning."""
        self._generators.clear()

    def stop(self) -> None:
        """Stop watching."""
        if sys.get_asyncgen_hooks().firstiter == self._first:
            sys.set_asyncgen_hooks(firstiter=self._hooks.firstiter)

    async def wait(self, condition: Callable[[], object], within: float | None = None) -> None:
        """Wait some real time for tasks and sockets that end by themselves."""
        await self.clock.settle()
        until = self.clock.real_time() + (PATIENCE if within is None else within)
        while condition() and self.clock.real_time() < until:
            await self.clock.real_sleep(0.001)

    def tasks(self) -> list[asyncio.Task[Any]]:
        """Return the tasks that began since and still run, without the calling task."""
        current = asyncio.current_task()
        return [
            task
            for task in asyncio.all_tasks()
            if task not in self._tasks
            and task is not current
            and task is not self.clock.task
            and not task.done()
            and not _is_runners(task)
        ]

    async def left(self) -> list[str]:
        """Name the things that are left, and cancel the tasks among them."""
        await self.wait(self.tasks)
        tasks = self.tasks()
        left = [f"a task: {of_task(task)}" for task in tasks]
        left += self.exits(bool(tasks))
        for task in tasks:
            task.cancel()
        if tasks:
            await self.wait(self.tasks)
        left += [f"a socket: {text}" for text in self._open_sockets()]
        return left

    def exits(self, deep: bool) -> list[str]:
        """Name the generators that have begun and not ended: dependencies whose exit has not run."""
        started: list[Any] = list(self._generators)
        found = [generator for generator in started if getattr(generator, "ag_frame", None) is not None]
        if deep:
            # Plain generators are searched only if a task is left that may refer to them.
            codes = _codes_of_dependencies(self.app)
            found += [
                item
                for item in gc.get_objects()
                if type(item) is types.GeneratorType and item.gi_frame is not None and item.gi_code in codes
            ]
        return [f"a dependency's exit: {_of_generator(generator)}" for generator in found]

    def _open_sockets(self) -> list[str]:
        return [text for name in _sockets() - self._sockets if (text := _address_of(int(name[0]))) is not None]

    def kept(self) -> list[str]:
        """Name the containers that still hold a WebSocket whose connection is gone."""
        # The objects of a test are young. The whole heap, whose search takes long, is searched only for kept objects.
        for generation in range(3):
            if all(reference() is None for reference, _ in self._protocols):
                return []
            gc.collect(generation)
        found = []
        for reference, what in self._protocols:
            protocol = reference()
            if protocol is not None:
                found += [f"a member: the WebSocket of {what} is still held by {by}" for by in _holders(protocol)]
        return found


def _is_runners(task: asyncio.Task[Any]) -> bool:
    """Tell whether a task of anyio's plugin or of pytest-asyncio runs tests."""
    code = getattr(task.get_coro(), "cr_code", None)
    return code is not None and any(part in code.co_filename for part in RUNNERS)


def members_left(hubs: list[Hub]) -> list[str]:
    """Name the members that rooms still have."""
    return [
        f"a room member: {_path(member.websocket)} in {name!r}"
        for hub in hubs
        for name, room in hub._rooms.items()
        for member in room.members
    ]


def _path(websocket: WebSocket | None) -> str:
    if websocket is None:
        return "a socket"
    query = websocket.scope["query_string"].decode("latin-1")
    return f"{websocket.scope['path']}?{query}" if query else str(websocket.scope["path"])


def of_task(task: asyncio.Task[Any]) -> str:
    """Name a task, and the line where it waits."""
    coroutine: Any = task.get_coro()
    name = getattr(coroutine, "__qualname__", None) or repr(coroutine)
    frames = _frames_of(coroutine)
    # The caller of asyncio tells a reader more than asyncio's own frame.
    frame = next((frame for frame in reversed(frames) if not _is_inner(frame)), frames[-1] if frames else None)
    at = f", at {frame.f_code.co_filename}:{frame.f_lineno} in {frame.f_code.co_name}" if frame is not None else ""
    told = task.get_name()
    return f"{told}{at}" if told.startswith("the handler of ") else f"{name} ({told}){at}"


def _frames_of(coroutine: Any) -> list[types.FrameType]:
    """Return the frames of a waiting coroutine, the innermost last, also those within compiled coroutines."""
    found, waiting = [], [coroutine]
    seen: set[int] = set()
    while waiting and len(seen) < MOST_AWAITED:
        item = waiting.pop()
        if id(item) in seen:
            continue
        seen.add(id(item))
        frame = getattr(item, "cr_frame", None) or getattr(item, "ag_frame", None)
        if isinstance(frame, types.FrameType):
            found.append(frame)
        following = getattr(item, "cr_await", None) or getattr(item, "ag_await", None)
        if following is not None:
            waiting.append(following)
        elif not isinstance(item, (types.CoroutineType, types.AsyncGeneratorType)):
            # A compiled coroutine, or the wrapper of one, has no attribute with its awaitable, but refers to it.
            waiting += [other for other in gc.get_referents(item) if _is_awaited(other)]
    return found


def _is_awaited(item: Any) -> bool:
    kind = type(item)
    return isinstance(item, (types.CoroutineType, types.AsyncGeneratorType)) or "cython" in kind.__module__.lower()


def _is_inner(frame: types.FrameType) -> bool:
    return any(part in frame.f_code.co_filename for part in INNER)


def _of_generator(generator: Any) -> str:
    code = getattr(generator, "ag_code", None) or generator.gi_code
    return f"{generator.__qualname__}, {code.co_filename}:{code.co_firstlineno}"


def _codes_of_dependencies(app: Any) -> set[types.CodeType]:
    """Return the code of every dependency of the application's routes."""
    found: set[types.CodeType] = set()
    waiting = [getattr(route, "dependant", None) for route in getattr(app, "routes", ())]
    while waiting:
        dependant = waiting.pop()
        if dependant is not None:
            code = getattr(getattr(dependant, "call", None), "__code__", None)
            if code is not None:
                found.add(code)
            waiting.extend(dependant.dependencies)
    return found


def _sockets() -> set[tuple[str, str]]:
    """Return the open sockets of the process, as descriptor and inode, if the system lists them."""
    found: set[tuple[str, str]] = set()
    try:
        names = os.listdir(DESCRIPTORS)
    except OSError:
        return found
    for name in names:
        try:
            target = os.readlink(f"{DESCRIPTORS}/{name}")
        except OSError:
            continue
        if target.startswith("socket:"):
            found.add((name, target))
    return found


def _address_of(descriptor: int) -> str | None:
    """Both addresses of a socket; None for a closed socket, and for a pair of sockets, which event loops use."""
    try:
        with socket.socket(fileno=os.dup(descriptor)) as duplicate:
            own = duplicate.getsockname()
            try:
                peer = duplicate.getpeername()
            except OSError:
                peer = None
    except OSError:
        return None
    if not own and not peer:
        return None
    return f"{own!r}" + (f", connected to {peer!r}" if peer else ", not connected")


def _holders(protocol: Any) -> list[str]:
    """Name the containers that hold a WebSocket of this protocol."""
    found = []
    websockets = _referrers_of_kind(protocol, 4)
    for websocket in websockets:
        for holder in gc.get_referrers(websocket):
            if holder is not websockets and isinstance(holder, (list, set, tuple, dict)):
                owner = _owner(holder)
                if owner is not None:
                    found.append(owner)
    return sorted(set(found))


def _referrers_of_kind(target: Any, depth: int) -> list[WebSocket]:
    """Return the WebSockets from which a few references lead to an object."""
    seen = {id(target)}
    layer, found = [target], []
    for _ in range(depth):
        following = []
        for item in gc.get_referrers(*layer):
            if id(item) in seen or isinstance(item, (types.FrameType, types.ModuleType)) or item is layer:
                continue
            seen.add(id(item))
            if isinstance(item, WebSocket):
                found.append(item)
            else:
                following.append(item)
        layer = following
        if not layer:
            break
    return found


def _owner(container: Any) -> str | None:
    """Return the name of a list, set or dict: the attribute, or the variable of a module, that refers to it."""
    for holder in gc.get_referrers(container):
        if isinstance(holder, dict):
            name = next((key for key, value in holder.items() if value is container and isinstance(key, str)), None)
            if name is None:
                continue
            if "__name__" in holder and "__spec__" in holder:
                return f"{holder['__name__']}.{name}"
            for outer in gc.get_referrers(holder):
                if getattr(outer, "__dict__", None) is holder:
                    return f"{type(outer).__module__}.{type(outer).__qualname__}.{name}"
        elif not isinstance(holder, NAMELESS):
            for name in dir(holder):
                if not name.startswith("__") and getattr(holder, name, None) is container:
                    return f"{type(holder).__module__}.{type(holder).__qualname__}.{name}"
    return None
