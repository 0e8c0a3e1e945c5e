"""A connection of our sockets from its acceptance to its first bytes: what it becomes, and when it ends."""

from __future__ import annotations

import gc
import logging
import time
import weakref
from collections.abc import Iterator
from typing import Any

import pytest
from apps import echo, echo_and_http
from peer import CLOSE, TEXT, close_frame, frame, request
from uvicorn.logging import TRACE_LOG_LEVEL

import wirefast.server.http
from wirefast.server import HttpProtocol, WebSocketProtocol
from wirefast.server.drain import refuse_newcomers

PLAIN = b"GET /plain HTTP/1.1\r\nHost: a\r\n\r\n"


@pytest.fixture
def made(monkeypatch: pytest.MonkeyPatch) -> list[HttpProtocol]:
    """The HTTP protocols that are made."""
    found: list[HttpProtocol] = []
    begins = HttpProtocol.__init__

    def begin(self: HttpProtocol, *args: Any, **kwargs: Any) -> None:
        begins(self, *args, **kwargs)
        found.append(self)

    monkeypatch.setattr(HttpProtocol, "__init__", begin)
    return found


def connections(server: Any) -> list[Any]:
    return server.call(lambda: list(server.server.server_state.connections))


def until(condition: Any) -> None:
    deadline = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < deadline, "it never comes to that"
        time.sleep(0.005)


def test_an_upgrade_makes_no_http_protocol(serve: Any, loop_name: str, made: list[Any]) -> None:
    server = serve(echo, loop=loop_name)
    with server.peer() as peer:
        peer.send(request() + frame(TEXT, b"at once"))
        assert peer.response().status == 101
        assert peer.frame().data == b"at once"
        peer.send(close_frame())
        assert peer.frame().opcode == CLOSE
    assert made == []


@pytest.mark.parametrize("cut", [1, 20, -1])
def test_an_upgrade_in_two_pieces(serve: Any, made: list[Any], cut: int) -> None:
    server = serve(echo)
    head = request()
    with server.peer() as peer:
        peer.send(head[:cut])
        until(lambda: made)
        peer.send(head[cut:] + frame(TEXT, b"behind"))
        assert peer.response().status == 101
        assert peer.frame().data == b"behind"


def test_requests_that_come_together(serve: Any, made: list[Any]) -> None:
    server = serve(echo_and_http)
    with server.peer() as peer:
        peer.send(PLAIN * 3)
        assert [peer.response().body for _ in range(3)] == [b"GET /plain"] * 3
        peer.send(request())
        assert peer.response().status == 101
    assert len(made) == 1


@pytest.mark.parametrize(
    ("sent", "status"),
    [
        (b"NO\tHEAD\r\n", 400),
        (request().replace(b"\r\n\r\n", b"\r\nContent-Length: 3\r\n\r\n"), 400),
        (request().replace(b"Version: 13", b"Version: 12"), 426),
    ],
    ids=["no head", "an upgrade with a body", "another version"],
)
def test_what_cannot_be_served(serve: Any, sent: bytes, status: int) -> None:
    server = serve(echo)
    with server.peer() as peer:
        peer.send(sent)
        assert peer.response().status == status
        assert peer.ended()
    until(lambda: not connections(server))


def test_the_time_for_the_head_begins_with_the_connection(serve: Any, made: list[Any]) -> None:
    server = serve(echo, loop="asyncio")
    with server.peer() as peer:
        until(lambda: connections(server))
        before = server.loop.time()
        peer.send(b"GET / HT")
        until(lambda: made and made[0].timer is not None)
        assert made[0].timer.when() <= before + wirefast.server.http.HEAD_TIMEOUT


def test_one_that_says_nothing_ends_with_the_server_and_by_itself(serve: Any) -> None:
    server = serve(echo)
    with server.peer() as peer, server.peer() as leaver:
        until(lambda: len(connections(server)) == 2)
        leaver.sock.close()
        until(lambda: len(connections(server)) == 1)
        server.server.should_exit = True
        assert peer.ended()


