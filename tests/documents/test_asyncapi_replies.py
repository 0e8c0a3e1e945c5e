"""Replies in the AsyncAPI document are what is sent, whatever ``response_model_...`` says."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import pytest
from asyncapi_checks import check
from jsonschema import Draft7Validator
from pydantic import BaseModel, Field, computed_field

from shown import shown
from wirefast import App
from wirefast.testclient import TestClient


class Inner(BaseModel):
    small: Annotated[int | None, Field(alias="theSmall")] = None
    name: str = "n"
    inner: Inner | None = None


class Reply(BaseModel):
    type: Literal["reply"] = "reply"
    text: Annotated[str, Field(serialization_alias="theText")]
    maybe: int | None = None
    anything: Any = None
    count: int = 0
    inner: Inner = Inner()
    many: list[Inner] = []
    nothing: None = None

    @computed_field(alias="theArea")  # type: ignore[prop-decorator]
    @property
    def area(self) -> int | None:
        return self.count or None


REPLIES = [
    Reply(text="t"),
    Reply(text="t", maybe=1, anything=2, count=3, inner=Inner(theSmall=1, inner=Inner()), many=[Inner(name="x")]),
]
OPTIONS: list[dict[str, Any]] = [
    {},
    {"exclude_none": True},
    {"exclude_unset": True},
    {"exclude_defaults": True},
    {"by_alias": False},
    {"by_alias": False, "exclude_none": True, "exclude_defaults": True},
    {"include": {"type", "text", "inner"}},
    {"include": {"text": True, "inner": {"small"}}},
    {"exclude": {"text", "area", "many"}},
    {"exclude": {"inner": {"inner": {"name"}, "small": True}, "nothing": ...}, "by_alias": False},
    {"exclude": {"many": {"__all__": {"name"}}}},
    {"include": {"type": True, "text": True, "maybe": True}, "exclude": {"maybe"}, "exclude_none": True},
]


def members(schema: Any, document: dict[str, Any], value: Any) -> None:
    """Each member that was sent is described, at every depth that has a description."""
    while isinstance(schema, dict) and "$ref" in schema:
        schema = document["components"]["schemas"][schema["$ref"].rpartition("/")[2]]
    if isinstance(value, dict) and isinstance(schema, dict) and "properties" in schema:
        assert set(value) - {"ref"} <= set(schema["properties"])
        for name in set(value) & set(schema["properties"]):
            members(schema["properties"][name], document, value[name])


@pytest.mark.parametrize("options", OPTIONS, ids=shown)
def test_what_is_sent_is_described(options: dict[str, Any]) -> None:
    app = App()
    room = app.messages("/room")

    @room.on("ask", **{f"response_model_{name}": value for name, value in options.items()})  # type: ignore[call-overload,untyped-decorator,unused-ignore]
    async def ask(number: int) -> Reply:
        return REPLIES[number]

    @room.on("plain")
    async def plain() -> Reply:
        return REPLIES[0]

    document = app.asyncapi()
    check(document)
    channel = document["channels"]["room"]
    reply = document["operations"]["room_ask"]["reply"]["messages"][0]["$ref"].rpartition("/")[2]
    payload = channel["messages"][reply]["payload"]
    validator = Draft7Validator({**payload, "components": document["components"]} if "$ref" not in payload else {
        "allOf": [payload], "components": document["components"],
    })  # fmt: skip
    with TestClient(app).websocket_connect("/room") as websocket:
        for number in range(len(REPLIES)):
            websocket.send_json({"type": "ask", "number": number})
            sent = websocket.receive_json()
            validator.validate(sent)
            members(payload, document, sent)
            required = payload.get("required")
            if required is not None:
                assert set(required) <= set(sent)
    # Others are described as before.
    other = document["operations"]["room_plain"]["reply"]["messages"][0]["$ref"].rpartition("/")[2]
    model = document["components"]["schemas"][channel["messages"][other]["payload"]["$ref"].rpartition("/")[2]]
    assert "theText" in model["required"] and "maybe" in model["required"]


def test_null_is_no_longer_there() -> None:
    app = App()
    room = app.messages("/room")

    @room.on("ask", response_model_exclude_none=True)
    async def ask() -> Reply:
        return REPLIES[0]

    document = app.asyncapi()
    model = document["components"]["schemas"]["Reply-NoNull"]
    assert model["required"] == ["type", "theText", "count", "inner", "many"]
    assert model["properties"]["maybe"] == {"title": "Maybe", "type": "integer"}
    assert "nothing" not in model["properties"]
    inner = document["components"]["schemas"]["Inner-NoNull"]["properties"]
    assert inner["theSmall"]["type"] == "integer" and inner["inner"] == {"$ref": "#/components/schemas/Inner-NoNull"}
