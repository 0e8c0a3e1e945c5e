"""Hub: rooms, their members, and publishing to them."""

from __future__ import annotations

import asyncio
import inspect
import logging
from collections.abc import Awaitable, Callable, Iterable
from functools import partial
from types import TracebackType
from typing import Any, TypeVar, cast, overload

from starlette.websockets import WebSocket

from wirefast._core import close
from wirefast._core import scope as keys
from wirefast._core.fanout import (
    OutgoingMessage,
    RoomMember,
    check_key,
    check_size,
    fan_out,
    make_message,
    received_message,
)
from wirefast._core.outbox import Outcome, Policy, PolicyName, as_policy
from wirefast._core.scope import FromScope
from wirefast._core.unicode import utf8
from wirefast.rooms import envelope
from wirefast.rooms.counts import count_dropped
from wirefast.rooms.gaps import Failures, Gaps
from wirefast.rooms.members import dismiss, in_none_of, listed
from wirefast.rooms.models import (
    Drop,
    Name,
    Names,
    OpenRoom,
    check_names,
    check_room_count,
    outlets_of,
)
from wirefast.rooms.roster import PolicyChoice, Roster
from wirefast.rooms.sequence import SequenceLog, hear
from wirefast.rooms.threads import loop_of_others, run_in
from wirefast.rooms.turn import Turn
from wirefast.rooms.typed import Room
from wirefast.rooms.workers import is_first_worker, relay_url, worker_count

logger = logging.getLogger("wirefast.rooms")

Sends = TypeVar("Sends")

#: After so many messages or bytes of one turn, publish() lets the loop write to the sockets.
TURN_MESSAGES, TURN_BYTES = 16, 65536
#: The default ``max_bytes``, for a message with a policy of its own.
_NAMED_MAX_BYTES = as_policy("close").max_bytes


