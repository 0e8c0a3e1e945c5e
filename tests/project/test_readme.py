"""README.md has its commands to the letter, CONTRIBUTING.md a map of what exists; test_snippets.py runs their code."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")
CONTRIBUTING = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"^```(\w+)\n(.*?)^```$", README, re.MULTILINE | re.DOTALL)


def test_the_two_commands_come_first() -> None:
    assert BLOCKS[:2] == [
        (
            "sh",
            "python3 -m venv .venv && .venv/bin/pip install '.[server]' && .venv/bin/wirefast run examples/chat.py\n",
        ),
        ("sh", "python3 -m venv .venv && .venv/bin/pip install '.[test]' && .venv/bin/pytest -n 3\n"),
    ]


def test_the_table_names_what_exists() -> None:
    source = CONTRIBUTING[CONTRIBUTING.index("## The source") : CONTRIBUTING.index("## Build")]
    rows = [line.split("|")[1] for line in source.splitlines() if line.startswith("| `")]
    assert len(rows) >= 8
    for row in rows:
        first, *others = (ROOT / path for path in re.findall(r"`([^`]+)`", row))
        for path in [first, *(first.with_name(other.name) for other in others)]:
            assert path.exists(), f"CONTRIBUTING.md names {path.relative_to(ROOT)}"


def test_the_editable_build_installs_what_the_build_needs() -> None:
    # An environment of Python 3.10 or 3.11 brings a setuptools that cannot read pyproject.toml.
    project = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    requires = re.findall(r'"([^"]+)"', re.findall(r"^requires = \[(.*)\]$", project, re.MULTILINE)[0])
    build = CONTRIBUTING[CONTRIBUTING.index("## Build") : CONTRIBUTING.index("--no-build-isolation")]
    assert len(requires) == 2
    for requirement in requires:
        assert f"'{requirement}'" in build


def test_every_page_of_the_documentation_is_in_the_table_or_below_one_that_is() -> None:
    """The front page leads to rooms and to scaling, and to each page that has no other page above it."""
    assert "(docs/tutorial/index.md)" in README and "(docs/howto/index.md)" in README
    named = set(re.findall(r"\(docs/([\w-]+)\.md\)", README))
    pages = {page.stem for page in (ROOT / "docs").glob("*.md")}
    below = {
        "index",
        "json",
        "telemetry",
        "message-streams",
        "message-requests",
        "message-loop",
        "census",
        "limits-tests",
        "free-threading",
        "words",
        "changelog",
    }
    assert pages - below - named == set()
    assert {"rooms", "scaling", "messages", "clients"} <= named


def test_it_is_one_screen_and_says_first_what_it_is() -> None:
    first = README.split("\n\n")[1]
    assert "FastAPI" in first and "WebSocket" in first
    assert README.index("docs/pictures/figures.svg") < README.index("## 1. Run what you have")
    assert len(README.splitlines()) <= 140


def test_the_switches_are_those_of_the_build() -> None:
    build = (ROOT / "setup.py").read_text(encoding="utf-8")
    page = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    described = re.findall(r"^\| `WIREFAST_(\w+)`", page, re.MULTILINE)
    assert sorted(described) == sorted(re.findall(r'switch\("(\w+)"\)', build)) != []
