"""Hub: publishing, each policy, closing; on our protocol and on any other ASGI server. Joining is in test_roster.py."""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
import starlette.websockets
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import BaseModel

import wirefast
from asgi import websocket_scope
from sockets import KINDS, open_socket, turns
from wirefast.rooms import Drop, Hub, Policy, Stats

Scenario = Callable[..., Awaitable[None]]


def run(scenario: Callable[[], Awaitable[None]]) -> None:
    asyncio.run(asyncio.wait_for(scenario(), 60))  # type: ignore[arg-type]


@pytest.fixture(autouse=True)
def _no_access_log(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.WARNING, "uvicorn.error")


@pytest.fixture(params=KINDS)
def kind(request: pytest.FixtureRequest) -> str:
    return request.param


class Note(BaseModel):
    text: str
    number: int = 1


def test_everything_that_a_message_can_be(kind: str) -> None:
    async def scenario() -> None:
        hub, one, two = Hub(), await open_socket(kind), await open_socket(kind)
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
            await turns(40)
        expected = ["text", b"bytes", b"more", b"yet", '{"a":[1]}', '{"text":"é","number":1}', "null", "7"]
        assert one.messages == two.messages == expected

    run(scenario)


def test_members_of_every_kind_share_a_room() -> None:
    async def scenario() -> None:
        hub, sockets = Hub(), [await open_socket(kind) for kind in KINDS for _ in range(2)]
        for socket in sockets:
            await hub.join("room", socket.websocket)
        assert hub.count("room") == 6
        assert hub.members("room") == [socket.websocket for socket in sockets]
        for number in range(100):
            assert await hub.publish("room", {"n": number}) == 6
        await turns(300)
        assert all(socket.messages == [f'{{"n":{n}}}' for n in range(100)] for socket in sockets)

    run(scenario)


def test_several_rooms_reach_each_socket_once_and_exclude_is_heeded(kind: str) -> None:
    async def scenario() -> None:
        hub, sockets = Hub(), [await open_socket(kind) for _ in range(4)]
        a, b, both, other = sockets
        await hub.join("a", a.websocket)
        await hub.join("b", b.websocket)
        await hub.join(["a", "b"], both.websocket)
        await hub.join("other", other.websocket)
        assert await hub.publish(["a", "b", "a", "empty"], "each once") == 3
        assert await hub.publish("a", "not a", exclude=a.websocket) == 1
        assert await hub.publish(["a", "b"], "one", exclude=[a.websocket, both.websocket, other.websocket]) == 1
        assert await hub.publish("empty", "nobody") == 0
        await turns()
        assert [socket.messages for socket in sockets] == [
            ["each once"], ["each once", "one"], ["each once", "not a"], [],
        ]  # fmt: skip
        assert hub.stats == Stats(sockets=4, rooms=3, published=4, reached=5)

    run(scenario)


# ---- Slow members ----


async def room_of(kind: str, hub: Hub) -> tuple[Any, Any]:
    """One that reads and one that does not, with one message on its way to it where the server holds that."""
    slow, healthy = await open_socket(kind), await open_socket(kind)
    for socket in (slow, healthy):
        await hub.join("room", socket.websocket)
    slow.stall()
    if kind != "ours":
        await hub.publish("room", "in flight")
        await turns()
    return slow, healthy


def texts(socket: Any) -> list[str]:
    return [message for message in socket.messages if message != "in flight"]


def numbers(*parts: Any) -> list[str]:
    return [str(number) for part in parts for number in part]


