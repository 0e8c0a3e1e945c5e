"""The models of an OpenAPI document: FastAPI's names and fields, loaded when one is asked for."""

from __future__ import annotations

import importlib
import re
import subprocess
import sys
from typing import Any, get_args

import pytest
from pydantic import BaseModel

from wirefast.openapi import models

oracle = importlib.import_module("fastapi.openapi.models")
MODELS = [
    name
    for name, value in vars(oracle).items()
    if isinstance(value, type) and issubclass(value, BaseModel) and value.__module__ == oracle.__name__
]


def schema(model: type[BaseModel]) -> Any:
    """The JSON Schema without the words, which are ours."""

    def bare(value: Any) -> Any:
        if isinstance(value, dict):
            return {key: bare(item) for key, item in value.items() if key != "description" or not isinstance(item, str)}
        return [bare(item) for item in value] if isinstance(value, list) else value

    return bare(model.model_json_schema())


def annotation(field: Any) -> str:
    text = repr(field.annotation).replace("fastapi.openapi.models", "M")
    text = re.sub(r"wirefast\.openapi\.(document_models|example|models)", "M", text)
    # Optional[X] is written in two ways, which mean the same.
    union = re.sub(r"typing\.Union\[(.*)\]", lambda found: found[1].replace(", ", " | "), text)
    return union.replace("NoneType", "None")


@pytest.mark.parametrize("name", MODELS)
def test_fields(name: str) -> None:
    ours, theirs = getattr(models, name), getattr(oracle, name)
    assert [(key, field.alias, repr(field.default), annotation(field)) for key, field in ours.model_fields.items()] == [
        (key, field.alias, repr(field.default), annotation(field)) for key, field in theirs.model_fields.items()
    ]
    assert ours.model_config.get("extra") == theirs.model_config.get("extra")


@pytest.mark.parametrize("name", MODELS)
def test_schemas(name: str) -> None:
    assert schema(getattr(models, name)) == schema(getattr(oracle, name))


def test_names() -> None:
    public = {name for name, value in vars(oracle).items() if getattr(value, "__module__", None) == oracle.__name__}
    assert public <= set(models.__all__) | {"Optional", "Union"}
    for name in models.__all__:
        assert getattr(models, name) is not None
    with pytest.raises(AttributeError, match="has no attribute 'Nothing'"):
        models.Nothing  # type: ignore[attr-defined]  # noqa: B018


@pytest.mark.parametrize("name", ["SecuritySchemeType", "APIKeyIn", "ParameterInType"])
def test_enumerations(name: str) -> None:
    assert {m.name: m.value for m in getattr(models, name)} == {m.name: m.value for m in getattr(oracle, name)}


def test_other_types() -> None:
    assert models.Example.__annotations__ == oracle.Example.__annotations__
    assert models.SchemaType == oracle.SchemaType
    unions = [[item.__name__ for item in get_args(module.SecurityScheme)] for module in (models, oracle)]
    assert unions[0] == unions[1]


def test_loaded_when_asked_for() -> None:
    program = (
        "import sys, wirefast\n"
        "assert 'wirefast.openapi.document_models' not in sys.modules\n"
        "from wirefast.openapi.models import OpenAPI\n"
        "assert OpenAPI.__module__ == 'wirefast.openapi.document_models'\n"
    )
    subprocess.run([sys.executable, "-c", program], check=True, timeout=120)


def test_constants() -> None:
    ours = importlib.import_module("wirefast.openapi.constants")
    theirs = importlib.import_module("fastapi.openapi.constants")
    assert {name: getattr(ours, name) for name in ours.__all__} == {
        name: value for name, value in vars(theirs).items() if name[0].isupper()
    }


def test_email_without_its_package() -> None:
    program = (
        "import sys; sys.modules['email_validator'] = None\n"
        "import importlib.util, logging; find = importlib.util.find_spec\n"
        "importlib.util.find_spec = lambda name: None if name == 'email_validator' else find(name)\n"
        "logging.basicConfig()\n"
        "from wirefast.openapi.models import Contact\n"
        "print(Contact(email='a@b').email, Contact.model_json_schema()['properties']['email']['anyOf'][0])\n"
    )
    done = subprocess.run([sys.executable, "-c", program], check=True, timeout=120, capture_output=True, text=True)
    assert done.stdout == "a@b {'format': 'email', 'type': 'string'}\n"
    assert "pip install email-validator" in done.stderr
