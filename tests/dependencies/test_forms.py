"""How body fields share a body: when it is an object of them, and what a form model spreads over."""

import sys
import types
from typing import Annotated, Literal, Union

import pytest
from pydantic import BaseModel, Field, Json, Tag

from wirefast import params
from wirefast.dependencies import forms
from wirefast.dependencies.fields import ModelField


class A(BaseModel):
    kind: Literal["a"] = "a"
    names: list[str] = []


class B(BaseModel):
    kind: Literal["b"]
    size: int = Field(alias="SIZE")


def field(info, annotation, name="x"):
    info.annotation = annotation
    return ModelField(field_info=info, name=name)


@pytest.mark.parametrize(
    ("annotation", "models"),
    [
        (A, []),
        (A | None, []),
        (A | B, [A, B]),
        (A | B | None, [A, B]),
        (Union[Annotated[A, Tag("a")], Annotated[B, Tag("b")]], [A, B]),  # noqa: UP007
        (A | int, []),
    ],
)
def test_union_models(annotation, models):
    assert forms.union_models(annotation) == models


@pytest.mark.parametrize(
    ("info", "annotation", "models"),
    [
        (params.Form(), A, [A]),
        (params.Form(), A | None, [A]),
        (params.Form(), A | B, [A, B]),
        (params.Form(), str, []),
        (params.Body(), A, []),
    ],
)
def test_form_models(info, annotation, models):
    assert forms.form_models(field(info, annotation)) == models


def test_an_embedded_form_model_is_one_field():
    embedded = params.Form()
    embedded.embed = True
    assert forms.form_models(field(embedded, A)) == []


@pytest.mark.parametrize(
    ("fields", "embed"),
    [
        ([], False),
        ([field(params.Body(), A)], False),
        ([field(params.Body(embed=True), A)], True),
        ([field(params.Body(), int)], False),
        ([field(params.Body(), A, "x"), field(params.Body(), A, "y")], True),
        # The same parameter in a dependency and in the endpoint is one.
        ([field(params.Body(), A), field(params.Body(), A)], False),
        ([field(params.Form(), str)], True),
        ([field(params.Form(), A)], False),
        ([field(params.Form(), A), field(params.Form(), A)], False),
        ([field(params.Form(), A), field(params.Form(), B)], True),
        ([field(params.Form(), A), field(params.Form(), str)], True),
        ([field(params.File(), bytes)], True),
    ],
)
def test_should_embed(fields, embed):
    assert forms.should_embed(fields) is embed


def test_members_of_a_union_see_the_form_under_their_own_names():
    info = params.Form(discriminator="kind")
    info.annotation = A | B
    forms.prepare_unions(info)
    union = ModelField(field_info=info, name="x")
    assert union.validate({"kind": "a", "names": "only"}) == (A(names=["only"]), [])
    assert union.validate({"kind": "b", "SIZE": "3"}) == (B(kind="b", SIZE=3), [])
    assert union.validate({"kind": "b"})[1][0]["type"] == "missing"


def test_other_annotations_are_left_alone():
    info = params.Form()
    info.annotation = A | None
    forms.prepare_unions(info)
    assert info.annotation == A | None


def test_a_form_model_may_be_json_in_one_field():
    assert forms.form_models(field(params.Form(), Json[A])) == []


def test_multipart_is_there():
    forms.require_multipart()


@pytest.mark.parametrize(
    ("installed", "advice"),
    [({}, "pip install python-multipart"), ({"multipart": types.ModuleType("multipart")}, "pip uninstall multipart")],
    ids=["nothing", "the wrong one"],
)
def test_multipart_is_missing(monkeypatch, caplog, installed, advice):
    for module in installed.values():
        module.__version__ = "1"
    for name in ("python_multipart", "multipart", "multipart.multipart"):
        monkeypatch.setitem(sys.modules, name, installed.get(name))
    with pytest.raises(RuntimeError, match='Form data requires "python-multipart"') as caught:
        forms.require_multipart()
    assert advice in str(caught.value)
    assert caplog.text == "", "the error has the advice, and the log the error"
