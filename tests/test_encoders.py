"""`wirefast.encoders` against `fastapi.encoders`: the same result, or the same error, for any value."""

import dataclasses
import datetime
import decimal
import enum
import ipaddress
import pathlib
import re
import uuid
import warnings
from collections import OrderedDict, deque, namedtuple
from collections.abc import Callable, Iterator
from typing import Any

import fastapi.encoders as oracle
import pytest
from fastapi.exceptions import PydanticV1NotSupportedError as OracleV1Error
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import AnyUrl, BaseModel, ConfigDict, Field, NameEmail, SecretBytes, SecretStr
from pydantic_core import PydanticUndefined, Url

from wirefast import encoders
from wirefast.exceptions import PydanticV1NotSupportedError


class Colour(enum.Enum):
    RED = "red"
    PAIR = (1, 2)


class Level(enum.IntEnum):
    LOW = 1


class Inner(BaseModel):
    when: datetime.datetime = datetime.datetime(2026, 1, 2, 3, 4, 5)
    colour: Colour = Colour.RED
    nothing: int | None = None


class Model(BaseModel):
    model_config = ConfigDict(arbitrary_types_allowed=True, populate_by_name=True)

    number: int = Field(default=1, alias="theNumber")
    inner: Inner = Inner()
    path: pathlib.Path = pathlib.Path("/a/b")
    tags: set[str] = {"x"}
    secret: SecretStr = SecretStr("hidden")


@dataclasses.dataclass
class Record:
    name: str
    model: Any = None
    nothing: None = None
    _sa_state: str = "state"


class Plain:
    def __init__(self, **values: Any) -> None:
        self.__dict__.update(values)


class Pairs:
    """Not a dict, but one can be made of it."""

    def __iter__(self) -> Iterator[tuple[str, Any]]:
        yield "a", 1
        yield "_sa_b", Colour.RED


class Slots:
    __slots__ = ()


class Text(str): ...


class Moment(datetime.datetime): ...


class Opaque: ...


class Special(Opaque): ...


Point = namedtuple("Point", "x y")

VALUES: list[Any] = [
    None,
    True,
    1,
    1.5,
    "text",
    Text("text"),
    b"bytes",
    Colour.RED,
    Colour.PAIR,
    Level.LOW,
    Colour,
    pathlib.Path("/a"),
    pathlib.PureWindowsPath("c:/a"),
    datetime.date(2026, 1, 2),
    datetime.time(1, 2, 3),
    datetime.datetime(2026, 1, 2, tzinfo=datetime.timezone.utc),
    Moment(2026, 1, 2),
    datetime.timedelta(days=1, microseconds=5),
    *map(decimal.Decimal, ["1", "1.0", "1E+2", "0.10", "-3"]),
    uuid.UUID(int=5),
    ipaddress.ip_address("127.0.0.1"),
    ipaddress.ip_network("10.0.0.0/8"),
    ipaddress.ip_interface("::1/64"),
    re.compile("^a$"),
    SecretStr("hidden"),
    SecretBytes(b"hidden"),
    NameEmail.__new__(NameEmail),
    AnyUrl("https://example.com/a"),
    Url("https://example.com/a"),
    PydanticUndefined,
    deque([1, Colour.RED]),
    {3},
    frozenset({3}),
    (1, (2,)),
    Point(1, Colour.RED),
    OrderedDict(a=1),
    {"a": None, "_sa_b": 1, "c": {"a": 1, "_sa_b": None}},
    {Colour.RED: 1, 2: Colour.RED, None: pathlib.Path("/a")},
    {uuid.UUID(int=1): {decimal.Decimal(1): 2}},
    Model(),
    Model(theNumber=1, inner=Inner(nothing=4)),
    [Model(), {"m": Model()}],
    Record("a", Model()),
    [Record("a")],
    Plain(a=1, _sa_b=2, c=Colour.RED, d=None),
    Pairs(),
    Slots(),
    Opaque(),
    Special(),
    object(),
    5j,
    type,
]
for value in VALUES:
    if type(value) is NameEmail:
        value.name, value.email = "Ann", "ann@example.com"


def outcome(function: Callable[..., Any], make: Callable[[], Any], options: dict[str, Any]) -> tuple[str, Any]:
    """What a call gave: a value with its types, or the kind and text of the error."""
    try:
        result = function(make(), **options)
    except Exception as exc:
        return type(exc).__name__, re.sub("0x[0-9a-f]+", "0x", str(exc))
    return "value", (result, repr(result))


