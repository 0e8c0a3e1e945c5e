"""JSON of send_json and receive_json: orjson where it agrees with Starlette's json module, that module elsewhere."""

import datetime
import decimal
import enum
import json
import math
import sys
import uuid
from collections import OrderedDict, defaultdict, deque, namedtuple
from dataclasses import dataclass
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from pydantic import BaseModel

from wirefast._core import json as module
from wirefast._core.json import dumps, loads

Point = namedtuple("Point", "x y")


class Colour(enum.Enum):
    RED = "red"


class Number(enum.IntEnum):
    ONE = 1


class Item(BaseModel):
    name: str
    price: Any = None


@dataclass
class Pair:
    left: Any
    right: Any


def starlette_text(data):
    return json.dumps(data, separators=(",", ":"), ensure_ascii=False)


def test_is_compiled():
    assert module.__file__.endswith((".so", ".pyd"))


# ---- Encoding ----

plain = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text() | st.integers() | st.none() | st.booleans(), inner),
    max_leaves=8,
)


@settings(max_examples=150, deadline=None)
@given(plain)
@example({"a": [1, 2.5, None, True, "é\u2028\x7f", {}]})
@example([2**63 - 1, 2**64 - 1, 2**64, -(2**63), -(2**63) - 1])
def test_text_is_starlettes(data):
    assert dumps(data).decode() == starlette_text(data)


@pytest.mark.parametrize(
    "data",
    [
        OrderedDict(a=1),
        defaultdict(int, a=1),
        Number.ONE,
        (1, (2, [])),
        Point(1, 2),
        {"p": Point(1, Point(2, 3))},
        {2: 2, None: 3, 1.5: 4, True: 5},
        [10**100],
        {1: Number.ONE},
    ],
)
def test_what_both_know(data):
    assert dumps(data).decode() == starlette_text(data)


WHEN = datetime.datetime(2026, 1, 2, 3, 4, 5, tzinfo=datetime.timezone.utc)
UUID = uuid.UUID(int=1)
MORE = [
    (WHEN, '"2026-01-02T03:04:05+00:00"'),
    (WHEN.date(), '"2026-01-02"'),
    (WHEN.time(), '"03:04:05"'),
    (UUID, f'"{UUID}"'),
    (Colour.RED, '"red"'),
    (Pair(1, [Colour.RED]), '{"left":1,"right":["red"]}'),
    (Item(name="é", price=decimal.Decimal("1.5")), '{"name":"é","price":"1.5"}'),
    (decimal.Decimal("1.50"), "1.5"),
    (decimal.Decimal("3"), "3"),
    (decimal.Decimal("NaN"), "null"),
    ({1}, "[1]"),
    (frozenset([1]), "[1]"),
    (deque([1, 2]), "[1,2]"),
    (Point({1}, deque([2])), "[[1],[2]]"),
]


@pytest.mark.parametrize(("value", "text"), MORE)
@pytest.mark.parametrize(
    ("frame", "fallback"),
    [("{}", False), ('{{"1":{}}}', True), ("[18446744073709551616,{}]", True)],
    ids=["alone", "under an int key", "beside a long int"],
)
def test_what_starlette_refuses(value, text, frame, fallback):
    """Also when something beside it needs the standard library."""
    data = {"{}": value, '{{"1":{}}}': {1: value}, "[18446744073709551616,{}]": [2**64, value]}[frame]
    assert dumps(data).decode() == frame.format(text)


def test_long_integers_inside_of_values_that_need_a_hook():
    huge = 10**40
    assert dumps(Item(name="x", price=huge)).decode() == f'{{"name":"x","price":{huge}}}'
    assert dumps(Pair(huge, {huge})).decode() == f'{{"left":{huge},"right":[{huge}]}}'
    assert dumps({1: decimal.Decimal(huge)}).decode() == f'{{"1":{huge}}}'
    assert dumps({huge}).decode() == f"[{huge}]"


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
@pytest.mark.parametrize(
    "around",
    [
        lambda value: value,
        lambda value: [value, 1],
        lambda value: {"a": (value,)},
        lambda value: {1: value},
        lambda value: [2**70, {"a": [value]}],
        lambda value: {1: {value}},
        lambda value: {1: Item(name="x", price=value)},
        lambda value: [2**70, Pair(value, 2**70)],
        lambda value: [{2**70, value}],
        lambda value: Point(value, 2**70),
    ],
)
def test_what_is_no_json_number_leaves_as_null(value, around):
    text = dumps(around(value)).decode()
    assert "null" in text
    assert "NaN" not in text and "Infinity" not in text
    json.loads(text)


