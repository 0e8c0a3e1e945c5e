"""The pictures of docs/: each is what its text says, and an arrow or a note stands on a lane that there is."""

from __future__ import annotations

import importlib.util
import re
import subprocess
import sys
from pathlib import Path
from types import ModuleType
from typing import Any
from xml.etree import ElementTree

import pytest

ROOT = Path(__file__).parents[2]
SOURCE = ROOT / "src" / "wirefast"
TEXTS = sorted((ROOT / "docs" / "pictures").glob("*.txt"))


@pytest.fixture(scope="module")
def pictures() -> ModuleType:
    spec = importlib.util.spec_from_file_location("pictures", ROOT / "tools" / "pictures.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


def test_they_are_what_their_texts_say() -> None:
    command = [sys.executable, str(ROOT / "tools" / "pictures.py"), "--check"]
    run = subprocess.run(command, capture_output=True, text=True)
    assert run.returncode == 0, run.stdout


@pytest.mark.parametrize("text", TEXTS, ids=lambda path: path.stem)
def test_they_are_xml_and_a_page_shows_them(text: Path) -> None:
    ElementTree.parse(text.with_suffix(".svg"))
    pages = "".join(page.read_text(encoding="utf-8") for page in (ROOT / "docs").rglob("*.md"))
    assert f"pictures/{text.stem}.svg" in pages


#: The packages whose modules a lane shows, where the lane's own name does not say so.
LANES = {"another process": ("rooms", "_core"), "peer": (), "endpoint": ()}


def modules_named(picture: Any) -> set[tuple[str, tuple[str, ...]]]:
    """The modules that the steps name, each with the packages of the step's lanes.

    Words begin with modules and a colon, and again behind a semicolon: ``a, b: what they do; c: what it does``.
    """
    named = set()
    for step in picture.steps:
        lanes = () if step.kind == "heading" else (picture.lanes[step.start], picture.lanes[step.end])
        packages = tuple(sorted({package for lane in lanes for package in LANES.get(lane, lane.split(", "))}))
        for part in " ".join(step.words).split("; ") if lanes else ():
            modules, colon, _ = part.partition(": ")
            if colon and re.fullmatch(r"[a-z_/, ]+", modules):
                named |= {(name, packages) for name in modules.split(", ")}
    return named


def is_there(name: str, packages: tuple[str, ...]) -> bool:
    return any((SOURCE / package / f"{name}{end}").is_file() for package in packages for end in (".py", ".pyx"))


def test_reader_of_modules(pictures: ModuleType) -> None:
    picture = pictures.read("a | rooms | b, c\na > rooms: x, y: words; z: more\nb, c: send(): no\n== d: e")
    assert {name for name, _ in modules_named(picture)} == {"x", "y", "z"}
    assert modules_named(pictures.read("peer | rooms\nrooms: hub: words")) == {("hub", ("rooms",))}
    assert (
        is_there("brokers/link", ("rooms",)) and not is_there("link", ("rooms",)) and not is_there("hub", ("server",))
    )


@pytest.mark.parametrize("text", TEXTS, ids=lambda path: path.stem)
def test_the_modules_that_they_name_exist(text: Path, pictures: ModuleType) -> None:
    named = modules_named(pictures.read(text.read_text(encoding="utf-8")))
    assert named and [name for name, packages in named if not is_there(name, packages)] == []


def test_what_is_no_picture(pictures: ModuleType) -> None:
    for text, said in (("a | b\na > c: x", "lane 'c'"), ("a\nwhat", "neither an arrow"), ("a\nc: x", "lane 'c'")):
        with pytest.raises(ValueError, match=said):
            pictures.read(text)
