"""How listening sockets are shared out: the arithmetic, and the kernel's part."""

from __future__ import annotations

import logging
import socket
import sys
from types import SimpleNamespace
from typing import Any

import pytest

from wirefast.server.reuseport import Shares, balanced_sockets, choose_by_shares, queue_length

linux = pytest.mark.skipif(sys.platform != "linux", reason="the kernel's part is Linux's")


def config(**settings: Any) -> Any:
    usual = {"uds": None, "fd": None, "host": "127.0.0.1", "port": 0, "workers": 4, "backlog": 256, "is_ssl": False}
    return SimpleNamespace(**(usual | settings))


@pytest.fixture
def group() -> Any:
    made = balanced_sockets(config())
    assert made is not None
    yield made
    for one in made:
        one.close()


def connected(group: list[socket.socket], number: int) -> list[int]:
    clients = [socket.create_connection(group[0].getsockname()) for _ in range(number)]
    waiting = [queue_length(one) for one in group]
    for client in clients:
        client.close()
    return waiting


@linux
def test_each_gets_its_share(group: list[socket.socket]) -> None:
    assert connected(group, 0) == [0, 0, 0, 0]
    waiting = connected(group, 200)
    assert sum(waiting) == 200
    assert max(waiting) <= 1.35 * 50 + 15  # five times the deviation of a fair draw


@linux
@pytest.mark.parametrize("shares", [(0, 1, 0, 0), (0, 0, 0, 1), (1, 0, 0, 0)])
def test_one_may_get_all(group: list[socket.socket], shares: tuple[float, ...]) -> None:
    choose_by_shares(group[0], shares)
    assert connected(group, 40) == [40 * share for share in shares]


@linux
def test_shares_are_proportions(group: list[socket.socket]) -> None:
    choose_by_shares(group[2], [0, 3, 0, 1])
    waiting = connected(group, 200)
    assert waiting[0] == waiting[2] == 0
    assert 120 <= waiting[1] <= 180


@linux
def test_many_listeners_fit_into_a_program() -> None:
    made = balanced_sockets(config(workers=64))
    assert made is not None
    choose_by_shares(made[0], [0.0] * 63 + [1.0])
    assert connected(made, 5)[63] == 5
    for one in made:
        one.close()


@pytest.mark.parametrize("settings", [{"uds": "/tmp/x"}, {"fd": 3}, {"workers": 1}, {"workers": 1025}])
def test_who_has_to_share_one_socket(settings: dict[str, Any], caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    assert balanced_sockets(config(**settings)) is None
    said = [text for text in caplog.messages if "some may get many more connections" in text]
    assert len(said) == (0 if "workers" in settings else 1)


@linux
def test_an_address_that_is_taken(group: list[socket.socket]) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        with pytest.raises(OSError, match="in use"):
            balanced_sockets(config(port=other.getsockname()[1]))


def test_equal_workers_get_equal_shares() -> None:
    assert len(set(Shares(4).update([0, 0, 0, 0]))) == 1
    assert len(set(Shares(3).update([100, 100, 100]))) == 1


def test_who_has_none_gets_all_that_is_lacking() -> None:
    shares = Shares(4)
    shares.update([150, 150, 150, 150])
    assert [share > 0 for share in shares.update([150, 150, 150, 0])] == [False, False, False, True]


def test_who_takes_none_gets_none() -> None:
    assert Shares(3).update([5, None, 5])[1] == 0
    assert Shares(2).update([None, None]) == [1.0, 1.0]


def test_a_rush_is_spread() -> None:
    """Numbers are old when a rush comes: what came since the last look is taken to come again."""
    shares = Shares(2)
    shares.update([0, 0])
    first, second = shares.update([400, 300])
    assert first > 0 and 0.5 < first / second < 1