@pytest.mark.parametrize(
    ("name", "expected", "reached"),
    [
        ("drop_new", numbers(range(3)), 13),
        ("drop_old", numbers(range(7, 10)), 20),
        ("conflate", numbers([8, 9]), 20),
    ],
)
@pytest.mark.parametrize("place", ["hub", "room", "call"])
def test_the_dropping_policies(kind: str, name: str, expected: list[str], reached: int, place: str) -> None:
    async def scenario() -> None:
        policy, drops = Policy(name, max_messages=3), []
        choices: dict[str, Any] = {"hub": policy, "room": lambda room: policy if room == "room" else "close"}
        hub = Hub(policy=choices.get(place, "close"), on_drop=drops.append)
        slow, healthy = await room_of(kind, hub)
        before = hub.stats.reached
        call = {"policy": policy} if place == "call" else {}
        total = sum([await hub.publish("room", str(n), key=n % 2, **call) for n in range(10)])
        await turns(50)
        assert texts(healthy) == numbers(range(10))
        assert total == hub.stats.reached - before == reached
        dropped = 10 - len(expected)
        assert (hub.stats.dropped, hub.stats.dropped_bytes) == (dropped, 3 * dropped)
        assert drops == [Drop(slow.websocket, ("room",), name, 1, 3)] * dropped
        slow.resume()
        await turns(50)
        assert texts(slow) == expected
        assert await hub.publish("room", "again") == 2
        await turns()
        assert texts(slow)[-1] == "again"

    run(scenario)


def test_the_policy_close_is_the_default_and_says_why(kind: str) -> None:
    async def scenario() -> None:
        drops: list[Drop] = []
        hub = Hub(on_drop=drops.append)
        slow, healthy = await room_of(kind, hub)
        reached = [await hub.publish("room", str(n)) for n in range(1026)]
        assert reached == [2] * 1024 + [1] * 2
        assert hub.members("room") == [healthy.websocket]
        assert (hub.stats.closed, hub.stats.ended, hub.stats.dropped) == (1, 1, 1025)
        assert [(drop.policy, drop.messages) for drop in drops] == [("close", 1025)]
        slow.resume()
        await turns(20)
        assert texts(slow) == []
        assert slow.closed[0] == 1013
        assert slow.closed[1].startswith("too slow: 1024 messages, ")
        await turns(1200)
        assert texts(healthy) == numbers(range(1026))

    run(scenario)


def test_bytes_are_a_bound_too(kind: str) -> None:
    async def scenario() -> None:
        hub = Hub(policy=Policy("drop_old", max_bytes=10_000))
        slow, healthy = await room_of(kind, hub)
        for number in range(100):
            await hub.publish("room", f"{number:03}" + "x" * 997)
            box = slow.websocket.buffered if hasattr(slow.websocket, "buffered") else None
            assert box is None or box.bytes <= 10_000
        slow.resume()
        await turns(30)
        assert [message[:3] for message in texts(slow)] == [f"{number:03}" for number in range(91, 100)]

    run(scenario)


def test_waiting_for_a_slow_member(kind: str) -> None:
    async def scenario() -> None:
        hub = Hub(policy=Policy("wait", max_messages=2, deadline=30))
        slow, healthy = await room_of(kind, hub)
        assert [await hub.publish("room", str(n)) for n in range(2)] == [2, 2]
        waiting = [asyncio.create_task(hub.publish("room", str(n))) for n in range(2, 7)]
        await turns(30)
        assert not any(task.done() for task in waiting)
        # The others have it at once.
        assert texts(healthy) == numbers(range(7))
        cancelled = waiting.pop(1)
        cancelled.cancel()
        await turns()
        slow.resume()
        assert await asyncio.gather(*waiting) == [2] * 4
        await turns(30)
        assert texts(slow) == numbers([0, 1, 2], range(4, 7))
        assert cancelled.cancelled()
        assert (hub.stats.dropped, hub.stats.closed) == (0, 0)
        assert await hub.publish("room", "more") == 2

    run(scenario)


def test_waiting_ends_at_the_deadline_or_with_the_socket(kind: str) -> None:
    async def scenario() -> None:
        hub = Hub(policy=Policy("wait", max_messages=1, deadline=0.05))
        lost = await open_socket(kind)
        await hub.join("room", lost.websocket)
        lost.stall()
        slow, healthy = await room_of(kind, hub)
        assert await hub.publish("room", "0") == 3
        late = asyncio.create_task(hub.publish("room", "1"))
        await turns()
        if kind == "ours":
            lost.lose()
            await turns()
        assert await late == 1
        assert hub.stats.closed == (1 if kind == "ours" else 2)
        assert hub.members("room") == [healthy.websocket]
        slow.resume()
        await turns(20)
        assert slow.closed[0] == 1013

    run(scenario)


