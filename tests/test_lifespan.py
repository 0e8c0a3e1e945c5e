"""Lifespans: from handlers, from generator functions of either kind, and routers' merged with the application's."""

import asyncio
from contextlib import asynccontextmanager

import pytest

from wirefast import APIRouter, App
from wirefast.lifespan import HandlerLifespan, as_lifespan, merge


async def through(lifespan, app="app"):
    async with lifespan(app) as state:
        return state


def recording(events, name, state=None):
    @asynccontextmanager
    async def lifespan(app):
        events.append(f"{name} in")
        yield state
        events.append(f"{name} out")

    return lifespan


def test_handlers_of_both_kinds_as_they_are_at_that_moment():
    events = []
    startup, shutdown = [lambda: events.append("plain")], []
    lifespan = HandlerLifespan(APIRouter())
    lifespan.router.on_startup, lifespan.router.on_shutdown = startup, shutdown

    async def late():
        await asyncio.sleep(0)
        events.append("late")

    startup.append(late)
    shutdown.append(lambda: events.append("down"))
    assert asyncio.run(through(lifespan)) is None
    assert events == ["plain", "late", "down"]


def test_shutdown_handlers_run_after_a_failure_too():
    events = []

    async def main():
        async with HandlerLifespan(APIRouter(on_shutdown=[lambda: events.append("down")]))("app"):
            raise LookupError

    with pytest.raises(LookupError):
        asyncio.run(main())
    assert events == ["down"]


def test_generator_functions():
    seen = []

    async def asynchronous(app):
        seen.append(app)
        yield {"a": 1}
        seen.append("out")

    def plain(app):
        seen.append(app)
        yield {"b": 2}
        seen.append("out")

    assert asyncio.run(through(as_lifespan(asynchronous))) == {"a": 1}
    assert asyncio.run(through(as_lifespan(plain))) == {"b": 2}
    assert seen == ["app", "out", "app", "out"]


def test_a_factory_is_taken_as_it_is():
    factory = recording([], "x")
    assert as_lifespan(factory) is factory


def test_merged_lifespans_nest_and_the_outer_state_wins():
    events = []
    merged = merge(recording(events, "outer", {"a": 1, "b": 1}), recording(events, "inner", {"b": 2, "c": 2}))
    assert asyncio.run(through(merged)) == {"a": 1, "b": 1, "c": 2}
    assert events == ["outer in", "inner in", "inner out", "outer out"]


@pytest.mark.parametrize(
    ("outer", "inner", "state"),
    [(None, None, None), ({"a": 1}, None, {"a": 1}), (None, {"a": 1}, {"a": 1}), ({}, None, {})],
)
def test_merged_states(outer, inner, state):
    assert asyncio.run(through(merge(recording([], "", outer), recording([], "", inner)))) == state


async def live(app):
    """Start and stop an application by the lifespan protocol: the state, and the types of what it sent."""
    inbox = [{"type": "lifespan.startup"}, {"type": "lifespan.shutdown"}]
    sent, state = [], {}

    async def receive():
        return inbox.pop(0)

    async def send(message):
        sent.append(message["type"])

    await app({"type": "lifespan", "state": state}, receive, send)
    return state, sent


def test_included_routers_take_part():
    events = []
    inner = APIRouter(lifespan=recording(events, "inner", {"inner": 1}))
    middle = APIRouter(
        on_startup=[lambda: events.append("middle up")], on_shutdown=[lambda: events.append("middle down")]
    )
    middle.include_router(inner)
    app = App(lifespan=recording(events, "app", {"app": 1}))
    app.include_router(middle)
    state, sent = asyncio.run(live(app))
    assert state == {"app": 1, "inner": 1}
    assert sent == ["lifespan.startup.complete", "lifespan.shutdown.complete"]
    assert events[0] == "app in" and events[-1] == "app out"
    assert events.count("inner in") == events.count("inner out") == 1
    assert events.count("middle up") == events.count("middle down") == 1


def test_a_failure_at_start_up_is_reported():
    def fail():
        raise LookupError("no database")

    sent = []

    async def main():
        async def receive():
            return {"type": "lifespan.startup"}

        async def send(message):
            sent.append(message)

        await App(on_startup=[fail])({"type": "lifespan"}, receive, send)

    with pytest.raises(LookupError):
        asyncio.run(main())
    assert sent[0]["type"] == "lifespan.startup.failed"
    assert "no database" in sent[0]["message"]
