"""Choosing a route: ours against Starlette's loop over the same route objects (FastAPI's is the same loop)."""

from functools import cache

import pytest
from starlette.routing import Match, WebSocketRoute

from benchmarks.asgi import scope_of
from wirefast.routing import APIRouter

HOSTILE = "/{a:path}-{b:path}-{c:path}.x"


async def endpoint(websocket):
    pass


@cache
def routes(count):
    return [WebSocketRoute(f"/service{number}/{{item_id:int}}/ws", endpoint) for number in range(count)]


def starlette_select(table, scope):
    for route in table:
        match, child_scope = route.matches(scope)
        if match is Match.FULL:
            scope.update(child_scope)
            return route.handle
    return None


def selector(peer, table):
    """A function of a scope that says which endpoint and path parameters it gets; None for none."""
    if peer == "starlette":
        return lambda scope: starlette_select(table, scope)
    router = APIRouter(routes=table)
    missed = router.default
    router.select_websocket(scope_of("/"))  # the first connection freezes the table
    return lambda scope: None if (app := router.select_websocket(scope)) == missed else app


def repeated(select, scope, units):
    def work():
        for _ in range(units):
            select(dict(scope))

    return work


@pytest.mark.parametrize("peer", ["wirefast", "starlette"])
@pytest.mark.parametrize("case", ["first", "last", "miss"])
@pytest.mark.parametrize("count", [10, 1_000, 10_000])
def test_routes(measure, count, case, peer):
    table = routes(count)
    number = {"first": 0, "last": count - 1, "miss": count}[case]
    scope = scope_of(f"/service{number}/42/ws")
    select = selector(peer, table)
    checked = dict(scope)
    found = select(checked)
    assert (found is None) == (case == "miss")
    if found is not None:
        assert checked["path_params"] == {"item_id": 42}
        assert checked["endpoint"] is endpoint
    units = 1_000 if peer == "wirefast" or case == "first" else max(1, 20_000 // count)
    measure(repeated(select, scope, units), units, step="match", case=f"{count:,} routes, {case}", peer=peer)


# Without Starlette at 8 KiB: its time grows with the cube of the size, so that row would take minutes.
@pytest.mark.parametrize(("size", "peer"), [(128, "wirefast"), (128, "starlette"), (8_192, "wirefast")])
def test_hostile(measure, size, peer):
    """Dashes without the end that the route wants."""
    select = selector(peer, [WebSocketRoute(HOSTILE, endpoint)])
    assert select(scope_of("/1-2-3-4.x")) is not None
    scope = scope_of("/" + "-" * (size - 1))
    assert select(dict(scope)) is None
    units = 20 if peer == "wirefast" else 1
    measure(repeated(select, scope, units), units, step="match", case=f"hostile path, {size:,} bytes", peer=peer)
