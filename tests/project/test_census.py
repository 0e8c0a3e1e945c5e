"""docs/census.md names, for each row of the census of FastAPI's behaviour, the tests that prove it.

``python tests/project/test_census.py`` writes the names anew after tests were added, moved or renamed.
"""

from __future__ import annotations

import ast
import re
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

TESTS = Path(__file__).parents[1]
PAGE = TESTS.parent / "docs" / "census.md"
ROW = re.compile(r"^\| (?P<row>[A-Z0-9.]+) \| (?P<title>.*?) \| (?P<tests>.*?) \|$", re.MULTILINE)


def rows_of(function: ast.FunctionDef | ast.AsyncFunctionDef) -> Iterator[str]:
    for decorator in function.decorator_list:
        if isinstance(decorator, ast.Call) and ast.unparse(decorator.func) == "pytest.mark.census":
            yield from (argument.value for argument in decorator.args if isinstance(argument, ast.Constant))  # type: ignore[misc]


def marked() -> dict[str, list[str]]:
    """Row -> its tests, as ``file::function``."""
    found: dict[str, list[str]] = defaultdict(list)
    for path in sorted(TESTS.rglob("test_*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
                for row in rows_of(node):
                    found[row].append(f"{path.relative_to(TESTS).as_posix()}::{node.name}")
    return found


def named(tests: list[str]) -> str:
    files: dict[str, list[str]] = defaultdict(list)
    for test in tests:
        path, _, function = test.partition("::")
        files[path].append(function.removeprefix("test_"))
    return "<br>".join(f"`{path}` {', '.join(sorted(set(names)))}" for path, names in sorted(files.items()))


def test_every_row_names_its_tests() -> None:
    page = PAGE.read_text(encoding="utf-8")
    found = marked()
    rows = {match["row"]: match["tests"] for match in ROW.finditer(page)}
    assert len(rows) > 150
    for row, tests in rows.items():
        if row in found:
            assert tests == named(found[row]), f"run python tests/project/test_census.py: row {row}"
        else:
            # Not a thing that a test could show: the page says why.
            assert tests.startswith("– "), f"row {row} has no test and no reason"


if __name__ == "__main__":
    tests_of = marked()
    text = PAGE.read_text(encoding="utf-8")
    PAGE.write_text(
        ROW.sub(
            lambda match: (
                f"| {match['row']} | {match['title']} | {named(tests_of[match['row']])} |"
                if match["row"] in tests_of
                else match[0]
            ),
            text,
        ),
        encoding="utf-8",
    )
