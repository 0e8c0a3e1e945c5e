"""Where a few words are all that a parameter takes, type checkers know them: its annotation is a Literal."""

from __future__ import annotations

import ast
import asyncio
import re
import ssl
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal, get_args, get_origin, get_type_hints

from click import Choice

import wirefast
from wirefast.cli.command import make_command
from wirefast.run_options import RunOptions

SOURCE = Path(wirefast.__file__).parent

#: FastAPI's own annotation is a plain string, and a subclass or a wrapper of a user's repeats it.
FASTAPIS = {"on_event event_type"}


def literals(annotation: Any) -> set[Any]:
    """The words of all Literals within an annotation."""
    if get_origin(annotation) is Literal:
        return set(get_args(annotation))
    return set().union(*map(literals, get_args(annotation)))


def test_choices_of_the_command_are_literals_of_run() -> None:
    # Only type checkers import what some annotations name.
    hints = get_type_hints(RunOptions, localns={"asyncio": asyncio, "ssl": ssl, "RawConfigParser": Any})
    chosen = {
        option.name: set(option.type.choices)
        for option in make_command().commands["run"].params
        if isinstance(option.type, Choice)
    }
    assert {"log_format", "transport", "lifespan"} <= set(chosen)
    for name, choices in chosen.items():
        # What takes more than its names, as a path to a class, is no closed set.
        if str not in get_args(hints[name]):
            assert literals(hints[name]) == choices, name


def described(doc: str) -> dict[str, str]:
    """What a docstring's list says of each parameter or attribute."""
    return dict(re.findall(r"^[ ]+(\w+): (.*(?:\n {8,}.*)*)", doc, re.MULTILINE))


def is_closed(text: str) -> bool:
    """Whether words in double quotes are given as the choices. A default is no choice beside an example."""
    return len(set(re.findall(r'``("[a-z_-]+")``', text.partition("Default: ``")[0]))) >= 2


def annotations(node: ast.AST) -> dict[str, ast.expr | None]:
    """The annotations of a function's parameters, or of a class's fields and its constructor's parameters."""
    if isinstance(node, ast.ClassDef):
        found: dict[str, ast.expr | None] = {}
        for child in node.body:
            if isinstance(child, ast.AnnAssign) and isinstance(child.target, ast.Name):
                found[child.target.id] = child.annotation
            elif isinstance(child, ast.FunctionDef) and child.name in ("__init__", "__new__"):
                found = annotations(child) | found
        return found
    assert isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    arguments = node.args
    return {each.arg: each.annotation for each in (*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs)}


def closed_sets(path: Path) -> Iterator[tuple[str, ast.expr | None]]:
    """Each parameter and field of a module whose description gives its choices, with the annotation of it."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if not isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            continue
        known = annotations(node)
        for name, text in described(ast.get_docstring(node) or "").items():
            if is_closed(text) and name in known:
                yield f"{node.name} {name}", known[name]


def aliases() -> set[str]:
    """Names that stand for a Literal: ``Name = Literal[...]``, or ``Name: TypeAlias = ...``."""
    found = set()
    for path in SOURCE.rglob("*.py*"):
        if path.suffix in (".py", ".pyi"):
            text = path.read_text(encoding="utf-8")
            found |= set(re.findall(r"^(\w+)(?:: TypeAlias)? = Literal\[", text, re.MULTILINE))
    return found


def test_what_the_docstrings_list_is_a_literal() -> None:
    known = aliases()
    checked = set()
    for path in SOURCE.rglob("*.py"):
        for what, annotation in closed_sets(path):
            names = {each.id for each in ast.walk(annotation) if isinstance(each, ast.Name)} if annotation else set()
            checked.add(what)
            assert what in FASTAPIS or names & {"Literal", *known}, f"{path.relative_to(SOURCE)}: {what} is no Literal"
    assert {"Limits on_excess", "Limits evict", "App explain_rejections", "RouteOptions on_invalid"} <= checked


def test_what_compiled_classes_take_is_a_literal() -> None:
    """Their docstrings are no Python source, so the stubs are asked by name."""
    for module, name, parameter in (
        ("outbox", "Policy", "name"),
        ("outbox", "as_policy", "policy"),
        ("fanout", "try_send", "policy"),
        ("typed_websocket", "iter_messages", "on_invalid"),
    ):
        tree = ast.parse((SOURCE / "_core" / f"{module}.pyi").read_text(encoding="utf-8"))
        (node,) = [each for each in ast.walk(tree) if getattr(each, "name", None) == name]
        annotation = annotations(node)[parameter]
        assert annotation is not None
        names = {each.id for each in ast.walk(annotation) if isinstance(each, ast.Name)}
        assert names & {"Literal", *aliases()}, f"{module}.pyi: {name}({parameter})"
