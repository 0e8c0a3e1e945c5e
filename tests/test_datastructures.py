"""`wirefast.datastructures` beside FastAPI's."""

import io
from typing import Any

import fastapi.datastructures as oracle
import pytest
import starlette.datastructures
from pydantic import TypeAdapter, ValidationError

from wirefast import datastructures


@pytest.mark.parametrize("name", ["URL", "Address", "FormData", "Headers", "QueryParams", "State"])
def test_starlette_classes_are_starlettes(name: str) -> None:
    assert getattr(datastructures, name) is getattr(starlette.datastructures, name)


@pytest.mark.parametrize("value", [None, 0, "", "x", [1]], ids=repr)
def test_default(value: Any) -> None:
    ours, theirs = datastructures.Default(value), oracle.Default(value)
    assert isinstance(ours, datastructures.DefaultPlaceholder)
    assert ours.value is value
    assert bool(ours) is bool(theirs) is bool(value)
    assert ours == datastructures.Default(value)
    assert ours != value
    assert ours != datastructures.Default("other")
    with pytest.raises(TypeError, match="unhashable"):
        hash(ours)
    assert repr(ours) == f"Default({value!r})"


@pytest.mark.parametrize("cls", [starlette.datastructures.UploadFile, datastructures.UploadFile, oracle.UploadFile])
def test_upload_file_accepts_any_upload(cls: type[Any]) -> None:
    upload = cls(io.BytesIO(b"abc"), filename="a.txt", size=3)
    assert TypeAdapter(datastructures.UploadFile).validate_python(upload) is upload


def test_upload_file_refuses_the_rest() -> None:
    errors = []
    for module in (datastructures, oracle):
        with pytest.raises(ValidationError) as caught:
            TypeAdapter(module.UploadFile).validate_python("text")
        errors.append([(error["type"], error["loc"], error["msg"]) for error in caught.value.errors()])
    assert errors[0] == errors[1]


def test_upload_file_schema() -> None:
    ours, theirs = (TypeAdapter(module.UploadFile).json_schema() for module in (datastructures, oracle))
    assert ours == theirs
