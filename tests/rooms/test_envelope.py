"""What hubs say to each other: the form, the numbers, and two hubs over a broker that is a list."""

from __future__ import annotations

import asyncio
import logging
from collections import OrderedDict
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wirefast.rooms import Hub, Policy, roster
from wirefast.rooms.brokers import Broker
from wirefast.rooms.envelope import BINARY, TEXT, Envelope, decode, encode
from wirefast.rooms.sequence import MAX_HEARD, MAX_SENT, SequenceLog, hear
from wirefast.testing import Live

names = st.lists(st.text(min_size=1, max_size=9).filter(str.isprintable), max_size=3)
keys = (
    st.none() | st.integers(-(2**53), 2**53) | st.text(max_size=9).filter(lambda text: text.isprintable() or not text)
)


@given(
    st.text(max_size=20).filter(str.isprintable), st.integers(1, 2**53), st.integers(0, 2**53), names,
    st.none() | st.sampled_from(["close", "conflate"]), keys, st.binary(max_size=50),
)  # fmt: skip
def test_there_and_back(hub: str, number: int, before: int, rooms: Any, policy: Any, key: Any, data: bytes) -> None:
    letter = Envelope(hub, number, before, BINARY, data, rooms, policy, key)
    assert decode(encode(letter)) == letter


def test_it_is_short() -> None:
    assert encode(Envelope("0123", 7, 6, TEXT, b'{"a":1}', [])) == b'["0123",7,6,"t"]\n{"a":1}'
    assert encode(Envelope("0123", 7, 6, TEXT, b"", [], None, "")) == b'["0123",7,6,"t",[],null,""]\n'


@pytest.mark.parametrize(
    "payload",
    [
        b"", b"hello", b"\n", b"{}\n", b"[]\n", b'["h",1,0]\n', b'["h",1,0,"t",[],null,null,1]\n',
        b'["h",1,0,"t",[],null,null,{},1]\n', b'[1,1,0,"t"]\n',
        b'["h","1",0,"t"]\n', b'["h",1,null,"t"]\n', b'["h",1,0,"x"]\n', b'["h",1,0,"t",["a",1]]\n',
        b'["h",1,0,"t",{}]\n', b'["h",1,0,"t",[],1]\n', b'["h",1,0,"t",[],null,[]]\n', b'["h",1,0,"t"]\n\xff',
        b'["h",1,0,"c"]\n\x03', b'["h",1,0,"c"]\n\x03\xe8\xff', b'["h",true,0,"t"]\n', b"\xff\n",
    ],
)  # fmt: skip
def test_what_no_hub_has_sent(payload: bytes) -> None:
    with pytest.raises(ValueError):
        decode(payload)


@given(st.binary(max_size=60))
def test_any_bytes_are_an_envelope_or_a_value_error(payload: bytes) -> None:
    try:
        decode(payload)
    except ValueError:
        pass


def test_the_numbers_of_a_link_are_bounded() -> None:
    link = SequenceLog()
    for number in range(MAX_SENT + 10):
        list(link.letters((f"room {number}",), TEXT, b""))
    assert [decode(payload).previous for _, payload in link.letters(("room 0", "room 4105"), TEXT, b"")] == [0, 4106]
    heard: OrderedDict[str, int] = OrderedDict()
    for number in range(MAX_HEARD + 5):
        assert hear(heard, Envelope(str(number), 1, 0, TEXT, b"", [])) == (True, False)
    assert len(heard) == MAX_HEARD
    assert hear(heard, Envelope("68", 5, 1, TEXT, b"", [])) == (True, False)
    assert hear(heard, Envelope("68", 5, 1, TEXT, b"", [])) == (False, False)
    assert hear(heard, Envelope("68", 9, 7, TEXT, b"", [])) == (True, True)


