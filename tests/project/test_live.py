"""The guard of tests/conftest.py sees a compiled object that a test leaves behind. Debug build alone."""

from __future__ import annotations

import pytest

import live
from wirefast import WebSocket
from wirefast._core.matcher import Matcher

pytestmark = pytest.mark.skipif(not live.is_counted(), reason="objects are counted in the debug build alone")


async def nothing(*_: object) -> None: ...


def make() -> WebSocket:
    return WebSocket({"type": "websocket"}, nothing, nothing)  # type: ignore[arg-type]


def test_an_object_that_is_kept_is_seen() -> None:
    before = live.alive()
    kept = [make(), make()]
    assert live.left_since(before) == {"wirefast._core.websocket.WebSocketCore": 2}
    kept.clear()
    assert live.left_since(before) == {}


def test_a_coroutine_that_is_kept_is_seen() -> None:
    before = live.alive()
    websocket = make()
    coroutine = websocket.receive_text()
    assert live.left_since(before) == {
        "wirefast._core.websocket.WebSocketCore": 1,
        "wirefast._core.websocket.ReceiveCall": 1,
    }
    coroutine.close()
    del coroutine, websocket
    assert live.left_since(before) == {}


def test_what_lies_in_a_cycle_is_not_left() -> None:
    before = live.alive()
    websocket = make()
    websocket.itself = websocket  # type: ignore[attr-defined]
    del websocket
    assert live.left_since(before) == {}


def test_every_object_is_counted_once() -> None:
    name = "wirefast._core.matcher.Matcher"
    allocated, freed = live.counts()[name]
    for _ in range(10):
        Matcher([])
    assert live.counts()[name] == (allocated + 10, freed + 10)
