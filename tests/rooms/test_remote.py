"""What a broker may deliver: anything. The checks of ``publish`` and ``close`` hold for it, and it costs little."""

from __future__ import annotations

import asyncio
import json
import logging
import time
from collections import OrderedDict
from typing import Any

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from memory_broker import MemoryBroker, Network
from slower import SLOWER
from sockets import open_socket, turns
from wirefast._core.fanout import MAX_KEY
from wirefast.rooms import Hub, Policy, gaps
from wirefast.rooms.brokers import nats, notices
from wirefast.rooms.brokers.link import MESSAGES_IN_A_TURN, TurnBudget
from wirefast.rooms.brokers.outgoing import NOTICES
from wirefast.rooms.envelope import CLOSE, MAX_HEAD, MAX_SEQUENCE, TEXT, Envelope, TooLarge, decode, encode
from wirefast.rooms.models import MAX_NAME, MAX_ROOMS_AT_ONCE
from wirefast.rooms.sequence import hear

KINDS = ["ours", "ours by ASGI", "Starlette's"]


def run(scenario: Any) -> None:
    asyncio.run(asyncio.wait_for(scenario(), 60))


def line(*head: Any, data: bytes = b"x") -> bytes:
    return json.dumps(head).encode() + b"\n" + data


class Delivered:
    """A hub on whose broker the test may publish anything, with one member of the room "a"."""

    def __init__(self, kind: str = "ours", **options: Any) -> None:
        self.kind = kind
        self.network = Network()
        self.hub = Hub(**options)

    async def __aenter__(self) -> Delivered:
        self.hub._url = "memory://"
        self.broker = self.hub._broker = MemoryBroker(self.network)
        await self.hub.start()
        self.socket = await open_socket(self.kind)
        await self.hub.join("a", self.socket.websocket)
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.hub.stop()

    async def __call__(self, *payloads: bytes, room: str = "a") -> Delivered:
        for payload in payloads:
            self.network.send(room, payload)
        await turns()
        return self

    @property
    def counts(self) -> tuple[int, int, int, int]:
        stats = self.hub.stats
        return stats.received, stats.malformed, stats.refused, stats.gaps


# ---- What each field may hold ----

NESTED = b"[" * 100_000
FORGED = [
    # Sequences: out of range, no integers, more digits than any integer here.
    line("h", 2**63, 0, "t"), line("h", 2**64, 0, "t"), b'["h",1' + b"0" * 400 + b',0,"t"]\nx', line("h", -1, 0, "t"),
    line("h", 0, 0, "t"), line("h", MAX_SEQUENCE + 1, 0, "t"), line("h", 1.5, 0, "t"), line("h", True, 0, "t"),
    line("h", 1, -1, "t"), line("h", 1, 2**63, "t"), line("h", 1, 0.0, "t"), b'["h",NaN,0,"t"]\nx',
    b'["h",1e999,0,"t"]\nx',
    # Hubs and kinds.
    line("h" * 65, 1, 0, "t"), line(None, 1, 0, "t"), line(["h"], 1, 0, "t"), line("h", 1, 0, "x"),
    line("h", 1, 0, "tt"), line("h", 1, 0, ["t"]), line("h", 1, 0, None), b'["\\ud800",1,0,"t"]\nx',
    # Names of rooms: those of no room, too many, and a list that has not this one.
    line("h", 1, 0, "t", [""]), line("h", 1, 0, "t", ["a", "x" * (MAX_NAME + 1)]), line("h", 1, 0, "t", ["a", "\n"]),
    line("h", 1, 0, "t", ["b", "c"]), line("h", 1, 0, "t", ["a", None]), line("h", 1, 0, "t", {"a": 1}),
    line("h", 1, 0, "t", "a"), line("h", 1, 0, "t", ["a", *(str(n) for n in range(MAX_ROOMS_AT_ONCE))]),
    line("h", 1, 0, "t", ["a", ["a"]]), b'["h",1,0,"t",["a","\\ud800"]]\nx',
    # Policies and keys.
    line("h", 1, 0, "t", [], "keep"), line("h", 1, 0, "t", [], 1), line("h", 1, 0, "t", [], "close" * 9999),
    line("h", 1, 0, "t", [], None, "k" * (MAX_KEY + 1)), line("h", 1, 0, "t", [], None, 1.5),
    line("h", 1, 0, "t", [], None, True),
    b'["h",1,0,"t",[],null,18446744073709551616]\nx', line("h", 1, 0, "t", [], None, {"k": 1}),
    # Closings: codes that no frame may have, reasons that no frame has room for.
    *(line("h", 1, 0, "c", data=code.to_bytes(2, "big")) for code in (0, 999, 1004, 1005, 1006, 1015, 2999, 5000)),
    line("h", 1, 0, "c", data=b"\xff\xff"), line("h", 1, 0, "c", data=b""), line("h", 1, 0, "c", data=b"\x03"),
    line("h", 1, 0, "c", data=b"\x03\xe8" + b"x" * 124),
    line("h", 1, 0, "c", data=b"\x03\xe8\xff"), line("h", 1, 0, "c", data=b"\x03\xe8\xed\xa0\x80"),
    # Text that is none.
    line("h", 1, 0, "t", data=b"\xff"), line("h", 1, 0, "t", data=b"\xed\xa0\x80"),
    line("h", 1, 0, "t", data=b"\xc0\x80"),
    # Other forms, a version to come, and depth.
    b"", b"\n", b"null\n", b"{}\n", b'"h"\n', b"[]\n", line("h", 1, 0), line("h", 1, 0, "t", [], None, None, 2), NESTED,
    NESTED + b"\n", b'["h",1,0,"t",' + NESTED + b"\n", b"\xff\n", b"\x00\n", b'["h",1,0,"t"]',
    b'["h",1,0,"t"' + b" " * MAX_HEAD + b"]\nx",
]  # fmt: skip


