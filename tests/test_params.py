"""`wirefast.params` beside `fastapi.params`: the same constructor calls must give equal fields."""

import copy
import dataclasses
import inspect
import re
import warnings
from typing import Any

import fastapi.params as oracle
import pytest
from fastapi.datastructures import DefaultPlaceholder as OracleDefault
from fastapi.exceptions import FastAPIDeprecationWarning as OracleWarning
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import AliasChoices, AliasPath
from pydantic.fields import FieldInfo

from wirefast import params
from wirefast.datastructures import DefaultPlaceholder
from wirefast.exceptions import FastAPIDeprecationWarning

FIELDS = ["Param", "Path", "Query", "Header", "Cookie", "Body", "Form", "File"]
OPTIONAL = [name for name in FIELDS if name != "Path"]

OPTION_VALUES: dict[str, st.SearchStrategy[Any]] = {
    "alias": st.sampled_from([None, "other", ""]),
    "alias_priority": st.sampled_from([None, 1, 2]),
    "validation_alias": st.sampled_from([None, "read", AliasPath("a", 0), AliasChoices("a", "b")]),
    "serialization_alias": st.sampled_from([None, "written"]),
    "title": st.sampled_from([None, "Title"]),
    "description": st.sampled_from([None, "Text"]),
    "gt": st.sampled_from([None, 0, 1.5]),
    "ge": st.sampled_from([None, 0]),
    "lt": st.sampled_from([None, 10]),
    "le": st.sampled_from([None, 10]),
    "min_length": st.sampled_from([None, 0, 2]),
    "max_length": st.sampled_from([None, 3]),
    "pattern": st.sampled_from([None, "", "^a"]),
    "regex": st.sampled_from([None, "", "^b"]),
    "discriminator": st.sampled_from([None, "kind"]),
    "strict": st.sampled_from([None, True, False]),
    "validate_default": st.sampled_from([None, True]),
    "union_mode": st.sampled_from([None, "smart", "left_to_right"]),
    "fail_fast": st.sampled_from([None, True]),
    "multiple_of": st.sampled_from([None, 2]),
    "allow_inf_nan": st.sampled_from([None, False]),
    "max_digits": st.sampled_from([None, 4]),
    "decimal_places": st.sampled_from([None, 2]),
    "examples": st.sampled_from([None, [1]]),
    "example": st.sampled_from([None, 1]),
    "openapi_examples": st.sampled_from([None, {"one": {"value": 1}}]),
    "deprecated": st.sampled_from([None, True, "use another"]),
    "include_in_schema": st.booleans(),
    "json_schema_extra": st.sampled_from([None, {"x": 1}]),
    "annotation": st.sampled_from([None, int, list[str]]),
}


def plain(value: object) -> object:
    """A value in a form that the two frameworks' own marker classes do not spoil."""
    if isinstance(value, DefaultPlaceholder | OracleDefault):
        return ("placeholder", value.value)
    return repr(value) if isinstance(value, list) else value


def state(field: Any) -> dict[str, object]:
    """Everything a field holds."""
    values = {name: plain(getattr(field, name)) for name in FieldInfo.__slots__ if hasattr(field, name)}
    values |= {name: plain(value) for name, value in vars(field).items() if name != "in_"}
    values["where"] = getattr(getattr(field, "in_", None), "value", None)
    values["repr"] = repr(field)
    return values


@pytest.mark.parametrize("name", FIELDS)
def test_signature_is_spelled_out_as_in_fastapi(name: str) -> None:
    ours = inspect.signature(getattr(params, name)).parameters
    theirs = inspect.signature(getattr(oracle, name)).parameters
    assert set(ours) == set(theirs)
    assert next(iter(ours)) == next(iter(theirs)) == "default"
    for key, parameter in ours.items():
        assert parameter.kind == theirs[key].kind
        assert plain(parameter.default) == plain(theirs[key].default)


@pytest.mark.parametrize("name", OPTIONAL)
@settings(max_examples=40, deadline=None)
@given(options=st.fixed_dictionaries({}, optional=OPTION_VALUES), default=st.sampled_from([(), (None,), (5,), (...,)]))
def test_same_field_for_the_same_call(name: str, options: dict[str, Any], default: tuple[Any, ...]) -> None:
    with warnings.catch_warnings(record=True) as ours_warned:
        warnings.simplefilter("always")
        ours = getattr(params, name)(*default, **options)
    with warnings.catch_warnings(record=True) as theirs_warned:
        warnings.simplefilter("always")
        theirs = getattr(oracle, name)(*default, **options)
    assert state(ours) == state(theirs)
    assert sorted(str(w.message) for w in ours_warned) == sorted(str(w.message) for w in theirs_warned)
    assert {w.category for w in ours_warned} <= {FastAPIDeprecationWarning}
    assert {w.category for w in theirs_warned} <= {OracleWarning}


