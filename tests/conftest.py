"""Which tests can run here, and what each must leave behind: nothing.

The oracle, FastAPI 0.165, needs Python 3.11. On Python 3.10 the files that compare with it are left out, and the header
of the run says so.

In the debug build every test has to free each compiled object that it allocated, but for those that an application is
made of (tests/live.py).
"""

from __future__ import annotations

import importlib.metadata
import logging
import re
import tempfile
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import hypothesis
import pytest

import live

# A busy machine makes one example of a test slow, which is no fault.
hypothesis.settings.register_profile("wirefast", deadline=None)
hypothesis.settings.load_profile("wirefast")


def _is_oracle() -> bool:
    """Whether FastAPI is there in the version that is compared with; packages that the tests use may bring another."""
    try:
        version = importlib.metadata.version("fastapi")
    except importlib.metadata.PackageNotFoundError:
        return False
    return tuple(int(part) for part in version.split(".")[:2]) >= (0, 165)


ORACLE = _is_oracle()


def _compares(path: Path) -> bool:
    text = path.read_text(encoding="utf-8")
    return (
        path.parent.name == "compat"
        or re.search(r"^\s*(import|from) (fastapi|compat)\b|import_module\(f?.fastapi", text, re.MULTILINE) is not None
    )


collect_ignore = (
    [] if ORACLE else [str(path) for path in sorted(Path(__file__).parent.rglob("test_*.py")) if _compares(path)]
)


BEFORE = pytest.StashKey[Any]()
FAILED = pytest.StashKey[bool]()
COUNTED = live.is_counted()


#: A warning is an error. But what a test declares need not make sense to a reader: no DeclarationWarning (named by its
#: text, as the class is ours).
WARNINGS = ["error", r"ignore:.*\(\) in .*, line [0-9]+:UserWarning"]


@pytest.hookimpl(tryfirst=True)
def pytest_cmdline_main(config: pytest.Config) -> None:
    """Set defaults of plugins, which the settings in pyproject.toml cannot name where a plugin is missing."""
    option = config.option
    option.benchmark_disable = True
    if getattr(option, "dist", None) == "no" and option.numprocesses:
        option.dist = "loadfile"  # the tests of a file share servers, so they stay together


def pytest_configure(config: pytest.Config) -> None:
    for line in WARNINGS:
        config.addinivalue_line("filterwarnings", line)


def pytest_report_header() -> list[str]:
    lines = ["compiled objects are counted: each test has to free what it allocated"] if COUNTED else []
    if not ORACLE:
        lines.append(f"FastAPI 0.165 is not installed: {len(collect_ignore)} files that compare with it are left out")
    return lines


@pytest.fixture
def short_path() -> Iterator[Path]:
    """A directory for Unix sockets: their path may have 107 bytes, on macOS 103, and ``tmp_path`` may have more."""
    with tempfile.TemporaryDirectory(prefix="wire", dir="/tmp") as directory:
        yield Path(directory)


def _loggers_as_before() -> Iterator[None]:
    """A server that a test starts sets uvicorn's loggers up, and the next test would find them so."""
    loggers = [logging.getLogger(name) for name in ("uvicorn", "uvicorn.error", "uvicorn.access", "wirefast")]
    before = [(one.level, one.propagate, one.disabled, one.handlers[:]) for one in loggers]
    yield
    for one, (level, one.propagate, one.disabled, one.handlers) in zip(loggers, before, strict=True):
        if one.level != level:
            one.setLevel(level)


_of_a_module = pytest.fixture(_loggers_as_before, scope="module", autouse=True, name="_loggers_of_a_module")
_of_a_test = pytest.fixture(_loggers_as_before, autouse=True, name="_loggers_of_a_test")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Iterator[None]:
    item.stash[BEFORE] = live.alive() if COUNTED else None
    return (yield)


@pytest.hookimpl(wrapper=True)
def pytest_fixture_setup(fixturedef: pytest.FixtureDef[Any], request: pytest.FixtureRequest) -> Iterator[Any]:
    """What a fixture of several tests makes is not left behind by the first of them."""
    before = live.alive() if COUNTED and fixturedef.scope != "function" else None
    made = yield
    if before is not None:
        stash, now = request._pyfuncitem.stash, live.alive()
        stash[BEFORE] = Counter({name: stash[BEFORE][name] + now[name] - before[name] for name in now})
    return made


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Iterator[None]:
    report = yield
    if report.failed:
        item.stash[FAILED] = True
    return report


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_teardown(item: pytest.Item) -> Iterator[None]:
    yield  # around all others: the log's records, whose tracebacks hold frames, go with pytest's own teardown
    before = item.stash[BEFORE]
    if before is None or item.stash.get(FAILED, False):
        return  # a failed test's frames, with all that is in them, are kept for the report
    # What the fixtures gave is the test's; pytest itself lets go of it only after the teardown. An exception among the
    # parameters holds the frames that it was raised through.
    getattr(item, "funcargs", {}).clear()
    for value in item.callspec.params.values() if hasattr(item, "callspec") else ():
        if isinstance(value, BaseException):
            value.__traceback__ = value.__context__ = None
    left = live.left_since(before, patience=20.0)
    assert not left, f"compiled objects allocated less freed: {left}"
