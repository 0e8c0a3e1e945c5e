"""One request at a time, and a connection that always has an end: pipelined requests, and clients that fall silent."""

from __future__ import annotations

import pytest
from conversations import Seen, Talk, cuts, statuses
from hidden import AFTER, HIDDEN, OFFERS, chunked, sized
from peer import request

REFUSALS = {
    "400": (b"nonsense\r\n\r\n", 400),
    "400 later": (b"GET / HTTP/1.1\r\nHost: a\r\nX : y\r\n\r\n", 400),
    "414": (b"GET /" + b"a" * 9000 + b" HTTP/1.1\r\nHost: a\r\n\r\n", 414),
    "431": (b"GET / HTTP/1.1\r\nHost: a\r\nX: " + b"a" * 9000 + b"\r\n\r\n", 431),
    "431 by number": (b"GET / HTTP/1.1\r\nHost: a\r\n" + b"X: y\r\n" * 101 + b"\r\n", 431),
    "408": (b"GET / HTTP/1.1\r\nHos", 408),
    "426": (request(Sec_WebSocket_Version="7"), 426),
}
HELD = b"GET /hold HTTP/1.1\r\nHost: a\r\n\r\n"


@pytest.mark.parametrize("together", [True, False], ids=["one segment", "two"])
@pytest.mark.parametrize("refused", REFUSALS.values(), ids=REFUSALS.keys())
def test_a_refusal_waits_for_its_turn(talk: Talk, refused: tuple[bytes, int], together: bool) -> None:
    data, status = refused
    wire = talk.connect()
    for piece in [HELD + data] if together else [HELD, data]:
        talk.give(wire, piece)
    # However long the response takes.
    talk.passes(300, wire.is_closing)
    assert not wire.closing and bytes(wire.written).endswith(b"\r\n\r\n/"), bytes(wire.written)
    talk.release.set()
    assert talk.passes(100, wire.is_closing)
    assert statuses(wire.written) == [200, status]
    talk.end(wire)


def test_an_upgrade_waits_for_its_turn(talk: Talk) -> None:
    wire = talk.connect()
    talk.give(wire, HELD + request())
    assert (talk.sockets, bytes(wire.written[-1:])) == (0, b"/")
    talk.release.set()
    talk.turn()
    assert wire.written.count(b"HTTP/1.1") == 2 and statuses(wire.written) in ([200, 101], [200, 400])
    assert talk.sockets == (statuses(wire.written) == [200, 101])
    talk.end(wire)


def test_requests_are_answered_in_order_at_every_cut(talk: Talk) -> None:
    data = HELD + sized() + AFTER + chunked(body=b"x") + AFTER
    expected = [
        Seen("GET", "/hold"),
        Seen("POST", "/post", HIDDEN),
        Seen("GET", "/after"),
        Seen("POST", "/post", b"x"),
        Seen("GET", "/after"),
    ]
    for pieces in cuts(data):
        talk.clear()
        wire = talk.connect()
        for piece in pieces:
            talk.give(wire, piece)
        assert talk.seen == expected[: len(talk.seen)] and len(talk.seen) <= 1, "one request at a time"
        talk.release.set()
        talk.turn(40)
        assert talk.seen == expected and statuses(wire.written) == [200] * 5, pieces
        talk.end(wire)


@pytest.mark.parametrize(
    "behind",
    [b"", AFTER, request(), b"GET", sized(), b"nonsense\r\n", AFTER * 3000],
    ids=["nothing", "a request", "an upgrade", "a beginning", "a body", "nonsense", "more than is kept"],
)
def test_a_client_that_leaves_a_response_leaves_nothing(talk: Talk, behind: bytes) -> None:
    wire = talk.connect()
    talk.give(wire, HELD + behind)
    assert len(talk.state.tasks) == 1
    talk.end(wire)
    assert talk.left == 1 and len(talk.seen) == 1


def test_what_waits_is_bounded(talk: Talk) -> None:
    wire = talk.connect()
    talk.give(wire, HELD)
    given = 0
    while not wire.paused:
        talk.give(wire, AFTER * 200)
        given += len(AFTER) * 200
        assert given < 200_000, "reading goes on"
    talk.release.set()
    talk.turn(40_000)
    assert len(talk.seen) == 1 + given // len(AFTER) and not wire.paused
    talk.end(wire)


# ---- Time: from its first byte to its last a connection has a timer, a running request or an open WebSocket ----

SCRIPTS = {
    "a request": AFTER,
    "empty lines and a request": b"\r\n\r\n" + AFTER,
    "an empty line behind a response": AFTER + b"\r\n",
    "a body": sized(body=b"abc"),
    "chunks": chunked(body=b"abc", trailers=b"A: b\r\n"),
    "an upgrade that is ignored": sized(*OFFERS["h2c"], body=b"abc"),
    "a handshake": request(),
    "a later handshake": AFTER + request(),
    "a refused handshake": request(Sec_WebSocket_Version="7"),
    "a handshake in bare line feeds": request().replace(b"\r\n", b"\n"),
    "nonsense": b"nonsense\r\n\r\n",
    "expecting": sized(b"Expect: 100-continue", body=b"abc"),
}


@pytest.mark.parametrize("data", SCRIPTS.values(), ids=SCRIPTS.keys())
def test_a_silent_client_ends_wherever_it_stops(talk: Talk, data: bytes) -> None:
    for size in range(len(data) + 1):
        for step in (1, len(data)):
            talk.clear()
            wire = talk.connect()
            for at in range(0, size, step):
                talk.give(wire, data[at : min(at + step, size)])
            # The longest limit is that of a body; a WebSocket is pinged, and has 20 s more to answer.
            assert talk.passes(130, wire.is_closing), f"{data[:size]!r} has no end"
            talk.turn()
            assert not talk.state.connections and not talk.state.tasks, f"{data[:size]!r} leaves something"


@pytest.mark.parametrize("before", [b"", AFTER], ids=["first", "later"])
@pytest.mark.parametrize(
    "data",
    [
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        b"*1\r\n$4\r\nPING\r\n",
        b"\x00\x00\x00\x01",
        b"\xff\xfe",
        b"\n",
        b"{}",
        b"\r\r",
        b"\x80",
        b":",
    ],
)
def test_bytes_that_begin_no_request_are_refused_at_once(talk: Talk, data: bytes, before: bytes) -> None:
    for size in range(1, len(data) + 1):
        seen, answers, closed = talk.run([before, data[:size]] if before else [data[:size]])
        assert len(seen) == bool(before)
        if data[:size] in (b"\r", b"*", b"*1"):
            continue  # an empty line may begin so, and a method
        assert closed and answers == [200] * bool(before) + [400], data[:size]


def test_SSH_is_refused(talk: Talk) -> None:
    _, answers, closed = talk.run([b"SSH-2.0-OpenSSH_9.2p1 Debian\r\n"])
    assert (answers, closed) == ([400], True)


def test_empty_lines_are_bounded_and_the_same_for_all(talk: Talk) -> None:
    for lines in range(8):
        plain, upgrade = (talk.run([b"\r\n" * lines + data])[1] for data in (AFTER, request()))
        assert (plain == [200]) == (upgrade == [101]), lines
        assert plain[-1] in (200, 400)
    assert talk.run([b"\r\n" * 50])[2]
