"""The vocabulary of ends: one table of close codes, one cut, one list of reasons."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from starlette import status

from wirefast._core import close

ROOT = Path(__file__).parents[2]
SOURCE = ROOT / "src" / "wirefast"
NAMES = {name: value for name, value in vars(close).items() if name.isupper() and type(value) is int}


def test_the_numbers_of_c_are_those_of_python() -> None:
    header = (ROOT / "csrc" / "close.h").read_text(encoding="utf-8")
    numbers = {name: int(value) for name, value in re.findall(r"CLOSE_(\w+) = (\d+)", header)}
    numbers["MAX_REASON"] = numbers.pop("REASON_MAX")
    assert numbers == NAMES
    # Cython takes the numbers from the header, so its names alone can be wrong: then nothing compiles.
    assert "=" not in (SOURCE / "_core" / "close.pxd").read_text(encoding="utf-8")


def test_every_registered_code_has_its_row() -> None:
    starlettes = {value for name, value in vars(status).items() if name.startswith("WS_")}
    assert list(close.CODES) == list(range(1000, 1016))
    assert starlettes <= set(close.CODES)
    assert all(code.meaning for code in close.CODES.values())


def test_which_codes_a_frame_may_carry() -> None:
    websockets_frames = pytest.importorskip("websockets.frames")
    for code in range(70000):
        registered = code in websockets_frames.EXTERNAL_CLOSE_CODES
        assert close.is_frame_code(code) == (registered or 3000 <= code <= 4999), code
    close.check_code(1000)
    with pytest.raises(ValueError, match="1005 is not a close code that may be sent: those are 1000 to 1003, 1007 to"):
        close.check_code(1005)


@given(st.text(st.characters(), max_size=200))
def test_a_reason_is_cut_on_a_border(reason: str) -> None:
    cut = close.cut_reason(reason)
    whole = close.utf8(reason)
    assert len(cut) <= close.MAX_REASON and whole.startswith(cut)
    cut.decode("utf-8")
    # Not a character less than fits.
    assert cut == whole or len(whole[: len(cut) + 4].decode("utf-8", "ignore").encode()) > close.MAX_REASON


@pytest.mark.parametrize("size", [122, 123, 124])
def test_the_cut_at_its_bound(size: int) -> None:
    assert close.cut_reason("x" * size) == b"x" * min(size, 123)
    assert close.cut_reason("x" * (size - 2) + "é") == ("x" * (size - 2) + "é").encode()[: 123 if size < 124 else 122]


def test_every_reason_fits_into_a_frame() -> None:
    reasons = [value for name, value in vars(close).items() if name.isupper() and type(value) is str]
    assert len(reasons) > 10
    for reason in [*reasons, close.too_slow(2**63, 2**63)]:
        assert close.cut_reason(reason) == reason.encode("ascii")
    frame = (ROOT / "csrc" / "frame.c").read_text(encoding="utf-8")
    assert f'"{close.MESSAGE_TOO_BIG}"' in frame


#: A thousand, and 123, are many other things too.
NUMBERS = re.compile(r"\b10(?:0[1-9]|1[0-5])\b|(?:code|close|reason|Disconnect).*\b(?:1000|123)\b(?!\.)")
REASONS = re.compile("|".join(re.escape(v) for n, v in vars(close).items() if n.isupper() and type(v) is str))
#: Literals that look like codes and are none: characters in bytes of JSON; ASGI's own documentation is not searched.
#: The command's help names codes.
OTHERS = {"_core/json.pyx", "_core/tagging.pyx", "cli/options.py"}


def test_no_code_and_no_reason_stands_elsewhere() -> None:
    found = []
    for path in sorted([*SOURCE.rglob("*.py"), *SOURCE.rglob("*.pyx"), *SOURCE.rglob("*.pxd")]):
        name = path.relative_to(SOURCE).as_posix()
        if name in OTHERS or name == "_core/close.py" or name.startswith(("testing/", "clients/")):  # the peer's side
            continue
        text = re.sub(r'"""(?:.|\n)*?"""', lambda match: "\n" * match[0].count("\n"), path.read_text(encoding="utf-8"))
        for number, line in enumerate(text.splitlines(), 1):
            code = line.partition("#")[0]
            if NUMBERS.search(code) or REASONS.search(code):
                found.append(f"{name}:{number}: {line.strip()}")
    assert not found
