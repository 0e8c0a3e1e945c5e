"""Frames in: RFC 6455 section 5 to 8, hostile streams, and that the cut of the stream changes nothing."""

from __future__ import annotations

import asyncio
import random
import re
import struct
import time
import tracemalloc
from typing import Any

import pytest
from apps import deaf, echo, recorded
from peer import BINARY, CLOSE, CONT, PING, PONG, TEXT, Frame, close_frame, frame
from serving import serving

from measures import resident
from memory import accepted
from slower import SLOWER

COMPLAINT = re.compile(r"127\.0\.0\.1:\d+ - WebSocket closed with (1002|1007|1009): .{5,60}")


@pytest.fixture(scope="module")
def server() -> Any:
    with serving(echo, ws_max_size=1048576) as served:
        yield served.warm()
        # One line for each peer whose data ended its connection, and nothing else.
        assert [line for line in served.errors if not COMPLAINT.fullmatch(line)] == []


def exchange(server: Any, *data: bytes) -> list[Frame]:
    """What comes back until the end of the stream."""
    with server.opened() as peer:
        try:
            peer.send(*data)
        except (BrokenPipeError, ConnectionResetError):
            pass
        found = []
        while True:
            try:
                found.append(peer.frame())
            except EOFError:
                return found
            if found[-1].opcode == CLOSE and found[-1].code not in (1002, None):
                try:
                    peer.send(close_frame(found[-1].code))
                except OSError:
                    pass


def header(first: int, length: bytes) -> bytes:
    return bytes([first]) + length


# What is sent, the close code that answers it.
VIOLATIONS: dict[str, tuple[bytes, int]] = {
    "unmasked": (frame(TEXT, b"x", mask=None), 1002),
    "rsv1 not negotiated": (frame(TEXT, b"x", rsv=0x40), 1002),
    "rsv2": (frame(TEXT, b"x", rsv=0x20), 1002),
    "rsv3": (frame(BINARY, b"x", rsv=0x10), 1002),
    "rsv1 on a ping": (frame(PING, b"", rsv=0x40), 1002),
    **{f"opcode {opcode}": (frame(opcode, b"x"), 1002) for opcode in (3, 4, 5, 6, 7, 11, 12, 13, 14, 15)},
    "fragmented ping": (frame(PING, b"x", fin=False), 1002),
    "long ping": (frame(PING, b"x" * 126), 1002),
    "long close": (frame(CLOSE, b"\x03\xe8" + b"x" * 124), 1002),
    "continuation of nothing": (frame(CONT, b"x"), 1002),
    "text inside a message": (frame(TEXT, b"x", fin=False) + frame(TEXT, b"y"), 1002),
    "length not minimal, 16 bits": (header(0x82, b"\xfe\x00\x7d"), 1002),
    "length not minimal, 64 bits": (header(0x82, b"\xff" + struct.pack("!Q", 65535)), 1002),
    "length with its top bit set": (header(0x82, b"\xff" + struct.pack("!Q", 1 << 63 | 5)), 1002),
    "length of 2^64-1": (header(0x82, b"\xff" + b"\xff" * 8), 1002),
    "length of 2^63-1": (header(0x82, b"\xff" + struct.pack("!Q", (1 << 63) - 1)), 1009),
    "length of 4 EiB": (header(0x82, b"\xff" + struct.pack("!Q", 1 << 62)), 1009),
    "length of 2^32": (header(0x82, b"\xff" + struct.pack("!Q", 1 << 32)), 1009),
    "length of 2^31-1": (header(0x82, b"\xff" + struct.pack("!Q", (1 << 31) - 1)), 1009),
    "one past the limit": (frame(BINARY, b"x" * 1048577), 1009),
    "fragments past the limit": (
        frame(BINARY, b"x" * 524288, fin=False) + frame(CONT, b"x" * 524288, fin=False) * 2,
        1009,
    ),
    "bad text": (frame(TEXT, b"\xff"), 1007),
    "text cut in a character": (frame(TEXT, b"\xc3"), 1007),
    "overlong text": (frame(TEXT, b"\xc0\xaf"), 1007),
    "surrogate": (frame(TEXT, b"\xed\xa0\x80"), 1007),
    "past U+10FFFF": (frame(TEXT, b"\xf4\x90\x80\x80"), 1007),
    "bad text in a fragment": (frame(TEXT, b"ok \xff", fin=False), 1007),
    "bad text in the last fragment": (frame(TEXT, b"\xc3", fin=False) + frame(CONT, b"("), 1007),
    "close with one byte": (frame(CLOSE, b"\x03"), 1002),
    "close with a bad reason": (frame(CLOSE, b"\x03\xe8\xff"), 1007),
    **{
        f"close {code}": (close_frame(code), 1002) for code in (0, 999, 1004, 1005, 1006, 1015, 1016, 2999, 5000, 65535)
    },
}


