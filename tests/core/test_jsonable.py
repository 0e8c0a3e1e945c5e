"""The bytes of a plain result are those of FastAPI's way: jsonable_encoder, then Starlette's JSONResponse."""

import dataclasses
import datetime
import enum
import json
import uuid
from collections import OrderedDict, deque
from decimal import Decimal
from typing import Any

import pytest
from fastapi.encoders import jsonable_encoder as their_encoder
from fastapi.responses import JSONResponse
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel

from shown import shown
from wirefast._core import jsonable as module
from wirefast._core.jsonable import dumps
from wirefast.encoders import jsonable_encoder


class Colour(enum.Enum):
    RED = "red"


class Number(enum.IntEnum):
    ONE = 1


class Text(str):
    pass


class Item(BaseModel):
    name: str


@dataclasses.dataclass
class Point:
    x: int


def outcome(render: Any) -> Any:
    try:
        return render()
    except Exception as exc:
        return type(exc), str(exc)


def agree(value: Any) -> None:
    ours = outcome(lambda: dumps(value, jsonable_encoder))
    theirs = outcome(lambda: JSONResponse(their_encoder(value)).body)
    if isinstance(theirs, tuple) and ("JSON compliant" in theirs[1] or "surrogates" in theirs[1]):
        # NaN becomes null and a lone surrogate U+FFFD; strict JSON.
        json.loads(ours, parse_constant=pytest.fail)
    else:
        assert ours == theirs


def test_is_compiled():
    assert module.__file__.endswith((".so", ".pyd"))


@pytest.mark.parametrize(
    "value",
    [
        None, True, 0, -1, 2**63 - 1, 2**63, -(2**63), -(2**63) - 1, 10**40,
        0.0, -0.0, 1.5, 1e-4, 9.9e-5, 1e15, 9999999999999998.0, 1e16, -1e16, 5e-324, 1.7976931348623157e308,
        float("inf"), float("nan"), "", "é\u2028\x00\x1f\x7f\"\\/", "\ud800", b"bytes", b"\xff",
        [], {}, [[]], {"": {}}, {"a": [1, {"b": None}]}, (1, 2), {1, }, frozenset(), deque([1]),
        {"_sa": 1}, {"_s": 1, "_sab": 2, "x_sa": 3}, {2: "a", None: "b", True: "c", 1.5: "d"}, {Text("_sax"): 1},
        OrderedDict(a=1), Text("t"), [Text("t")], Number.ONE, Colour.RED, {Colour.RED: Colour.RED},
        datetime.datetime(2026, 1, 2, 3, 4, 5, 6), datetime.date(2026, 1, 2), datetime.timedelta(1.5),
        uuid.UUID(int=7), Decimal("1.50"), Decimal("10"), Point(1), Item(name="x"), [Item(name="x")], object(),
    ],
    ids=shown,
)  # fmt: skip
def test_same_bytes(value: Any):
    agree(value)
    agree({"nested": [value]})


def test_depth():
    deep: Any = 1
    for _ in range(300):
        deep = [deep]
    agree(deep)
    circle: list[Any] = []
    circle.append(circle)
    assert outcome(lambda: dumps(circle, jsonable_encoder))[0] is RecursionError


scalars = st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters(), max_size=8)
values = st.recursive(
    scalars, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=4), inner, max_size=4)
)


@given(values)
def test_random_values(value: Any):
    agree(value)
