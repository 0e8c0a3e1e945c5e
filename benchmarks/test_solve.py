"""Dependencies by kind and by number: a connection whose endpoint has them and does nothing."""

import importlib
from typing import Annotated

import pytest

from benchmarks import peers
from benchmarks.asgi import Opening, scope_of

UNITS = 50


async def coroutine():
    return "value"


def in_thread():
    return "value"


async def asynchronous_generator():
    yield "value"


def generator_in_thread():
    yield "value"


class Settings:
    def __init__(self):
        self.value = "value"


KINDS = {
    "none": None,
    "coroutine": coroutine,
    "function in a thread": in_thread,
    "asynchronous generator": asynchronous_generator,
    "generator in a thread": generator_in_thread,
    "class in a thread": Settings,
}


def new_app(framework):
    package = importlib.import_module(framework)
    return package, package.App() if framework == "wirefast" else package.FastAPI()


def endpoint_with(package, seen, parameters):
    """An endpoint with these parameters (name -> annotation), which leaves what it is given in ``seen``."""
    source = f"async def endpoint(websocket, {', '.join(parameters)}):\n    seen['values'] = [{', '.join(parameters)}]"
    names = {"seen": seen}
    exec(source, names)
    endpoint = names["endpoint"]
    endpoint.__annotations__ = {"websocket": package.WebSocket, **parameters}
    return endpoint


@pytest.mark.parametrize("peer", peers.FRAMEWORKS)
@pytest.mark.parametrize("case", KINDS)
def test_kind(measure, loop, case, peer):
    package, app = new_app(peer)
    seen = {}
    parameters = {} if KINDS[case] is None else {"given": Annotated[object, package.Depends(KINDS[case])]}
    app.websocket("/ws")(endpoint_with(package, seen, parameters))
    opening = Opening(loop, app, scope_of("/ws"))
    assert opening.answer() == []
    assert [getattr(value, "value", value) for value in seen["values"]] == ["value"] * len(parameters)
    units = 10 if "thread" in case else UNITS
    measure(lambda: opening.run(units), units, step="solve", case=f"kind: {case}", peer=peer)


@pytest.mark.parametrize("peer", peers.FRAMEWORKS)
def test_cached(measure, loop, peer):
    """One dependency asked for by two others: called once."""
    package, app = new_app(peer)
    calls, seen = [], {}

    async def shared():
        calls.append(1)
        return "value"

    async def left(value: Annotated[str, package.Depends(shared)]):
        return value

    async def right(value: Annotated[str, package.Depends(shared)]):
        return value

    parameters = {"a": Annotated[str, package.Depends(left)], "b": Annotated[str, package.Depends(right)]}
    app.websocket("/ws")(endpoint_with(package, seen, parameters))
    opening = Opening(loop, app, scope_of("/ws"))
    assert opening.answer() == [] and calls == [1] and seen["values"] == ["value", "value"]
    measure(lambda: opening.run(UNITS), UNITS, step="solve", case="kind: shared by two", peer=peer)


@pytest.mark.parametrize("peer", peers.FRAMEWORKS)
@pytest.mark.parametrize("count", [1, 4, 16, 64])
def test_dependencies(measure, loop, count, peer):
    """Growth with the number of dependencies, coroutines without parameters."""
    package, app = new_app(peer)
    seen = {}

    def dependency(number):
        async def give():
            return number

        return give

    parameters = {f"d{number}": Annotated[int, package.Depends(dependency(number))] for number in range(count)}
    app.websocket("/ws")(endpoint_with(package, seen, parameters))
    opening = Opening(loop, app, scope_of("/ws"))
    assert opening.answer() == [] and seen["values"] == list(range(count))
    measure(lambda: opening.run(UNITS), UNITS, step="solve", case=f"{count} dependencies", peer=peer)


@pytest.mark.parametrize("peer", peers.FRAMEWORKS)
@pytest.mark.parametrize("count", [1, 4, 16, 64])
def test_parameters(measure, loop, count, peer):
    """Growth with the number of parameters, integers from the query."""
    package, app = new_app(peer)
    seen = {}
    parameters = {f"p{number}": Annotated[int, package.Query()] for number in range(count)}
    app.websocket("/ws")(endpoint_with(package, seen, parameters))
    query = "&".join(f"p{number}={number}" for number in range(count)).encode()
    opening = Opening(loop, app, scope_of("/ws", query))
    assert opening.answer() == [] and seen["values"] == list(range(count))
    measure(lambda: opening.run(UNITS), UNITS, step="solve", case=f"{count} parameters", peer=peer)
