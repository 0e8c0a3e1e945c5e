"""docs/limits.md: every figure in its tables is the source's; docs/limits-tests.md: each row has tests that exist."""

from __future__ import annotations

import ast
import inspect
import re
from functools import cache
from pathlib import Path
from typing import NamedTuple

import pytest
from starlette.requests import Request

import wirefast
from wirefast import App
from wirefast.cli import OWN_DEFAULTS, make_command
from wirefast.rooms import Hub, Policy
from wirefast.rooms.brokers.supervisor import BrokerLimits
from wirefast.routes.websocket_options import WebSocketOptions
from wirefast.security import WebSocketBearer

TESTS = Path(__file__).parents[1]
ROOT = TESTS.parent
PAGE = (ROOT / "docs" / "limits.md").read_text(encoding="utf-8")
PROOFS = (ROOT / "docs" / "limits-tests.md").read_text(encoding="utf-8")
UNITS = {"": 1, "s": 1, "B": 1, "KiB": 1024, "MiB": 1024**2}


class Row(NamedTuple):
    threat: str
    bound: str
    default: str
    source: str
    change: str


class Proof(NamedTuple):
    threat: str
    bound: str
    tests: str


def rows(page: str, columns: int) -> list[list[str]]:
    cells = [[cell.strip() for cell in line.strip("|").split(" | ")] for line in page.splitlines() if line[:2] == "| "]
    found = [row for row in cells if row[0] != "what a client does"]
    wrong = [row[0] for row in found if len(row) != columns]
    assert not wrong, f"a row has {columns} columns; tests of limits stand in docs/limits-tests.md: {wrong}"
    return found


ROWS = [Row(*row) for row in rows(PAGE, 5)]
TESTED = [Proof(*row) for row in rows(PROOFS, 3)]


def label(row: Row | Proof) -> str:
    return re.sub(r"\W+", "_", row.threat or row.bound)[:40]


def figure(text: str) -> float | bool | None:
    """A default as the page writes it: "64 KiB", "10 s", "1024", "none", "false"."""
    if text in ("none", "false", "true"):
        return {"none": None, "false": False, "true": True}[text]
    number, _, unit = text.partition(" ")
    return float(number) * UNITS[unit]


def constant(name: str, file: str) -> float:
    """``NAME = 10.0`` in a source file, in Python or Cython."""
    source = (ROOT / "src" / "wirefast" / file).read_text(encoding="utf-8")
    found = re.findall(rf"^\s*(?:cdef \w+ |self\.)?{name} = ([\d.]+)\b", source, re.MULTILINE)
    assert len(found) == 1, f"{name} in {file}: {found}"
    return float(found[0])


def option_default(option: str) -> object:
    for parameter in make_command().commands["run"].params:
        if option in parameter.opts:
            return OWN_DEFAULTS.get(str(parameter.name), parameter.default)
    raise AssertionError(f"wirefast run has no {option}")


@cache
def functions_of(file: str) -> frozenset[str]:
    tree = ast.parse((TESTS / file).read_text(encoding="utf-8"))
    return frozenset(node.name for node in ast.walk(tree) if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)))


def test_the_tables_are_read() -> None:
    assert len(ROWS) > 35
    assert sum(row.source != "–" for row in ROWS) > 18
    assert figure("64 KiB") == 65536 and figure("10 s") == 10 and figure("none") is None
    assert constant("HEAD_TIMEOUT", "server/http.py") == 10


@pytest.mark.parametrize("row", ROWS, ids=label)
def test_figures(row: Row) -> None:
    if row.source == "–":
        assert row.default == "–", "a figure needs the place it comes from"
    elif match := re.fullmatch(r"`(\w+)` in `([\w/.]+)`", row.source):
        assert constant(match[1], match[2]) == figure(row.default)
    elif match := re.fullmatch(r"`(--[\w-]+)`", row.source):
        assert option_default(match[1]) == figure(row.default)
    elif row.source == "`max_rooms` of `Hub`":
        assert inspect.signature(Hub).parameters["max_rooms"].default == figure(row.default)
    elif match := re.fullmatch(r"`(\w+)` of `wirefast.Limits`", row.source):
        assert getattr(wirefast.Limits(), match[1]) == figure(row.default)
    elif row.source == "`first_message` of `WebSocketBearer`":
        assert inspect.signature(WebSocketBearer).parameters["first_message"].default == figure(row.default)
    elif match := re.fullmatch(r"`(\w+)` of `(BrokerLimits|Policy|WebSocketOptions)`", row.source):
        owners = {"BrokerLimits": BrokerLimits(), "Policy": Policy("wait"), "WebSocketOptions": WebSocketOptions()}
        assert getattr(owners[match[2]], match[1]) == figure(row.default)
    else:
        # HTTP's: defaults of FastAPI's, which tests/limits/test_body_limits.py and Starlette's own parser hold.
        assert row.source in ("`max_body_size` of `App`", "`max_fields` of forms")


@pytest.mark.parametrize(
    ("words", "name", "file"),
    [
        ("64 KiB (`UNREAD_QUEUE`)", "UNREAD_QUEUE", "connection"),
        ("1 MiB of unread messages", "UNREAD_HIGH", "connection"),
        ("1 MiB and one message of unsent bytes", "UNSENT_MAX", "outgoing"),
    ],
)
def test_figures_in_passing(words: str, name: str, file: str) -> None:
    assert words in " ".join(PAGE.split())
    assert constant(name, f"server/{file}.pyx") == figure(" ".join(words.split()[:2]))


def test_each_limit_has_its_tests() -> None:
    assert [(row.threat, row.bound) for row in ROWS] == [(row.threat, row.bound) for row in TESTED]


@pytest.mark.parametrize("row", TESTED, ids=label)
def test_tests_exist(row: Proof) -> None:
    for group in row.tests.split(";"):
        match = re.fullmatch(r"\s*`([\w/.]+)` ([\w, ]+)", group)
        assert match, f"{row.threat}: no test"
        for name in match[2].split(", "):
            assert f"test_{name}" in functions_of(match[1]), f"{match[1]} has no test_{name}"


def test_the_defaults_of_http() -> None:
    assert inspect.signature(App).parameters["max_body_size"].default is None
    (row,) = [row for row in ROWS if row.source == "`max_fields` of forms"]
    assert inspect.signature(Request.form).parameters["max_fields"].default == figure(row.default)
