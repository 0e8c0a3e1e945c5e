"""One plan a route, one more for the overrides last seen: nothing is analysed while connections are served."""

import types
from typing import Annotated

import pytest

from asgi import connect
from wirefast import App, Depends, WebSocket
from wirefast._core import plan_cache as module
from wirefast._core.plan_cache import PlanCache
from wirefast._core.session import WebSocketSession
from wirefast.dependencies import analysis
from wirefast.dependencies.analysis import get_endpoint_dependant
from wirefast.dependencies.planning import make_plan


def test_is_compiled():
    assert module.__file__.endswith((".so", ".pyd"))


async def original():
    return "original"


async def endpoint(websocket: WebSocket, value: Annotated[str, Depends(original)]):
    await websocket.accept()
    await websocket.send_text(value)


class Route:
    """A session over a cache whose plans are counted; ``value()`` is what one connection got."""

    def __init__(self, provider):
        dependant, _, _ = get_endpoint_dependant(path="/", call=endpoint, dependencies=())
        self.made = []
        self.cache = PlanCache(dependant=dependant, make_plan=self.make_plan, provider=provider)
        self.app = WebSocketSession(websocket_class=WebSocket, plans=self.cache, invalid=None)

    def make_plan(self, dependant, overrides):
        self.made.append(overrides and dict(overrides))
        return make_plan(dependant, overrides)

    def value(self):
        (text,) = connect(self.app).texts
        return text


def provider(overrides=None):
    return types.SimpleNamespace(dependency_overrides={} if overrides is None else overrides)


def test_no_plan_before_the_first_connection_and_one_afterwards():
    route = Route(provider())
    assert route.made == []
    assert [route.value() for _ in range(5)] == ["original"] * 5
    assert route.made == [None]


@pytest.mark.parametrize("other", [None, object()])
def test_without_overrides_to_look_at(other):
    route = Route(other)
    assert [route.value() for _ in range(3)] == ["original"] * 3
    assert route.made == [None]


def test_one_plan_for_a_set_of_overrides():
    overrides = provider({original: lambda: "first"})
    route = Route(overrides)
    assert [route.value() for _ in range(3)] == ["first"] * 3
    assert len(route.made) == 1

    # An equal dict of the same objects is the same set.
    overrides.dependency_overrides = dict(overrides.dependency_overrides)
    assert route.value() == "first"
    assert len(route.made) == 1


def test_every_change_is_seen():
    overrides = provider({original: lambda: "first"})
    route = Route(overrides)
    assert route.value() == "first"
    overrides.dependency_overrides[original] = lambda: "second"
    assert route.value() == "second"
    overrides.dependency_overrides[endpoint] = lambda: "another key"
    assert route.value() == "second"
    overrides.dependency_overrides.clear()
    assert route.value() == "original"
    overrides.dependency_overrides[original] = lambda: "third"
    assert route.value() == "third"
    assert len(route.made) == 5


def test_going_back_and_forth_keeps_the_plan_without_overrides():
    replacement = {original: lambda: "replaced"}
    overrides = provider({})
    route = Route(overrides)
    for _ in range(3):
        overrides.dependency_overrides = {}
        assert route.value() == "original"
        overrides.dependency_overrides = replacement
        assert route.value() == "replaced"
    assert route.made == [None, replacement]


def test_a_new_function_at_an_old_address_is_new():
    """Functions are told apart by identity, so those that a plan was made for must be kept alive."""
    overrides = provider()
    route = Route(overrides)
    for i in range(50):
        overrides.dependency_overrides.clear()
        overrides.dependency_overrides[original] = lambda i=i: str(i)
        assert route.value() == str(i)


def test_equal_is_not_the_same():
    class Equal:
        def __init__(self, value):
            self.value = value

        def __eq__(self, other):
            return isinstance(other, Equal)

        def __hash__(self):
            return 1

        def __call__(self):
            return self.value

    overrides = provider({original: Equal("first")})
    route = Route(overrides)
    assert route.value() == "first"
    overrides.dependency_overrides[original] = Equal("second")
    assert route.value() == "second"


def test_a_mapping_of_another_kind_is_asked_each_time():
    overrides = provider(types.MappingProxyType({original: lambda: "mapped"}))
    route = Route(overrides)
    assert [route.value() for _ in range(3)] == ["mapped"] * 3
    assert len(route.made) == 3


class Fresh:
    """A provider whose overrides are others each time it is asked."""

    asked = 0

    @property
    def dependency_overrides(self):
        Fresh.asked += 1
        return {original: lambda n=Fresh.asked: n}


def test_overrides_that_never_stay_the_same():
    """Each dependency is solved for the overrides that it found, and none is looked up again for ever."""
    dependant, _, _ = get_endpoint_dependant(path="/", call=both, dependencies=())
    cache = PlanCache(dependant=dependant, make_plan=make_plan, provider=Fresh())
    (text,) = connect(WebSocketSession(websocket_class=WebSocket, plans=cache, invalid=None)).texts
    first, second = text.split()
    assert int(first) < int(second)


async def both(
    websocket: WebSocket,
    first: Annotated[int, Depends(original)],
    second: Annotated[int, Depends(original, use_cache=False)],
):
    await websocket.accept()
    await websocket.send_text(f"{first} {second}")


def test_overrides_are_looked_up_only_after_something_ran():
    asked = []

    class Provider:
        @property
        def dependency_overrides(self):
            asked.append(True)
            return {}

    assert Route(Provider()).value() == "original"
    assert len(asked) == 1


def test_a_plan_that_cannot_be_made_is_tried_again():
    overrides = provider({original: lambda: "replaced"})
    route = Route(overrides)
    failures = [LookupError("first"), LookupError("second")]

    def make_plan(dependant, wanted):
        if failures:
            raise failures.pop(0)
        return route.make_plan(dependant, wanted)

    cache = PlanCache(dependant=route.cache.dependant, make_plan=make_plan, provider=overrides)
    route.app = WebSocketSession(websocket_class=WebSocket, plans=cache, invalid=None)
    for text in ("first", "second"):
        with pytest.raises(LookupError, match=text):
            route.value()
    assert route.value() == "replaced"


def test_no_signature_is_read_while_an_application_serves(monkeypatch):
    read = []
    get_signature = analysis.typed_signature

    def counting(call):
        read.append(call)
        return get_signature(call)

    monkeypatch.setattr(analysis, "typed_signature", counting)
    app = App()
    app.websocket("/")(endpoint)
    assert len(read) == 2
    for _ in range(20):
        assert connect(app).texts == ["original"]
    assert len(read) == 2

    app.dependency_overrides[original] = lambda: "replaced"
    for _ in range(20):
        assert connect(app).texts == ["replaced"]
    assert len(read) == 3
