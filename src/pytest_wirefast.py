"""The fixture ``live``: an application that runs for one test; see `wirefast.testing`.

pytest imports this module in every run if wirefast is installed. So the module imports only pytest; it imports wirefast
when a test uses the fixture.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from wirefast.testing import Live

__all__ = ["live", "live_app"]

_FAILED = pytest.StashKey[bool]()


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the setting ``live_app``."""
    parser.addini("live_app", "The application that the fixture `live` runs: module:app, or module:factory.")


def pytest_configure(config: pytest.Config) -> None:
    """Add the marker ``live``."""
    config.addinivalue_line(
        "markers",
        "live(app, **options): what the fixture `live` runs, see wirefast.testing.live",
    )


@pytest.fixture
def live_app(request: pytest.FixtureRequest) -> Any:
    """Return the application for ``live``: the setting ``live_app``, or a fixture ``app``, or None. Override this."""
    named = request.config.getini("live_app")
    if named:
        return named
    try:
        return request.getfixturevalue("app")
    except pytest.FixtureLookupError:
        return None


@pytest.fixture
def live(request: pytest.FixtureRequest) -> Iterator[Live]:
    """Give an application that runs for this test, on the test's own loop.

    If nothing else names an application, the test names it: ``await live.start(app)``.
    """
    from wirefast.testing import Live  # only tests that use the fixture import wirefast

    options: dict[str, Any] = {}
    given: tuple[Any, ...] = ()
    for marker in reversed(list(request.node.iter_markers("live"))):
        options.update(marker.kwargs)
        given = marker.args or given
    app = given[0] if given else options.pop("app", None)
    if app is None:
        app = request.getfixturevalue("live_app")
    options.pop("app", None)
    served = Live(app, **options)
    yield served
    served.finish(failed=request.node.stash.get(_FAILED, False))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]) -> Any:
    """Note that a test has failed, for the fixtures that end after it."""
    report = yield
    if report.when == "call" and report.failed:
        item.stash[_FAILED] = True
    return report


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Run ``live`` around each coroutine function that uses it, in the same task, under every plugin."""
    for item in items:
        if isinstance(item, pytest.Function) and "live" in item.fixturenames and _is_coroutine(item.obj):
            item.obj = _around(item, item.obj)


def _is_coroutine(function: Any) -> bool:
    return inspect.iscoroutinefunction(inspect.unwrap(function))


def _around(item: pytest.Function, function: Any) -> Any:
    @functools.wraps(function)
    async def test(*args: Any, **values: Any) -> None:
        served: Live = item.funcargs["live"]  # type: ignore[assignment]
        async with served:
            await function(*args, **values)

    return test


@pytest.hookimpl(tryfirst=True)
def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> bool | None:
    """Run a coroutine function that uses ``live`` and that no other plugin runs."""
    if "live" not in pyfuncitem.fixturenames or not inspect.iscoroutinefunction(pyfuncitem.obj):
        return None
    if any(pyfuncitem.get_closest_marker(name) for name in ("asyncio", "anyio", "trio")):
        return None
    if "anyio_backend" in pyfuncitem.fixturenames:  # anyio's plugin runs it, in its auto mode without a marker
        return None
    from wirefast.testing.runner import Runner  # only tests that use the fixture import wirefast

    names = pyfuncitem._fixtureinfo.argnames
    runner = Runner()
    try:
        runner.run(pyfuncitem.obj(**{name: pyfuncitem.funcargs[name] for name in names}))
    finally:
        runner.close()
    return True
