"""Hub: publishing, closing, threads, life, mistakes; on our protocol and on any other ASGI server. Joining is in
test_roster.py, slow members are in test_hub_policies.py.
"""

from __future__ import annotations

import asyncio
import threading
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import BaseModel

import wirefast
from asgi import websocket_scope
from sockets import KINDS, open_socket, run, turns
from wirefast.rooms import Drop, Hub, Policy, Stats
from wirefast.testing import Live


class Note(BaseModel):
    text: str
    number: int = 1


async def test_everything_that_a_message_can_be(member: Any, live: Live) -> None:
    hub, one, two = Hub(), await member(), await member()
    async with hub.join("room", one.websocket), hub.join("room", two.websocket):
        for message in (
            "text",
            b"bytes",
            bytearray(b"more"),
            memoryview(b"yet"),
            {"a": [1]},
            Note(text="é"),
            None,
            7,
        ):
            assert await hub.publish("room", message) == 2
        await live.settle()
    expected = ["text", b"bytes", b"more", b"yet", '{"a":[1]}', '{"text":"é","number":1}', "null", "7"]
    assert one.unread == two.unread == expected


async def test_members_of_every_kind_share_a_room(member_of: Any, live: Live) -> None:
    hub, sockets = Hub(), [await member_of(kind) for kind in KINDS for _ in range(2)]
    for socket in sockets:
        await hub.join("room", socket.websocket)
    assert hub.count("room") == 6
    assert hub.members("room") == [socket.websocket for socket in sockets]
    for number in range(100):
        assert await hub.publish("room", {"n": number}) == 6
    await live.settle()
    assert all(socket.unread == [f'{{"n":{n}}}' for n in range(100)] for socket in sockets)


async def test_several_rooms_reach_each_socket_once_and_exclude_is_heeded(member: Any, live: Live) -> None:
    hub, sockets = Hub(), [await member() for _ in range(4)]
    a, b, both, other = sockets
    await hub.join("a", a.websocket)
    await hub.join("b", b.websocket)
    await hub.join(["a", "b"], both.websocket)
    await hub.join("other", other.websocket)
    assert await hub.publish(["a", "b", "a", "empty"], "each once") == 3
    assert await hub.publish("a", "not a", exclude=a.websocket) == 1
    assert await hub.publish(["a", "b"], "one", exclude=[a.websocket, both.websocket, other.websocket]) == 1
    assert await hub.publish("empty", "nobody") == 0
    await live.settle()
    assert [socket.unread for socket in sockets] == [
        ["each once"], ["each once", "one"], ["each once", "not a"], [],
    ]  # fmt: skip
    assert hub.stats == Stats(sockets=4, rooms=3, published=4, reached=5)


# ---- Closing, threads, life ----


async def test_closing_a_room(member: Any, live: Live) -> None:
    hub, sockets = Hub(), [await member() for _ in range(3)]
    for socket in sockets[:2]:
        await hub.join(["room", "other"], socket.websocket)
    await hub.join("other", sockets[2].websocket)
    await hub.publish("room", "last words")
    assert await hub.close("room", 4000, "closed for today") == 2
    assert (hub.count("room"), hub.count("other")) == (0, 1)
    await live.settle()
    for socket in sockets[:2]:
        assert (socket.unread, socket.closed) == (["last words"], (4000, "closed for today"))
        # What its handler still does is no error of its own making.
        with pytest.raises(wirefast.WebSocketDisconnect):
            await socket.websocket.send_text("anybody there?")
    assert (sockets[2].unread, sockets[2].closed) == ([], None)
    assert await hub.close("room") == 0


