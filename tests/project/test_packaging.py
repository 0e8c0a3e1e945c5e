"""What was installed: the files of the distribution, its command and its metadata."""

from __future__ import annotations

import importlib.metadata
import importlib.util
import json
from pathlib import Path, PurePosixPath

ROOT = Path(__file__).parents[2]
DISTRIBUTION = importlib.metadata.distribution("wirefast")


def is_editable() -> bool:
    origin = DISTRIBUTION.read_text("direct_url.json")
    return origin is not None and bool(json.loads(origin).get("dir_info", {}).get("editable"))


def installed() -> set[PurePosixPath]:
    """Files of the package, as they lie beside the package that is imported; an editable install has the source's."""
    if is_editable():
        tracked = [*(ROOT / "src").rglob("wirefast/**/*"), ROOT / "src" / "pytest_wirefast.py"]
        return {PurePosixPath(path.relative_to(ROOT / "src").as_posix()) for path in tracked if path.is_file()}
    return {PurePosixPath(str(file)) for file in DISTRIBUTION.files or []}


def test_typed_compiled_and_complete() -> None:
    files = installed()
    names = {str(file) for file in files}
    assert "wirefast/py.typed" in names
    for path in (ROOT / "src").rglob("*.py*"):
        if path.suffix in (".py", ".pyi"):
            assert path.relative_to(ROOT / "src").as_posix() in names
    extensions = {str(file).split(".")[0] for file in files if file.suffix in (".so", ".pyd")}
    compiled = {path.relative_to(ROOT / "src").with_suffix("").as_posix() for path in (ROOT / "src").rglob("*.pyx")}
    assert extensions == compiled


def test_no_sources_of_extensions_in_a_real_install() -> None:
    unwanted = {".pyx", ".pxd", ".c", ".h", ".html"}
    if is_editable():
        unwanted = {".c", ".h", ".html"}  # the checkout itself is imported, so its .pyx and .pxd are there
    assert not [str(file) for file in installed() if file.suffix in unwanted and file.parts[0] == "wirefast"]


def test_metadata() -> None:
    metadata = DISTRIBUTION.metadata
    assert metadata["Requires-Python"] == ">=3.10"
    assert metadata["License-Expression"] == "MIT"
    assert {"server", "test", "dev"} <= set(metadata.get_all("Provides-Extra") or [])
    needed = [name for name in DISTRIBUTION.requires or [] if "extra ==" not in name]
    assert not [name for name in needed if name.startswith(("fastapi", "uvicorn", "uvloop"))]
    entries = {(entry.group, entry.name): entry.value for entry in DISTRIBUTION.entry_points}
    assert entries == {
        ("console_scripts", "wirefast"): "wirefast.cli:main",
        ("pytest11", "wirefast"): "pytest_wirefast",
    }


def test_the_package_that_is_tested_is_the_one_installed() -> None:
    spec = importlib.util.find_spec("wirefast")
    assert spec is not None and spec.origin is not None
    if not is_editable():
        assert Path(spec.origin) == Path(str(DISTRIBUTION.locate_file("wirefast/__init__.py")))