def test_a_publisher_cancelled_before_its_turn_leaves_the_line(kind: str) -> None:
    async def scenario() -> None:
        hub = Hub(policy=Policy("wait", max_messages=1, deadline=30))
        slow, _ = await room_of(kind, hub)
        await hub.publish("room", "0")
        task = asyncio.create_task(hub.publish("room", "given up"))
        await asyncio.sleep(0)
        task.cancel()
        await turns()
        slow.resume()
        await turns()
        assert await asyncio.wait_for(hub.publish("room", "1"), 20) == 2
        await turns()
        assert texts(slow) == ["0", "1"]

    run(scenario)


def test_the_order_among_plain_sends_and_published_messages(kind: str) -> None:
    async def scenario() -> None:
        hub = Hub()
        socket, _ = await room_of(kind, hub)
        sends = []
        for number in range(12):
            if number % 3 == 1:
                sends.append(asyncio.create_task(socket.websocket.send_text(str(number))))
                await turns(2)
            else:
                await hub.publish("room", str(number))
        assert not any(task.done() for task in sends)
        socket.resume()
        await asyncio.gather(*sends)
        await hub.publish("room", "12")
        await socket.websocket.send_text("13")
        await turns(40)
        assert texts(socket) == numbers(range(14))

    run(scenario)


def test_a_plain_send_behind_a_peer_that_is_lost_fails(kind: str) -> None:
    async def scenario() -> None:
        hub = Hub()
        socket, _ = await room_of(kind, hub)
        await hub.publish("room", "waits")
        send = asyncio.create_task(socket.websocket.send_text("too"))
        await turns()
        socket.lose()
        with pytest.raises(wirefast.WebSocketDisconnect):
            await asyncio.wait_for(send, 20)

    run(scenario)


def test_a_closed_room_closes_a_slow_member_behind_what_waits_for_it(kind: str) -> None:
    async def scenario() -> None:
        hub = Hub()
        slow, healthy = await room_of(kind, hub)
        for number in range(3):
            await hub.publish("room", str(number))
        assert await hub.close("room", 4001, "over") == 2
        await turns(30)
        slow.resume()
        await turns(30)
        assert texts(slow) == texts(healthy) == numbers(range(3))
        assert slow.closed == healthy.closed == (4001, "over")

    run(scenario)


def test_one_broken_member_does_not_break_the_loop(kind: str, caplog: pytest.LogCaptureFixture) -> None:
    class Broken(starlette.websockets.WebSocket):
        async def send(self, message: Any) -> None:
            if message["type"] == "websocket.send":
                raise ZeroDivisionError
            await super().send(message)

    async def scenario() -> None:
        hub, socket = Hub(), await open_socket(kind)
        bad = await open_socket("Starlette's")
        bad.websocket.__class__ = Broken
        await hub.join("room", bad.websocket)
        await hub.join("room", socket.websocket)
        for _ in range(3):
            await hub.publish("room", "x")
            await turns()
        assert socket.messages == ["x"] * 3
        assert hub.members("room") == [socket.websocket]

    run(scenario)
    assert [record.getMessage() for record in caplog.records] == ["Sending to a WebSocket failed"]


def test_a_subclass_with_its_own_send_is_respected() -> None:
    class Loud(wirefast.WebSocket):
        async def send(self, message: Any) -> None:
            if "text" in message:
                message = {**message, "text": message["text"].upper()}
            await super().send(message)

    async def scenario() -> None:
        hub, sent = Hub(), []

        async def receive() -> Any:
            return {"type": "websocket.connect"}

        async def send(message: Any) -> None:
            sent.append(message)

        websocket = Loud(websocket_scope(), receive, send)
        await websocket.accept()
        await hub.join("room", websocket)
        await hub.publish("room", "loud")
        await turns()
        await websocket.send_text("plain")
        assert [message.get("text") for message in sent] == [None, "LOUD", "PLAIN"]

    run(scenario)