@pytest.mark.parametrize("name", VIOLATIONS)
def test_FR01_violations(server: Any, name: str) -> None:
    data, code = VIOLATIONS[name]
    before = len(server.errors)
    assert [(f.opcode, f.code) for f in exchange(server, data)] == [(CLOSE, code)]
    (complaint,) = server.errors[before:]
    assert COMPLAINT.fullmatch(complaint)[1] == str(code)


@pytest.mark.parametrize("name", VIOLATIONS)
def test_what_came_before_a_violation_is_answered(server: Any, name: str) -> None:
    data, code = VIOLATIONS[name]
    found = exchange(server, frame(TEXT, b"before") + frame(PING, b"p") + data)
    assert sorted(f.data for f in found[:-1]) == [b"before", b"p"]
    assert (found[-1].opcode, found[-1].code) == (CLOSE, code)


def test_FR03_a_huge_length_is_refused_at_its_header(server: Any) -> None:
    with server.opened() as peer:
        peer.send(header(0x82, b"\xff" + struct.pack("!Q", 1 << 62)))
        assert peer.frame().code == 1009


def test_bad_text_fails_before_its_frame_is_complete(server: Any) -> None:
    with server.opened() as peer:
        peer.send(frame(TEXT, "é".encode() * 20 + b"\xff" + b"x" * 1000)[:80])
        assert peer.frame().code == 1007


ECHOED: dict[str, tuple[bytes, list[tuple[int, bytes]]]] = {
    "empty": (frame(TEXT), [(TEXT, b"")]),
    "sizes": (
        b"".join(frame(BINARY, b"x" * size) for size in (1, 125, 126, 127, 65535, 65536)),
        [(BINARY, b"x" * size) for size in (1, 125, 126, 127, 65535, 65536)],
    ),
    "fragments": (
        frame(TEXT, "né".encode()[:2], fin=False) + frame(CONT, "né".encode()[2:], fin=False) + frame(CONT, b"!"),
        [(TEXT, "né!".encode())],
    ),
    "empty fragments": (frame(TEXT, fin=False) + frame(CONT, fin=False) + frame(CONT), [(TEXT, b"")]),
    "ping between fragments": (
        frame(TEXT, b"a", fin=False) + frame(PING, b"p") + frame(CONT, b"b"),
        [(PONG, b"p"), (TEXT, b"ab")],
    ),
    "unsolicited pong": (frame(PONG, b"x") + frame(TEXT, b"a"), [(TEXT, b"a")]),
    "ping of 125 bytes": (frame(PING, b"p" * 125), [(PONG, b"p" * 125)]),
    "ten pings": (b"".join(frame(PING, b"%d" % i) for i in range(10)), [(PONG, b"%d" % i) for i in range(10)]),
    "the largest message": (frame(BINARY, b"x" * 1048576), [(BINARY, b"x" * 1048576)]),
    "other keys": (
        frame(TEXT, b"key", mask=b"\x00\x00\x00\x00") + frame(TEXT, b"k", mask=b"\xff\x80\x01\x7f"),
        [(TEXT, b"key"), (TEXT, b"k")],
    ),
}


@pytest.mark.parametrize("name", ECHOED)
def test_messages(server: Any, name: str) -> None:
    data, expected = ECHOED[name]
    with server.opened() as peer:
        peer.send(data)
        found = [peer.frame() for _ in expected]
        assert sorted((f.opcode, f.data) for f in found) == sorted(expected)
        peer.send(close_frame()).frame()


@pytest.mark.parametrize("code", [1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 1012, 1013, 1014, 3000, 4999])
def test_close_codes_are_echoed(server: Any, code: int) -> None:
    assert exchange(server, close_frame(code, "why")) == [Frame(CLOSE, struct.pack("!H", code) + b"why")]


def test_nothing_after_a_close_is_read(server: Any) -> None:
    assert [f.opcode for f in exchange(server, close_frame() + frame(TEXT, b"late") + frame(3, b""))] == [CLOSE]


