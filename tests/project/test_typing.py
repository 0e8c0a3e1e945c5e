"""The public API as type checkers see it; the programs are in tests/typing."""

from __future__ import annotations

import importlib
import importlib.util
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PROGRAM = ROOT / "tests/typing/public_api.py"
MESSAGES = ROOT / "tests/typing/typed_messages.py"


#: What calls into compiled modules give is held against their stubs; stubtest compares names and parameters alone.
CALLS = {
    "_core.json": ["dumps({})", "loads(b'[1]')"],
    "_core.jsonable": ["dumps([1], str)"],
    "_core.extract": ["parse_query(b'a=1')", "parse_cookies([])", "fill_headers([], {}, [])"],
    "_core.matcher": ["Matcher([]).regex_places"],
    "_core.outbox": [
        "as_policy('close')",
        *(f"Policy('close').{name}" for name in ("name", "max_messages", "max_bytes", "deadline")),
        *(f"Outbox().{name}" for name in ("count", "size", "dropped", "dropped_bytes", "ended")),
        "Outbox().offer(b'x', 1, Policy('close'), None, False, 0.0)",
    ],
    "server.deflate": [
        *(f"Deflate().{name}" for name in ("out_bits", "in_bits", "out_fresh", "in_fresh")),
        "parse_extensions('a; b=c')",
    ],
    "server.head": ["HeadReader().started"],
}
PARAMETERS = {"list": "list[Any]", "dict": "dict[Any, Any]", "tuple": "tuple[Any, ...]"}


def results(folder: Path) -> list[Path]:
    """A program for each module, that gives what each call returns to a name of the type that it really has."""
    programs = []
    for module, calls in CALLS.items():
        found = vars(importlib.import_module(f"wirefast.{module}"))
        lines = ["from typing import Any", f"from wirefast.{module} import *"]
        for number, call in enumerate(calls):
            kind = type(eval(call, dict(found))).__name__
            lines.append(f"result_{number}: {PARAMETERS.get(kind, kind)} = {call}")
        programs.append(folder / f"results_{module.replace('.', '_')}.py")
        programs[-1].write_text("\n".join(lines) + "\n", encoding="utf-8")
    return programs


def check(*programs: Path) -> subprocess.CompletedProcess[str]:
    pytest.importorskip("mypy", reason="mypy is of the extra dev")
    command = [
        sys.executable,
        "-m",
        "mypy",
        "--strict",
        "--config-file",
        str(ROOT / "pyproject.toml"),
        *map(str, programs),
    ]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=600)


def test_mypy_agrees(tmp_path: Path) -> None:
    """With the programs, and with what calls into compiled modules give."""
    done = check(PROGRAM, MESSAGES, *results(tmp_path))
    assert done.returncode == 0, done.stdout + done.stderr


def test_mypy_agrees_with_the_examples() -> None:
    """What a reader copies; the tutorial's steps have one name each, so they are checked together."""
    done = check(*sorted(path for path in (ROOT / "examples").rglob("*.py") if not path.name.startswith("test_")))
    assert done.returncode == 0, done.stdout + done.stderr


def test_mypy_refuses_what_is_wrong(tmp_path: Path) -> None:
    text = PROGRAM.read_text(encoding="utf-8")
    (tmp_path / "wrong.py").write_text(text.replace("receive_text(), str)", "receive_text(), bytes)"), encoding="utf-8")
    done = check(tmp_path / "wrong.py")
    assert done.returncode == 1 and 'Expression is of type "str", not "bytes"' in done.stdout


def test_mypy_refuses_a_message_of_another_type(tmp_path: Path) -> None:
    text = MESSAGES.read_text(encoding="utf-8")
    lines = [line for line in text.splitlines() if "type: ignore" in line]
    assert len(lines) == 6
    (tmp_path / "wrong.py").write_text(re.sub(r"  # type: ignore.*", "", text), encoding="utf-8")
    done = check(tmp_path / "wrong.py")
    assert done.returncode == 1
    wrong = {int(number) for number in re.findall(r"wrong\.py:(\d+): error", done.stdout)}
    assert wrong == {number for number, line in enumerate(text.splitlines(), 1) if line in lines}


def test_a_lying_stub_is_found(tmp_path: Path) -> None:
    """stubtest, as .ci/run calls it, on a copy of a stub in which one parameter has another name."""
    pytest.importorskip("mypy", reason="mypy is of the extra dev")
    spec = importlib.util.find_spec("wirefast._core.json")
    assert spec is not None and spec.origin is not None
    package = tmp_path / "wirefast"
    shutil.copytree(Path(spec.origin).parents[1], package, ignore=shutil.ignore_patterns("__pycache__", "*.pyx"))
    stub = package / "_core/json.pyi"
    text = stub.read_text(encoding="utf-8")
    command = [sys.executable, "-m", "mypy.stubtest", "wirefast._core.json", "--ignore-disjoint-bases"]
    command += ["--allowlist", str(ROOT / "tests/typing/stubtest.txt"), "--ignore-unused-allowlist"]
    environment = {"PYTHONPATH": str(tmp_path), "MYPYPATH": str(tmp_path), "PATH": ""}
    run = {"cwd": tmp_path, "env": environment, "capture_output": True, "text": True, "timeout": 600}
    honest = subprocess.run(command, **run)  # type: ignore[call-overload]
    assert honest.returncode == 0, honest.stdout + honest.stderr
    stub.write_text(text.replace("def dumps(data", "def dumps(anything"), encoding="utf-8")
    assert stub.read_text(encoding="utf-8") != text
    lying = subprocess.run(command, **run)  # type: ignore[call-overload]
    assert lying.returncode == 1 and "dumps" in lying.stdout, lying.stdout + lying.stderr
