"""Server-sent events: fields, their rules and the wire format, which are FastAPI's."""

from typing import Any

import fastapi.sse as theirs
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from wirefast import sse

FIELDS = st.fixed_dictionaries(
    {},
    optional={
        "data_str": st.text("a\r\n\u2028 :", max_size=9),
        "comment": st.text("a\r\n:", max_size=9),
        "event": st.text("ab", max_size=3),
        "id": st.text("01", max_size=3),
        "retry": st.integers(0, 9),
    },
)


@given(FIELDS)
def test_wire_format(fields: dict[str, Any]):
    assert sse.format_sse_event(**fields) == theirs.format_sse_event(**fields)


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"data": {"a": 1}, "event": "e", "id": "1", "retry": 0, "comment": "a\nb"},
        {"data": 1, "raw_data": "x"},
        {"event": "a\nb"},
        {"event": "a\rb"},
        {"id": "a\0b"},
        {"id": "a\n\0"},
        {"retry": -1},
        {"raw_data": 1},
    ],
)
def test_rules(fields: dict[str, Any]):
    outcomes = []
    for module in (sse, theirs):
        try:
            outcomes.append(module.ServerSentEvent(**fields).model_dump())
        except ValidationError as exc:
            outcomes.append([(error["type"], error["loc"], error["msg"]) for error in exc.errors()])
    assert outcomes[0] == outcomes[1]


def test_constants():
    assert sse.KEEPALIVE_COMMENT == theirs.KEEPALIVE_COMMENT
    assert sse._PING_INTERVAL == theirs._PING_INTERVAL
