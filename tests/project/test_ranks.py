"""The ranks inside the packages that have most modules: no circle, and no import that goes up.

test_layers.py has the order of the packages. A new module of `_core`, `server` or `rooms` takes its place here,
above every module of its package that it imports or cimports. What stands under ``if TYPE_CHECKING:`` loads nothing
and has no rank.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from test_layers import CYTHON, LAYERS, PYTHON, SOURCE, imports_of, imports_of_tree, label, layer_of, name_of

# From the bottom to the top: a module imports from the rows below its own alone.
ROWS = {
    "_core": [
        "__init__ content_type coroutine csrc drive dumping error_list foreign groups hooks instant leaving "
        "not_allowed outbox pace plan readiness scope secrets socket_router source_location unicode unions",
        "clock close exits extract json matcher plan_cache tagging whose",
        "channel deadlines errors gate handlers jsonable solver unrouted",
        "dispatch message_errors meter operation",
        "asgi_socket",
        "websocket",
        "metered",
        "message_input message_reader message_scope sender",
        "ledger message_table typed_websocket",
        "fanout messages session",
    ],
    "server": [
        "bounds csrc current_task cycle deflate ending flow pages reasons refused request_ids reuseport sockets "
        "sockets.csrc unix watching",
        "frame_row header_lines log_lines settings waiter",
        "reactor",
        "frames head responses sockets.poller",
        "sockets.transport",
        "body handshake outgoing sockets.listener",
        "closing connection lazy_scope",
        "app_coroutine opening",
        "protocol",
        "http measured",
        "__init__ arrival health",
        "config drain sockets.listening",
        "starting",
        "serving",
    ],
    "rooms": [
        "brokers.base brokers.frames brokers.link brokers.notices counts threads turn typed workers",
        "brokers brokers.commands brokers.outgoing brokers.relay brokers.subscriptions models",
        "brokers.supervisor envelope gaps members roster",
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


def without_type_checking(tree: ast.Module) -> ast.Module:
    """Take what stands under ``if TYPE_CHECKING:`` out of a tree."""
    for node in ast.walk(tree):
        for block in (getattr(node, "body", None), getattr(node, "orelse", None)):
            for one in block if isinstance(block, list) else ():
                if isinstance(one, ast.If) and isinstance(one.test, ast.Name) and one.test.id == "TYPE_CHECKING":
                    one.body = [ast.Pass()]
    return tree


def loaded_by(path: Path) -> Iterator[str]:
    """The full names of what a file imports when it runs."""
    if path.suffix != ".py":
        yield from imports_of(path)
        return
    tree = without_type_checking(ast.parse(path.read_text(encoding="utf-8")))
    package = path.relative_to(SOURCE).parent.parts
    yield from imports_of_tree(tree, package)


def modules_imported(path: Path) -> Iterator[str]:
    own = name_of(path)
    for name in loaded_by(path):
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
        reason = re.sub(r"(noqa|type): *\w+(\[[\w, -]+\])?", "", lines[node.lineno - 1].partition("  # ")[2])
        if reason.strip(" -#") or said_until == node.lineno - 1:
            said_until = node.end_lineno or node.lineno
        else:
            found.append(node.lineno)
    return sorted(set(found))


def test_reader_of_reasons() -> None:
    text = "def f():\n    import a  # an extra\n    import b\n\n    import c  # noqa: F401\n    x = 1\n    import d\n"
    assert without_reason(text) == [5, 7]
    assert without_reason("def f():\n    import a  # type: ignore[import-untyped]  # noqa: F401\n") == [2]
    assert without_reason("def f():\n    import a  # type: ignore[import-untyped]  # an extra\n") == []


@pytest.mark.parametrize("path", [path for path in PYTHON if path.suffix == ".py"], ids=label)
def test_an_import_inside_a_function_says_why(path: Path) -> None:
    assert without_reason(path.read_text(encoding="utf-8")) == []


def circles(below: dict[str, set[str]]) -> list[set[str]]:
    """The sets, each as large as possible, of names that reach each other."""
    reached: dict[str, set[str]] = {}
    for name in below:
        seen, left = set(), [name]
        while left:
            more = below.get(left.pop(), set()) - seen
            seen |= more
            left += more
        reached[name] = seen
    found = {frozenset(other for other in below if other in reached[name] and name in reached[other]) for name in below}
    return [set(circle) for circle in found if circle]


def test_reader_of_circles() -> None:
    below = {"a": {"b"}, "b": {"c"}, "c": {"b", "d"}, "d": set(), "e": {"f"}, "f": {"e"}}
    assert sorted(map(sorted, circles(below))) == [["b", "c"], ["e", "f"]]


#: The settings of telemetry ask for the recording inside a function: only where telemetry is on.
KNOWN_CIRCLES = [{"wirefast.telemetry.config", "wirefast.telemetry.recording"}]


def test_there_is_no_other_circle() -> None:
    below: dict[str, set[str]] = {name: set() for name in MODULES}
    for path in FILES:
        if name_of(path) != "wirefast":
            below[name_of(path)].update(modules_imported(path))
    assert circles(below) == KNOWN_CIRCLES


def test_packages_of_one_row_import_each_other_one_way() -> None:
    row_of = {name: row for row in LAYERS for name in row.split()}
    below: dict[str, set[str]] = {name: set() for name in row_of}
    for path in FILES:
        own = layer_of(".".join(name_of(path).split(".")))
        for name in modules_imported(path):
            layer = layer_of(name)
            if own is not None and layer not in (None, own) and row_of[layer] == row_of[own]:
                below[own].add(layer)
    assert circles(below) == []


#: What loads modules by a name in a string, which is no import that the tests above see.
LOADS_BY_NAME = {
    "wirefast.as_fastapi",  # every module of the package, under FastAPI's name
    "wirefast.cli.options",  # the server, for what it replaces of uvicorn's, when the command runs
    "wirefast.cli.serving",  # the alias, where the command line asks for it
    "wirefast.cli.target",  # the application, which is the user's
    "wirefast.cli.under_alias",  # the alias, and then the application
    "wirefast.encoders",  # pydantic's extra types, where they are installed
    "wirefast.openapi.models",  # the models of a whole document, with the first of them
    "wirefast.responses",  # ujson, where a response asks for it
    "wirefast.rooms.brokers.base",  # the broker of a URL, whose client is an extra
    "wirefast.running",  # the command, where a program serves itself
    "wirefast.security",  # a scheme, with the first of its names
    "wirefast.testing.loading",  # the application under test
}


def test_modules_are_loaded_by_name_where_that_is_known() -> None:
    loading = {
        name_of(path)
        for path in FILES
        if re.search(r"\b(import_module|__import__)\(", path.read_text(encoding="utf-8"))
    }
    assert loading == LOADS_BY_NAME


@pytest.mark.parametrize("path", FILES, ids=label)
def test_no_import_is_relative(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    assert not re.search(r"^[ \t]*from[ \t]+\.", text, re.MULTILINE)
    assert not re.search(r"import_module\([^)]*__package__", text)


def test_sources_are_where_the_ranks_look() -> None:
    assert SOURCE.is_dir() and len(RANKED) > 100
