"""tools/cover.py deletes only what it made and leaves out only what is there; measuring takes a build of its own."""

from __future__ import annotations

import importlib
import importlib.util
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).parents[2]


@pytest.fixture
def cover(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.syspath_prepend(str(ROOT / "tools"))
    return importlib.import_module("cover")


def test_a_folder_with_something_else_is_refused(cover: ModuleType, tmp_path: Path) -> None:
    (tmp_path / "precious").touch()
    with pytest.raises(SystemExit, match="holds something else"), cover.folder(tmp_path):
        pass
    assert (tmp_path / "precious").exists()


def test_a_folder_of_an_earlier_run_is_made_anew(cover: ModuleType, tmp_path: Path) -> None:
    for name in (".coveragerc", "old"):
        (tmp_path / name).touch()
    with cover.folder(tmp_path) as tree:
        assert tree == tmp_path.resolve() and not any(tree.iterdir())
    assert tmp_path.exists()


def test_without_a_name_nothing_is_left(cover: ModuleType) -> None:
    with cover.folder(None) as tree:
        (tree / "file").touch()
    assert not tree.exists()


def test_what_is_left_out_is_there(cover: ModuleType) -> None:
    assert [name for name in cover.WITHOUT if not (ROOT / "tests" / name).exists()] == []


def test_help_says_what_it_does() -> None:
    command = [sys.executable, ROOT / "tools/cover.py", "--help"]
    shown = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60)
    assert "the lines no test reached" in " ".join(shown.stdout.split())


def test_what_is_missing_is_said_before_anything_is_built(
    cover: ModuleType, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    monkeypatch.setattr(sys, "argv", ["cover.py"])
    with pytest.raises(SystemExit) as ended:
        cover.main()
    assert ended.value.code == 2
    assert "has no coverage, Cython, pytest; install what '.[dev]' needs there" in capsys.readouterr().err
