"""One model for the whole query, all headers or all cookies: which keys it sees, and how its errors are named."""

import io
from inspect import Signature
from typing import Annotated

import pytest
from pydantic import AliasChoices, BaseModel, ConfigDict, Field
from pydantic_core import PydanticUndefined as Undefined
from starlette.datastructures import FormData, Headers, QueryParams, UploadFile

from asgi import websocket_scope
from plans import never
from wirefast import Cookie, Header, Query, WebSocket
from wirefast.dependencies.analysis import analyze_param
from wirefast.dependencies.fields import ModelField
from wirefast.dependencies.groups import multidict_extras, multidict_value, read_group, validate_or_default


def field(annotation, default=Signature.empty):
    return analyze_param(param_name="group", annotation=annotation, value=default, path_param_names=set()).field


def read(annotation, query="", headers=(), default=Signature.empty):
    scope = websocket_scope(f"/?{query}", headers=headers)
    return read_group(field(annotation, default), WebSocket(scope, never, never))


class Filters(BaseModel):
    limit: int = 10
    tags: list[str] = []
    order: str = Field(default="asc", alias="orderBy")


class Strict(Filters):
    model_config = ConfigDict(extra="forbid")


class Open(Filters):
    model_config = ConfigDict(extra="allow")


class Chosen(BaseModel):
    size: int = Field(validation_alias=AliasChoices("size", "s"))


def test_query():
    value, errors = read(Annotated[Filters, Query()], "limit=5&tags=a&tags=b&orderBy=desc&limit=6&other=1")
    assert (value, errors) == (Filters(limit=6, tags=["a", "b"], orderBy="desc"), [])
    assert read(Annotated[Filters, Query()]) == (Filters(), [])


def test_errors_are_below_the_place():
    value, errors = read(Annotated[Filters, Query()], "limit=x&orderBy=a")
    assert value is None
    assert [(error["type"], error["loc"]) for error in errors] == [("int_parsing", ("query", "limit"))]


def test_what_no_field_claims():
    assert read(Annotated[Open, Query()], "a=1&b=2&b=3")[0].model_extra == {"a": "1", "b": ["2", "3"]}
    _, errors = read(Annotated[Strict, Query()], "a=1")
    assert [(error["type"], error["loc"]) for error in errors] == [("extra_forbidden", ("query", "a"))]


def test_a_choice_of_names():
    assert read(Annotated[Chosen, Query()], "s=4")[0].size == 4
    assert read(Annotated[Chosen, Query()], "s=4&size=5")[0].size == 5


class CommonHeaders(BaseModel):
    x_token: str
    save_data: bool = False
    accept: list[str] = []


def test_headers():
    headers = [("X-Token", "t"), ("Save-Data", "on"), ("Accept", "a"), ("Accept", "b"), ("Other", "o")]
    assert read(Annotated[CommonHeaders, Header()], headers=headers) == (
        CommonHeaders(x_token="t", save_data=True, accept=["a", "b"]),
        [],
    )
    _, errors = read(Annotated[CommonHeaders, Header()], headers=[("save-data", "maybe"), ("x-token", "t")])
    assert [error["loc"] for error in errors] == [("header", "save-data")]


def test_headers_with_underscores():
    headers = [("x_token", "t"), ("x-token", "hyphen")]
    assert read(Annotated[CommonHeaders, Header(convert_underscores=False)], headers=headers)[0].x_token == "t"
    assert read(Annotated[CommonHeaders, Header()], headers=headers)[0].x_token == "hyphen"


class StrictHeaders(CommonHeaders):
    model_config = ConfigDict(extra="forbid")


def test_a_header_that_was_read_is_not_extra():
    _, errors = read(Annotated[StrictHeaders, Header()], headers=[("x-token", "t"), ("y", "1"), ("save-data", "1")])
    assert [error["loc"] for error in errors] == [("header", "y")]


class Session(BaseModel):
    session_id: str


def test_cookies():
    headers = [("cookie", "session_id=1; x=2")]
    assert read(Annotated[Session, Cookie()], headers=headers) == (Session(session_id="1"), [])
    _, errors = read(Annotated[Session, Cookie()])
    assert [(error["type"], error["loc"]) for error in errors] == [("missing", ("cookie", "session_id"))]


def test_an_optional_group():
    optional = Annotated[Session | None, Query()]
    assert read(optional, default=None) == (None, [])
    assert read(optional, "other=1", default=None) == (None, [])
    assert read(optional, "session_id=5", default=None) == (Session(session_id="5"), [])


class OpenSession(Session):
    model_config = ConfigDict(extra="forbid")


def test_an_optional_group_that_forbids_what_came():
    _, errors = read(Annotated[OpenSession | None, Query()], "other=1", default=None)
    assert [error["type"] for error in errors] == ["missing", "extra_forbidden"]


# ---- One value of a multi-dict ----


@pytest.mark.parametrize(
    ("annotation", "values", "expected"),
    [
        (str, QueryParams("a=1&a=2"), "2"),
        (str, QueryParams("a="), ""),
        (str, QueryParams(""), Undefined),
        (list[str], QueryParams("a=1&a=2"), ["1", "2"]),
        (list[str], QueryParams(""), Undefined),
        (list[str], Headers({"a": "1"}), ["1"]),
        (str, FormData([("a", "")]), Undefined),
        (list[str], FormData([("a", "")]), [""]),
        (list[str], {"a": []}, Undefined),
    ],
)
def test_multidict_value(annotation, values, expected):
    query = Query()
    query.annotation = annotation
    assert multidict_value(ModelField(field_info=query, name="a"), values, "a") == expected


def test_an_empty_file_was_not_sent():
    query = Query()
    query.annotation = str
    empty = UploadFile(io.BytesIO(), size=0, filename="")
    made = ModelField(field_info=query, name="a")
    assert multidict_value(made, FormData([("a", empty)]), "a") is Undefined
    named = UploadFile(io.BytesIO(), size=0, filename="x")
    assert multidict_value(made, FormData([("a", named)]), "a") is named


def test_extras():
    assert dict(multidict_extras(QueryParams("a=1&b=2&b=3"), {"a"})) == {"b": ["2", "3"]}
    assert dict(multidict_extras(Headers({"a": "1", "b": "2"}), {"a"})) == {"b": "2"}
    assert dict(multidict_extras({"a": 1, "b": [2]}, {"a"})) == {"b": [2]}


def test_defaults_are_copied_and_validated_on_demand():
    made = field(Annotated[list[str], Query()], ["x"])
    first, second = validate_or_default(made, Undefined, ("query",)), validate_or_default(made, Undefined, ("query",))
    assert first == second == (["x"], [])
    assert first[0] is not second[0]
    checked = field(Annotated[int, Query(validate_default=True)], "7")
    assert validate_or_default(checked, Undefined, ("query",)) == (7, [])
    assert validate_or_default(field(Annotated[int, Query()]), Undefined, ("query", "a"))[1][0]["loc"] == ("query", "a")
