"""The checks of tools/wheels.py find what should not be in a wheel or an sdist; the release machinery is consistent."""

from __future__ import annotations

import importlib
import io
import re
import struct
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).parents[2]
PROJECT = (ROOT / "pyproject.toml").read_text(encoding="utf-8")

FILES = {
    "wirefast/__init__.py": b"",
    "wirefast/py.typed": b"",
    "wirefast/_core/core.pyi": b"",
    "wirefast/_core/core.cpython-313-x86_64-linux-gnu.so": b"",
    "wirefast-1.dist-info/METADATA": b"",
    "wirefast-1.dist-info/licenses/LICENSE": b"",
}


@pytest.fixture
def wheels(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.syspath_prepend(str(ROOT / "tools"))
    return importlib.import_module("wheels")


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """A source tree of one Python and one compiled module."""
    package = tmp_path / "tree/src/wirefast"
    (package / "_core").mkdir(parents=True)
    for name in ("__init__.py", "py.typed", "_core/core.pyx", "_core/core.pxd", "_core/core.pyi"):
        (package / name).touch()
    return tmp_path / "tree"


def wheel(folder: Path, files: dict[str, bytes]) -> Path:
    path = folder / "wirefast-1-cp313-cp313-linux_x86_64.whl"
    with zipfile.ZipFile(path, "w") as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    return path


def test_a_right_wheel(wheels: ModuleType, tree: Path, tmp_path: Path) -> None:
    assert wheels.check_wheel(wheel(tmp_path, FILES), tree) == 1


@pytest.mark.parametrize(
    ("added", "left_out", "message"),
    [
        ("wirefast/_core/core.pyx", "", "holds wirefast/_core/core.pyx"),
        ("wirefast/_core/core.pxd", "", "holds wirefast/_core/core.pxd"),
        ("wirefast/_core/core.c", "", r"holds wirefast/_core/core\.c"),
        ("tests/test_core.py", "", "holds tests/test_core.py"),
        ("wirefast/tests/test_core.py", "", "holds wirefast/tests/test_core.py"),
        ("wirefast/_core/left_over.pyi", "", "holds wirefast/_core/left_over.pyi"),
        ("wirefast-1.dist-info/left_over.c", "", r"holds wirefast-1\.dist-info/left_over\.c"),
        ("", "wirefast/py.typed", "has no wirefast/py.typed"),
        ("", "wirefast/_core/core.pyi", "has no wirefast/_core/core.pyi"),
        ("", "wirefast/_core/core.cpython-313-x86_64-linux-gnu.so", "differ by wirefast/_core/core"),
        ("wirefast/more.cpython-313-x86_64-linux-gnu.so", "", "differ by wirefast/more"),
        ("", "wirefast-1.dist-info/licenses/LICENSE", "no licence"),
    ],
)
def test_a_wrong_wheel(wheels: ModuleType, tree: Path, tmp_path: Path, added: str, left_out: str, message: str) -> None:
    files = {name: data for name, data in FILES.items() if name != left_out} | ({added: b""} if added else {})
    with pytest.raises(wheels.Wrong, match=message):
        wheels.check_wheel(wheel(tmp_path, files), tree)


def elf(*sections: str) -> bytes:
    """An ELF file of nothing but section headers; the names come last."""
    names = b"".join(name.encode() + b"\0" for name in (*sections, ".shstrtab"))
    at, headers = 0, b""
    for name in (*sections, ".shstrtab"):
        headers += struct.pack("<IIQQQQ24x", at, 3, 0, 0, 64, len(names))
        at += len(name) + 1
    head = b"\x7fELF\x02\x01".ljust(40, b"\0") + struct.pack("<Q", 64 + len(names))
    return head.ljust(58, b"\0") + struct.pack("<HHH", 64, len(sections) + 1, len(sections)) + names + headers


def test_symbols_are_found(wheels: ModuleType) -> None:
    assert wheels.symbols(elf(".text", ".symtab", ".debug_info")) == [".symtab", ".debug_info"]
    assert wheels.symbols(elf(".text", ".dynsym")) == []
    assert wheels.symbols(b"") == []


@pytest.mark.skipif(sys.platform != "linux", reason="only there wheels are stripped")
def test_a_wheel_that_is_not_stripped(wheels: ModuleType, tree: Path, tmp_path: Path) -> None:
    (compiled,) = (name for name in FILES if name.endswith(".so"))
    assert wheels.check_wheel(wheel(tmp_path, FILES | {compiled: elf(".text")}), tree) == 1
    with pytest.raises(wheels.Wrong, match="not stripped: wirefast/_core/core"):
        wheels.check_wheel(wheel(tmp_path, FILES | {compiled: elf(".text", ".symtab")}), tree)


def test_an_sdist_holds_what_is_tracked(wheels: ModuleType, tmp_path: Path) -> None:
    path = tmp_path / "wirefast-1.tar.gz"
    with tarfile.open(path, "w:gz") as archive:
        for name in ("setup.py", "csrc/mask.c"):
            archive.addfile(tarfile.TarInfo(f"wirefast-1/{name}"), io.BytesIO())
    wheels.check_sdist(path, ["setup.py", "csrc/mask.c", ".gitignore", ".github/workflows/tests.yml"])
    with pytest.raises(wheels.Wrong, match="has no csrc/mask.h"):
        wheels.check_sdist(path, ["setup.py", "csrc/mask.c", "csrc/mask.h"])


def test_an_sdist_holds_nothing_built(wheels: ModuleType, tmp_path: Path) -> None:
    path = tmp_path / "wirefast-1.tar.gz"
    with tarfile.open(path, "w:gz") as archive:
        archive.addfile(tarfile.TarInfo("wirefast-1/src/wirefast/_core/core.so"), io.BytesIO())
    with pytest.raises(wheels.Wrong, match=r"holds src/wirefast/_core/core\.so"):
        wheels.check_sdist(path, [])


def test_a_compiler_on_the_path_is_an_error(
    wheels: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "installed/bin").mkdir(parents=True)
    assert "bin" in wheels.make_path(tmp_path / "first", tmp_path / "installed")
    compiler = tmp_path / "installed/bin/gcc"
    compiler.touch(mode=0o755)
    with pytest.raises(wheels.Wrong, match="has gcc"):
        wheels.make_path(tmp_path / "second", tmp_path / "installed")


def test_a_command_that_fails_is_an_error(wheels: ModuleType) -> None:
    with pytest.raises(wheels.Wrong, match="what went wrong"):
        wheels.run(sys.executable, "-c", "raise SystemExit('what went wrong')")


def test_only_a_cpython_is_taken(wheels: ModuleType, tmp_path: Path) -> None:
    assert wheels.identity(tmp_path / "python3.13") is None
    known = wheels.identity(Path(sys.executable))
    assert known is not None and known[1] == sys.version_info[:3]


def test_every_python_is_built_and_tested() -> None:
    minors = re.findall(r'"Programming Language :: Python :: (3\.\d+)"', PROJECT)
    (build,) = re.findall(r'^build = "(.*)"$', PROJECT, re.MULTILINE)
    assert build.split() == [f"cp{minor.replace('.', '')}-*" for minor in minors]
    workflows = ROOT / ".github/workflows"
    if not workflows.is_dir():
        pytest.skip("an sdist has no workflows")
    tests = (workflows / "tests.yml").read_text(encoding="utf-8")
    assert f"python: [{', '.join(f'{minor!r}' for minor in minors)}]".replace("'", '"') in tests


def test_versions_agree() -> None:
    import wirefast

    assert f'\nversion = "{wirefast.__version__}"\n' in PROJECT


def test_options_are_shown() -> None:
    shown = subprocess.run(
        [sys.executable, ROOT / "tools/wheels.py", "--help"], capture_output=True, text=True, check=True, timeout=60
    )
    assert "--quick" in shown.stdout