def test_a_hook_that_fails_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    """With one traceback at first and a few later: one slow client calls it thousands of times."""

    async def scenario() -> None:
        hub = Hub(policy=Policy("drop_new", max_messages=1), on_drop=lambda drop: 1 // 0)
        await room_of("ours", hub)
        assert [await hub.publish("room", "x") for _ in range(3)] == [2, 1, 1]
        for _ in range(198):
            await hub.publish("room", "x")
        assert hub.stats.dropped == 200

    run(scenario)
    said = ["on_drop failed", "on_drop failed, for the 10th time", "on_drop failed, for the 100th time"]
    assert [record.getMessage() for record in caplog.records] == said
    assert all(record.exc_info is not None for record in caplog.records)


# ---- Closing, threads, life ----


def test_closing_a_room(kind: str) -> None:
    async def scenario() -> None:
        hub, sockets = Hub(), [await open_socket(kind) for _ in range(3)]
        for socket in sockets[:2]:
            await hub.join(["room", "other"], socket.websocket)
        await hub.join("other", sockets[2].websocket)
        await hub.publish("room", "last words")
        assert await hub.close("room", 4000, "closed for today") == 2
        assert (hub.count("room"), hub.count("other")) == (0, 1)
        await turns(20)
        for socket in sockets[:2]:
            assert (socket.messages, socket.closed) == (["last words"], (4000, "closed for today"))
            # What its handler still does is no error of its own making.
            with pytest.raises(wirefast.WebSocketDisconnect):
                await socket.websocket.send_text("anybody there?")
        assert (sockets[2].messages, sockets[2].closed) == ([], None)
        assert await hub.close("room") == 0

    run(scenario)


def test_closing_behind_what_waits(kind: str) -> None:
    async def scenario() -> None:
        hub = Hub()
        slow, healthy = await room_of(kind, hub)
        for number in range(5):
            await hub.publish("room", str(number))
        assert await hub.close("room", 1001) == 2
        assert await hub.publish("room", "too late") == 0
        await slow.websocket.close()
        slow.resume()
        await turns(30)
        assert (texts(slow), slow.closed) == (numbers(range(5)), (1001, ""))

    run(scenario)


def test_publishing_from_threads(kind: str) -> None:
    async def scenario() -> None:
        async with Hub() as hub:
            socket = await open_socket(kind)
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
            await turns(20)
        for name in "abc":
            assert [m for m in socket.messages if name in m] == [f'{{"{name}":{n}}}' for n in range(50)]
        with pytest.raises(RuntimeError, match="this hub is not started"):
            hub.publish_from_thread("room", "x")

    run(scenario)


def test_a_thread_does_not_wait_for_ever() -> None:
    async def scenario() -> None:
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
            await turns()
            assert hub.stats.published == 0

    run(scenario)


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


def test_stopping_takes_everybody_out_and_closes_nobody(kind: str) -> None:
    async def scenario() -> None:
        hub, socket = Hub(), await open_socket(kind)
        async with hub:
            membership = hub.join("room", socket.websocket)
            await membership
        assert hub.stats.sockets == hub.stats.rooms == 0
        await membership.__aexit__(None, None, None)
        await socket.websocket.send_text("still here")
        await turns()
        assert socket.messages == ["still here"]

    run(scenario)


# ---- Bounds and mistakes ----


def test_every_other_mistake_says_what_it_is(kind: str) -> None:
    async def scenario() -> None:
        hub, socket = Hub(policy=Policy("close", max_bytes=100)), await open_socket(kind)
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
        await turns()
        assert socket.messages == []

    run(scenario)
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


def test_the_policy_of_a_room_is_asked_for_when_it_comes_to_life() -> None:
    async def scenario() -> None:
        asked: list[str] = []

        def choose(room: str) -> str:
            asked.append(room)
            return "drop_old" if room.startswith("price") else "what"

        hub, socket = Hub(policy=choose), await open_socket("ours")
        async with hub.join("price", socket.websocket):
            await hub.publish("price", "x")
            await hub.publish("price", "x")
        assert asked == ["price"]
        with pytest.raises(ValueError, match="'what' is no policy"):
            await hub.join("news", socket.websocket)
        assert hub.stats.rooms == hub.stats.sockets == 0

    run(scenario)


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
