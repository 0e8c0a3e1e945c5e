"""The reference in docs/reference: it holds every public module, and every public name says what a caller must know.

What a docstring has to say is checked as far as a program can: it is there, it names every parameter, itself or in
another docstring that it points to in backquotes, and every exception that the body raises by name. What a name stands
for (FastAPI's, Starlette's, an RFC's, ASGI's, or ours only) is said with the name or at the head of its module.
"""

from __future__ import annotations

import ast
import importlib
import inspect
import re
import sys
import textwrap
import types
from collections.abc import Iterator
from enum import Enum
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
SOURCE = ROOT / "src"
PAGES = sorted((ROOT / "docs" / "reference").glob("*.md"))
REFERENCE = [module for page in PAGES for module in re.findall(r"automodule:: (\S+)", page.read_text(encoding="utf-8"))]

# Modules whose names start with no underscore, because FastAPI's do not or to be read, and which are nobody's to use.
# A package stands for its modules.
INTERNAL = {
    "wirefast.as_fastapi": "the alias: importing it here would stand in the way of FastAPI; moving.md describes it",
    "wirefast.as_wire": "what our server answers, for test clients that have no server",
    "wirefast.dependencies.analysis": "from a signature to a Dependant; dependencies.utils has FastAPI's names for it",
    "wirefast.dependencies.annotations": "names in annotations that cannot be found",
    "wirefast.dependencies.bodies": "how body fields are read",
    "wirefast.dependencies.fields": "one declared parameter and its validator",
    "wirefast.dependencies.flat": "the parameters of a tree of dependencies; dependencies.utils has FastAPI's name",
    "wirefast.dependencies.form_schemas": "how a form with models is described",
    "wirefast.dependencies.forms": "how body fields share a body",
    "wirefast.dependencies.groups": "a group of parameters read into one model",
    "wirefast.dependencies.markers": "recognises markers",
    "wirefast.dependencies.long_lived": "names what sockets hold for their life",
    "wirefast.dependencies.message_planning": "from the handlers of messages to their plans",
    "wirefast.dependencies.message_scope": "message-scoped dependencies of plain endpoints",
    "wirefast.dependencies.message_types": "what the types of messages say",
    "wirefast.dependencies.places": "where parameters are read from",
    "wirefast.dependencies.planning": "from a Dependant to a plan",
    "wirefast.dependencies.scoped_value": "stands for a value of a message scope",
    "wirefast.dependencies.shapes": "what an annotation says of its source",
    "wirefast.dependencies.models": "the Dependant itself",
    "wirefast.other_server": "a line in the log under uvicorn's own command",
    "wirefast.extras": "how errors say that an extra is installed",
    "wirefast.stand_in": "how objects of ours are taken for FastAPI's; moving.md tells of it",
    "wirefast.openapi.document_models": "the models of a document, which openapi.models passes on",
    "wirefast.cli": "the command; its help and deployment.md describe it",
    "wirefast.draining": "what App.on_drain does",
    "wirefast.operating": "what App.readiness and metrics= do",
    "wirefast.metrics": "counters; operating.md lists what they count",
    "wirefast.control": "the local socket; operating.md describes it",
    "wirefast.limits": "what max_body_size and form_limits do",
    "wirefast.routes": "the kinds of routes and their decorators, which App, APIRouter and wirefast.routing pass on",
    "wirefast.clients": "what `wirefast client` writes; docs/clients.md describes it",
    "wirefast.documents": "makes what openapi.utils and openapi.docs pass on, and what App serves of it",
    "wirefast.lifespan": "lifespans of routers, merged",
    "wirefast.middleware.asyncexitstack": "closes uploaded files",
}
# Their packages' names are their interface.
WITHIN = re.compile(
    r"wirefast\.(cli|clients|server|control|rooms|documents|limits|messages|metrics|routes|telemetry|testing)\.\w+(\.\w+)?"
)

ORIGIN = re.compile(
    r"FastAPI|fastapi\.|Starlette|starlette\.|\bRFC\b|\bASGI\b|WHATWG|OpenAPI|uvicorn|wirefast only|ours"
)


def public_modules() -> Iterator[str]:
    for path in sorted((SOURCE / "wirefast").rglob("*.py")):
        parts = path.relative_to(SOURCE).with_suffix("").parts
        name = ".".join(parts[:-1] if parts[-1] == "__init__" else parts)
        if not any(part.startswith("_") for part in name.split(".")):
            yield name


def is_ours(value: object) -> bool:
    return str(getattr(value, "__module__", "")).split(".")[0] == "wirefast"


def public_names(module: types.ModuleType) -> Iterator[str]:
    """``__all__``; without one, what the module defines or passes on as ``name as name``."""
    if hasattr(module, "__all__"):
        yield from module.__all__
        return
    assert module.__file__ is not None
    for node in ast.parse(Path(module.__file__).read_text(encoding="utf-8")).body:
        if isinstance(node, ast.ImportFrom):
            yield from (alias.name for alias in node.names if alias.asname == alias.name)
        elif isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)) and node.name[0] != "_":
            yield node.name