@pytest.mark.parametrize("payload", FORGED, ids=lambda payload: repr(payload[:40]))
def test_no_field_is_believed(payload: bytes, caplog: pytest.LogCaptureFixture) -> None:
    async def scenario() -> None:
        async with Delivered() as there:
            await there(payload, line("h", 7, 0, "t", data=b"true"))
            assert there.counts == (1, 1, 0, 0)
            assert there.socket.messages == ["true"] and there.socket.closed is None

    run(scenario)
    assert [record.levelno for record in caplog.records if record.name.startswith("wirefast")] == [logging.WARNING]
    assert len(caplog.records[-1].getMessage()) < 400


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_at_a_bound_passes(kind: str) -> None:
    longest = ["a", *(f"{number:0{MAX_NAME}}" for number in range(MAX_ROOMS_AT_ONCE - 1))]

    async def scenario() -> None:
        async with Delivered(kind) as there:
            await there(
                line("h" * 64, MAX_SEQUENCE - 1, MAX_SEQUENCE, "t", longest, "conflate", "k" * MAX_KEY, data=b"1"),
                line("h" * 64, MAX_SEQUENCE, 0, "b", [], None, 2**64 - 1, data=b"2"),
                line("h", 1, 0, "c", data=(3000).to_bytes(2, "big") + b"x" * 123),
            )
            assert there.counts == (3, 0, 0, 0)
            assert there.socket.messages == ["1", b"2"] and there.socket.closed == (3000, "x" * 123)

    run(scenario)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("named", [None, "drop_old"])
def test_a_message_larger_than_the_policy_allows_is_refused_and_told(kind: str, named: str | None) -> None:
    """Also where nothing waits, and where the policy is named by the message."""
    policy = Policy("close", max_bytes=1000)
    largest = 1000 - 4 if named is None else (1 << 20) - 10

    async def scenario() -> None:
        async with Delivered(kind, policy=policy) as there:
            for number, size in enumerate((largest, largest + 1, 64 << 20, 10)):
                await there(line("h", number + 1, number, "b", [], named, data=bytes(size)))
            assert there.hub.stats.reached == 2
            if named is None:
                assert [len(message) for message in there.socket.messages] == [largest, 10]
            # Each one refused is a gap of its own; the numbers tell of the second once more, which was not parsed.
            assert there.counts == (2, 0, 2, 3)

    run(scenario)


def test_a_refused_message_is_not_parsed() -> None:
    with pytest.raises(TooLarge):
        decode(b"{\n" + bytes(1001), 1000)
    with pytest.raises(ValueError, match="no envelope"):
        decode(b"[" * (64 << 20))