def test_one_that_was_open_before_a_drain_is_refused_in_it(serve: Any) -> None:
    server = serve(echo)
    with server.peer() as peer:
        until(lambda: connections(server))
        server.call(refuse_newcomers, server.config)
        peer.send(request())
        response = peer.response()
        assert (response.status, response.header("retry-after")) == (503, "2")


def test_classes_that_do_more_are_asked(serve: Any) -> None:
    upgrades: list[Any] = []

    class Asked(HttpProtocol):
        def upgrade(self, head: Any, rest: bytes) -> None:
            upgrades.append(head.path)
            super().upgrade(head, rest)

    server = serve(echo, http=Asked)
    server.opened("/asked")
    assert upgrades == [b"/asked"]


@pytest.fixture
def traced() -> Iterator[None]:
    """uvicorn's finest level."""
    logger = logging.getLogger("uvicorn.error")
    level = logger.level
    yield logger.setLevel(TRACE_LOG_LEVEL)
    logger.setLevel(level)


def test_the_finest_level_has_all_lines(serve: Any, made: list[Any], traced: None) -> None:
    server = serve(echo, log_level="trace")
    server.opened()
    assert len(made) == 1
    assert any("Upgrading to WebSocket" in record.getMessage() for record in server.records)


@pytest.fixture
def without_a_level() -> Iterator[logging.Logger]:
    """uvicorn's loggers have no level of their own, as in a program that sets up only the root logger."""
    loggers = [logging.getLogger(name) for name in ("uvicorn.error", "uvicorn")]
    root = logging.getLogger()
    levels = [logger.level for logger in (*loggers, root)]
    for logger in loggers:
        logger.setLevel(logging.NOTSET)
    yield root
    for logger, level in zip((*loggers, root), levels, strict=True):
        logger.setLevel(level)


@pytest.mark.both_transports
@pytest.mark.parametrize("first", [b"", PLAIN], ids=["upgrade", "request"])
@pytest.mark.parametrize("level", [logging.WARNING, TRACE_LOG_LEVEL], ids=["warning", "trace"])
def test_the_level_of_the_root_logger_counts(
    serve: Any, monkeypatch: pytest.MonkeyPatch, without_a_level: logging.Logger, level: int, first: bytes
) -> None:
    """For a line that no logger writes the server neither asks for the client's address nor calls the logger."""
    asked: list[int] = []
    log = logging.Logger.log

    def spy(self: logging.Logger, number: int, *args: Any, **options: Any) -> None:
        if self.name == "uvicorn.error":
            asked.append(number)
        log(self, number, *args, **options)

    without_a_level.setLevel(level)
    server = serve(echo_and_http, log_level=None)
    monkeypatch.setattr(logging.Logger, "log", spy)
    with server.peer() as peer:
        if first:
            peer.send(first)
            assert peer.response().status == 200
        peer.send(request() + frame(TEXT, b"at once"))
        assert peer.response().status == 101
        assert peer.frame().data == b"at once"
        peer.send(close_frame())
        assert peer.frame().opcode == CLOSE
    until(lambda: not connections(server))
    lines = [
        "HTTP connection made",
        "Upgrading to WebSocket",
        "WebSocket connection made",
        "WebSocket connection lost",
    ]
    traced = [
        record for record in server.records if record.levelno == TRACE_LOG_LEVEL and record.name == "uvicorn.error"
    ]
    assert [record.getMessage().partition(" - ")[2] for record in traced] == (lines if level == TRACE_LOG_LEVEL else [])
    assert asked.count(TRACE_LOG_LEVEL) == len(traced)


def test_a_refused_handshake_leaves_no_cycle(serve: Any) -> None:
    kept: list[weakref.ref[Any]] = []

    class Kept(WebSocketProtocol):
        def __init__(self, *args: Any, **kwargs: Any) -> None:
            super().__init__(*args, **kwargs)
            kept.append(weakref.ref(self))

    server = serve(echo, ws=Kept)
    gc.collect()
    gc.disable()
    try:
        with server.peer() as peer:
            peer.send(request().replace(b"Version: 13", b"Version: 12"))
            assert peer.response().status == 426
            assert peer.ended()
        until(lambda: kept and kept[0]() is None)
    finally:
        gc.enable()
