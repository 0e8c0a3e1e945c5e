"""Servers for the tests of the wire."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack

import pytest
from serving import Served, serving


@pytest.fixture
def serve() -> Iterator[Callable[..., Served]]:
    """``serve(app, **settings of uvicorn's Config)``: a running server that stops with the test."""
    with ExitStack() as stack:
        yield lambda app, **settings: stack.enter_context(serving(app, **settings))


@pytest.fixture(params=["uvloop", "asyncio"])
def loop_name(request: pytest.FixtureRequest) -> str:
    return request.param
