"""The tag and the ref of a message, found, cut and spliced in its bytes; json is the oracle."""

from __future__ import annotations

import json
from importlib.machinery import EXTENSION_SUFFIXES
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from wirefast._core import tagging

OTHER_ENCODINGS = ["utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32", "utf-32-le", "utf-32-be"]
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=6,
)
OBJECTS = st.dictionaries(st.sampled_from(["type", "ref", "a", 'b"', "é", ""]), VALUES, max_size=5)


def test_is_compiled() -> None:
    assert tagging.__file__ is not None and tagging.__file__.endswith(tuple(EXTENSION_SUFFIXES))


@settings(suppress_health_check=[HealthCheck.too_slow], deadline=None)
@given(OBJECTS, st.booleans(), st.sampled_from([None, 1]))
def test_find_and_cut(value: dict[str, Any], ascii_only: bool, indent: int | None) -> None:
    text = json.dumps(value, ensure_ascii=ascii_only, indent=indent).encode("utf-8", "surrogatepass")
    kind, tag, ref = tagging.find(text, "type")
    assert kind == "object"
    assert (json.loads(tag) if tag else None) == value.get("type")
    assert (json.loads(ref) if ref else None) == value.get("ref")
    for cut_tag in (False, True):
        for cut_ref in (False, True):
            cut = {"type"} if cut_tag else set()
            cut |= {"ref"} if cut_ref else set()
            left = {key: item for key, item in value.items() if key not in cut}
            assert json.loads(tagging.cut(text, "type", cut_tag, cut_ref)) == left
    assert json.loads(tagging.splice(json.dumps(value, separators=(",", ":")).encode(), b"7")) == {"ref": 7, **value}


@pytest.mark.parametrize("size", range(40))
def test_any_cut_of_a_message_is_malformed(size: int) -> None:
    text = b'{"type": "say", "ref": 1, "x": [{}], "y"}'
    assert tagging.find(text[: size + 1], "type")[0] == "malformed"


def test_keys_with_escapes_and_the_last_of_several() -> None:
    text = rb'{"\u0074ype": "a", "t\u0079pe": "b", "r\u0065f": 1, "\ud800": 2, "\q": 3}'
    assert tagging.find(text, "type") == ("object", b'"b"', b"1")
    assert tagging.cut(text, "type", True, True) == rb'{"\ud800": 2,"\q": 3}'


@pytest.mark.parametrize("name", ["type", "ref"])
@pytest.mark.parametrize(
    "value", ["1", '"a"', "null", "[1.5]", '"\\u00e9"', "@", "[}", "01", "+1", "\ufeff1", "tru", "1 2"]
)
def test_a_value_that_a_later_one_replaces_is_json(name: str, value: str) -> None:
    """No validator sees it, as it is cut with the later one."""
    text = f'{{"{name}": {value}, "{name}": 1}}'.encode()
    try:
        json.loads(text.decode())
    except ValueError:
        assert tagging.find(text, "type")[0] == "malformed"
    else:
        assert tagging.find(text, "type")[0] == "object"


def test_splice() -> None:
    assert tagging.splice(b"{}", b"1") == b'{"ref":1}'
    assert tagging.splice(b"[]", b"1") == b"[]"
    assert tagging.splice(b"", b"1") == b""


@pytest.mark.parametrize(
    ("text", "ref"),
    [
        (b"7", b"7"),
        (b"-7", b"-7"),
        (b'"a"', b'"a"'),
        (b"null", b""),
        (b'"' + b"a" * 64 + b'"', b'"' + b"a" * 64 + b'"'),
        (b'"' + b"a" * 65 + b'"', None),
        (b"9" * 64, b"9" * 64),
        (b"9" * 65, None),
        (('"' + "é" * 32 + '"').encode(), b'"' + rb"\u00e9" * 32 + b'"'),
        (('"' + "é" * 33 + '"').encode(), None),
        (rb'"' + rb"\u0061" * 64 + b'"', b'"' + b"a" * 64 + b'"'),
        (rb'"' + rb"\u0061" * 65 + b'"', None),
        (rb'"\""', rb'"\""'),
        (rb'"\ud800"', None),
        (b"1.5", None),
        (b"true", None),
        (b"[1]", None),
        (b"{}", None),
        (b"nul", None),
        (b'"\x01"', None),
        (b'"\xff"', None),
        (b"-", None),
        (b"01", None),
        # Text that json.loads takes in bytes, where it guesses the encoding. Written back it is no JSON.
        *[(text.encode(encoding), None) for text in ("1", '"a"') for encoding in OTHER_ENCODINGS],
    ],
)  # fmt: skip
def test_refs(text: bytes, ref: bytes | None) -> None:
    assert tagging.check_ref(text) == ref
