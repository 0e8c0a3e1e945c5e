"""The pictures of docs/: each is what its text says, and an arrow or a note stands on a lane that there is."""

from __future__ import annotations

import importlib.util
import re
import subprocess
import sys
from pathlib import Path
from types import ModuleType
from xml.etree import ElementTree

import pytest

ROOT = Path(__file__).parents[2]
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
    pages = "".join(page.read_text(encoding="utf-8") for page in (ROOT / "docs").glob("*.md"))
    assert f"pictures/{text.stem}.svg" in pages


@pytest.mark.parametrize("text", TEXTS, ids=lambda path: path.stem)
def test_the_modules_that_they_name_exist(text: Path) -> None:
    """A note begins with modules and a colon."""
    names = set()
    for words in re.findall(r"^[^:>]+(?:> [^:]+)?: ([a-z_/, ]+):", text.read_text(encoding="utf-8"), re.MULTILINE):
        names |= {name.strip() for name in words.split(",")}
    found = {path.with_suffix("").as_posix() for path in (ROOT / "src" / "wirefast").rglob("*.py*")}
    assert names and all(any(path.endswith(f"/{name}") for path in found) for name in names), names


def test_what_is_no_picture(pictures: ModuleType) -> None:
    for text, said in (("a | b\na > c: x", "lane 'c'"), ("a\nwhat", "neither an arrow"), ("a\nc: x", "lane 'c'")):
        with pytest.raises(ValueError, match=said):
            pictures.read(text)