def test_keys_that_are_no_numbers_keep_their_words():
    assert dumps({math.nan: 1, math.inf: 2}).decode() == starlette_text({math.nan: 1, math.inf: 2})


def test_deep_nesting():
    data: Any = []
    for _ in range(400):
        data = [data]
    assert dumps(data) == b"[" * 401 + b"]" * 401


@pytest.mark.parametrize("value", [object(), 1j, b"bytes", {"a": object()}, {1: object()}, [{object()}], {(1, 2): 3}])
def test_type_errors_are_the_standard_librarys(value):
    with pytest.raises(TypeError, match="is not JSON serializable|keys must be"):
        dumps(value)


def test_a_cycle():
    data: list[Any] = []
    data.append(data)
    with pytest.raises(ValueError, match="Circular reference"):
        dumps(data)


# ---- Decoding ----


def same(left, right):
    """Equal with equal types, NaN equal to itself."""
    return repr(left) == repr(right)


texts = st.one_of(
    plain.map(json.dumps),
    plain.map(lambda value: json.dumps(value, ensure_ascii=False)),
    st.lists(st.floats() | st.integers(), max_size=5).map(json.dumps),
)


@settings(max_examples=150, deadline=None)
@given(texts)
@example("[NaN, Infinity, -Infinity, 1e999, -1E+999]")
@example('"\\ud800"')
@example('{"a": 1, "a": 2}')
@example("-0")
@example("[1e19, 12345678901234567890.5, 12345678901234567890e-2, 0.12345678901234567890]")
def test_values_are_the_standard_librarys(text):
    expected = json.loads(text)
    assert same(loads(text), expected)
    if "\\ud800" not in text:
        assert same(loads(text.encode()), expected)


@settings(max_examples=150, deadline=None)
@given(
    st.integers(0, 45),
    st.integers(15, 45),
    st.sampled_from(["", "-"]),
    st.sampled_from(["[{}{}]", '{{"{}":{}}}', '["{}",{}]', '["{}",\n\t {}]', '["{}",1,{},2]']),
)
def test_integers_of_any_length_anywhere_are_exact(before, digits, sign, template):
    number = sign + "9" * digits
    filling = " " * before if template.startswith("[{}") else "1" * before
    text = template.format(filling, number)
    assert same(loads(text), json.loads(text))
    assert same(loads(text.encode()), json.loads(text))


@pytest.mark.parametrize("edge", [2**63 - 1, 2**63, 2**64 - 1, 2**64, -(2**63), -(2**63) - 1, 10**18, -(10**18)])
def test_integers_at_the_edges(edge):
    assert same(loads(str(edge)), edge)
    assert same(loads(f'{{"a":{edge}}}'), {"a": edge})


def test_digits_inside_of_words():
    assert loads('["123456789012345678901234567890"]') == ["1" + "23456789012345678901234567890"]
    assert loads('{"12345678901234567890":" 12345678901234567890"}') == {
        "12345678901234567890": " 12345678901234567890"
    }


@pytest.mark.parametrize("as_type", [str, str.encode])
@pytest.mark.parametrize("text", ["", " ", "{", "[1,]", "{'a':1}", "nul", "\x00", '"\x01"', "01", "[1] x", "\ufeff[]"])
def test_malformed(text, as_type):
    with pytest.raises(json.JSONDecodeError):
        loads(as_type(text))


@pytest.mark.parametrize("unit", ["[", '{"a":', "[{}".replace("}", '"a":')])
@pytest.mark.parametrize("as_type", [str, str.encode])
def test_absurd_nesting_is_malformed(unit, as_type):
    text = unit * 100_000
    with pytest.raises(json.JSONDecodeError):
        loads(as_type(text))


def test_absurd_nesting_that_is_well_formed():
    with pytest.raises(json.JSONDecodeError, match="nested too deeply"):
        loads("[" * 100_000 + "]" * 100_000)


def test_nesting_that_the_standard_library_reads():
    text = "[" * 600 + "]" * 600
    assert same(loads(text), json.loads(text))


def test_more_digits_than_int_takes():
    limit = sys.get_int_max_str_digits()
    assert loads("9" * limit) == int("9" * limit)
    for text in ("9" * (limit + 1), f'{{"a":[-{"9" * (limit + 1)}]}}'):
        with pytest.raises(json.JSONDecodeError):
            loads(text)
        with pytest.raises(json.JSONDecodeError):
            loads(text.encode())


def test_bytes_that_are_not_utf8():
    for data in (b'"\xff"', b"\xff", b'{"\xc3":1}'):
        with pytest.raises(UnicodeDecodeError):
            loads(data)


@pytest.mark.parametrize("value", [None, 1, object()])
def test_neither_text_nor_bytes(value):
    with pytest.raises(TypeError):
        loads(value)