def same(value: Any, **options: Any) -> None:
    ours = outcome(encoders.jsonable_encoder, lambda: value, options)
    assert ours == outcome(oracle.jsonable_encoder, lambda: value, options)


OPTIONS: list[dict[str, Any]] = [
    {},
    {"exclude_none": True},
    {"by_alias": False},
    {"exclude_unset": True},
    {"exclude_defaults": True},
    {"sqlalchemy_safe": False},
    {"include": {"a", "number", "inner", "name"}},
    {"include": ["number"], "exclude": ("a",)},
    {"exclude": {"a", "c", "inner", "name"}},
    {"include": {"inner": {"when"}}},
    {"custom_encoder": {str: str.upper, int: lambda i: -i}},
    {"custom_encoder": {Opaque: lambda o: "opaque", datetime.date: lambda d: d.year, Model: lambda m: "model"}},
    {"custom_encoder": {dict: lambda d: sorted(map(str, d))}, "exclude_none": True},
]


@pytest.mark.parametrize("options", OPTIONS, ids=lambda o: ",".join(o) or "none")
@pytest.mark.parametrize("value", VALUES, ids=lambda v: f"{type(v).__name__}")
def test_same_as_fastapi(value: Any, options: dict[str, Any]) -> None:
    same(value, **options)


def test_generator() -> None:
    results = [
        function(x for x in [1, Colour.RED, {"a": None}])
        for function in (encoders.jsonable_encoder, oracle.jsonable_encoder)
    ]
    assert results[0] == results[1] == [1, "red", {"a": None}]


def test_bytes_that_are_not_utf8() -> None:
    same(b"\xff")


def test_dataclass_type_is_refused() -> None:
    same(Record)


def test_neither_mapping_nor_attributes() -> None:
    with pytest.raises(ValueError, match=r"no __dict__|vars\(\) argument") as caught:
        encoders.jsonable_encoder(Slots())
    first, second = caught.value.args[0]
    assert (type(first), type(second)) == (TypeError, TypeError)
    assert caught.value.__cause__ is second


def test_pydantic_v1_model() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from pydantic import v1

    class Old(v1.BaseModel):
        a: int = 1

    texts = []
    for function, error in (
        (encoders.jsonable_encoder, PydanticV1NotSupportedError),
        (oracle.jsonable_encoder, OracleV1Error),
    ):
        with pytest.raises(error) as caught:
            function(Old())
        texts.append(str(caught.value))
    assert texts[0] == texts[1]


def test_same_types_are_known() -> None:
    by_path = {f"{cls.__module__}.{cls.__qualname__}" for cls in encoders.ENCODERS_BY_TYPE}
    theirs = {f"{cls.__module__}.{cls.__qualname__}" for cls in oracle.ENCODERS_BY_TYPE}
    assert by_path == {path for path in theirs if not path.startswith("fastapi.")}


def test_table_may_be_extended(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(encoders.ENCODERS_BY_TYPE, Opaque, lambda o: "known")
    assert encoders.jsonable_encoder([Opaque(), Special()]) == ["known", "known"]


SCALARS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(allow_nan=False),
    st.text(max_size=5),
    st.decimals(allow_nan=False, allow_infinity=False),
    st.dates(),
    st.datetimes(),
    st.timedeltas(),
    st.uuids(),
    st.ip_addresses(),
    st.sampled_from(Colour),
    st.builds(pathlib.PurePosixPath, st.text(max_size=5)),
)
KEYS = st.one_of(st.sampled_from(["a", "b", "_sa", "_sa_x"]), st.integers(), st.sampled_from(Colour), st.none())
NESTED = st.recursive(
    SCALARS,
    lambda inner: st.one_of(
        st.lists(inner, max_size=3),
        st.lists(inner, max_size=3).map(tuple),
        st.lists(inner, max_size=3).map(deque),
        st.dictionaries(KEYS, inner, max_size=3),
        st.builds(Record, st.text(max_size=3), inner),
        st.builds(lambda v: Plain(a=v, b=None), inner),
    ),
    max_leaves=8,
)


@settings(max_examples=200, deadline=None)
@given(
    value=NESTED,
    options=st.fixed_dictionaries(
        {},
        optional={
            "include": st.sets(st.sampled_from(["a", "b", "name"])),
            "exclude": st.sets(st.sampled_from(["a", "b", "name"])),
            "exclude_none": st.booleans(),
            "sqlalchemy_safe": st.booleans(),
            "custom_encoder": st.sampled_from([{}, {str: len, Colour: lambda c: c.name}]),
        },
    ),
)
def test_same_for_nested_values(value: Any, options: dict[str, Any]) -> None:
    same(value, **options)