NUMBERS = st.integers(-(2**63), 2**64 - 1)
LEAVES = st.none() | st.booleans() | NUMBERS | st.floats(allow_nan=False) | st.text(max_size=5)
FIELD = st.recursive(LEAVES, lambda inner: st.lists(inner, max_size=4)) | st.sampled_from(
    ["h", "t", "b", "c", "a", "close", "wait", "conflate", ["a"], ["a", "b"], 1, 0, 2**53]
)
LIKELY = st.tuples(
    st.sampled_from(["h", "i"]),
    st.integers(1, 2**53),
    st.integers(0, 2**53),
    st.sampled_from("tbc"),
    st.sampled_from([[], ["a"], ["a", "b"], ["b", "a"], ["b"]]),
    st.sampled_from([None, "close", "conflate", "wait", "drop_old"]),
    st.none() | st.integers(-5, 5) | st.text(max_size=3),
)
HEADS = (st.lists(FIELD, max_size=8) | LIKELY.map(list)).map(lambda head: json.dumps(head).encode())
DATA = st.binary(max_size=130) | st.text(max_size=40).map(str.encode)
PAYLOADS = st.binary(max_size=80) | st.tuples(HEADS, DATA).map(b"\n".join)


@pytest.mark.parametrize("kind", KINDS)
@given(payloads=st.lists(PAYLOADS, max_size=12))
@settings(max_examples=60, deadline=None)
def test_members_get_only_what_a_local_call_could_send(kind: str, payloads: list[bytes]) -> None:
    async def scenario() -> None:
        async with Delivered(kind) as there, there.hub.join("b", (await open_socket(kind)).websocket):
            for payload in payloads:
                there.hub._deliver("a", payload)  # lets no exception out
            await turns(40)
            received, malformed, refused, _ = there.counts
            assert malformed + refused + received <= len(payloads)
            assert len(there.socket.messages) <= received
            for message in there.socket.messages:
                assert isinstance(message, bytes) or message.encode("utf-8").decode("utf-8") == message
            if there.socket.closed is not None:
                code, reason = there.socket.closed
                assert len(reason.encode()) <= 123 and code in {
                    *range(1000, 1004),
                    *range(1007, 1015),
                    *range(3000, 5000),
                }

    run(scenario)


# ---- Numbers ----


def test_a_forged_number_silences_nobody() -> None:
    """Whatever the forged ones are, everything that the true hub says later arrives, and a gap is told."""

    async def scenario() -> None:
        for forged in (
            [MAX_SEQUENCE],
            [5, MAX_SEQUENCE - 1, MAX_SEQUENCE],
            [3],
            [4],
            [100, 50, 25],
            [MAX_SEQUENCE] * 3,
        ):
            async with Delivered() as there:
                await there(line("h", 1, 0, "t", data=b"1"), line("h", 2, 1, "t", data=b"2"))
                await there(*[line("h", number, 2, "b", data=b"forged") for number in forged])
                await there(*[line("h", number, number - 1, "t", data=b"%d" % number) for number in range(3, 9)])
                texts = [message for message in there.socket.messages if isinstance(message, str)]
                # A forged message with the very next number is taken for it; the true one is told as a gap.
                taken = {3, 4} & set(forged)
                assert [text for text in texts if int(text) not in taken] == [
                    str(number) for number in range(1, 9) if number not in taken
                ], forged
                assert there.hub.stats.gaps >= 1, forged

    run(scenario)


@given(st.lists(st.integers(1, MAX_SEQUENCE), max_size=30), st.integers(1, 2**40))
def test_the_true_hub_is_heard_after_any_forged_numbers(forged: list[int], true: int) -> None:
    heard: OrderedDict[str, tuple[int, int]] = OrderedDict()

    alarms = 0

    def tell(sequence: int, previous: int) -> bool:
        nonlocal alarms
        new, missing = hear(heard, Envelope("h", sequence, previous, TEXT, b"", []))
        alarms += missing or not new
        return new

    tell(true, true - 1)
    for number in forged:
        tell(number, true)
    for sequence in range(true + 1, true + 5):
        # A forged message with the same number was taken for it, and a gap is told then.
        assert tell(sequence, sequence - 1) or sequence in forged
    if max(forged, default=0) > true + 4:
        assert alarms


def test_numbers_in_their_order_tell_no_gap() -> None:
    heard: OrderedDict[str, tuple[int, int]] = OrderedDict()
    before = 0
    for sequence in (1, 2, 7, 8, 100, 2**40):
        assert hear(heard, Envelope("h", sequence, before, TEXT, b"", [])) == (True, False)
        assert hear(heard, Envelope("h", sequence, before, TEXT, b"", [])) == (False, False)
        before = sequence


# ---- Costs ----


