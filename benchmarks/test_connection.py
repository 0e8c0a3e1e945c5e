"""Whole connections without a network: ASGI calls only, from the scope to the end of the application."""

import pytest

from benchmarks import peers, scene
from benchmarks.asgi import Opening, scope_of

UNITS = 50
SOLVED = [42, {"user": "secret123", "session": "abc"}, "db", 20]


@pytest.mark.parametrize("peer", [name for name in peers.INSTALLED if name in ("wirefast", "fastapi", "litestar")])
def test_dependencies(measure, loop, peer):
    """Route among 32, four dependencies, six parameters, accept, close."""
    opening = Opening(loop, peers.build(peer), scope_of(scene.PATH, scene.QUERY, scene.HEADERS))
    (accept,) = opening.answer()
    assert accept["type"] == "websocket.accept"
    assert opening.last_scope["state"]["solved"] == SOLVED
    measure(lambda: opening.run(UNITS), UNITS, step="connection", case="4 dependencies, 6 parameters", peer=peer)


@pytest.mark.parametrize("peer", [name for name in peers.INSTALLED if name != "floor"])
def test_plain(measure, loop, peer):
    """Route among 32 (the last), no parameters, accept, close."""
    opening = Opening(loop, peers.build(peer), scope_of("/json"))
    (accept,) = opening.answer()
    assert accept["type"] == "websocket.accept"
    measure(lambda: opening.run(UNITS), UNITS, step="connection", case="no dependencies, 32 routes", peer=peer)


@pytest.mark.parametrize("peer", ["starlette", "floor"])
def test_bare(measure, loop, peer):
    """The only route of its application: what a connection costs when nothing is asked of the framework."""
    opening = Opening(loop, peers.build("starlette_bare" if peer == "starlette" else peer), scope_of("/json"))
    (accept,) = opening.answer()
    assert accept["type"] == "websocket.accept"
    measure(lambda: opening.run(UNITS), UNITS, step="connection", case="bare, 1 route", peer=peer)