class Hub(Roster, FromScope):
    """The rooms that sockets join and that messages are published to.

    With ``App(hub=hub)`` the lifespan starts and stops the hub, and endpoints and dependencies get the hub by the
    annotation; elsewhere ``async with hub`` starts and stops it. A started hub without a URL reaches the other workers
    of ``wirefast run --workers N``. Elsewhere it reaches only its own process, and need not be started.

    Each message reaches a member at most once, and the messages of one publisher to one room arrive in order. A member
    that reads too slowly, or a process that loses its broker, may miss messages; policies, counters and ``on_gap``
    report that.

    Args:
        url: the URL of the broker that joins the hubs of several processes, e.g. ``redis://localhost:6379/0`` or
            ``nats://localhost:4222``. Default: none.
        policy: what happens to a message for a member that reads too slowly: a name, a ``Policy``, or a function from a
            room's name to a policy, which is called when the first member joins. Default: ``"close"``.
        max_rooms: how many rooms one socket may be in. Default: 100.
        on_drop: a plain function, called with a ``Drop`` when a policy has dropped messages.
        on_gap: called with the name of a room whose messages from other processes may have been lost; may be a
            coroutine function. Default: one log line for a room.
        local: whether a hub without a URL reaches the other workers of ``wirefast run --workers N`` on this machine.
            Default: True.

    A hook that fails is logged with its traceback the first, tenth, hundredth ... time.

    Raises:
        ValueError: a URL of no known broker, an unknown policy, or ``max_rooms`` below 1.
        TypeError: an argument of another type, or an ``on_drop`` that is a coroutine function.
        BrokerUnavailable: the broker's client is not installed.
    """

    scope_key = keys.HUB
    scope_advice = "App(hub=Hub())"

    def __init__(
        self,
        url: str | None = None,
        *,
        policy: PolicyChoice = "close",
        max_rooms: int = 100,
        on_drop: Callable[[Drop], Any] | None = None,
        on_gap: Callable[[str], Awaitable[None] | None] | None = None,
        local: bool = True,
    ) -> None:
        super().__init__(url, policy, max_rooms)
        if not isinstance(local, bool):
            raise TypeError(f"local takes True or False, not {local!r}")
        self._local = local
        for name, hook in (("on_drop", on_drop), ("on_gap", on_gap)):
            if hook is not None and not callable(hook):
                raise TypeError(f"{name} takes a function, not {type(hook).__name__}")
        # Of a callable object, the method __call__ is the coroutine function.
        called = getattr(type(on_drop), "__call__", None)  # noqa: B004
        if inspect.iscoroutinefunction(on_drop) or inspect.iscoroutinefunction(called):
            raise TypeError("on_drop takes a plain function, not a coroutine function")
        self.on_drop = on_drop
        self._drop_failed = Failures("on_drop")
        self._gaps = Gaps(on_gap, self._rooms)
        self._begin_sequences()
        self._turn_messages = self._turn_bytes = 0

    @property
    def on_gap(self) -> Callable[[str], Awaitable[None] | None] | None:
        """The function that is called with the name of a room that may have missed messages."""
        return self._gaps.hook

    @on_gap.setter
    def on_gap(self, hook: Callable[[str], Awaitable[None] | None] | None) -> None:
        self._gaps.hook = hook

    # ---- Life ----

    async def start(self) -> None:
        """Start the hub; ``async with hub`` and ``App(hub=hub)`` call this.

        Raises:
            RuntimeError: the hub runs already.
            BrokerUnavailable: the broker cannot be reached.
        """
        if self._running:
            raise RuntimeError("this hub runs already")
        self._loop = None if not self._members else self._loop
        self._bind(starting=True)
        self._running = self._has_run = True
        url = self._url
        if url is None and self._local:
            url = relay_url()
        if url is None:
            workers = worker_count()
            if workers > 1 and self._local and is_first_worker():
                logger.warning(
                    "The hub of this application has no broker, so each of the %d workers has rooms of its own; "
                    'give it one: Hub("redis://...") or Hub("nats://...")',
                    workers,
                )
        await self._begin(url, self._with_traces(self._sequences, self._deliver), self._lost)

    async def stop(self) -> None:
        """Stop the hub: every socket leaves its rooms, and the broker is disconnected. The sockets stay open."""
        broker, self._broker = self._broker, None
        self._running, self._loop = False, None
        for member in self._members.values():
            self._unwatch(member)
            member.rooms.clear()
        self._members.clear()
        self._rooms.clear()
        self._begin_sequences()
        self._gaps.stop()
        for part in self._parts:
            await part.stop()
        if broker is not None:
            await broker.stop()
            self._stats.malformed += broker.malformed

    async def __aenter__(self) -> Hub:
        await self.start()
        return self

    async def __aexit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.stop()

    def _begin_sequences(self) -> None:
        """Take a new name among the hubs."""
        self._sequences = SequenceLog()
        # The beginning of this hub's own payloads, which a broker may deliver to it.
        self._own = f'["{self._sequences.id}",'.encode()

    # ---- Publishing ----

    @overload
    async def publish(
        self,
        room: Room[Sends],
        message: Sends,
        *,
        exclude: WebSocket | Iterable[WebSocket] | None = None,
        policy: PolicyName | Policy | None = None,
        key: str | int | None = None,
    ) -> int: ...
    @overload
    async def publish(
        self,
        room: str | Iterable[Name],
        message: Any,
        *,
        exclude: WebSocket | Iterable[WebSocket] | None = None,
        policy: PolicyName | Policy | None = None,
        key: str | int | None = None,
    ) -> int: ...
    async def publish(
        self,
        room: Names,
        message: Any,
        *,
        exclude: WebSocket | Iterable[WebSocket] | None = None,
        policy: PolicyName | Policy | None = None,
        key: str | int | None = None,
    ) -> int:
        """Send a message to every member of a room, or of several rooms; each socket gets it once.

        Waits for a member only under the policy ``"wait"``. After some messages it lets the event loop turn, which
        writes them.

        Args:
            room: a name or a typed ``Room``, or several, at most 256.
            message: a str is sent as text, bytes as binary, a pydantic model as JSON text with its aliases, any other
                value as JSON text; it is encoded once for all members.
            exclude: sockets that do not get the message.
            policy: in place of the room's.
            key: for ``"conflate"``: this message replaces waiting messages of these rooms with the same key. Default:
                no key; it replaces those without a key.

        Returns:
            The number of members of this process that the message was sent to or queued for.

        Raises:
            TypeError: the message has no JSON form, or not a type of a typed room, or a key or a name has another type.
            ValueError: a malformed name, too many names, an unknown policy, a key of more than 1,024 characters or 64
                bits, or a message larger than the policy's ``max_bytes``.
            RuntimeError: as in ``join``.
        """
        self._bind()
        names = check_names(room, message)
        check_room_count(names)
        prepared = make_message(message)
        chosen = None if policy is None else as_policy(policy)
        excluded = outlets_of(exclude)
        targets = self._targets(names, chosen)
        for _, used in targets:
            check_size(prepared, used)
        key = check_key(key)
        self._stats.published += 1
        reached = 0
        turns: list[Turn] = []
        for members, used in targets:
            reached += self._fan_out(members, prepared, used, names, key, excluded, turns)
        kind = envelope.TEXT if prepared.is_text else envelope.BINARY
        self._tell(names, kind, prepared.data, None if chosen is None else chosen.name, key)
        self._turn_messages += 1
        self._turn_bytes += prepared.size
        if turns:
            reached += await self._wait(turns)
        elif self._turn_messages >= TURN_MESSAGES or self._turn_bytes >= TURN_BYTES:
            self._turn_messages = self._turn_bytes = 0
            await asyncio.sleep(0)
        return reached

    def publish_from_thread(
        self,
        room: Names,
        message: Any,
        *,
        exclude: WebSocket | Iterable[WebSocket] | None = None,
        policy: PolicyName | Policy | None = None,
        key: str | int | None = None,
        timeout: float | None = 10.0,
    ) -> int:
        """``publish`` for other threads, such as those that run plain ``def`` endpoints. Waits for the result.

        Args:
            timeout: seconds to wait for the event loop. Default: 10.

        Raises:
            RuntimeError: called in the hub's own thread, or before the hub runs.
            TimeoutError: the loop did not run the call in time. The message is not published then, unless the call had
                begun.
        """
        loop = loop_of_others(self._loop)
        names = check_names(room, message)
        prepared = make_message(message)
        publish = partial(self.publish, names, prepared, exclude=exclude, policy=policy, key=key)
        return run_in(loop, publish, timeout)

    async def close(self, room: Names, code: int = close.NORMAL, reason: str = "") -> int:
        """Close every socket of a room, in all processes, after its waiting messages; its handler sees a disconnect.

        Args:
            room: a name, or several, at most 256.
            code: a close code of RFC 6455, section 7.4. Default: 1000.
            reason: at most 123 bytes of UTF-8. Default: none.

        Returns:
            The number of sockets of this process that were closed.

        Raises:
            ValueError: a malformed name, too many of them, or a code or reason that no close frame may have.
            TypeError: a name, code or reason of another type.
        """
        self._bind()
        names = check_names(room)
        check_room_count(names)
        if not isinstance(code, int):
            raise TypeError(f"a close code is an int, not {type(code).__name__}")
        if not isinstance(reason, str):
            raise TypeError(f"a reason is a str, not {type(reason).__name__}")
        encoded = utf8(reason)
        reason = encoded.decode("utf-8")
        close.check_code(code)
        if len(encoded) > close.MAX_REASON:
            raise ValueError(f"the reason is longer than {close.MAX_REASON} bytes")
        members = [member for found, _ in self._targets(names, None) for member in found]
        dismiss(members, code, reason)
        self._tell(names, envelope.CLOSE, code.to_bytes(2, "big") + encoded)
        return len(members)

    def _targets(self, names: tuple[str, ...], chosen: Policy | None) -> list[tuple[list[RoomMember], Policy]]:
        """Return the members that get a message, with the policy: each member once, in the first of its rooms."""
        targets: list[tuple[list[RoomMember], Policy]] = []
        earlier: set[str] = set()
        for name in names:
            room = self._rooms.get(name)
            if room is None:
                targets.append(([], chosen or self._policy_of(name)))
                continue
            targets.append((in_none_of(earlier, listed(room)), chosen or room.policy))
            earlier.add(name)
        return targets

    def _fan_out(
        self,
        members: list[RoomMember],
        message: OutgoingMessage,
        policy: Policy,
        names: tuple[str, ...],
        key: str | int | None,
        excluded: set[Any] | None,
        turns: list[Turn] | None,
    ) -> int:
        if not members:
            return 0
        reached, by_tasks, setbacks = fan_out(members, message, policy, (names, key), excluded)
        self._stats.reached += reached
        if by_tasks:
            # The tasks run before the next message; otherwise a burst would fill the outboxes of peers that read.
            self._turn_messages = TURN_MESSAGES
        for setback in setbacks or ():
            member, outcome = setback.member, setback.outcome
            if outcome == Outcome.FULL and turns is not None:
                turns.append(Turn(member, message, policy, (names, key)))
            elif outcome == Outcome.FULL:
                self._close_slow(member)
            elif outcome == Outcome.CLOSING:
                self._stats.closed += 1
            elif outcome == Outcome.GONE:
                self._ended(member)
            if setback.dropped:
                self._dropped(member, names, policy, setback.dropped, setback.dropped_bytes)
        return reached

    async def _wait(self, turns: list[Turn]) -> int:
        """Wait for slow members until their deadlines, then close them. Returns how many got the message."""

        async def take(turn: Turn) -> bool:
            outcome = await turn.take()
            if outcome is None:
                self._close_slow(turn.member)
            turn.leave()
            return outcome is not None and outcome <= Outcome.QUEUED

        try:
            reached = sum(await asyncio.gather(*map(take, turns)))
        finally:
            for turn in turns:
                turn.leave()
        self._stats.reached += reached
        return reached

    def _close_slow(self, member: RoomMember) -> None:
        if member.is_open:
            self._stats.closed += 1
            outbox = member.outbox
            reason = close.too_slow(outbox.count, outbox.size)
            outbox.abandon()
            member.dismiss(close.TRY_AGAIN_LATER, reason)

    def _dropped(self, member: RoomMember, names: tuple[str, ...], policy: Policy, messages: int, size: int) -> None:
        self._stats.dropped += messages
        self._stats.dropped_bytes += size
        count_dropped(policy.name, messages)
        if self.on_drop is not None:
            try:
                self.on_drop(Drop(member.websocket, names, policy.name, messages, size))
            except Exception:
                self._drop_failed.log()

    # ---- Other hubs ----

    def _tell(
        self,
        names: tuple[str, ...],
        kind: str,
        data: bytes,
        policy: str | None = None,
        key: str | int | None = None,
    ) -> None:
        if self._broker is not None:
            for name, payload in self._sequences.letters(names, kind, data, policy, key):
                self._broker.publish(name, payload)

    def _deliver(self, name: str, payload: bytes) -> None:
        """Handle a payload from the broker, with the checks of ``publish`` and ``close``. Never raises."""
        room = self._rooms.get(name)
        if room is None:
            if (service := self._services.get(name)) is not None:
                service(payload)
            return
        if payload.startswith(self._own):
            return
        try:
            received = envelope.decode(payload, max(room.policy.max_bytes, _NAMED_MAX_BYTES))
            if received.rooms and name not in received.rooms:
                raise ValueError("a message that was not published to this room")
        except envelope.TooLarge as exc:
            self._refuse(name, room, exc)
            return
        except ValueError as exc:
            self._stats.malformed += 1
            if self._stats.malformed == 1:
                logger.warning("The broker delivered to room %r what no hub has sent: %s", name, str(exc)[:200])
            return
        if received.hub == self._sequences.id:
            return
        new, missing = hear(room.heard, received)
        if missing or not new:
            self._gap(name, room)
        if not new:
            return
        if received.kind == envelope.CLOSE:
            self._stats.received += 1
            code, reason = int.from_bytes(received.data[:2], "big"), received.data[2:].decode("utf-8")
            dismiss(list(self._remote_members(name, room, received)), code, reason)
            return
        message = received_message(received.data, received.kind == envelope.TEXT)
        policy = room.policy
        if received.policy is not None and received.policy != policy.name:
            policy = as_policy(cast(PolicyName, received.policy))  # refuses other names
        try:
            check_size(message, policy)
        except ValueError as exc:
            self._refuse(name, room, exc)
            return
        self._stats.received += 1
        names = tuple(dict.fromkeys(received.rooms)) or (name,)
        # The publisher is in another process and does not wait: under "wait" a member whose outbox is full is closed.
        self._fan_out(self._remote_members(name, room, received), message, policy, names, received.key, None, None)

    def _remote_members(self, name: str, room: OpenRoom, received: envelope.Envelope) -> list[RoomMember]:
        """Return the members that did not get the message through an earlier room."""
        rooms = received.rooms
        earlier = {other for other in rooms[: rooms.index(name)] if other in self._rooms} if rooms else set()
        return in_none_of(earlier, listed(room))

    def _refuse(self, name: str, room: OpenRoom, why: ValueError) -> None:
        """Count a message that is too large for this process, and tell the room of a gap."""
        self._stats.refused += 1
        if self._stats.refused == 1:
            logger.warning("A message of another process to room %r was refused: %s", name, why)
        self._gap(name, room)

    def _lost(self, names: list[str]) -> None:
        """Tell rooms that they may have missed payloads while the broker was not connected."""
        for part in self._parts:
            part.lost(names)
        for name in names:
            room = self._rooms.get(name)
            if room is not None:
                # Otherwise the sequences would report the same gap again.
                room.heard.clear()
                self._gap(name, room)

    def _gap(self, name: str, room: OpenRoom) -> None:
        self._stats.gaps += 1
        self._gaps.tell(name, room)
