"""Who is in which rooms: joining, leaving, every end of a socket, names and bounds; and nothing stays of what ended."""

from __future__ import annotations

import asyncio
import gc
import random
from typing import Any

import pytest

from slower import SLOWER
from sockets import open_socket, run, turns
from wirefast.rooms import Hub, Stats, TooManyRooms
from wirefast.testing import Live


async def test_joining_counts_and_leaving_leaves_nothing_behind(member: Any, live: Live) -> None:
    hub, socket = Hub(), await member()
    async with hub.join("room", socket.websocket):
        async with hub.join(["room", "second"], socket.websocket):
            assert (hub.count("room"), hub.count("second")) == (1, 1)
        assert (hub.count("room"), hub.count("second")) == (1, 0)
        await hub.join("room", socket.websocket)
    assert hub.count("room") == 1
    hub.leave("room", socket.websocket)
    hub.leave(["room", "never"], socket.websocket)
    assert hub.members("room") == []
    assert hub.stats == Stats()
    assert await hub.publish("room", "nobody hears it") == 0
    # leave() inside a block: the block's end does no harm.
    async with hub.join("room", socket.websocket):
        await hub.join("room", socket.websocket)
        hub.leave("room", socket.websocket)
        assert hub.count("room") == 0
    assert hub.stats.rooms == hub.stats.sockets == 0
    await live.settle()
    assert socket.unread == []


@pytest.mark.parametrize("end", ["close", "reset", "handler"])
async def test_a_socket_that_ends_has_left(member: Any, live: Live, end: str) -> None:
    hub, socket, other = Hub(), await member(), await member()
    await hub.join(["a", "b"], socket.websocket)
    await hub.join("a", other.websocket)
    if end == "handler":
        await socket.websocket.close()
    else:
        await socket.close() if end == "close" else socket.reset()
    await live.settle()
    # A server of ASGI does not tell; the next message shows it.
    for _ in range(3):
        await hub.publish("a", "x")
        await live.settle()
    assert (hub.count("a"), hub.members("a")) == (1, [other.websocket])
    assert hub.stats.ended == 1
    assert hub.count("b") == 0
    assert other.unread == ["x"] * 3
    await hub.join("a", socket.websocket)
    assert hub.count("a") == 1


async def test_a_websocket_that_its_handler_let_go_of_has_left(member_of: Any) -> None:
    hub, socket = Hub(), await member_of("Starlette's")
    await hub.join("room", socket.websocket)
    await socket.close()
    assert hub.count("room") == 1
    del socket.websocket
    gc.collect()
    assert hub.stats.sockets == hub.stats.rooms == 0


@pytest.mark.parametrize(
    ("name", "error", "text"),
    [
        ("", ValueError, "a room's name has 1 to 200 printable characters, which '' has not"),
        ("x" * 201, ValueError, "a room's name has 1 to 200 printable characters, which 'xxx"),
        ("a\nb", ValueError, "which 'a\\\\nb' has not"),
        ("\ud800", ValueError, "printable"),
        (7, TypeError, "a room's name is a str, not int"),
        (None, TypeError, "a room's name is a str, not NoneType"),
        ([7], TypeError, "a room's name is a str, not int"),
        ([], ValueError, "no room is named"),
        (["fine", ["no"]], TypeError, "a room's name is a str, not list"),
        (b"room", TypeError, "a room's name is a str, not bytes"),
        (["fine", ""], ValueError, "printable"),
    ],
)
async def test_names_are_checked_everywhere(member_of: Any, name: Any, error: type[Exception], text: str) -> None:
    hub, socket = Hub(), await member_of()
    for call in (
        lambda: hub.join(name, socket.websocket),
        lambda: hub.leave(name, socket.websocket),
        lambda: hub.members(name),
        lambda: hub.count(name),
    ):
        with pytest.raises(error, match=text):
            call()
    with pytest.raises(error, match=text):
        await hub.publish(name, "x")
    with pytest.raises(error, match=text):
        await hub.close(name)
    assert hub.stats == Stats()


async def test_a_forgotten_await_is_told(member_of: Any) -> None:
    hub, socket = Hub(), await member_of()
    with pytest.warns(RuntimeWarning, match=r"^hub\.join\(\) was never awaited, so nothing joined") as warned:
        hub.join("room", socket.websocket)
    assert [(each.filename, each.source) for each in warned] == [(__file__, None)]
    assert hub.count("room") == 0
    # Any warning is an error here, so these are silent.
    await hub.join("room", socket.websocket)
    async with hub.join("room", socket.websocket):
        pass
    await asyncio.gather(hub.join("room", socket.websocket), hub.join("other", socket.websocket))
    with pytest.raises(TypeError, match="takes `async with`, not `with`"), hub.join("room", socket.websocket):
        pass
    with pytest.raises(TypeError, match="expected a WebSocket, not int"):
        await hub.join("room", 5)  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="a room's name"):
        hub.join(5, socket.websocket)  # type: ignore[arg-type]


async def test_any_printable_name_will_do(member_of: Any) -> None:
    hub, socket = Hub(), await member_of()
    for name in ("x" * 200, "ü", "room:1/2 three", "*", "日本"):
        async with hub.join(name, socket.websocket):
            assert await hub.publish(name, name) == 1


async def test_rooms_of_a_socket_are_bounded(member: Any) -> None:
    hub, socket = Hub(max_rooms=3), await member()
    await hub.join(["a", "b", "c"], socket.websocket)
    await hub.join(["a", "c"], socket.websocket)
    with pytest.raises(TooManyRooms, match="a socket may be in 3 rooms"):
        await hub.join(["a", "d"], socket.websocket)
    assert hub.stats.rooms == 3
    hub.leave("b", socket.websocket)
    await hub.join("d", socket.websocket)


def test_twenty_thousand_joins_of_random_names_leave_nothing(kind: str) -> None:
    async def scenario() -> None:
        hub, sockets = Hub(), [await open_socket(kind) for _ in range(5)]
        chance = random.Random(6)

        async def churn(count: int) -> None:
            for _ in range(count):
                name = f"{chance.getrandbits(64):x}"
                async with hub.join(name, chance.choice(sockets).websocket):
                    pass

        await churn(1000)
        gc.collect()
        before = len(gc.get_objects())
        await churn(20_000)
        gc.collect()
        assert len(gc.get_objects()) - before < SLOWER * 100
        assert hub.stats.rooms == hub.stats.sockets == 0

    run(scenario)


def test_sockets_that_come_and_go_leave_nothing(kind: str) -> None:
    async def scenario() -> None:
        hub = Hub()

        async def churn(count: int) -> None:
            for number in range(count):
                socket = await open_socket(kind)
                await hub.join(f"room {number % 3}", socket.websocket)
                await hub.publish(f"room {number % 3}", "x")
                await turns(3)
                socket.close() if number % 2 else socket.lose()
                await turns(3)
                await hub.publish([f"room {n}" for n in range(3)], "y")
                await turns(3)

        await churn(50)
        gc.collect()
        before = len(gc.get_objects())
        await churn(300)
        gc.collect()
        # Far less than one object a socket.
        assert len(gc.get_objects()) - before < SLOWER * 100
        assert hub.stats.sockets == 0

    run(scenario)
