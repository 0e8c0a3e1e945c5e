"""README.md: its commands are there to the letter, its table names what exists; test_snippets.py runs its code."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"^```(\w+)\n(.*?)^```$", README, re.MULTILINE | re.DOTALL)


def test_the_two_commands_come_first() -> None:
    assert BLOCKS[:2] == [
        (
            "sh",
            "python3 -m venv .venv && .venv/bin/pip install '.[server]' && .venv/bin/wirefast run examples/chat.py\n",
        ),
        ("sh", "python3 -m venv .venv && .venv/bin/pip install '.[test]' && .venv/bin/pytest\n"),
    ]


def test_the_table_names_what_exists() -> None:
    source = README[README.index("## The source") : README.index("## Working on it")]
    rows = [line.split("|")[1] for line in source.splitlines() if line.startswith("| `")]
    assert len(rows) >= 8
    for row in rows:
        first, *others = (ROOT / path for path in re.findall(r"`([^`]+)`", row))
        for path in [first, *(first.with_name(other.name) for other in others)]:
            assert path.exists(), f"README.md names {path.relative_to(ROOT)}"


def test_the_editable_build_installs_what_the_build_needs() -> None:
    # An environment of Python 3.10 or 3.11 brings a setuptools that cannot read pyproject.toml.
    project = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    requires = re.findall(r'"([^"]+)"', re.findall(r"^requires = \[(.*)\]$", project, re.MULTILINE)[0])
    line = next(line for line in README.splitlines() if "--no-build-isolation" in line)
    assert len(requires) == 2
    for requirement in requires:
        assert f"'{requirement}'" in line


def test_the_switches_are_those_of_the_build() -> None:
    build = (ROOT / "setup.py").read_text(encoding="utf-8")
    page = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    described = re.findall(r"^\| `WIREFAST_(\w+)`", page, re.MULTILINE)
    assert sorted(described) == sorted(re.findall(r'switch\("(\w+)"\)', build)) != []
