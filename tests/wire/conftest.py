"""Servers for the tests of the wire."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from conversations import Talk
from serving import TRANSPORT, Served, serving

from browser import Browser, chromium


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Run what is marked ``both_transports`` over the loop's transports too."""
    if "transport" in metafunc.fixturenames and metafunc.definition.get_closest_marker("both_transports"):
        metafunc.parametrize("transport", ["sockets", "loop"])


@pytest.fixture
def transport() -> str:
    """Who reads and writes the connections of the test's servers: ``"sockets"`` or ``"loop"``."""
    return TRANSPORT


@pytest.fixture
def serve(transport: str) -> Iterator[Callable[..., Served]]:
    """``serve(app, **settings of uvicorn's Config)``: a running server that stops with the test."""
    with ExitStack() as stack:
        yield lambda app, **settings: stack.enter_context(serving(app, **{"transport": transport} | settings))


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