def took(work: Any) -> float:
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def test_many_names_cost_no_more_than_their_bytes() -> None:
    names = ["a", *(f"room {number}" for number in range(200_000))]

    async def scenario() -> None:
        async with Delivered() as there:
            members = [await open_socket("ours") for _ in range(50)]
            for member in members:
                await there.hub.join("a", member.websocket)
            many = line("h", 1, 0, "t", names)
            few = line("h", 1, 0, "t", [*(str(n) for n in range(MAX_ROOMS_AT_ONCE - 1)), "a"])
            assert took(lambda: there.hub._deliver("a", many)) < 0.05 * SLOWER
            assert took(lambda: there.hub._deliver("a", few)) < 0.05 * SLOWER
            assert there.counts[:2] == (1, 1)

    run(scenario)


def test_a_local_call_names_no_more_rooms_than_an_envelope() -> None:
    async def scenario() -> None:
        hub, socket = Hub(), await open_socket("ours")
        names = [str(number) for number in range(MAX_ROOMS_AT_ONCE)]
        await hub.join(names[-1], socket.websocket)
        assert await hub.publish(names, "x") == 1
        for work in (hub.publish([*names, "one more"], "x"), hub.close([*names, "one more"])):
            with pytest.raises(ValueError, match="257 rooms are named where 256 may be"):
                await work
        # Joining many is bounded by max_rooms.
        await Hub(max_rooms=1000).join([*names, "one more"], socket.websocket)

    run(scenario)


@pytest.mark.parametrize(
    ("key", "error"),
    [
        ("k" * (MAX_KEY + 1), ValueError),
        (2**64, ValueError),
        (-(2**63) - 1, ValueError),
        (1.5, TypeError),
    ],
)
def test_a_key_that_no_other_hub_takes_is_refused_before_anything_is_sent(key: Any, error: type[Exception]) -> None:
    async def scenario() -> None:
        async with Delivered() as there:
            with pytest.raises(error):
                await there.hub.publish("a", "x", policy="conflate", key=key)
            with pytest.raises(error):
                there.socket.websocket.try_send("x", policy="conflate", key=key)
            await there.broker.flush()
            assert there.socket.messages == [] and there.network.published == []
            # Subclasses travel as what they are made of.
            for fine in (True, type("Word", (str,), {})("w"), "\ud800", 2**64 - 1, -(2**63), "k" * MAX_KEY):
                await there.hub.publish("a", "x", policy="conflate", key=fine)
            await there.broker.flush()
            keys = [decode(payload).key for _, payload in there.network.published]
            assert keys == [1, "w", "\ufffd", 2**64 - 1, -(2**63), "k" * MAX_KEY]

    run(scenario)


# ---- Gaps and notices ----


