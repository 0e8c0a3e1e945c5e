"""The members of each room in this process: joining, leaving, and the end of a socket."""

from __future__ import annotations

import asyncio
import logging
import warnings
from collections.abc import Callable, Generator
from dataclasses import replace
from functools import partial
from types import TracebackType
from typing import TYPE_CHECKING, Any, Protocol

from starlette.websockets import WebSocket, WebSocketState

from wirefast._core.fanout import RoomMember, outlet_of
from wirefast._core.metered import meter_of
from wirefast._core.outbox import Policy, PolicyName, as_policy
from wirefast._core.websocket import WebSocketCore
from wirefast.rooms.brokers.base import Broker, Deliver, Gap, make_broker
from wirefast.rooms.counts import note_hub
from wirefast.rooms.models import Name, Names, OpenRoom, Stats, TooManyRooms, check_names
from wirefast.rooms.workers import worker_count

if TYPE_CHECKING:
    from wirefast.websockets import WebSocket as OwnWebSocket

logger = logging.getLogger("wirefast.rooms")

#: Seconds that join() waits for the broker's confirmation, so that the socket misses no later message.
JOIN_PATIENCE = 5.0

PolicyChoice = PolicyName | Policy | Callable[[str], PolicyName | Policy]


class HubPart(Protocol):
    """What starts and stops with a hub, and may use its broker in between."""

    async def start(self, broker: Broker | None) -> None:
        """Begin, after the broker; the hub does not start if this fails."""

    async def stop(self) -> None:
        """End, before the broker does. Allowed at any time."""

    def lost(self, names: list[str]) -> None:
        """Know that payloads to these names may have been lost."""


class Membership:
    """The result of ``Hub.join``, for ``async with``, or for ``await``: then the socket stays until ``leave`` or its
    end.

    Without either the socket has not joined, and a RuntimeWarning says so.

    Args:
        roster: the hub.
        names: the names of the rooms.
        websocket: the socket that joins.
    """

    # Not awaited yet.
    _new = False

    def __init__(self, roster: Roster, names: tuple[str, ...], websocket: WebSocket) -> None:
        self._roster = roster
        self._names = names
        self._websocket = websocket
        self._member: RoomMember | None = None
        self._new = True

    def __await__(self) -> Generator[Any, None, None]:
        return self.__aenter__().__await__()

    # Hidden from type checkers, which refuse `with` by themselves.
    if not TYPE_CHECKING:

        def __enter__(self) -> None:
            self._new = False
            raise TypeError("hub.join() takes `async with`, not `with`")

        def __exit__(self, *_: object) -> None:
            """Make ``with`` call ``__enter__``, which says what is missing."""

    async def __aenter__(self) -> None:
        self._new = False
        self._member = await self._roster._join(self._names, self._websocket)

    async def __aexit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self._member is not None:
            self._roster._leave(self._member, self._names)

    # Bound as a default: at the interpreter's end the module may be gone before the last of these objects.
    def __del__(self, warn: Callable[..., None] = warnings.warn) -> None:
        if self._new:
            text = "hub.join() was never awaited, so nothing joined: `await hub.join(...)`, or `async with` it"
            # A source makes Python ask for tracemalloc, which would know no more than the line.
            warn(text, RuntimeWarning, stacklevel=2)