async def test_publishing_from_threads(member: Any, live: Live) -> None:
    async with Hub() as hub:
        socket = await member()
        await hub.join("room", socket.websocket)
        problems: list[BaseException] = []

        def work(name: str) -> None:
            try:
                for number in range(50):
                    assert hub.publish_from_thread("room", {name: number}) == 1
                with pytest.raises(ValueError, match="no policy"):
                    hub.publish_from_thread("room", "x", policy="other")
            except BaseException as exc:
                problems.append(exc)

        threads = [threading.Thread(target=work, args=(name,)) for name in "abc"]
        for thread in threads:
            thread.start()
        while any(thread.is_alive() for thread in threads):
            await asyncio.sleep(0.001)
        assert problems == []
        with pytest.raises(RuntimeError, match="this is the hub's own event loop: await hub.publish()"):
            hub.publish_from_thread("room", "x")
        await live.settle()
    for name in "abc":
        assert [m for m in socket.unread if name in m] == [f'{{"{name}":{n}}}' for n in range(50)]
    with pytest.raises(RuntimeError, match="this hub is not started"):
        hub.publish_from_thread("room", "x")


async def test_a_thread_does_not_wait_for_ever(live: Live) -> None:
    async with Hub() as hub:
        stuck = threading.Event()

        def work() -> None:
            with pytest.raises(TimeoutError):
                hub.publish_from_thread("room", "x", timeout=0.01)
            stuck.set()

        thread = threading.Thread(target=work)
        thread.start()
        # The loop is busy with something else.
        stuck.wait(20)
        thread.join(20)
        await live.settle()
        assert hub.stats.published == 0


def test_a_hub_lives_in_one_loop_at_a_time() -> None:
    hub = Hub()

    async def use() -> None:
        socket = await open_socket("ours")
        async with hub:
            await hub.join("room", socket.websocket)
            assert await hub.publish("room", "x") == 1
            with pytest.raises(RuntimeError, match="this hub runs already"):
                await hub.start()

            def elsewhere() -> None:
                with pytest.raises(RuntimeError, match="this hub belongs to another event loop"):
                    asyncio.run(hub.publish("room", "x"))

            await asyncio.get_running_loop().run_in_executor(None, elsewhere)
        assert hub.stats.sockets == 0
        # Unstarted, too.
        await hub.join("room", socket.websocket)
        assert await hub.publish("room", "y") == 1

    run(use)
    run(use)


async def test_stopping_takes_everybody_out_and_closes_nobody(member: Any, live: Live) -> None:
    hub, socket = Hub(), await member()
    async with hub:
        membership = hub.join("room", socket.websocket)
        await membership
    assert hub.stats.sockets == hub.stats.rooms == 0
    await membership.__aexit__(None, None, None)
    await socket.websocket.send_text("still here")
    await live.settle()
    assert socket.unread == ["still here"]


# ---- Bounds and mistakes ----


async def test_every_other_mistake_says_what_it_is(member: Any, live: Live) -> None:
    hub, socket = Hub(policy=Policy("close", max_bytes=100)), await member()
    early = wirefast.WebSocket(websocket_scope(), None, None)
    with pytest.raises(RuntimeError, match='Need to call "accept" before it joins a room'):
        await hub.join("room", early)
    for wrong in (None, object(), "room"):
        with pytest.raises(TypeError, match="expected a WebSocket, not"):
            await hub.join("room", wrong)  # type: ignore[arg-type]
    await hub.join("room", socket.websocket)
    with pytest.raises(TypeError, match="not JSON serializable"):
        await hub.publish("room", object())
    with pytest.raises(ValueError, match="a message of 101 bytes is larger than what may wait for one socket"):
        await hub.publish("room", "x" * 99)
    with pytest.raises(ValueError, match="'never' is no policy"):
        await hub.publish("room", "x", policy="never")
    with pytest.raises(TypeError, match="a key is a str or an int, not list"):
        await hub.publish("room", "x", key=[])  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="expected a WebSocket, not int"):
        await hub.publish("room", "x", exclude=[1])  # type: ignore[list-item]
    with pytest.raises(ValueError, match="1006 is not a close code that may be sent: those are 1000 to 1003, 1007"):
        await hub.close("room", 1006)
    with pytest.raises(TypeError, match="a close code is an int, not str"):
        await hub.close("room", "bye")  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="a reason is a str, not int"):
        await hub.close("room", 4000, 5)  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="exclude takes a WebSocket or several, not int"):
        await hub.publish("room", "x", exclude=5)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="the reason is longer than 123 bytes"):
        await hub.close("room", 1000, "é" * 62)
    await live.settle()
    assert socket.unread == []
    with pytest.raises(ValueError, match="max_rooms must be at least 1"):
        Hub(max_rooms=0)
    with pytest.raises(ValueError, match="'none' is no policy"):
        Hub(policy="none")
    with pytest.raises(ValueError, match="the URL of a broker begins with one of redis://"):
        Hub("smtp://localhost")


