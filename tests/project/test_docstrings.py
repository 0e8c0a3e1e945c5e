"""Docstrings of compiled functions are in the imperative, as ruff holds it for Python's (D401)."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
COMPILED = sorted((ROOT / "src").rglob("*.pyx"))

FUNCTION = re.compile(r"\s*(async\s+def|def|cdef(?!\s+class)|cpdef)\s.*\(")
PROPERTY = re.compile(r"\s*@(property|\w+\.(setter|getter|deleter))\b")


def bare(line: str) -> str:
    """A line without its strings and its comment."""
    return re.sub(r"'[^']*'|\"[^\"]*\"|#.*", "", line).rstrip()


def docstrings(lines: list[str]) -> Iterator[tuple[int, str]]:
    """The number and the text of the first line of each function's docstring; a property's says what it is."""
    first, depth = None, 0
    for number, line in enumerate(lines):
        if first is None and FUNCTION.match(line):
            first, depth = number, 0
        if first is None:
            continue
        depth += len(re.findall(r"[(\[{]", bare(line))) - len(re.findall(r"[)\]}]", bare(line)))
        if depth > 0:
            continue
        after = lines[number + 1].strip() if number + 1 < len(lines) else ""
        if bare(line).endswith(":") and after.startswith('"""') and not PROPERTY.match(lines[first - 1]):
            yield number + 2, after.strip('"')
        first = None


def not_imperative(texts: list[str]) -> list[str]:
    """The texts that ruff would not have as the first line of a function's docstring."""
    source = "".join(f'def f{number}():\n    r"""{text}"""\n' for number, text in enumerate(texts))
    command = [sys.executable, "-m", "ruff", "check", "--isolated", "--select", "D401", "--output-format", "concise"]
    done = subprocess.run([*command, "--no-cache", "-"], input=source, capture_output=True, text=True, timeout=60)
    assert "invalid-syntax" not in done.stdout and not done.stderr, done.stdout + done.stderr
    return [texts[(int(line) - 1) // 2] for line in re.findall(r"^-:(\d+):\d+: D401", done.stdout, re.MULTILINE)]


def test_reader_of_docstrings() -> None:
    pytest.importorskip("ruff")
    lines = [
        "cdef int one(",
        "    object a, str b=':'",
        ") except -1:",
        '    """Take it."""',
        "@property",
        "def two(self):",
        '    """The name."""',
        "cdef class Three(Two):",
        '    """A class."""',
        "def four(self): return 1",
        "async def five(self) -> dict[str, int]:  # a comment",
        '    """The value."""',
    ]
    assert list(docstrings(lines)) == [(4, "Take it."), (12, "The value.")]
    assert not_imperative(["Take it.", "The value.", "Returns it."]) == ["The value.", "Returns it."]


def test_docstrings_of_compiled_functions_are_imperative() -> None:
    pytest.importorskip("ruff")
    found = {
        f"{path.relative_to(ROOT).as_posix()}:{number}": text
        for path in COMPILED
        for number, text in docstrings(path.read_text(encoding="utf-8").splitlines())
    }
    assert len(found) > 250
    wrong = set(not_imperative(list(found.values())))
    assert {place: text for place, text in found.items() if text in wrong} == {}
