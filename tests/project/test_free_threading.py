"""The page about free-threaded Python names each compiled module, and the build declares what the page says."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "free-threading.md").read_text(encoding="utf-8")


def test_each_compiled_module_is_on_the_page() -> None:
    package = ROOT / "src" / "wirefast"
    modules = {path.relative_to(package).with_suffix("").as_posix() for path in package.rglob("*.pyx")}
    named = {
        name
        for line in PAGE.splitlines()
        if line.startswith("| `")
        for name in re.findall(r"`([\w/]+)`", line.split("|")[1])
    }
    named |= set(re.findall(r"`(_core/fanout)`", PAGE))
    assert named == modules


def test_the_build_declares_the_need_of_the_gil() -> None:
    assert '"freethreading_compatible": False' in (ROOT / "setup.py").read_text(encoding="utf-8")