@pytest.mark.parametrize("end", ["violation", "close", "text"])
def test_any_cut_of_the_stream_gives_the_same_events(end: str) -> None:
    stream = b"".join(
        [
            frame(TEXT, "añ€😀".encode() * 9, mask=b"\x11\x22\x33\x44"),
            frame(PING, b"one"),
            frame(BINARY, bytes(range(256)), fin=False, mask=b"\xa5\x5a\x00\xff"),
            frame(PING, b""),
            frame(CONT, b"", fin=False),
            frame(CONT, b"tail" * 40000, mask=b"\x01\x00\x02\x00"),
            frame(PONG, b"ignored"),
            frame(TEXT, b""),
            {"violation": frame(3, b"x"), "close": close_frame(4000, "fin"), "text": frame(TEXT, b"a\xffb" * 50)}[end],
        ]
    )
    draw = random.Random(6455)
    outcomes = []
    app = recorded()
    with serving(app) as server:
        for cuts in (0, 0, 1, 3, 10, 40, 200, "bytes"):
            app.events.clear()
            if cuts == "bytes":  # the small frames byte by byte, the large one in pieces
                places = [*range(1, 700), *range(700, len(stream) - 400, 4001), *range(len(stream) - 400, len(stream))]
            else:
                places = sorted(draw.sample(range(1, len(stream)), cuts))
            with server.opened() as peer:
                for start, stop in zip([0, *places], [*places, len(stream)], strict=True):
                    try:
                        peer.send(stream[start:stop])
                    except OSError:
                        break
                frames = peer.frames() if end != "text" else [peer.frame() for _ in range(3)]
            while not app.events or app.events[-1]["type"] != "websocket.disconnect":
                server.call(lambda: None)
            outcomes.append(([(f.opcode, f.data) for f in frames], list(app.events)))
    assert len(outcomes[0][1]) == 4
    assert all(outcome == outcomes[0] for outcome in outcomes)


def test_FR04_a_message_that_drips(server: Any) -> None:
    data = frame(BINARY, b"x" * 30000)
    with server.opened() as peer:
        for start in range(0, len(data), 10):
            peer.send(data[start : start + 10])
        assert peer.frame() == (BINARY, b"x" * 30000, True, 0)


@pytest.mark.parametrize("payload", [b"", b"x"], ids=["FR06-empty", "FR05-one-byte"])
def test_FR05_FR06_endless_fragments(server: Any, payload: bytes) -> None:
    batch = frame(CONT, payload, fin=False) * 1000
    with server.opened() as peer:
        peer.send(frame(TEXT, payload, fin=False))
        try:
            for _ in range(200):
                peer.send(batch)
        except OSError:
            pass
        assert peer.frame().code == 1008


def test_ordinary_fragments_have_no_limit(server: Any) -> None:
    with server.opened() as peer:
        peer.send(frame(TEXT, b"x" * 64, fin=False), frame(CONT, b"x" * 64, fin=False) * 8000, frame(CONT, b"!"))
        assert len(peer.frame().data) == 8001 * 64 + 1


def test_FR07_fragments_cost_linear_time(serve: Any) -> None:
    server = serve(deaf, timeout_graceful_shutdown=1)

    def cost(count: int) -> float:
        data = frame(BINARY, b"x" * 40, fin=False) + frame(CONT, b"x" * 40, fin=False) * count + frame(PING, b"done")
        best = 60.0
        for _ in range(3):
            with server.opened() as peer:
                start = time.thread_time()
                peer.send(data)
                while peer.frame().opcode != PONG:
                    pass
                best = min(best, time.thread_time() - start)
                peer.reset()
        return best

    cost(100)
    # thread_time is the client's; the server shares its interpreter, so measure the wall with the process time.
    start = time.process_time()
    cost(20000)
    small = time.process_time() - start
    start = time.process_time()
    cost(80000)
    assert time.process_time() - start < 6 * small + 0.5


def test_FR05_memory_stays_what_was_sent(serve: Any) -> None:
    server = serve(deaf, timeout_graceful_shutdown=1, ws_max_size=16 * 1048576)
    peers = [server.opened() for _ in range(20)]
    before = resident()
    for peer in peers:
        peer.send(frame(BINARY, b"x", fin=False), frame(CONT, b"x", fin=False) * 1000, frame(PING, b"done"))
        while peer.frame().opcode != PONG:
            pass
    assert resident() - before < SLOWER * 4 * 1048576
    for peer in peers:
        peer.reset()


def test_what_is_announced_is_not_allocated() -> None:
    """One kilobyte of a message that is to have fifteen megabytes."""
    start = header(0x82, b"\xff" + struct.pack("!Q", 15 * 1048576)) + bytes(4) + b"x" * 1000

    async def main() -> None:
        async with accepted(deaf) as peer:
            tracemalloc.start()
            try:
                peer.receive(start)
                held, _ = tracemalloc.get_traced_memory()
            finally:
                tracemalloc.stop()
            assert 1000 < held < 64 * 1024

    asyncio.run(main())


def test_FR13_bad_text_leaves_no_traceback(serve: Any) -> None:
    server = serve(echo)
    before = len(server.records)
    exchange(server, frame(TEXT, b"\xff"))
    lines = [record.getMessage() for record in server.records[before:]]
    assert not [record for record in server.records if record.exc_info]
    assert sum(map(len, lines)) < 300