@pytest.mark.parametrize("coroutine", [False, True])
def test_the_hook_is_called_at_a_bounded_rate(coroutine: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[str] = []
    release = asyncio.Event()

    async def slow(room: str) -> None:
        told.append(room)
        await release.wait()

    async def scenario() -> None:
        monkeypatch.setattr(gaps, "GAP_EVERY", 0.02)
        async with Delivered(on_gap=slow if coroutine else told.append) as there:
            room = there.hub._rooms["a"]
            for number in range(1000):
                await there(line("h", 2 * number + 2, 2 * number + 1, "t"))
                if number == 500:
                    assert room.gap_timer is not None
                    assert len(there.hub._gaps._tasks) == coroutine
            assert there.hub.stats.gaps == 999
            # What came after the first call is told too, once the hook has done.
            count = len(told)
            assert count < 999
            release.set()
            while room.gap_timer is not None or room.gap_task is not None:
                await asyncio.sleep(0.001)
            assert len(told) == count + 1 and set(told) == {"a"}

    run(scenario)


def test_a_room_that_is_gone_is_told_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[str] = []

    async def scenario() -> None:
        monkeypatch.setattr(gaps, "GAP_EVERY", 0.001)
        async with Delivered(on_gap=told.append) as there:
            room = there.hub._rooms["a"]
            await there(line("h", 2, 0, "t"), line("h", 4, 3, "t"), line("h", 6, 5, "t"))
            assert told == ["a"] and room.gap_timer is not None
            there.hub.leave("a", there.socket.websocket)
            while room.gap_timer is not None:
                await asyncio.sleep(0.001)
            assert told == ["a"]

    run(scenario)


def notice(**content: Any) -> bytes:
    return orjson.dumps({"from": "x", "age": 0, "rooms": None} | content)


@pytest.mark.parametrize(
    "payload",
    [
        notice(rooms=["a"] * (notices.ROOMS_IN_A_NOTICE + 1)), notice(rooms=[1]), notice(rooms={"a": 1}),
        notice(rooms="a"), notice(age="0"), notice(age=-1), notice(age=True), notice(**{"from": 7}),
        b'{"from":"x","age":1e999,"rooms":null}', b'{"from":"x","age":NaN,"rooms":null}',
        b"[]", b"", b"\xff", b"[" * 100_000, b" " * notices.MAX_NOTICE + notice(),
    ],
    ids=lambda payload: repr(payload[:40]),
)  # fmt: skip
def test_a_malformed_notice_is_counted(payload: bytes) -> None:
    async def scenario() -> None:
        async with Delivered() as there:
            await there(payload, room=NOTICES)
            assert there.counts == (0, 1, 0, 0)
            await there(notice(rooms=["a"] * notices.ROOMS_IN_A_NOTICE), room=NOTICES)
            assert there.counts == (0, 1, 0, 1)
        assert there.hub.stats.malformed == 1

    run(scenario)


def test_many_notices_cost_what_one_does(monkeypatch: pytest.MonkeyPatch) -> None:
    """200 notices about all rooms: each room is told at once and once more, in pieces between which the loop turns."""
    told: list[list[str]] = []

    async def scenario() -> None:
        monkeypatch.setattr(notices, "NOTICES_EVERY", 0.05)
        network = Network()
        broker = MemoryBroker(network)
        await broker.start(lambda room, payload: None, told.append)
        rooms = {f"room {number}" for number in range(5000)}
        for room in rooms:
            broker.subscribe(room)
        for room in rooms:
            await broker.subscribed(room)
        spent = took(lambda: [network.send(NOTICES, notice()) for _ in range(200)])
        assert spent < 0.25 * SLOWER and len(told) == 1
        while sum(map(len, told)) < 2 * len(rooms):
            await asyncio.sleep(0)
        assert max(map(len, told)) == notices.ROOMS_IN_A_TURN
        assert {name for names in told for name in names} == rooms
        await asyncio.sleep(0)
        assert sum(map(len, told)) == 2 * len(rooms)
        await broker.stop()

    run(scenario)


def test_a_turn_is_bounded_in_messages_and_time(monkeypatch: pytest.MonkeyPatch) -> None:
    async def scenario() -> None:
        turn = TurnBudget()
        assert [turn.is_over() for _ in range(MESSAGES_IN_A_TURN + 2)] == [False] * (MESSAGES_IN_A_TURN - 1) + [
            True
        ] * 3
        await asyncio.sleep(0)
        assert not turn.is_over()
        clock = iter([10.0, 10.004, 10.006])
        monkeypatch.setattr(time, "monotonic", lambda: next(clock))
        timed = TurnBudget()
        assert [timed.is_over() for _ in range(4)] == [False, False, True, True]
        monkeypatch.undo()

    run(scenario)


def test_what_nats_has_read_is_handed_on_in_its_order_and_in_turns(monkeypatch: pytest.MonkeyPatch) -> None:
    heard: list[tuple[str, bytes]] = []
    overrun: list[str] = []

    async def scenario() -> None:
        link = nats.NatsLink([], 1.0, {}, "wirefast.", lambda *what: heard.append(what), overrun.append)
        monkeypatch.setattr(nats, "PENDING_MESSAGES", 100)
        monkeypatch.setattr(nats, "PENDING_BYTES", 1000)
        sent = [("ab"[number % 2], b"%04d" % number) for number in range(MESSAGES_IN_A_TURN + 100)]
        for room, payload in sent:
            link._take(room, payload)
        assert len(heard) == MESSAGES_IN_A_TURN
        link._take("a", b"one too many")
        assert overrun == ["a"]
        await asyncio.sleep(0)
        assert len(heard) == 2 * MESSAGES_IN_A_TURN
        while link._waiting:
            await asyncio.sleep(0)
        assert heard == sent
        await asyncio.sleep(0)
        for _ in range(MESSAGES_IN_A_TURN):
            link._take("b", b"")
        link._take("b", bytes(1000))
        link._take("b", b"x")
        assert overrun == ["a", "b"]
        # Nothing is handed on by a link that was closed.
        count = len(heard)
        await link.close()
        await turns()
        assert len(heard) == count

    run(scenario)


def test_closing_envelopes_are_encoded_as_they_are_read() -> None:
    closing = Envelope("h", 1, 0, CLOSE, (1000).to_bytes(2, "big") + "é".encode(), [])
    assert decode(encode(closing)) == closing
