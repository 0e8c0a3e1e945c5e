"""The ranks inside the packages that have most modules: no circle, and no import that goes up.

test_layers.py has the order of the packages. A new module of `_core`, `server` or `rooms` takes its place here,
above every module of its package that it imports or cimports.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest
from test_layers import CYTHON, PYTHON, SOURCE, imports_of, label, name_of

# From the bottom to the top: a module imports from the rows below its own alone.
ROWS = {
    "_core": [
        "__init__ clock content_type coroutine csrc drive dumping foreign groups hooks leaving not_allowed "
        "outbox pace places plan readiness scope secrets socket_router unicode unions",
        "close exits extract json matcher plan_cache tagging whose",
        "channel errors gate handlers jsonable solver",
        "dispatch message_errors operation websocket",
        "message_input message_reader message_scope sender session",
        "message_table typed_websocket",
        "fanout messages",
    ],
    "server": [
        "bounds csrc cycle deflate ending listening refused request_ids waiter",
        "header_lines lines reactor settings",
        "frames head responses",
        "body handshake outgoing",
        "closing connection",
        "opening",
        "protocol",
        "http measured",
        "__init__ health",
        "config drain",
        "serving",
    ],
    "rooms": [
        "brokers.base brokers.frames brokers.link brokers.notices metering turn typed workers",
        "brokers brokers.outgoing brokers.relay brokers.subscriptions models",
        "brokers.supervisor envelope gaps roster",
        "brokers.local brokers.nats brokers.redis sequence",
        "hub",
        "__init__",
    ],
}
RANKS = {
    f"wirefast.{package}" + ("" if name == "__init__" else f".{name}"): rank
    for package, rows in ROWS.items()
    for rank, row in enumerate(rows)
    for name in row.split()
}
FILES = PYTHON + CYTHON
MODULES = {name_of(path) for path in FILES} - {"wirefast"}


def module_of(name: str) -> str | None:
    """The module that a full name is in, or is; None for another package's."""
    while name and name not in MODULES:
        name = name.rpartition(".")[0]
    return name or None


def modules_imported(path: Path) -> Iterator[str]:
    own = name_of(path)
    for name in imports_of(path):
        found = module_of(name)
        if found is not None and found != own:
            yield found


RANKED = [path for path in FILES if name_of(path).split(".")[1] in ROWS]


@pytest.mark.parametrize("path", RANKED, ids=label)
def test_imports_go_down_inside_a_package(path: Path) -> None:
    own = name_of(path)
    assert own in RANKS, f"give {label(path)} its place in ROWS"
    package = own.split(".")[1]
    for name in modules_imported(path):
        if name.split(".")[1] == package:
            assert RANKS[name] < RANKS[own], f"{label(path)} imports {name}, which is not below it"


def test_every_row_names_modules_that_are_there() -> None:
    assert RANKS.keys() <= MODULES | {f"wirefast.{package}" for package in ROWS}
    assert len(RANKS) == sum(len(row.split()) for rows in ROWS.values() for row in rows)


def functions_importing(tree: ast.AST) -> Iterator[ast.stmt]:
    for function in ast.walk(tree):
        if isinstance(function, (ast.FunctionDef, ast.AsyncFunctionDef)):
            yield from (node for node in ast.walk(function) if isinstance(node, (ast.Import, ast.ImportFrom)))


def without_reason(text: str) -> list[int]:
    """The lines of imports inside functions that say no reason, and stand under no import that says one."""
    lines = text.splitlines()
    found: list[int] = []
    said_until = -1
    for node in sorted(functions_importing(ast.parse(text)), key=lambda node: node.lineno):
        reason = lines[node.lineno - 1].partition("  # ")[2].removeprefix("noqa: F401")
        if reason.strip(" -") or said_until == node.lineno - 1:
            said_until = node.end_lineno or node.lineno
        else:
            found.append(node.lineno)
    return sorted(set(found))


def test_reader_of_reasons() -> None:
    text = "def f():\n    import a  # an extra\n    import b\n\n    import c  # noqa: F401\n    x = 1\n    import d\n"
    assert without_reason(text) == [5, 7]


@pytest.mark.parametrize("path", [path for path in PYTHON if path.suffix == ".py"], ids=label)
def test_an_import_inside_a_function_says_why(path: Path) -> None:
    assert without_reason(path.read_text(encoding="utf-8")) == []


def circles() -> list[set[str]]:
    """Modules that import each other, directly or not."""
    below: dict[str, set[str]] = {name: set() for name in MODULES}
    for path in FILES:
        if name_of(path) != "wirefast":
            below[name_of(path)].update(modules_imported(path))
    changed = True
    while changed:  # what imports nothing of the rest, or is imported by nothing of it, is in no circle
        imported = set().union(*below.values()) if below else set()
        ends = {name for name, names in below.items() if not names & below.keys() or name not in imported}
        changed = bool(ends)
        below = {name: names - ends for name, names in below.items() if name not in ends}
    return [set(below)] if below else []


#: telemetry reads its own settings late, and the test kit's parts open each other: inside functions.
KNOWN_CIRCLES = {
    "wirefast.openapi.document_models", "wirefast.openapi.models",
    "wirefast.telemetry.config", "wirefast.telemetry.recording",
    "wirefast.testing.client", "wirefast.testing.peer", "wirefast.testing.running",
}  # fmt: skip


def test_there_is_no_circle() -> None:
    assert set().union(*circles()) - KNOWN_CIRCLES == set()


def test_sources_are_where_the_ranks_look() -> None:
    assert SOURCE.is_dir() and len(RANKED) > 100
