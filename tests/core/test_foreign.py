"""The page of other packages' private names: it names what there is, and there is nothing else."""

from __future__ import annotations

import ast
import importlib
import inspect
import re
from pathlib import Path

import pytest

from wirefast._core.foreign import PRIVATE, Private

SOURCE = Path(__file__).parents[2] / "src" / "wirefast"
#: Without the test kit, which takes the place of loops and servers, for tests alone.
FILES = sorted(
    path for path in [*SOURCE.rglob("*.py"), *SOURCE.rglob("*.pyx")] if SOURCE / "testing" not in path.parents
)
#: Names with an underscore that CPython documents.
DOCUMENTED = {"_current_frames", "_exit", "_getframe"}
LISTED = {name for private in PRIVATE for name in private.names}


def label(private: Private) -> str:
    return private.owner.replace(" ", "_")


@pytest.mark.parametrize("private", [one for one in PRIVATE if one.owner[0].islower()], ids=label)
def test_the_names_are_in_the_installed_release(private: Private) -> None:
    module, _, name = private.owner.rpartition(".")
    if name[0].isupper():
        pytest.importorskip(module.partition(".")[0])
        text = inspect.getsource(importlib.import_module(module))
        # An attribute of an instance stands in the text alone, and may be set by a base class.
        base = {"starlette.websockets": "starlette.requests", "nats.aio.client": "nats.aio.transport"}.get(module)
        text += inspect.getsource(importlib.import_module(base)) if base else ""
        assert [name for name in private.names if not re.search(rf"\b{name}\b", text)] == []
    else:
        optional = private.owner.startswith("opentelemetry.")  # packages of the program's choice
        found = pytest.importorskip(private.owner) if optional else importlib.import_module(private.owner)
        assert [name for name in private.names if not hasattr(found, name)] == []


@pytest.mark.parametrize("private", PRIVATE, ids=label)
def test_the_names_are_used_where_the_page_says(private: Private) -> None:
    text = ""
    for module in private.used_in.split(", "):
        for suffix in (".py", ".pyx", ".pxd"):
            path = SOURCE.joinpath(*module.split(".")).with_suffix(suffix)
            text += path.read_text(encoding="utf-8") if path.exists() else ""
    assert [name for name in private.names if not re.search(rf"\b{name}\b", text)] == []


def private_modules(path: Path) -> list[str]:
    """The modules of other packages that a file imports by a private name."""
    imports = re.findall(r"^\s*(?:from|import)\s+([\w.]+)", path.read_text(encoding="utf-8"), re.MULTILINE)
    return [
        name
        for name in imports
        if not name.startswith(("wirefast", "_", "opentelemetry._logs"))
        and any(part.startswith("_") for part in name.split("."))
    ]


def test_private_modules_are_imported_on_the_page_alone() -> None:
    found = {
        (path.relative_to(SOURCE).with_suffix("").as_posix().replace("/", "."), name)
        for path in FILES
        for name in private_modules(path)
    }
    listed = [(private.used_in, private.owner) for private in PRIVATE]
    listed = [(user, private.owner) for private in PRIVATE for user in private.used_in.split(", ")]
    assert [
        pair for pair in found if not any(pair[0] == user and owner.startswith(pair[1]) for user, owner in listed)
    ] == []


def test_no_other_private_attribute_of_others_is_used() -> None:
    own: set[str] = set()
    used: dict[str, str] = {}
    for path in [*FILES, *SOURCE.rglob("*.pxd")]:
        text = path.read_text(encoding="utf-8")
        own |= set(re.findall(r"\b(?:def|class)\s+(_\w+)", text))
        own |= set(re.findall(r"GenericSetAttr\(self, \"(_\w+)\"", text))
        own |= set(re.findall(r"^\s*(?:self\.|made\.|cls\.)?(_\w+)\s*(?::[^=\n]*)?(?:=|$)", text, re.MULTILINE))
        if path.suffix == ".py":
            for node in ast.walk(ast.parse(text)):
                if isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store) and is_self(node.value):
                    own.add(node.attr)
                elif isinstance(node, ast.Attribute) and node.attr.startswith("_") and not node.attr.endswith("__"):
                    used[node.attr] = path.name
        else:
            used |= {
                name: path.name
                for name in re.findall(r"[\w)\]]\.(_(?!core\b)[a-z]\w*)", text)
                if not name.endswith("__")
            }
    assert {name: path for name, path in used.items() if name not in own | LISTED | DOCUMENTED} == {}


def is_self(node: ast.expr) -> bool:
    return isinstance(node, ast.Name) and node.id in ("self", "cls", "made", "copy", "route", "copied", "result")
