"""docs/architecture.md: each module stands in its table, and what its tables name is there."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SOURCE = ROOT / "src" / "wirefast"
PAGE = ROOT / "docs" / "architecture.md"


def table(title: str) -> list[str]:
    """The rows of the first table of a section, without its two lines of head."""
    section = PAGE.read_text(encoding="utf-8").partition(f"\n## {title}\n")[2].partition("\n## ")[0]
    return [line for line in section.splitlines() if line.startswith("|")][2:]


def named(cell: str) -> set[str]:
    return {name.removesuffix(".py") for name in re.findall(r"`([\w/.]+)`", cell)}


def modules() -> set[str]:
    """Every module as the page writes it: ``rooms/brokers/link``; a package's ``__init__`` goes by the package."""
    found = {
        path.relative_to(SOURCE).with_suffix("").as_posix()
        for path in SOURCE.rglob("*.*")
        if path.suffix in (".py", ".pyx", ".pxd")
    }
    return {name for name in found if name == "__init__" or not name.endswith("/__init__")}


def is_on(module: str, names: set[str]) -> bool:
    parents = [parent.as_posix() for parent in Path(module).parents]
    return module in names or any(f"{parent}/" in names for parent in parents)


def is_there(name: str) -> bool:
    if name.endswith("/"):
        return (SOURCE / name).is_dir() or (ROOT / name).is_dir()
    return name in modules() or (SOURCE.parent / f"{name}.py").is_file()


def test_every_module_has_its_row() -> None:
    names = set().union(*(named(row.split("|")[1]) for row in table("The modules")))
    missing = sorted(module for module in modules() if not is_on(module, names))
    assert not missing, f"give these a row, or a name in one, in 'The modules' of {PAGE.name}"
    assert len(names) > 100


def test_what_the_modules_table_names_is_there() -> None:
    names = set().union(*(named(row.split("|")[1]) for row in table("The modules")))
    assert sorted(name for name in names if not is_there(name)) == []


def test_what_the_table_of_changes_names_is_there() -> None:
    """A name with a slash is a module, a package or a file."""
    names = {name for row in table("Where a change goes") for name in named(row) if "/" in name}
    files = {name.removesuffix(".py") for path in (ROOT / "csrc", SOURCE) for name in map(str, path.rglob("*.*"))}
    assert (
        sorted(name for name in names if not is_there(name) and not any(file.endswith(f"/{name}") for file in files))
        == []
    )
    assert len(names) > 40


def texts(cell: str) -> str:
    """The text of all files that a cell names, with those of its packages and folders."""
    places = named(cell) | {name.removesuffix("/") for name in named(cell)}
    found = []
    for base, folder in ((SOURCE, SOURCE), (ROOT, ROOT / "csrc"), (ROOT, ROOT / "tests")):
        for path in folder.rglob("*.*"):
            inner = path.relative_to(base)
            names = {inner.as_posix(), inner.with_suffix("").as_posix(), *map(Path.as_posix, inner.parents)}
            if path.suffix in (".py", ".pyi", ".pyx", ".pxd", ".h", ".ts", ".js") and names & places:
                found.append(path.read_text(encoding="utf-8"))
    return "\n".join(found)


@pytest.mark.parametrize("row", table("Where a change goes"), ids=lambda row: row.split("|")[1].strip())
def test_what_a_row_names_is_in_its_files(row: str) -> None:
    cell = row.split("|")[2]
    text = texts(cell)
    names = {name for name in named(cell) if re.fullmatch(r"\w*[A-Z_]\w*", name) and not is_there(name)}
    assert sorted(name for name in names if not re.search(rf"\b{name}\b", text)) == []


def test_readers() -> None:
    assert named("`a/b.py`, `c/` and (`d`)") == {"a/b", "c/", "d"}
    assert is_on("rooms/brokers/link", {"rooms/"}) and is_on("a", {"a"}) and not is_on("rooms", {"rooms/hub"})
    assert not is_there("rooms/missing") and not is_there("missing/")
