"""`wirefast.param_functions`: each function builds the class of its name, with FastAPI's signature."""

import inspect

import fastapi.param_functions as oracle
import pytest
from fastapi.datastructures import DefaultPlaceholder as OracleDefault

from wirefast import param_functions, params
from wirefast.datastructures import DefaultPlaceholder
from wirefast.exceptions import FastAPIDeprecationWarning

FIELDS = ["Path", "Query", "Header", "Cookie", "Body", "Form", "File"]


def given(value: object) -> object:
    return "not given" if isinstance(value, DefaultPlaceholder | OracleDefault) else value


@pytest.mark.parametrize("name", [*FIELDS, "Depends", "Security"])
def test_signature(name: str) -> None:
    ours = inspect.signature(getattr(param_functions, name)).parameters
    theirs = inspect.signature(getattr(oracle, name)).parameters
    assert {p.name: (p.kind, given(p.default)) for p in ours.values()} == {
        p.name: (p.kind, given(p.default)) for p in theirs.values()
    }


@pytest.mark.parametrize("name", FIELDS)
def test_builds_the_class_of_its_name(name: str) -> None:
    field = getattr(param_functions, name)(alias="other", gt=1)
    assert type(field) is getattr(params, name)
    assert field.alias == "other"
    assert repr(field.metadata) == "[Gt(gt=1)]"


def test_keywords_of_one_function() -> None:
    assert param_functions.Header(convert_underscores=False).convert_underscores is False
    assert param_functions.Body(embed=True, media_type="text/plain").embed is True
    assert param_functions.Body(media_type="text/plain").media_type == "text/plain"
    assert param_functions.Form(media_type="text/plain").media_type == "text/plain"
    assert param_functions.File(media_type="text/plain").media_type == "text/plain"


@pytest.mark.parametrize("name", FIELDS)
def test_unknown_keyword(name: str) -> None:
    for module in (param_functions, oracle):
        with pytest.raises(TypeError, match=rf"^{name}\(\) got an unexpected keyword argument 'colour'$"):
            getattr(module, name)(colour="red")


@pytest.mark.parametrize("name", FIELDS)
def test_deprecated_keyword_warns_where_it_is_written(name: str) -> None:
    with pytest.warns(FastAPIDeprecationWarning, match="use `pattern` instead") as caught:
        field = getattr(param_functions, name)(regex="^a")
    assert caught[0].filename == __file__
    assert field.metadata[0].pattern == "^a"


def dependency() -> None: ...


def test_depends() -> None:
    assert param_functions.Depends(dependency) == params.Depends(dependency)
    assert param_functions.Depends() == params.Depends(None)
    declared = param_functions.Depends(dependency, use_cache=False, scope="function", max_concurrency=3)
    assert (declared.use_cache, declared.scope, declared.max_concurrency) == (False, "function", 3)
    with pytest.raises(ValueError, match="max_concurrency must be a positive integer or None"):
        param_functions.Depends(dependency, max_concurrency=0)


def test_security() -> None:
    declared = param_functions.Security(dependency, scopes=["a", "b"], use_cache=False)
    assert type(declared) is params.Security
    assert (declared.scopes, declared.use_cache, declared.scope) == (["a", "b"], False, None)
