"""Servers for the tests of the wire."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from conversations import Talk
from serving import Served, serving

from browser import Browser, chromium


@pytest.fixture
def serve() -> Iterator[Callable[..., Served]]:
    """``serve(app, **settings of uvicorn's Config)``: a running server that stops with the test."""
    with ExitStack() as stack:
        yield lambda app, **settings: stack.enter_context(serving(app, **settings))


@pytest.fixture(params=["uvloop", "asyncio"])
def loop_name(request: pytest.FixtureRequest) -> str:
    return request.param


@pytest.fixture
def browser(tmp_path: Path) -> Iterator[Browser]:
    """A Chromium process of this test's own."""
    with chromium(tmp_path) as browser:
        yield browser


@pytest.fixture
def talk() -> Iterator[Talk]:
    """A server without a network."""
    talk = Talk()
    yield talk
    talk.close()