def public_members(cls: type) -> Iterator[tuple[str, Any]]:
    """Methods and properties of ours, also those of a mixin or of a compiled base."""
    for base in cls.__mro__:
        if is_ours(base):
            for name, value in vars(base).items():
                unwrapped = value.__func__ if isinstance(value, (classmethod, staticmethod)) else value
                if name[0] != "_" and (callable(unwrapped) or isinstance(unwrapped, property)):
                    if not isinstance(unwrapped, type):
                        yield name, unwrapped


# ASGI's own, and what exception handlers are given.
CONVENTIONAL = {"scope", "receive", "send", "exc", "request", "websocket"}
# Protocols, whose methods asyncio and uvicorn call.
CALLED_BY_OTHERS = {"wirefast.server"}


def parameters_of(function: Any) -> list[str]:
    try:
        signature = inspect.signature(function)
    except (TypeError, ValueError):
        return []
    variadic = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)
    return [
        name
        for name, parameter in signature.parameters.items()
        if name not in {"self", "cls"} | CONVENTIONAL and name[0] != "_" and parameter.kind not in variadic
    ]


def raised_by(function: Any) -> set[str]:
    """Names of the exceptions that the body itself raises."""
    try:
        tree = ast.parse(textwrap.dedent(inspect.getsource(function)))
    except (OSError, TypeError, SyntaxError):
        return set()
    found = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Raise) and isinstance(node.exc, ast.Call) and isinstance(node.exc.func, ast.Name):
            found.add(node.exc.func.id)
    return found


def described() -> Iterator[tuple[str, str, Any, str]]:
    """Every name of the reference that is ours: its full name, the text that describes it, itself, and its module's."""
    seen = set()
    for module_name in REFERENCE:
        module = importlib.import_module(module_name)
        for name in public_names(module):
            value = getattr(module, name)
            if not is_ours(value) or id(value) in seen:
                continue
            seen.add(id(value))
            text = vars(value).get("__doc__") if isinstance(value, type) else inspect.getdoc(value)
            yield f"{module_name}.{name}", text or "", value, module.__doc__ or ""
            if isinstance(value, type) and module_name not in CALLED_BY_OTHERS:
                for member, function in public_members(value):
                    yield (
                        f"{module_name}.{name}.{member}",
                        inspect.getdoc(function) or "",
                        function,
                        module.__doc__ or "",
                    )


DESCRIBED = list(described())
TEXTS = {name: text for name, text, _, _ in DESCRIBED}


def with_references(name: str, text: str) -> str:
    """The text and those of the names that it points to, at most three steps away."""
    seen = {text}
    front = [text]
    for _ in range(3):
        pointed = {word for step in front for word in re.findall(r"`+([\w.]+?)(?:\(\))?`+", step)}
        scope = name.rpartition(".")[0]
        front = [
            TEXTS[full]
            for word in pointed
            for full in TEXTS
            if (full == f"{scope}.{word}" or full.endswith(f".{word}")) and TEXTS[full] not in seen
        ]
        seen.update(front)
    return "\n".join(seen)


def test_every_public_module_is_in_the_reference() -> None:
    table = "\n".join(page.read_text(encoding="utf-8") for page in PAGES)
    for name in public_modules():
        listed = name in REFERENCE or f"| `{name}` |" in table
        within = WITHIN.fullmatch(name) and not listed  # some modules of a package are public
        internal = name in INTERNAL or within or name in ("wirefast.dependencies", "wirefast.openapi")
        assert listed != bool(internal), f"{name} belongs in docs/reference or into INTERNAL, and not in both"
    for name in INTERNAL:
        assert importlib.util.find_spec(name), name


def test_the_names_of_the_package_are_listed() -> None:
    package = sys.modules["wirefast"]
    row = next(
        line
        for line in (ROOT / "docs" / "reference" / "index.md").read_text().splitlines()
        if line.startswith("| `wirefast`")
    )
    assert sorted(re.findall(r"`(\w+)`", row)[1:]) == sorted({*public_names(package)})


@pytest.mark.parametrize(("name", "text", "value", "module_text"), DESCRIBED, ids=[name for name, *_ in DESCRIBED])
def test_docstrings(name: str, text: str, value: Any, module_text: str) -> None:
    assert text.strip(), f"{name} has no docstring"
    if isinstance(value, type):
        if issubclass(value, (tuple, dict, Enum)) or "__init__" not in vars(value):
            assert ORIGIN.search(with_references(name, text) + module_text), f"what does {name} stand for?"
            return
        value, text = value.__init__, text + (inspect.getdoc(value.__init__) or "")  # type: ignore[misc]
    words = set(re.findall(r"\w+", with_references(name, text)))
    missing = [parameter for parameter in parameters_of(value) if parameter not in words]
    assert not missing, f"{name} does not say what these are: {', '.join(missing)}"
    unsaid = [error for error in sorted(raised_by(value)) if error not in words]
    assert not unsaid, f"{name} does not say that it raises {', '.join(unsaid)}"
    assert ORIGIN.search(" ".join(words) + text + module_text), f"neither {name} nor its module says what it stands for"