class Bus(Broker):
    """A broker in memory: what is published reaches all that are subscribed, when the test lets it go."""

    buses: dict[str, list[Bus]] = {}

    def __init__(self, url: str) -> None:
        self.others = self.buses.setdefault(url, [])
        self.rooms: list[str] = []
        self.waiting: list[tuple[str, bytes]] = []
        self.held = False
        self.confirm = asyncio.Event()
        self.confirm.set()

    async def start(self, deliver: Any, gap: Any) -> None:
        self.deliver, self.gap = deliver, gap
        self.others.append(self)

    async def stop(self) -> None:
        if self in self.others:  # a start that failed is stopped too
            self.others.remove(self)

    def subscribe(self, room: str) -> None:
        self.rooms.append(room)

    def unsubscribe(self, room: str) -> None:
        self.rooms.remove(room)

    async def subscribed(self, room: str) -> None:
        await self.confirm.wait()

    def publish(self, room: str, payload: bytes) -> None:
        self.waiting.append((room, payload))
        if not self.held:
            self.release()

    def release(self, *, but: int | None = None) -> None:
        for index, (room, payload) in enumerate(self.waiting):
            for other in self.others if index != but else ():
                if room in other.rooms:
                    other.deliver(room, payload)
        self.waiting.clear()

    async def flush(self) -> None: ...

    @property
    def connected(self) -> bool:
        return True

    @property
    def dropped(self) -> int:
        return 0


@pytest.fixture
def hubs(monkeypatch: pytest.MonkeyPatch) -> Any:
    """A coroutine function that gives two running hubs over one bus."""
    monkeypatch.setattr(roster, "make_broker", Bus)
    monkeypatch.setattr(Bus, "buses", {})

    async def make(**options: Any) -> tuple[Hub, Hub]:
        one, two = Hub("bus", **options), Hub("bus", **options)
        await one.start()
        await two.start()
        return one, two

    return make


def bus(hub: Hub) -> Bus:
    assert isinstance(hub._broker, Bus)
    return hub._broker


async def test_messages_reach_the_members_of_every_hub_once(live: Live, member_of: Any, hubs: Any) -> None:
    one, two = await hubs()
    here, there, both = [await member_of() for _ in range(3)]
    await one.join(["a", "b"], here.websocket)
    await two.join("a", there.websocket)
    await two.join(["b", "a"], both.websocket)
    assert await one.publish("a", "text") == 1
    assert await one.publish(["a", "b", "c"], b"bytes") == 1
    assert await two.publish(["b", "c"], {"n": 1}, exclude=both.websocket) == 0
    assert await one.publish("b", "second") == 1
    await live.settle()
    assert here.unread == ["text", b"bytes", '{"n":1}', "second"]
    assert there.unread == ["text", b"bytes"]
    assert both.unread == ["text", b"bytes", "second"]
    assert (one.stats.received, two.stats.received, one.stats.gaps, two.stats.gaps) == (1, 4, 0, 0)


async def test_a_room_is_subscribed_while_somebody_is_there(live: Live, member_of: Any, hubs: Any) -> None:
    one, _ = await hubs()
    sockets = [await member_of() for _ in range(3)]
    async with one.join("a", sockets[0].websocket), one.join(["a", "b"], sockets[1].websocket):
        assert bus(one).rooms == ["a", "b"]
    assert bus(one).rooms == []
    await one.join("a", sockets[2].websocket)
    sockets[2].reset()
    await live.settle()
    assert bus(one).rooms == []


