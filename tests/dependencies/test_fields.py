"""ModelField: the validator of one parameter, and the names it is read under."""

from typing import Annotated, Any

import pytest
from pydantic import AliasChoices, AliasPath, BaseModel, ConfigDict, Field, Json
from pydantic_core import PydanticUndefined as Undefined

from wirefast import params
from wirefast.dependencies.fields import (
    ModelField,
    create_model_field,
    merge_annotation,
    missing_error,
    model_fields,
    parameter_model,
    read_names,
)
from wirefast.exceptions import FastAPIError, PydanticV1NotSupportedError


def field(info, annotation=str, name="some_name", config=None):
    info.annotation = annotation
    return ModelField(field_info=info, name=name, config=config)


def test_validate():
    number = field(params.Query(ge=3), int)
    assert number.validate("7") == (7, [])
    value, errors = number.validate("2", loc=("query", "n"))
    assert value is None
    assert [(error["type"], error["loc"], error["input"]) for error in errors] == [
        ("greater_than_equal", ("query", "n"), "2")
    ]
    assert "url" not in errors[0]


def test_validate_reads_attributes():
    class Model(BaseModel):
        a: int

    class Row:
        a = 5

    assert field(params.Body(), Model).validate(Row()) == (Model(a=5), [])


def test_errors_are_located_below_the_parameter():
    _, errors = field(params.Query(), list[int]).validate(["1", "x"], loc=("query", "n"))
    assert [error["loc"] for error in errors] == [("query", "n", 1)]
    assert missing_error(("query", "n")) == {
        "type": "missing", "loc": ("query", "n"), "msg": "Field required", "input": None,
    }  # fmt: skip


def test_defaults():
    assert field(params.Query()).default is Undefined
    assert field(params.Query(5), int).default == 5
    counted: list[int] = []
    made = field(params.Query(default_factory=lambda: counted.append(1) or len(counted)), int)
    assert [made.get_default(), made.get_default()] == [1, 2]


def test_aliases():
    plain = field(params.Query())
    assert (plain.alias, plain.validation_alias, plain.serialization_alias) == ("some_name", None, None)
    both = field(params.Query(alias="a", validation_alias="v", serialization_alias="s"))
    assert (both.alias, both.validation_alias, both.serialization_alias) == ("a", "v", "s")
    assert field(params.Query(validation_alias=AliasChoices("a", "b"))).validation_alias is None


BY_NAME = ConfigDict(validate_by_name=True, validate_by_alias=True)
ONLY_BY_NAME = ConfigDict(validate_by_name=True, validate_by_alias=False)


@pytest.mark.parametrize(
    ("made", "expected"),
    [
        (field(params.Query()), ["some_name"]),
        (field(params.Query(alias="a")), ["a"]),
        (field(params.Query(alias="a", validation_alias="v")), ["v"]),
        (field(params.Query(validation_alias=AliasChoices("a", "b"))), ["a", "b"]),
        (field(params.Query(validation_alias=AliasPath("a", 0))), ["some_name"]),
        (field(params.Query(validation_alias=AliasChoices("a", AliasPath("b", 0)))), ["some_name"]),
        (field(params.Path(validation_alias=AliasChoices("a", "b"))), ["some_name"]),
        (field(params.Query(alias="a"), config=BY_NAME), ["a", "some_name"]),
        (field(params.Query(alias="a"), config=ConfigDict(populate_by_name=True)), ["a", "some_name"]),
        (field(params.Query(alias="a"), config=ONLY_BY_NAME), ["some_name"]),
        (field(params.Query(), config=BY_NAME), ["some_name"]),
    ],
)
def test_names_to_read_best_first(made, expected):
    assert [request_name for _, request_name in read_names(made)] == expected


def test_headers_are_read_with_hyphens():
    assert read_names(field(params.Header()), convert_underscores=True) == [("some_name", "some-name")]
    assert read_names(field(params.Header(alias="a_b")), convert_underscores=True) == [("a_b", "a_b")]
    both = field(params.Header(alias="a_b"), config=BY_NAME)
    assert read_names(both, convert_underscores=True) == [("a_b", "a_b"), ("some_name", "some-name")]


class Model(BaseModel):
    model_config = ConfigDict(extra="forbid")
    a: int
    b: str = Field(default="x", alias="B")


@pytest.mark.parametrize(
    ("info", "annotation", "model"),
    [
        (params.Query(), Model, Model),
        (params.Query(), Model | None, Model),
        (params.Header(), Model | None, Model),
        (params.Cookie(), Model, Model),
        (params.Query(), str, None),
        (params.Body(), Model, Model),
        (params.Body(), Model | None, None),
    ],
)
def test_parameter_model(info, annotation, model):
    assert parameter_model(field(info, annotation)) is model


def test_a_model_in_one_json_string_is_no_group():
    info = merge_annotation(params.Query(), Annotated[Json[Model], params.Query()])
    assert parameter_model(ModelField(field_info=info, name="q")) is None


def test_model_fields_are_made_once():
    fields = model_fields(Model)
    assert [(made.name, made.alias, made.config) for made in fields] == [
        ("a", "a", Model.model_config), ("b", "B", Model.model_config),
    ]  # fmt: skip
    assert model_fields(Model) is fields


def test_merged_annotations_keep_the_marker_and_take_the_constraints():
    marker = params.Query(ge=1, alias="q")
    merged = merge_annotation(marker, Annotated[int, Field(le=9), marker])
    assert type(merged) is params.Query and merged is not marker
    assert merged.annotation is int
    assert merged.alias == "q"
    made = ModelField(field_info=merged, name="q")
    assert [bool(made.validate(value)[1]) for value in (0, 1, 9, 10)] == [True, False, False, True]
    # The marker may be used again elsewhere.
    assert marker.annotation is not int


def test_types_that_pydantic_does_not_know():
    class Strange:
        pass

    with pytest.raises(FastAPIError, match="Invalid args for response field! Hint: check that"):
        create_model_field("x", Strange)
    assert create_model_field("x", int, default=3, alias="y").alias == "y"


def test_models_of_pydantic_1_are_refused():
    old: Any = type("BaseModel", (), {"__module__": "pydantic.v1.main"})
    with pytest.raises(PydanticV1NotSupportedError, match="no longer supported"):
        create_model_field("x", type("Old", (old,), {}))


def test_serialize():
    made = field(params.Body(), Model)
    assert made.serialize(Model(a=1), by_alias=True) == {"a": 1, "B": "x"}
    assert made.serialize_json(Model(a=1)) == b'{"a":1,"b":"x"}'
