"""Models as values for JSON, where pydantic itself gives up."""

import datetime
from typing import Any

import pytest
from pydantic import BaseModel
from pydantic_core import PydanticSerializationError

from wirefast._core.dumping import dumped


class Said(BaseModel):
    said: Any
    when: datetime.date = datetime.date(2026, 11, 28)


def test_as_pydantic_writes_it():
    assert dumped(Said(said=1).model_dump, exclude={"when"}) == {"said": 1}
    assert dumped(Said(said=1).model_dump)["when"] == "2026-11-28"


@pytest.mark.parametrize("depth", [254, 255, 1024])
def test_deep_values(depth: int):
    value: Any = 1
    for _ in range(depth):
        value = [value]
    assert dumped(Said(said=value).model_dump)["said"] == value


def test_half_a_pair_in_a_key():
    assert dumped(Said(said={"\ud83d": 1}).model_dump)["said"] == {"\ud83d": 1}


def test_what_has_no_form_is_refused():
    with pytest.raises(PydanticSerializationError):
        dumped(Said(said=object()).model_dump)
