"""A user that is named by a dependency, around routes that solve none."""

import gc
import logging
from typing import Annotated, Any
from weakref import ref

import pytest
from limited import echo
from starlette.applications import Starlette
from starlette.routing import WebSocketRoute

from wirefast import APIRouter, App, Limits, Query
from wirefast.dependencies import models
from wirefast.testclient import TestClient
from wirefast.testing import Live


async def by_dependency(user: Annotated[str | None, Query()] = None) -> str | None:
    return user


def by_function(websocket: Any) -> str | None:
    found: str | None = websocket.query_params.get("user")
    return found


def app_of(user: Any) -> App:
    app = App(limits=Limits(per_user=1, user=user))
    app.websocket("/ours")(echo)
    app.router.routes.append(WebSocketRoute("/foreign", echo))
    app.mount("/mounted", Starlette(routes=[WebSocketRoute("/echo", echo)]))
    router = APIRouter()
    router.websocket("/ours")(echo)
    app.include_router(router, prefix="/included")
    return app


FOREIGN = ["/foreign", "/mounted/echo"]


@pytest.mark.parametrize("path", ["/ours", "/included/ours", *FOREIGN])
async def test_a_function_counts_everywhere(live: Live, path: str) -> None:
    await live.start(app_of(by_function))
    async with live.connect(f"{path}?user=ada"):
        await live.expect_refused(429, f"{path}?user=ada")
        async with live.connect(f"{path}?user=bob"):
            pass


@pytest.mark.parametrize("path", ["/ours", "/included/ours"])
async def test_a_dependency_counts_on_routes_of_ours(live: Live, path: str) -> None:
    await live.start(app_of(by_dependency))
    async with live.connect(f"{path}?user=ada"):
        await live.expect_refused(429, f"{path}?user=ada")


@pytest.mark.parametrize("path", FOREIGN)
async def test_elsewhere_nobody_comes_in_uncounted(live: Live, path: str, caplog: pytest.LogCaptureFixture) -> None:
    await live.start(app_of(by_dependency))
    with caplog.at_level(logging.ERROR, "wirefast"):
        for _ in range(3):
            await live.expect_refused(503, f"{path}?user=ada")
    told = [record.getMessage() for record in caplog.records if record.exc_info is None]
    assert len([line for line in told if line.startswith(f"per_user cannot count the sockets of '{path[:8]}")]) == 1
    assert "Give user= a function of one parameter" in told[0]
    assert not [record for record in caplog.records if record.exc_info]


def test_limits_are_let_go() -> None:
    limits = Limits(per_user=1, user=by_dependency)
    app = App(limits=limits)
    app.websocket("/")(echo)
    client = TestClient(app)
    with client.websocket_connect("/?user=ada"):
        pass
    watched = ref(limits)
    del limits, app, client
    for function in vars(models).values():  # which keep what they were asked last, a bounded number
        if hasattr(function, "cache_clear"):
            assert function.cache_info().maxsize
            function.cache_clear()
    gc.collect()
    assert watched() is None