async def test_joining_waits_for_the_broker_within_bounds(
    member_of: Any, live: Live, hubs: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    one, _ = await hubs()
    socket = await member_of()
    bus(one).confirm.clear()
    joining = asyncio.ensure_future(one.join("a", socket.websocket).__aenter__())
    await live.settle()
    assert not joining.done() and bus(one).rooms == ["a"]
    joining.cancel()
    with pytest.raises(asyncio.CancelledError):
        await joining
    assert bus(one).rooms == [] and one.stats.sockets == 0
    monkeypatch.setattr(roster, "JOIN_PATIENCE", 0.01)
    await one.join("a", socket.websocket)
    assert one.count("a") == 1


async def test_a_missing_message_is_a_gap(
    member_of: Any, live: Live, hubs: Any, caplog: pytest.LogCaptureFixture
) -> None:
    one, two = await hubs()
    socket = await member_of()
    await two.join(["a", "b"], socket.websocket)
    for round_ in range(3):
        bus(one).held = True
        for number in range(3):
            await one.publish("a", f"{round_}.{number}")
        bus(one).release(but=1)
    assert two.stats.gaps == 3
    # The broker says so itself, and the numbers do not say it again.
    bus(one).held = True
    await one.publish("a", "lost")
    bus(one).release(but=0)
    bus(two).gap(["a", "b", "nobody is there"])
    bus(one).held = False
    await one.publish("a", "whole again")
    await live.settle()
    assert two.stats.gaps == 5
    assert socket.unread == ["0.0", "0.2", "1.0", "1.2", "2.0", "2.2", "whole again"]
    assert [record.getMessage() for record in caplog.records if record.levelno >= logging.WARNING] == [
        f"Messages of other processes to room {name!r} may have been lost" for name in "ab"
    ]


@pytest.mark.parametrize("coroutine", [False, True])
async def test_the_handler_of_gaps(
    member_of: Any, live: Live, hubs: Any, coroutine: bool, caplog: pytest.LogCaptureFixture
) -> None:
    told: list[str] = []

    def plain(room: str) -> None:
        told.append(room)
        if room == "b":
            raise ValueError

    async def slow(room: str) -> None:
        await asyncio.sleep(0)
        plain(room)

    _, two = await hubs(on_gap=slow if coroutine else plain)
    socket = await member_of()
    await two.join(["a", "b", "c"], socket.websocket)
    with live.expect_exception(ValueError):
        bus(two).gap(["a", "b", "c"])
        await live.settle()
        await two.stop()
    assert told == ["a", "b", "c"]
    assert [record.getMessage() for record in caplog.records] == ["on_gap failed"]


async def test_what_is_none_of_ours_is_counted_and_logged_once(
    member_of: Any, live: Live, hubs: Any, caplog: pytest.LogCaptureFixture
) -> None:
    one, two = await hubs()
    socket = await member_of()
    await two.join("a", socket.websocket)
    for payload in (b"junk", b'["h",1,0,"t",[],"no such policy"]\nx', b""):
        bus(one).publish("a", payload)
    assert two.stats.malformed == 3
    await one.publish("a", "fine")
    await live.settle()
    assert socket.unread == ["fine"]
    assert len(caplog.records) == 1
    assert "The broker delivered to room 'a' what no hub has sent" in caplog.text


async def test_closing_a_room_everywhere(live: Live, member_of: Any, hubs: Any) -> None:
    one, two = await hubs()
    here, there = await member_of(), await member_of("Starlette's")
    await one.join("a", here.websocket)
    await two.join("a", there.websocket)
    assert await one.close("a", 4001, "é") == 1
    await live.settle()
    assert here.closed == there.closed == (4001, "é")
    assert bus(one).rooms == bus(two).rooms == []


async def test_policies_and_keys_travel(live: Live, member_of: Any, hubs: Any) -> None:
    one, two = await hubs()
    slow = await member_of()
    await two.join("prices", slow.websocket)
    slow.stall()
    for number in range(6):
        await one.publish("prices", str(number), policy="conflate", key=number % 2)
    await one.publish("prices", "kept", policy=Policy("drop_new", max_messages=2))
    slow.resume()
    await live.settle()
    # The name of the policy travels, its bounds are each hub's own.
    assert slow.unread == ["4", "5", "kept"]
    assert two.stats.dropped == 4


async def test_nobody_waits_for_a_message_from_elsewhere(live: Live, member_of: Any, hubs: Any) -> None:
    one, two = await hubs(policy=Policy("wait", max_messages=2))
    slow = await member_of()
    await two.join("a", slow.websocket)
    slow.stall()
    for number in range(3):
        await one.publish("a", str(number))
    await live.settle()
    assert (two.count("a"), two.stats.closed) == (0, 1)


async def test_a_hub_with_a_broker_must_be_started(member_of: Any, hubs: Any) -> None:
    await hubs()
    idle, socket = Hub("bus"), await member_of()
    for work in (idle.publish("a", "x"), idle.close("a"), idle._join(("a",), socket.websocket)):
        with pytest.raises(RuntimeError, match="this hub is not started: give it to App\\(hub=hub\\)"):
            await work
    for _ in range(2):
        async with idle:
            await idle.publish("a", "x")


async def test_a_broker_that_cannot_be_reached_ends_the_start(
    live: Live, hubs: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def fail(self: Bus, deliver: Any, gap: Any) -> None:
        raise ConnectionError("no route")

    with monkeypatch.context() as patch:
        patch.setattr(Bus, "start", fail)
        late = Hub("bus")
        with pytest.raises(ConnectionError):
            await late.start()
    async with late:
        assert await late.publish("a", "x") == 0