@pytest.mark.parametrize("name", FIELDS)
def test_same_field_without_arguments(name: str) -> None:
    assert state(getattr(params, name)()) == state(getattr(oracle, name)())


def test_keywords_of_one_class() -> None:
    assert params.Header().convert_underscores is True
    assert params.Header(convert_underscores=False).convert_underscores is False
    assert (params.Body().embed, params.Body(embed=True).embed) == (None, True)
    assert params.Body().media_type == "application/json"
    assert params.Form().media_type == "application/x-www-form-urlencoded"
    assert params.File().media_type == "multipart/form-data"
    assert params.File(media_type="image/png").media_type == "image/png"


def test_default_factory() -> None:
    assert params.Query(default_factory=list).default_factory is list
    with pytest.raises(TypeError, match="cannot specify both default and default_factory"):
        params.Query(1, default_factory=list)


def test_path_has_no_default() -> None:
    for module in (params, oracle):
        with pytest.raises(AssertionError, match=r"^Path parameters cannot have a default value$"):
            module.Path(5)


@pytest.mark.parametrize("name", FIELDS)
def test_unknown_keyword(name: str) -> None:
    with pytest.raises(TypeError, match=rf"{name}\(\) got an unexpected keyword argument 'colour'"):
        getattr(params, name)(colour="red")


@pytest.mark.parametrize(("old", "new"), [("regex", "pattern"), ("example", "examples")])
@pytest.mark.parametrize("name", FIELDS)
def test_deprecated_keyword_warns_where_it_is_written(name: str, old: str, new: str) -> None:
    text = f"`{old}` has been deprecated, please use `{new}` instead"
    with pytest.warns(FastAPIDeprecationWarning, match=re.escape(text)) as caught:
        getattr(params, name)(**{old: "x"})
    assert caught[0].filename == __file__


@pytest.mark.parametrize("name", FIELDS)
def test_copies_keep_what_is_ours(name: str) -> None:
    field = getattr(params, name)(include_in_schema=False, alias="other")
    assert state(copy.copy(field)) == state(field)


def test_class_tree() -> None:
    for name in FIELDS:
        assert issubclass(getattr(params, name), FieldInfo)
        assert [c.__name__ for c in getattr(params, name).__mro__ if c.__module__ == params.__name__][:-1] == [
            c.__name__ for c in getattr(oracle, name).__mro__ if c.__module__ == oracle.__name__
        ]
    assert {member.name: member.value for member in params.ParamTypes} == {
        member.name: member.value for member in oracle.ParamTypes
    }


def dependency() -> None: ...


@pytest.mark.parametrize("name", ["Depends", "Security"])
def test_depends_signature(name: str) -> None:
    ours, theirs = (inspect.signature(getattr(module, name)).parameters for module in (params, oracle))
    assert [(p.name, p.kind, p.default) for p in ours.values()] == [
        (p.name, p.kind, p.default) for p in theirs.values()
    ]


def test_depends_is_a_frozen_value() -> None:
    first, second = params.Depends(dependency, scope="function"), params.Depends(dependency, scope="function")
    assert first == second
    assert hash(first) == hash(second)
    assert first != params.Depends(dependency)
    assert params.Security(dependency) != params.Depends(dependency)
    with pytest.raises(dataclasses.FrozenInstanceError):
        first.use_cache = False  # type: ignore[misc]
    security = params.Security(dependency, scopes=("a",))
    assert hash(security) == hash(params.Security(dependency, scopes=("a",)))


@pytest.mark.parametrize(
    "arguments", [{}, {"use_cache": False}, {"scope": "request"}, {"max_concurrency": 2}], ids=lambda a: str(a)
)
def test_depends_repr(arguments: dict[str, Any]) -> None:
    assert repr(params.Depends(dependency, **arguments)) == repr(oracle.Depends(dependency, **arguments))


@pytest.mark.parametrize("limit", [0, -1, True, False, 1.0, "1"])
def test_max_concurrency_must_be_a_positive_integer(limit: Any) -> None:
    for module in (params, oracle):
        with pytest.raises(ValueError, match=r"^max_concurrency must be a positive integer or None$"):
            module.Depends(dependency, max_concurrency=limit)


def test_limit_belongs_to_the_declaration() -> None:
    limited = params.Depends(dependency, max_concurrency=2)
    assert limited._concurrency is not None
    assert limited._concurrency.max_concurrency == 2
    assert limited != params.Depends(dependency, max_concurrency=2)
    assert dataclasses.replace(limited, use_cache=False)._concurrency is limited._concurrency
    assert dataclasses.replace(limited, max_concurrency=3)._concurrency is not limited._concurrency
    assert dataclasses.replace(limited, max_concurrency=None)._concurrency is None
    assert params.Depends(dependency)._concurrency is None
