"""The shape of the source: imports go down only, files stay small, every compiled module has its two companions."""

from __future__ import annotations

import ast
import importlib.machinery
import importlib.util
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SOURCE = ROOT / "src"
LONGEST = 500

# From the bottom to the top: a module imports from its own row and those before it; a package stands for all in it
# that have no row of their own.
LAYERS = [
    "_core.close _core.foreign _core.scope _core.unicode",
    "metrics",
    "_core.secrets",
    "background concurrency datastructures exceptions extras lifespan logger other_server stand_in types",
    "_core.hooks routes.live_copy",
    "middleware requests responses sse staticfiles templating",
    "_core",
    "openapi params websockets encoders rooms",
    "param_functions security",
    "dependencies.fields dependencies.markers dependencies.shapes",
    "utils",
    "dependencies",
    "telemetry",
    "exception_handlers",
    "limits",
    "middleware.websocketorigin",
    "routes",
    "messages",
    "_body_limit _form_limits routing",
    "documents clients _compat openapi.docs openapi.utils",
    "draining operating",
    "applications",
    "server",
    "run_options",
    "running",
    "__init__",
    "as_fastapi",
    "as_wire",
    "testing testclient",
    "control",
    "cli",
    "__main__",
]
RANKS = {name: rank for rank, names in enumerate(LAYERS) for name in names.split()}

# The plugin of pytest stands beside the package, above all of it.
PLUGIN = SOURCE / "pytest_wirefast.py"
PYTHON = sorted(set(SOURCE.rglob("*.py")) - {PLUGIN}) + sorted(SOURCE.rglob("*.pyi"))
CYTHON = sorted(SOURCE.rglob("*.pyx")) + sorted(SOURCE.rglob("*.pxd"))
COMPILED = sorted(SOURCE.rglob("*.pyx"))
C = sorted((ROOT / "csrc").glob("*.[ch]"))
WORKSHOP = sorted(path for folder in ("tests", "tools", "benchmarks") for path in (ROOT / folder).rglob("*.py"))


def name_of(path: Path) -> str:
    parts = path.relative_to(SOURCE).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" and len(parts) > 2 else parts)


def label(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def imports_of_python(path: Path) -> Iterator[str]:
    """Full names of what is imported; ``from a import b`` gives ``a.b``, since b may be a module."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    yield from imports_of_tree(tree, path.relative_to(SOURCE).parent.parts)


def imports_of_tree(tree: ast.Module, package: tuple[str, ...]) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            start = package[: len(package) - node.level + 1] if node.level else ()
            yield from (".".join([*start, *filter(None, [node.module]), alias.name]) for alias in node.names)


def imports_of_cython(path: Path) -> Iterator[str]:
    """The same for ``import``, ``cimport`` and both with ``from``, which the ast module cannot read."""
    text = re.sub(r"\\\n", " ", path.read_text(encoding="utf-8"))
    for module, names in re.findall(r"^[ \t]*from\s+([\w.]+)\s+c?import\s+(\([^)]*\)|[^\n]*)", text, re.MULTILINE):
        for name in re.findall(r"(\w+)(?:\s+as\s+\w+)?\s*(?:,|$|\))", re.sub(r"#.*", "", names)):
            yield f"{module}.{name}"
    for names in re.findall(r"^[ \t]*c?import\s+([^\n#]*)", text, re.MULTILINE):
        yield from (name.split()[0] for name in names.split(","))


def imports_of(path: Path) -> Iterator[str]:
    return imports_of_python(path) if path.suffix in (".py", ".pyi") else imports_of_cython(path)


def layer_of(name: str) -> str | None:
    """The part of wirefast that a full name belongs to; None for another package."""
    parts = name.split(".")
    if parts[0] != "wirefast":
        return None
    layer = ".".join(parts[1:3])
    if layer in RANKS:
        return layer
    return parts[1] if len(parts) > 1 and parts[1] in RANKS else "__init__"


def test_readers_of_imports(tmp_path: Path) -> None:
    source = (
        "from a.b import c, d as e  # f\nimport g\nfrom h cimport (\n    i,  # j\n    k as l,\n)\ncimport m.n as o\n"
    )
    (tmp_path / "x.pyx").write_text(source)
    assert sorted(imports_of_cython(tmp_path / "x.pyx")) == ["a.b.c", "a.b.d", "g", "h.i", "h.k", "m.n"]
    assert layer_of("wirefast._core.plan.Plan") == "_core"
    assert layer_of("wirefast.App") == "__init__"
    assert layer_of("wirefast.openapi.utils.get_openapi") == "openapi.utils"
    assert layer_of("wirefast.openapi.models.Example") == "openapi"
    assert layer_of("wirefastest") is None


@pytest.mark.parametrize("path", PYTHON + CYTHON, ids=label)
def test_imports_go_down(path: Path) -> None:
    parts = name_of(path).split(".")
    assert parts[1] in RANKS, f"give {label(path)} its row in LAYERS"
    own = layer_of(".".join(parts))
    assert own is not None
    for name in imports_of(path):
        layer = layer_of(name)
        if layer is None:
            continue
        assert RANKS[layer] <= RANKS[own], f"{label(path)} imports {name}, which is above it"
        if parts[1] == "server":
            assert layer.partition(".")[0] in ("server", "_core", "metrics"), (
                f"{label(path)} imports {name}, but the wire knows ASGI and _core only"
            )


@pytest.mark.parametrize("path", PYTHON + CYTHON, ids=label)
def test_fastapi_is_never_imported(path: Path) -> None:
    assert not [name for name in imports_of(path) if name.split(".")[0] == "fastapi"]


@pytest.mark.parametrize("path", C, ids=label)
def test_c_knows_nothing_of_python(path: Path) -> None:
    assert "Python.h" not in path.read_text(encoding="utf-8")


@pytest.mark.parametrize("path", [*PYTHON, *CYTHON, *C, *WORKSHOP], ids=label)
def test_files_are_small(path: Path) -> None:
    lines = len(path.read_text(encoding="utf-8").splitlines())
    assert lines <= LONGEST, f"{label(path)} has {lines} lines"


@pytest.mark.parametrize("path", COMPILED, ids=label)
def test_compiled_module(path: Path) -> None:
    spec = importlib.util.find_spec(name_of(path))
    assert spec is not None and spec.origin is not None
    assert spec.origin.endswith(tuple(importlib.machinery.EXTENSION_SUFFIXES))
    assert path.with_suffix(".pxd").is_file()
    assert path.with_suffix(".pyi").is_file()
    assert not path.with_suffix(".py").exists()


def test_nothing_generated_lies_in_the_source() -> None:
    assert not [*SOURCE.rglob("*.c"), *SOURCE.rglob("*.cpp"), *SOURCE.rglob("*.html")]


def test_names_of_test_files_are_unique() -> None:
    """Pytest imports a test file under its bare name, also from another folder."""
    names = [path.name for path in (ROOT / "tests").rglob("test_*.py") if not (path.parent / "__init__.py").exists()]
    assert sorted(names) == sorted(set(names))
