"""Limits of several processes, by a real Redis: what they count together, and what becomes of it when Redis is away."""

import asyncio
import logging
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from broker_servers import LocalProcess, RedisProcess, proxy_to, until
from redis.asyncio import Redis
from sharing import Side, Socket, by_dependency, by_query, in_loop, members, sides

from processes import under_gunicorn
from wirefast import Limits, Rate
from wirefast.limits import processes
from wirefast.rooms import Hub
from wirefast.rooms.brokers import BrokerUnavailable, commands

MANY = Rate(3, per=10_000.0)


@pytest.fixture(scope="module")
def redis() -> Iterator[RedisProcess]:
    with TemporaryDirectory() as directory:
        server = RedisProcess(Path(directory))
        yield server
        server.end()


@pytest.fixture(autouse=True)
def quickly_back(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(processes, "FIRST_DELAY", 0.01)


def name() -> str:
    """A name for the Limits of one test: the tests share a server."""
    name.last = getattr(name, "last", 0) + 1  # type: ignore[attr-defined]
    return f"test-{name.last}"  # type: ignore[attr-defined]


# ---- Together ----


@pytest.mark.parametrize("user", [by_query, by_dependency])
@in_loop
async def test_the_newest_gives_way(redis: RedisProcess, user: Any) -> None:
    async with sides(2, redis.url, per_user=2, user=user, name=name()) as (one, two):
        first, second = await one.connect(), await two.connect()
        assert first and second
        for side in (one, two):
            assert await side.connect() is None
            other = await side.connect("bob")
            assert other
        await first.leave()
        third = await two.connect()
        assert third and await one.connect() is None
        assert (one.limits.refused["per_user"], two.limits.refused["per_user"]) == (2, 1)
        assert (one.held(), two.held()) == (0, 2)


@pytest.mark.parametrize("user", [by_query, by_dependency])
@in_loop
async def test_the_oldest_gives_way_in_its_process(redis: RedisProcess, user: Any) -> None:
    async with sides(3, redis.url, per_user=2, user=user, evict="oldest", name=name()) as processes_:
        sockets: list[Socket] = []
        for number in range(9):
            socket = await processes_[number % 3].connect()
            assert socket
            sockets.append(socket)
            if number >= 2:
                oldest = sockets[number - 2]
                await until(lambda oldest=oldest: oldest.closes)
        assert [socket.closes for socket in sockets] == [[4409]] * 7 + [[]] * 2
        assert sum(side.held() for side in processes_) == 2


@in_loop
async def test_handshakes_of_an_address(redis: RedisProcess) -> None:
    async with sides(3, redis.url, handshakes=MANY, name=name()) as processes_:
        found = await asyncio.gather(*(side.connect() for side in processes_ * 4))
        assert sum(socket is not None for socket in found) == 3
        assert sum(side.limits.refused["handshakes"] for side in processes_) == 9
        others = await asyncio.gather(*(side.connect(address="9.9.9.9") for side in processes_))
        assert None not in others
        refused = processes_[0].open()
        assert await refused.answered() == 429


@in_loop
async def test_a_rate_fills_evenly(redis: RedisProcess) -> None:
    async with sides(2, redis.url, handshakes=Rate(20, per=1.0, burst=1), name=name()) as (one, two):
        assert await one.connect()
        assert await two.connect() is None
        loop = asyncio.get_running_loop()
        began = loop.time()
        while await two.connect() is None:
            assert loop.time() < began + 20
        assert await one.connect() is None


@in_loop
async def test_two_services_do_not_count_together(redis: RedisProcess) -> None:
    limits: dict[str, Any] = {"per_user": 1, "user": by_query}
    async with (
        sides(1, redis.url, name=name(), **limits) as (one,),
        sides(1, redis.url, name=name(), **limits) as (two,),
    ):
        async with sides(1, f"{redis.url}?prefix=other", name=one.limits.name, **limits) as (three,):
            for side in (one, two, three):
                assert await side.connect() and await side.connect() is None


@pytest.mark.parametrize("user", ["ada", "ädä \N{GRINNING FACE}", "a:b", "x" * 10_000, ""])
@in_loop
async def test_names_of_users(redis: RedisProcess, user: str) -> None:
    async with sides(2, redis.url, per_user=1, user=lambda websocket: user, name=name()) as (one, two):
        assert await one.connect() and await two.connect() is None
        assert all(user not in key or not user for key in await members(one))


@in_loop
async def test_an_int_is_no_str_and_others_are_no_users(redis: RedisProcess) -> None:
    found: list[Any] = [1, "1", True, ("a",)]
    async with sides(1, redis.url, per_user=1, user=lambda websocket: found.pop(0), name=name()) as (side,):
        assert await side.connect() and await side.connect()
        for _ in range(2):
            with pytest.raises(TypeError, match="names a user by a str or an int, not"):
                await side.open().task
        assert side.limits.open == 2


# ---- Ends ----


@pytest.mark.parametrize("user", [by_query, by_dependency])
@in_loop
async def test_cancelled_at_every_turn(redis: RedisProcess, user: Any) -> None:
    async with sides(2, redis.url, per_user=1, user=user, evict="newest", name=name(), connections=9) as (one, two):
        for turns in range(30):
            socket = one.open()
            for _ in range(turns):
                await asyncio.sleep(0)
            socket.task.cancel()
            await asyncio.wait([socket.task])
            assert one.limits.open == 0 and one.held() == 0 and one.counts._shares == {}
            other = await one.connect()  # behind what was released, on the same connection
            assert other, turns
            await other.leave()
        taken = await one.connect()
        assert taken and await two.connect() is None


@in_loop
async def test_a_process_that_stops_has_no_sockets(redis: RedisProcess) -> None:
    async with sides(2, redis.url, per_user=1, user=by_query, name=name()) as (one, two):
        assert await one.connect() and await two.connect() is None
        await one.hub.stop()
        assert await two.connect()


@in_loop
async def test_a_process_that_is_dead_has_no_sockets(redis: RedisProcess, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(processes, "LIVE_SECONDS", 1)
    monkeypatch.setattr(processes, "RENEW_SECONDS", 0.3)
    with proxy_to(redis.port) as proxy:
        async with sides(1, redis.url, per_user=1, user=by_query, name=name()) as (two,):
            async with sides(1, redis.url_behind(proxy), per_user=1, user=by_query, name=two.limits.name) as (one,):
                assert await one.connect()
                loop = asyncio.get_running_loop()
                began = loop.time()
                while loop.time() < began + 1.2:  # it lives
                    assert await two.connect() is None
                proxy.flowing.clear()
                await until(lambda: not one.counts.up)
                began = loop.time()
                while await two.connect() is None:
                    assert loop.time() < began + 20
                proxy.flowing.set()
                await one.back()
                assert await two.connect() is None


# ---- Away ----


@in_loop
async def test_without_redis_this_process_counts(redis: RedisProcess, caplog: pytest.LogCaptureFixture) -> None:
    limits: dict[str, Any] = {"per_user": 2, "user": by_query, "handshakes": Rate(5, per=10_000.0), "name": name()}
    with proxy_to(redis.port) as proxy, caplog.at_level(logging.WARNING, "wirefast.limits"):
        async with sides(2, redis.url_behind(proxy), **limits) as (one, two):
            first = await one.connect()
            assert first
            proxy.flowing.clear()  # slow: Redis takes what it is told, and says nothing
            loop = asyncio.get_running_loop()
            began = loop.time()
            second = await one.connect()
            assert second and loop.time() - began < 10 * processes.WITHIN
            began = loop.time()
            assert await one.connect() is None and loop.time() - began < processes.WITHIN
            assert await one.connect("bob") and await one.connect("bob")
            assert await one.connect("eve") is None and one.limits.refused == {"per_user": 1, "handshakes": 1}
            assert await two.connect() and await two.connect() and await two.connect() is None
            proxy.flowing.set()
            await one.back()
            await two.back()
            await until(lambda: len(told(caplog)) >= 4)
            assert (await members(one))[one.limits.shared._key("user", "ada")] == 4  # type: ignore[union-attr]
            await first.leave()
            await second.leave()
            assert await two.connect() is None and await one.connect(address="8.8.8.8") is None
    lines = told(caplog)
    assert sum("in this process alone until Redis is back: no answer within 0.25 s" in line for line in lines) == 2
    assert sum("counted by Redis again after" in line for line in lines) == 2


def told(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.getMessage() for record in caplog.records if record.getMessage().startswith("Limits are")]


@in_loop
async def test_redis_that_forgot_everything(redis: RedisProcess) -> None:
    async with sides(2, redis.url, per_user=2, user=by_query, name=name()) as (one, two):
        assert await one.connect() and await two.connect()
        answers = [await one.counts._commands.call("FLUSHALL"), await one.counts._commands.call("SCRIPT", "FLUSH")]  # type: ignore[union-attr]
        assert answers == [b"OK", b"OK"]
        assert await one.connect()  # by its own counts
        assert await two.connect()
        await one.back()
        await two.back()
        assert await one.connect() is None and await two.connect() is None
        assert list((await members(one)).values()) == [4]


@in_loop
async def test_an_eviction_that_was_not_heard_is_made_up_for(redis: RedisProcess) -> None:
    """The hub's connection is another one than that of the commands: when it was lost, everything is said anew."""
    async with sides(2, redis.url, per_user=1, user=by_query, evict="oldest", name=name()) as (one, two):
        first = await one.connect()
        assert first
        heard, one.hub._services = one.hub._services, {}
        second = await two.connect()
        assert second and await one.counts._commands.call("PING")  # type: ignore[union-attr]
        assert not first.closes
        one.hub._services = heard
        await one.counts._commands.call("CLIENT", "KILL", "TYPE", "PUBSUB")  # type: ignore[union-attr]
        await until(lambda: one.counts._epoch == two.counts._epoch == 2)
        await one.back()
        await two.back()
        third = await two.connect()
        assert third
        await until(lambda: first.closes and second.closes)
        assert (first.closes, second.closes, third.closes) == ([4409], [4409], [])


@in_loop
async def test_what_other_hubs_lost_is_no_eviction(redis: RedisProcess) -> None:
    """Another hub reports that it lost messages: Redis itself publishes evictions, over a link that has not ended."""
    async with sides(1, redis.url, per_user=1, user=by_query, evict="oldest", name=name()) as (side,):
        side.hub._lost([side.counts._room(side.counts._listener)])
        assert side.counts.up and side.counts._epoch == 1


@in_loop
async def test_a_claim_that_is_replaced_before_it_is_answered(redis: RedisProcess) -> None:
    async with sides(1, redis.url, per_user=1, user=by_query, evict="oldest", name=name()) as (side,):
        claim = side.counts.claim

        async def slowly(share: Any, *settings: Any) -> Any:
            found = await claim(share, *settings)
            side.counts._heard(f"{share.process}:{share.number}".encode())
            return found

        side.counts.claim = slowly  # type: ignore[method-assign]
        assert await side.connect() is None
        assert side.limits.open == 0 and side.counts._shares == {}


@pytest.mark.parametrize(
    "payload", [b"", b"x", b"\xff:1", b"a:b", b"0123456789abcdef.1:1", b":" * 100, b"1:" + b"9" * 100_000]
)
@in_loop
async def test_what_no_process_says_is_counted(redis: RedisProcess, payload: bytes) -> None:
    async with sides(1, redis.url, per_user=1, user=by_query, evict="oldest", name=name()) as (side,):
        socket = await side.connect()
        side.counts._heard(payload)
        assert side.hub.stats.malformed == 1 and socket and not socket.closes


@in_loop
async def test_the_number_of_waiting_commands_is_bounded(redis: RedisProcess, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(commands, "MAX_WAITING", 20)
    with proxy_to(redis.port) as proxy:
        async with sides(1, redis.url_behind(proxy), per_user=1, user=by_query, name=name()) as (side,):
            proxy.flowing.clear()
            found = await asyncio.gather(*(side.connect(str(number)) for number in range(21)))
            assert None not in found and not side.counts.up
            proxy.flowing.set()
            await side.back()
            assert list((await members(side)).values()) == [1] * 21


# ---- Declared and started ----


def test_what_a_store_is() -> None:
    with pytest.raises(TypeError, match="store of Limits takes a Hub, not str"):
        Limits(store="redis://localhost")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match=r'takes a Hub of Redis, such as Hub\("redis://..."\), not one of nats'):
        Limits(store=Hub("nats://localhost"))
    with pytest.raises(ValueError, match="name of Limits is for those with a store="):
        Limits(name="mine")
    hub = Hub("redis://localhost")
    limits = Limits(store=hub)
    with pytest.raises(ValueError, match="two Limits of this hub have the name 'limits'"):
        Limits(store=hub)
    assert Limits(store=hub, name="other").store is limits.store
    for bad in ("", "a:b", "x" * 101, "a\n", 1):
        with pytest.raises(ValueError, match="name of Limits takes 1 to 100 printable characters"):
            Limits(store=hub, name=bad)  # type: ignore[arg-type]


@in_loop
async def test_a_hub_that_is_not_started(redis: RedisProcess) -> None:
    side = Side(redis.url, per_user=1, user=by_query, name=name())
    with pytest.raises(RuntimeError, match="the store of these Limits is not started"):
        await side.open().task
    assert side.limits.open == 0


@in_loop
async def test_declared_too_late(redis: RedisProcess) -> None:
    async with Hub(redis.url) as hub:
        with pytest.raises(RuntimeError, match="declared before the hub starts"):
            Limits(store=hub)


@in_loop
async def test_one_process_needs_no_redis() -> None:
    async with sides(1, None, per_user=1, user=by_query, handshakes=MANY) as (side,):
        assert not side.counts.up
        first = await side.connect()
        assert first and await side.connect() is None
        await first.leave()
        assert await side.connect() and await side.connect() is None
        assert side.limits.refused == {"per_user": 1, "handshakes": 1}


@pytest.mark.parametrize("how", ["workers", "relay"])
@in_loop
async def test_several_workers_without_redis(how: str, monkeypatch: pytest.MonkeyPatch, short_path: Path) -> None:
    hub = Hub()
    Limits(store=hub)
    relay = LocalProcess(short_path)
    try:
        if how == "workers":
            under_gunicorn("2", monkeypatch)
        else:
            monkeypatch.setenv("WIREFAST_ROOMS", str(relay.path))
        with pytest.raises(RuntimeError, match="counts over several workers by Redis alone, and this hub has none"):
            await hub.start()
        assert not hub._running and hub._broker is None
    finally:
        relay.end()


@in_loop
async def test_redis_that_allows_rooms_alone(short_path: Path) -> None:
    server = RedisProcess(short_path, password="secret")
    try:
        side = Side(server.url, per_user=1, user=by_query)
        admin = Redis.from_url(server.url)
        await admin.execute_command("ACL", "SETUSER", "wirefast", "resetkeys", "-eval", "-evalsha", "-script")
        await admin.aclose()
        with pytest.raises(BrokerUnavailable, match="the shared limits' Redis: .*(NOPERM|no permissions)"):
            await side.hub.start()
        assert not side.hub._running
    finally:
        server.end()
