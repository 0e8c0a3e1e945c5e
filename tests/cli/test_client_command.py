"""``wirefast client``: what it writes where, and what a user can get wrong. What it writes is tested in tests/wire."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from processes import wirefast

EXAMPLE = Path(__file__).parents[2] / "examples" / "typed_chat.py"


def test_by_ending_and_by_option(tmp_path: Path) -> None:
    for name, language in (("socket.ts", "ts"), ("socket.py", "python")):
        assert wirefast("client", str(EXAMPLE), "-o", name, cwd=tmp_path).returncode == 0
        written = wirefast("client", str(EXAMPLE), "--lang", language)
        assert written.stdout == (tmp_path / name).read_text(encoding="utf-8")
        assert written.stderr == ""


def test_of_a_document(tmp_path: Path) -> None:
    document = tmp_path / "asyncapi.json"
    assert wirefast("schema", str(EXAMPLE), "--asyncapi", "-o", str(document)).returncode == 0
    assert json.loads(document.read_text())["asyncapi"] == "3.1.0"
    of_document = wirefast("client", str(document), "--lang", "ts")
    assert of_document.stdout == wirefast("client", str(EXAMPLE), "--lang", "ts").stdout


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        (["app.py"], "no such file: 'app.py'; "),
        (["none.json"], "TARGET 'none.json' cannot be read: No such file or directory"),
        (["bad.json"], "TARGET 'bad.json' is no JSON"),
        (["list.json"], "TARGET 'list.json' has no JSON object"),
        (["openapi.json"], "this is no AsyncAPI 3 document"),
        (["damaged.json"], "the document is damaged"),
    ],
)
def test_mistakes(tmp_path: Path, arguments: list[str], error: str) -> None:
    (tmp_path / "bad.json").write_text("{")
    (tmp_path / "list.json").write_text("[]")
    (tmp_path / "openapi.json").write_text('{"openapi": "3.1.0"}')
    (tmp_path / "damaged.json").write_text('{"asyncapi": "3.1.0"}')
    done = wirefast("client", *arguments, "--lang", "ts", cwd=tmp_path)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("wirefast: error: ") and done.stderr.count("\n") == 1
    assert error.rstrip("; ") in done.stderr


def test_a_language_is_needed(tmp_path: Path) -> None:
    done = wirefast("client", str(EXAMPLE), cwd=tmp_path)
    assert done.returncode == 2 and "add --lang ts or --lang python, or -o with .ts or .mts or .py" in done.stderr
    assert "'java' is not one of 'ts', 'python'" in wirefast("client", str(EXAMPLE), "--lang", "java").stderr
