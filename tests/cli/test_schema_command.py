"""``wirefast schema``: the document as a file, and one line for each thing that can be wrong."""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path

import pytest
import yaml

from processes import wirefast
from wirefast.cli import schema as command
from wirefast.cli.errors import REFUSED, USAGE, CommandError
from wirefast.extras import how_to_install

SERVICE = """
import wirefast
app = wirefast.App(title="Überall")
app.get("/x")(lambda q: None)
def make():
    return app
def fails():
    raise ValueError("made nothing")
broken = wirefast.App(servers=[{}])
other = print
"""


@pytest.fixture
def service(tmp_path: Path) -> Path:
    file = tmp_path / "the_service.py"
    file.write_text(SERVICE, encoding="utf-8")
    return file


def test_json(service: Path) -> None:
    done = wirefast("schema", "the_service:app", "-o", "made.json", cwd=service.parent)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    text = (service.parent / "made.json").read_text(encoding="utf-8")
    assert "Überall" in text and text.endswith("}\n")
    assert list(json.loads(text)["paths"]) == ["/x"]
    printed = wirefast("schema", str(service))
    assert (printed.returncode, printed.stdout) == (0, text)


@pytest.mark.parametrize("name", ["made.yaml", "made.YML"])
def test_yaml(service: Path, name: str) -> None:
    done = wirefast("schema", f"{service}:make", "--factory", "--output", name, cwd=service.parent)
    assert (done.returncode, done.stderr) == (0, "")
    text = (service.parent / name).read_text(encoding="utf-8")
    assert text.startswith("openapi: 3.1.0\ninfo:\n  title: Überall\n")
    assert yaml.safe_load(text) == json.loads(wirefast("schema", str(service)).stdout)


@pytest.mark.parametrize(
    ("arguments", "code", "line"),
    [
        (["{}", "-o", "made.txt"], USAGE, "'made.txt' says no format; name a file that ends in .json, .yaml or .yml"),
        (["{}", "-o", "made"], USAGE, "says no format"),
        (["{}", "-o", "no/made.json"], REFUSED, "'no/made.json' cannot be written: No such file or directory"),
        (["{}:other"], USAGE, "is of class builtin_function_or_method, without an OpenAPI document; name an App"),
        (["{}:make"], USAGE, "is of class function, without an OpenAPI document; name an App"),
        (["{}:broken"], REFUSED, "raised ValidationError while its document was made, see above"),
        (["{}:fails", "--factory"], REFUSED, "raised ValueError while its document was made, see above"),
        (["{}:app", "--app-dir", "no"], USAGE, "--app-dir: no such directory: 'no'"),
        (["{}:nothing"], USAGE, "has no attribute 'nothing'"),
        ([], USAGE, "Missing argument 'TARGET'"),
    ],
)
def test_what_can_be_wrong(service: Path, arguments: list[str], code: int, line: str) -> None:
    done = wirefast("schema", *(argument.format(service) for argument in arguments), cwd=service.parent)
    assert done.returncode == code, done.stderr
    last = done.stderr.splitlines()[-1]
    assert last.startswith("wirefast: error: ") and line in last
    assert ("Traceback" in done.stderr) is ("see above" in line)
    assert not list(service.parent.glob("made*"))


def test_yaml_without_its_package(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "yaml", None)
    with pytest.raises(CommandError, match=re.escape(how_to_install("yaml"))):
        command.schema("whatever:app", "made.yaml")
