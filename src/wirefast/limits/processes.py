"""This process among those that share counts through a hub's Redis: whether it counts there, and which sockets it has.

While Redis answers, `SharedCounts.up` is true and Redis decides. When Redis is lost or slow, each process decides by
its own counts, and logs that once. After that this process registers all its sockets under a new name. Entries of an
earlier name, even those of commands that arrive late, end with the liveness key of that name.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Coroutine
from hashlib import sha1
from itertools import islice
from typing import TYPE_CHECKING, Any
from weakref import WeakValueDictionary

from wirefast._core.ledger import Lease, Ledger
from wirefast.limits import scripts
from wirefast.logger import logger
from wirefast.rooms.brokers.base import BrokerUnavailable
from wirefast.rooms.brokers.link import LinkError, one_line
from wirefast.rooms.brokers.supervisor import forget
from wirefast.rooms.hub import Hub
from wirefast.rooms.models import MAX_NAME
from wirefast.rooms.workers import worker_count

if TYPE_CHECKING:
    from wirefast.rooms.brokers.commands import RedisCommands

__all__ = ["BATCH", "KEY_SECONDS", "LIVE_SECONDS", "RENEW_SECONDS", "WITHIN", "Away", "Share", "SharedCounts"]

#: Seconds in which Redis has to answer a handshake; then this process decides by its own counts.
WITHIN = 0.25
#: Seconds that a process counts as alive, and after which it says again that it is.
LIVE_SECONDS = 15
RENEW_SECONDS = 5.0
#: Seconds that Redis keeps the sockets of a user of which no process says anything.
KEY_SECONDS = 3600
#: Sockets of one command that registers or releases.
BATCH = 500
#: Seconds before the first attempt to connect again, the most before another, and the most of an attempt.
FIRST_DELAY, LONGEST_DELAY, OPEN_WITHIN = 0.1, 5.0, 5.0
#: Beats in which the keys of all users are touched, well within KEY_SECONDS.
TOUCH_BEATS = 240

_DIGESTS = {script: sha1(script.encode()).hexdigest() for script in scripts.SCRIPTS}  # noqa: S324 - Redis's own names


class Away(Exception):
    """Redis is not there to decide."""


class Share:
    """One socket of a user, as other processes count it.

    Attributes:
        ledger, lease: what counts it in this process; None until it is counted, and after its end.
        evicted: another one has taken its place.
    """

    __slots__ = ("began", "counts", "evicted", "key", "lease", "ledger", "number", "process")

    def __init__(self, counts: SharedCounts, number: int, key: str, began: float) -> None:
        self.counts = counts
        self.number = number
        self.key = key
        self.began = began
        self.process = ""  # the process's name in Redis; empty while the socket is not in Redis
        self.ledger: Ledger | None = None
        self.lease: Lease | None = None
        self.evicted = False

    def end(self) -> None:
        """Count no more; a second time does nothing."""
        self.ledger = self.lease = None
        self.counts.release(self)


class SharedCounts:
    """What the `Limits` of one hub share: a connection, the name of this process, its sockets.

    Args:
        hub: the hub, which starts and stops the counts.
    """

    def __init__(self, hub: Hub) -> None:
        self.up = False
        self.names: WeakValueDictionary[str, Any] = WeakValueDictionary()
        self._hub = hub
        self._started = False
        self._prefix = ""
        self._listener = ""  # of this process and start, in the names of its channel
        self._process = ""  # the same with a number that each connection has
        self._epoch = 0
        self._broker: Any = None
        self._commands: RedisCommands | None = None
        self._keeper: asyncio.Task[None] | None = None
        self._shares: dict[int, Share] = {}
        self._last = 0
        self._leaving: list[tuple[str, str]] = []
        self._touched = 0
        self._lost_at = 0.0
        self._joined_over = 0.0  # when the hub's link was ready that brings evictions

    @classmethod
    def of(cls, hub: Any) -> SharedCounts:
        """Return the counts that processes share through a hub. The first `Limits` of the hub makes them.

        Raises:
            TypeError: no hub.
            ValueError: a hub that joins processes by something else than Redis.
            RuntimeError: the hub runs already.
        """
        if not isinstance(hub, Hub):
            raise TypeError(f"store of Limits takes a Hub, not {type(hub).__name__}")
        scheme = (hub._url or "redis").partition("://")[0]
        if scheme not in ("redis", "rediss", "unix"):
            raise ValueError(f'store of Limits takes a Hub of Redis, such as Hub("redis://..."), not one of {scheme}')
        for part in hub._parts:
            if isinstance(part, cls):
                return part
        if hub._running:
            raise RuntimeError("Limits(store=hub) is declared before the hub starts")
        made = cls(hub)
        hub._parts.append(made)
        return made

    # ---- The hub's life ----

    async def start(self, broker: Any) -> None:
        """Join the other processes.

        Raises:
            BrokerUnavailable: Redis refuses what this needs.
            RuntimeError: there are other processes, and no Redis.
        """
        if broker is None or not hasattr(broker, "connection"):
            if broker is not None or worker_count() > 1:
                raise RuntimeError(
                    "Limits(store=hub) counts over several workers by Redis alone, and this hub has none: give it one, "
                    'Hub("redis://..."), or leave store= out, so that each worker counts for itself'
                )
            self._started = True
            return
        self._broker, self._prefix = broker, f"{broker.prefix}limits:"
        self._listener, self._epoch = os.urandom(8).hex(), 0
        room = self._room(self._listener)
        self._hub._services[room] = self._heard
        broker.subscribe(room)
        try:
            await self._join()
        except LinkError as error:
            raise BrokerUnavailable(f"the shared limits' Redis: {one_line(error)}") from None
        self._started = True
        self._keeper = asyncio.create_task(self._keep(), name="wirefast: shared limits")

    async def stop(self) -> None:
        """Leave: the sockets of this process do not count for the others from now on."""
        self._started = self.up = False
        keeper, self._keeper = self._keeper, None
        if keeper is not None:
            keeper.cancel()
            await asyncio.wait({keeper})
        commands, self._commands = self._commands, None
        if commands is not None:
            await asyncio.wait({commands.call("DEL", self._alive(self._process))}, timeout=WITHIN)
            await commands.close()
        if self._broker is not None:
            room = self._room(self._listener)
            self._hub._services.pop(room, None)
            self._broker.unsubscribe(room)
            self._broker = None
        self._leaving.clear()

    def lost(self, names: list[str]) -> None:
        """Register all sockets again if this process may have missed the eviction of one of them.

        Another hub reports its own losses too. Redis publishes the evictions, so those losses have none.
        """
        if self._room(self._listener) not in names:
            return
        if not self._broker.connected or self._broker.ready_at != self._joined_over:
            self._lose("the hub's connection was lost")

    async def _join(self) -> None:
        """Connect, take a new name, and register every socket of this process. LinkError if Redis fails or refuses.

        While this waits, sockets come and go by the counts of this process.
        """
        from wirefast.rooms.brokers.commands import RedisCommands  # needs the client of Redis

        before = self._process
        self._leaving.clear()
        commands = RedisCommands(self._broker.connection())
        try:
            await _finish(commands.open())
            await _finish(self._broker.subscribed(self._room(self._listener)))
            if not self._broker.connected:
                raise LinkError("the hub is not connected")  # so this process would miss evictions
            link = self._broker.ready_at
            self._epoch += 1
            process = f"{self._listener}.{self._epoch}"
            answers = [commands.call("SCRIPT", "LOAD", script) for script in scripts.SCRIPTS]
            answers.append(commands.call("SET", self._alive(process), "1", "EX", LIVE_SECONDS))
            if before:
                answers.append(commands.call("DEL", self._alive(before)))
            for answer in answers:
                await _answered(answer)
            self._process, self._commands, self._joined_over = process, commands, link
            while behind := [one for one in self._shares.values() if one.process != process]:
                for first in range(0, len(behind), BATCH):
                    await self._register(behind[first : first + BATCH], process)
        except BaseException:
            self._commands = None
            await commands.close()
            raise
        self.up = True

    async def _register(self, shares: list[Share], process: str) -> None:
        """Tell Redis of sockets that it does not know by this name."""
        arguments: list[str | int] = [self._alive(process), process, KEY_SECONDS]
        keys = []
        now = asyncio.get_running_loop().time()
        for share in shares:
            if share.number in self._shares:
                share.process = process
                keys.append(share.key)
                arguments += [share.number, int((now - share.began) * 1e6)]
        if keys and not await _answered(self._run(scripts.REGISTER, keys, *arguments)):
            raise LinkError("this process was forgotten")

    async def _keep(self) -> None:
        """Renew the liveness key of this process. After a loss of Redis, register all sockets again."""
        loop = asyncio.get_running_loop()
        while True:
            commands = self._commands
            if commands is None:
                raise AssertionError
            while not commands.ended.done():
                await asyncio.wait({commands.ended}, timeout=RENEW_SECONDS)
                if not commands.ended.done():
                    await self._renew()
            self._lose(commands.ended.result())
            reason, delay = commands.ended.result(), FIRST_DELAY
            await commands.close()
            while not self.up:
                await asyncio.sleep(delay)
                delay = min(2 * delay, LONGEST_DELAY)
                try:
                    await self._join()
                except LinkError as error:
                    if one_line(error) != reason:
                        reason = one_line(error)
                        logger.warning("Limits are still counted in this process alone: %s", reason)
            logger.warning("Limits are counted by Redis again after %.1f s", loop.time() - self._lost_at)

    async def _renew(self) -> None:
        """Renew the liveness key, and the keys of some users."""
        if self._commands is None:
            return
        try:
            alive = self._commands.call("SET", self._alive(self._process), "1", "XX", "EX", LIVE_SECONDS)
            if await self._in_time(alive) is None:
                self._lose("this process was forgotten")
                return
            count = -(-len(self._shares) // TOUCH_BEATS)
            keys = [one.key for one in islice(self._shares.values(), self._touched, self._touched + count)]
            self._touched = self._touched + count if keys else 0
            if keys:
                await self._in_time(self._run(scripts.TOUCH, keys, KEY_SECONDS))
        except Away:
            pass

    def _lose(self, reason: str) -> None:
        """Decide by the counts of this process until Redis is back."""
        commands = self._commands
        if commands is not None:
            commands.end(reason)
        if self.up:
            self.up = False
            self._lost_at = asyncio.get_running_loop().time()
            logger.warning("Limits are counted in this process alone until Redis is back: %s", reason)

    # ---- What limits ask ----

    def check_started(self) -> None:
        """Raise if the hub does not run.

        Raises:
            RuntimeError: it does not.
        """
        if not self._started:
            raise RuntimeError("the store of these Limits is not started: give it to App(hub=hub), or use `async with`")

    def key(self, *parts: str) -> str:
        """Return the name of a key.

        Args:
            parts: the parts of the name, without colons.
        """
        return self._prefix + ":".join(parts)

    async def take(self, key: str, interval: float, tolerance: float) -> float:
        """Count one of an address; 0, or the seconds after which the next one may come.

        Raises:
            Away: Redis does not answer.
        """
        wait = await self._in_time(self._run(scripts.TAKE, [key], int(interval * 1e6), int(tolerance * 1e6)))
        return float(wait) / 1e6

    def share(self, key: str) -> Share:
        """Return a socket of a user that is not in Redis yet. The other processes will count it."""
        self._last += 1
        share = self._shares[self._last] = Share(self, self._last, key, asyncio.get_running_loop().time())
        return share

    async def claim(self, share: Share, limit: int, evicts_oldest: bool) -> tuple[bool, int]:
        """Count a socket in Redis.

        Returns:
            Whether the socket is counted, and the number of sockets that were evicted for it.

        Raises:
            Away: Redis does not answer.
        """
        share.process = self._process
        settings = (self._alive(""), self._channel(), share.process, share.number, limit, int(evicts_oldest))
        counted, evicted = await self._in_time(self._run(scripts.CLAIM, [share.key], *settings, KEY_SECONDS))
        if counted < 0:
            self._lose("this process was forgotten")
            raise Away
        return counted > 0, evicted

    def release(self, share: Share) -> None:
        """Count a socket no more; a second time does nothing."""
        if self._shares.pop(share.number, None) is None or share.process != self._process or self._commands is None:
            return
        if not self._leaving:
            asyncio.get_running_loop().call_soon(self._release_all)
        self._leaving.append((share.key, f"{share.process}:{share.number}"))

    def _release_all(self) -> None:
        leaving, self._leaving = self._leaving, []
        for first in range(0, len(leaving), BATCH):
            batch = leaving[first : first + BATCH]
            self._run(scripts.RELEASE, [key for key, _ in batch], *(member for _, member in batch))

    # ---- Commands ----

    def _run(self, script: str, keys: list[str], *arguments: str | int) -> asyncio.Future[Any]:
        if self._commands is None:
            answer: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
            answer.cancel()
            return answer
        return self._commands.call("EVALSHA", _DIGESTS[script], len(keys), *keys, *arguments)

    async def _in_time(self, answer: asyncio.Future[Any]) -> Any:
        """Return an answer of Redis; Away if it fails, or does not come in time."""
        commands = self._commands
        if not self.up:
            raise Away
        # Two halves: a loop that was blocked for long finds the answer in the second, not only the time gone.
        for _ in range(2):
            if not answer.done():
                await asyncio.wait({answer}, timeout=WITHIN / 2)
        try:
            if not answer.done():
                raise LinkError(f"no answer within {WITHIN:g} s")
            return _result(answer)
        except LinkError as error:
            if self._commands is commands:
                self._lose(one_line(error))
            raise Away from None

    def _alive(self, process: str) -> str:
        return f"{self._prefix}alive:{process}"

    def _channel(self) -> str:
        return f"{self._broker.prefix}{self._room('')}"

    @staticmethod
    def _room(listener: str) -> str:
        """Return the broker's channel for messages to a process. The name is longer than a room's name may be."""
        return f"{'limits':.<{MAX_NAME}}{listener}"

    def _heard(self, payload: bytes) -> None:
        """Close a socket that another process has counted out. The broker may deliver anything; never raises."""
        try:
            process, number = payload[:64].decode("ascii").split(":")
            if process.partition(".")[0] != self._listener:
                raise ValueError("another process")
            share = self._shares.get(int(number))
        except ValueError:
            self._hub._stats.malformed += 1
            return
        if share is not None and not share.evicted:
            share.evicted = True
            if share.ledger is not None and share.lease is not None:
                share.ledger.evict_held(share.lease)


async def _finish(work: Coroutine[Any, Any, None]) -> None:
    """Await work on a connection; a LinkError if it fails, or does not end in time.

    ``asyncio.wait_for`` would lose a cancellation that comes with the end, before Python 3.12.
    """
    task = asyncio.ensure_future(work)
    try:
        await asyncio.wait({task}, timeout=OPEN_WITHIN)
        if not task.done():
            raise LinkError(f"no answer within {OPEN_WITHIN:g} s")
        task.result()
    finally:
        task.add_done_callback(forget)
        task.cancel()


async def _answered(answer: asyncio.Future[Any]) -> Any:
    """Return an answer; a LinkError if Redis refuses the command, or does not answer in time."""
    await asyncio.wait({answer}, timeout=OPEN_WITHIN)
    if not answer.done():
        raise LinkError(f"no answer within {OPEN_WITHIN:g} s")
    return _result(answer)


def _result(answer: asyncio.Future[Any]) -> Any:
    """Return an answer that is there; a LinkError if Redis refused the command."""
    try:
        return answer.result()
    except LinkError:
        raise
    except Exception as error:  # redis.exceptions.ResponseError, which an extra brings
        raise LinkError(one_line(error)) from None