class Roster:
    """The part of a hub that knows its members; see ``Hub``."""

    #: Whether the hub has been started, for hubs that are used after their end too.
    _has_run = False
    #: Whether the hub is meant for the other workers of this machine.
    _local = True
    #: Passes traces between processes, if an application with telemetry has started the hub.
    _traces: Any = None

    def __init__(self, url: str | None, policy: PolicyChoice, max_rooms: int) -> None:
        if url is not None and not isinstance(url, str):
            raise TypeError(f'url takes a str such as "redis://localhost:6379/0", not {type(url).__name__}')
        if not isinstance(max_rooms, int):
            raise TypeError(f"max_rooms takes an int, not {type(max_rooms).__name__}")
        if max_rooms < 1:
            raise ValueError("max_rooms must be at least 1")
        self._choice = policy if callable(policy) else as_policy(policy)
        self._max_rooms = max_rooms
        self._url = url
        self._broker: Broker | None = None if url is None else make_broker(url)
        self._loop: asyncio.AbstractEventLoop | None = None
        self._running = False
        self._rooms: dict[str, OpenRoom] = {}
        # By the outlet of the socket: its channel, or the Sender around its ASGI send.
        self._members: dict[Any, RoomMember] = {}
        self._stats = Stats()
        # Other messages between processes, under names that no room has.
        self._services: dict[str, Callable[[bytes], None]] = {}
        # What starts and stops with the hub.
        self._parts: list[HubPart] = []
        note_hub(self)

    def _bind(self, starting: bool = False) -> asyncio.AbstractEventLoop:
        loop = asyncio.get_running_loop()
        if self._loop is not loop:
            if self._loop is not None and (self._running or self._members) and not self._loop.is_closed():
                raise RuntimeError(
                    "this hub belongs to another event loop; from another thread use publish_from_thread(), "
                    "in tests `with TestClient(app) as client`"
                )
            if self._url is not None and not starting:
                raise RuntimeError("this hub is not started: give it to App(hub=hub), or use `async with hub`")
            if not starting and not self._has_run:
                self._tell_of_other_workers()
            self._members.clear()
            self._rooms.clear()
            self._loop = loop
        return loop

    def _tell_of_other_workers(self) -> None:
        """Warn, at the first use of a hub that nothing has started, of the workers that it does not reach."""
        workers = worker_count() if self._local else 1
        if workers > 1:
            logger.warning(
                "This hub was never started, so each of the %d workers has rooms of its own; "
                "write App(hub=hub), or use `async with hub`",
                workers,
            )

    async def _begin(self, url: str | None, deliver: Deliver, gap: Gap) -> None:
        """Start the broker of a URL, and the parts of the hub; what was started is stopped if one fails."""
        started: list[HubPart] = []
        try:
            if url is not None:
                if self._broker is None:
                    self._broker = make_broker(url)
                await self._broker.start(deliver, gap)
            for part in self._parts:
                started.append(part)
                await part.start(self._broker)
        except BaseException:
            broker, self._broker = self._broker, None
            self._running, self._loop = False, None
            for part in started:
                await part.stop()
            if broker is not None:
                await broker.stop()
            raise

    def _with_traces(self, sequences: Any, deliver: Deliver) -> Deliver:
        """Return the function that handles the broker's payloads; with telemetry it makes spans."""
        if self._traces is None:
            return deliver
        sequences.trace = self._traces.current
        return self._traces.delivering(deliver, sequences.id)  # type: ignore[no-any-return]

    def join(self, room: Names, websocket: WebSocket) -> Membership:
        """Put a socket into a room, or into several at once.

        ``async with hub.join(room, websocket)`` leaves at the end of the block, ``await hub.join(room, websocket)``
        with ``leave``. A socket that has ended is in no room. A socket may join a room again: it leaves at the end of
        the last block, or with ``leave``. A socket that has ended already does not join.

        Args:
            room: a name, 1 to 200 printable characters, or several.
            websocket: accepted; FastAPI's and Starlette's too.

        Raises:
            TypeError, ValueError: a name or a WebSocket of another type, or a malformed name.
            RuntimeError: not accepted yet; the hub belongs to another event loop, or has a broker and is not started.
            TooManyRooms: more than ``max_rooms`` for this socket.
        """
        return Membership(self, check_names(room), websocket)

    def leave(self, room: Names, websocket: WebSocket) -> None:
        """Remove a socket from a room, however often it joined. Nothing happens if the socket is not in the room."""
        names = check_names(room)
        member = self._members.get(outlet_of(websocket, False))
        if member is not None:
            for name in names:
                if name in member.rooms:
                    member.rooms[name] = 1
            self._leave(member, names)

    def members(self, room: Name) -> list[OwnWebSocket]:
        """Return the sockets of this process in a room, in order of joining.

        The annotation names wirefast's class, which has ``try_send``. A socket of FastAPI's or Starlette's class that
        joined is in the list too, unchanged.
        """
        found = self._rooms.get(check_names(room)[0])
        sockets: list[Any] = [] if found is None else [member.websocket for member in found.members]
        return [websocket for websocket in sockets if websocket is not None]

    def count(self, room: Name) -> int:
        """How many sockets of this process are in a room."""
        found = self._rooms.get(check_names(room)[0])
        return 0 if found is None else len(found.members)

    @property
    def stats(self) -> Stats:
        """The current counts."""
        found = replace(self._stats, sockets=len(self._members), rooms=len(self._rooms))
        found.malformed += 0 if self._broker is None else self._broker.malformed
        return found

    async def _join(self, names: tuple[str, ...], websocket: WebSocket) -> RoomMember | None:
        self._bind()
        outlet = outlet_of(websocket)
        if WebSocketState.CONNECTING in (websocket.application_state, websocket.client_state):
            raise RuntimeError('WebSocket is not connected. Need to call "accept" before it joins a room.')
        member = self._members.get(outlet) or RoomMember(websocket, outlet)
        if not member.is_open or websocket.application_state is not WebSocketState.CONNECTED:
            return None
        most = self._max_rooms
        meter = meter_of(websocket, False) if isinstance(websocket, WebSocketCore) else None
        if meter is not None and meter.rooms:
            most = min(most, meter.rooms)
        if len(member.rooms.keys() | set(names)) > most:
            raise TooManyRooms(f"a socket may be in {most} rooms")
        policies = {name: self._policy_of(name) for name in names if name not in self._rooms}
        if not member.rooms:
            self._members[outlet] = member
            member.watcher = partial(self._ended, member)
            member.outbox.watch(member.watcher)
        for name in names:
            member.rooms[name] = member.rooms.get(name, 0) + 1
            room = self._rooms.get(name)
            if room is None:
                room = self._rooms[name] = OpenRoom(policies[name])
                if self._broker is not None:
                    self._broker.subscribe(name)
            if member not in room.members:
                room.members[member] = None
                room.listed = None
        if self._broker is not None:
            try:
                # No gather: one that is cancelled, as when the peer leaves meanwhile, is an error in asyncio's log.
                await asyncio.wait_for(_confirmed(self._broker, names), JOIN_PATIENCE)
            except asyncio.TimeoutError:
                pass
            except BaseException:
                self._leave(member, names)
                raise
        return member

    def _leave(self, member: RoomMember, names: tuple[str, ...]) -> None:
        for name in names:
            times = member.rooms.get(name, 0) - 1
            if times > 0:
                member.rooms[name] = times
            elif times == 0:
                self._take_out(member, name)
        if not member.rooms and self._members.get(member.outlet) is member:
            del self._members[member.outlet]
            self._unwatch(member)
            if not member.is_open:
                # The handler learned of the end before the hub.
                self._stats.ended += 1

    def _take_out(self, member: RoomMember, name: str) -> None:
        del member.rooms[name]
        room = self._rooms[name]
        del room.members[member]
        room.listed = None
        if not room.members:
            del self._rooms[name]
            if self._broker is not None:
                self._broker.unsubscribe(name)

    @staticmethod
    def _unwatch(member: RoomMember) -> None:
        # The watcher refers to the member. Without this, only the garbage collector would free both and the socket.
        watcher, member.watcher = member.watcher, None
        member.outbox.unwatch(watcher)

    def _ended(self, member: RoomMember) -> None:
        member.watcher = None
        if member.rooms:
            self._stats.ended += 1
            for name in list(member.rooms):
                self._take_out(member, name)
            del self._members[member.outlet]

    def _policy_of(self, name: str) -> Policy:
        choice = self._choice
        return as_policy(choice(name)) if callable(choice) else choice


async def _confirmed(broker: Broker, names: tuple[str, ...]) -> None:
    """Wait until a broker has confirmed these rooms, which were asked for already."""
    for name in names:
        await broker.subscribed(name)