class _Hook:
    async def __call__(self, drop: Drop) -> None: ...


async def _hook(drop: Any) -> None: ...


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        ({"url": 5}, 'url takes a str such as "redis://localhost:6379/0", not int'),
        ({"max_rooms": "5"}, "max_rooms takes an int, not str"),
        ({"on_drop": 5}, "on_drop takes a function, not int"),
        ({"on_drop": _hook}, "on_drop takes a plain function, not a coroutine function"),
        ({"on_drop": _Hook()}, "on_drop takes a plain function, not a coroutine function"),
        ({"on_gap": "log"}, "on_gap takes a function, not str"),
    ],
)
def test_a_hub_refuses_arguments_of_other_types(arguments: dict[str, Any], text: str) -> None:
    with pytest.raises(TypeError, match=f"^{text}$"):
        Hub(**arguments)


async def test_the_policy_of_a_room_is_asked_for_when_it_comes_to_life(member_of: Any) -> None:
    asked: list[str] = []

    def choose(room: str) -> str:
        asked.append(room)
        return "drop_old" if room.startswith("price") else "what"

    hub, socket = Hub(policy=choose), await member_of()
    async with hub.join("price", socket.websocket):
        await hub.publish("price", "x")
        await hub.publish("price", "x")
    assert asked == ["price"]
    with pytest.raises(ValueError, match="'what' is no policy"):
        await hub.join("news", socket.websocket)
    assert hub.stats.rooms == hub.stats.sockets == 0


steps = st.lists(
    st.one_of(
        st.tuples(st.just("join"), st.integers(0, 4), st.lists(st.sampled_from("abcd"), min_size=1, max_size=3)),
        st.tuples(st.just("leave"), st.integers(0, 4), st.sampled_from("abcd")),
        st.tuples(st.just("publish"), st.lists(st.sampled_from("abcd"), min_size=1, max_size=4), st.integers(0, 5)),
        st.tuples(st.just("end"), st.integers(0, 4)),
        st.tuples(st.just("close"), st.sampled_from("abcd")),
    ),
    max_size=40,
)


@settings(max_examples=60, deadline=None)
@given(steps, st.sampled_from(KINDS))
def test_any_sequence_against_plain_sets(sequence: list[tuple[Any, ...]], kind: str) -> None:
    async def scenario() -> None:
        hub, sockets = Hub(), [await open_socket(kind) for _ in range(5)]
        rooms: dict[str, set[int]] = {name: set() for name in "abcd"}
        expected: list[list[str]] = [[] for _ in sockets]
        ended: set[int] = set()

        def end(number: int) -> None:
            ended.add(number)
            for members in rooms.values():
                members.discard(number)

        for serial, step in enumerate(sequence):
            if step[0] == "join":
                await hub.join(step[2], sockets[step[1]].websocket)
                for name in step[2]:
                    rooms[name] |= {step[1]} - ended
            elif step[0] == "leave":
                hub.leave(step[2], sockets[step[1]].websocket)
                rooms[step[2]].discard(step[1])
            elif step[0] == "end" and step[1] not in ended:
                await sockets[step[1]].websocket.close()
                end(step[1])
            elif step[0] == "close":
                members = set(rooms[step[1]])
                assert await hub.close(step[1]) == len(members)
                for number in members:
                    end(number)
            elif step[0] == "publish":
                excluded = [sockets[step[2]].websocket] if step[2] < 5 else None
                reached = set().union(*(rooms[name] for name in step[1])) - {step[2]}
                assert await hub.publish(step[1], str(serial), exclude=excluded) == len(reached)
                for number in reached:
                    expected[number].append(str(serial))
        await turns(60)
        assert [socket.messages for socket in sockets] == expected
        for name, members in rooms.items():
            assert hub.count(name) == len(members)
            assert set(hub.members(name)) == {sockets[number].websocket for number in members}

    run(scenario)
