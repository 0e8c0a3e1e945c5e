"""``wirefast schema --check``: what it prints, its exit codes, and what a user can get wrong."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from processes import wirefast

EXAMPLE = Path(__file__).parents[2] / "examples" / "typed_chat.py"


@pytest.mark.parametrize("options", [[], ["--asyncapi"]], ids=["openapi", "asyncapi"])
def test_nothing_has_changed(tmp_path: Path, options: list[str]) -> None:
    assert wirefast("schema", str(EXAMPLE), *options, "-o", "old.json", cwd=tmp_path).returncode == 0
    done = wirefast("schema", "--check", "old.json", str(EXAMPLE), cwd=tmp_path)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_what_breaks_is_named(tmp_path: Path) -> None:
    document = json.loads(wirefast("schema", str(EXAMPLE), "--asyncapi").stdout)
    document["components"]["schemas"]["Say"]["properties"]["text"]["maxLength"] = 3000
    document["channels"]["gone"] = {"address": "/gone"}
    (tmp_path / "old.json").write_text(json.dumps(document))
    done = wirefast("schema", "--check", "old.json", str(EXAMPLE), cwd=tmp_path)
    assert done.returncode == 1
    assert done.stdout.splitlines() == [
        "/rooms/{room_id}: the message 'say'.text has another maxLength: 2000 in place of 3000",
        "/gone is gone",
    ]


@pytest.mark.parametrize(
    ("text", "options", "error"),
    [
        ("{", [], "--check 'old.json' is no JSON"),
        ("{}", [], "both documents must be OpenAPI 3, or both AsyncAPI 3"),
        ('{"openapi": "3.1.0", "paths": {"/": 1}}', [], None),
        ('{"asyncapi": "3.1.0", "channels": 1}', [], "--check 'old.json' is damaged"),
        ("{}", ["-o", "x.json"], "--check writes no document"),
    ],
)
def test_mistakes(tmp_path: Path, text: str, options: list[str], error: str | None) -> None:
    (tmp_path / "old.json").write_text(text)
    done = wirefast("schema", "--check", "old.json", str(EXAMPLE), *options, cwd=tmp_path)
    assert "Traceback" not in done.stderr
    if error is None:
        assert (done.returncode, done.stdout) == (1, "/ is gone\n")
    else:
        assert done.returncode == 2 and error in done.stderr
