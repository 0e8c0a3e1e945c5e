"""What an annotation says about its place, against FastAPI's predicates for every annotation."""

import dataclasses
import typing
from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from typing import Annotated, Any, Generic, Literal, Optional, TypeVar, Union

import fastapi._compat as oracle
import pytest
from pydantic import BaseModel, Json, conint
from pydantic.fields import FieldInfo
from starlette.datastructures import UploadFile

from wirefast.dependencies import shapes

T = TypeVar("T")


class Model(BaseModel):
    a: int = 0


class Other(BaseModel):
    b: int = 0


class Boxed(BaseModel, Generic[T]):
    item: T


@dataclasses.dataclass
class Data:
    a: int


class Upload(UploadFile):
    pass


class Text(str):
    pass


class Numbers(list):
    pass


ANNOTATIONS = [
    int, str, bytes, bool, float, None, type(None), Any, object, ..., Text, Literal["a", "b"],
    list, list[int], list[str], list[Model], list[list[int]], list[bytes], list[UploadFile], list[Any], list[Text],
    tuple, tuple[int, ...], tuple[int, str], set, set[int], frozenset[str], deque, deque[int], Sequence, Sequence[int],
    dict, dict[str, int], Mapping[str, int], Iterable[int], Numbers, typing.List[int], typing.Dict[str, int],  # noqa: UP006
    Model, Boxed[int], Data, UploadFile, Upload,
    int | None, Optional[int], Union[int, str], str | list[str], list[int] | None, Model | None, Model | Other,  # noqa: UP007, UP045
    Optional[Model], Model | int, dict[str, int] | None, bytes | None, UploadFile | None, list[UploadFile] | None,  # noqa: UP045
    list[bytes] | None, list[int] | list[str], list[int] | Model, Union[Model, None, int],  # noqa: UP007
    Annotated[int, "x"], Annotated[list[int], "x"], Annotated[Model, "x"], list[Annotated[int, "x"]],
    Annotated[int, "x"] | None, Annotated[Annotated[list[str], "x"], "y"], conint(gt=1), T, type[int],
]  # fmt: skip


@pytest.mark.parametrize("annotation", ANNOTATIONS, ids=repr)
@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        (shapes.is_sequence, oracle.field_annotation_is_sequence),
        (shapes.is_scalar, oracle.field_annotation_is_scalar),
        (shapes.is_scalar_sequence, oracle.field_annotation_is_scalar_sequence),
        (shapes.is_bytes, oracle.is_bytes_or_nonable_bytes_annotation),
        (shapes.is_upload_file, oracle.is_uploadfile_or_nonable_uploadfile_annotation),
        (shapes.is_bytes_sequence, oracle.is_bytes_sequence_annotation),
        (shapes.is_upload_file_sequence, oracle.is_uploadfile_sequence_annotation),
    ],
    ids=lambda function: function.__name__,
)
def test_predicates_are_fastapis(ours, theirs, annotation):
    assert bool(ours(annotation)) is bool(theirs(annotation))


def test_the_table_tells_predicates_apart():
    """Each predicate is true for some annotation of the table and false for another."""
    predicates = [
        shapes.is_sequence, shapes.is_scalar, shapes.is_scalar_sequence, shapes.is_bytes, shapes.is_upload_file,
        shapes.is_bytes_sequence, shapes.is_upload_file_sequence,
    ]  # fmt: skip
    for predicate in predicates:
        assert {bool(predicate(annotation)) for annotation in ANNOTATIONS} == {True, False}


def test_is_subclass_of_what_is_no_class():
    assert shapes.is_subclass(bool, int)
    assert not shapes.is_subclass(list[int], list)
    assert not shapes.is_subclass(int | None, int)
    assert not shapes.is_subclass(None, int)


@pytest.mark.parametrize(
    ("annotation", "model"),
    [(Model, Model), (Model | None, Model), (None | Model, Model), (Model | Other, None), (Model | int, None)]
    + [(int, None), (list[Model], None), (Model | Other | None, None), (Data, None)],
)
def test_model_of(annotation, model):
    assert shapes.model_of(annotation) is model


def test_is_json():
    assert shapes.is_json(FieldInfo.from_annotation(Json[list[int]]))
    assert not shapes.is_json(FieldInfo.from_annotation(list[int]))


def test_models_of_pydantic_1_are_found():
    class BaseModel1:
        pass

    BaseModel1.__module__, BaseModel1.__name__ = "pydantic.v1.main", "BaseModel"
    Old = type("Old", (BaseModel1,), {})
    for annotation in (Old, list[Old], Old | None, list[Old | None]):
        assert shapes.is_pydantic_v1(annotation)
    for annotation in (Model, list[Model], int, int | None, None, "Old"):
        assert not shapes.is_pydantic_v1(annotation)


@pytest.mark.parametrize(
    ("annotation", "expected"),
    [(list[int], [1, 2]), (set[int], {1, 2}), (tuple[int, ...], (1, 2)), (deque[int], deque([1, 2]))]
    + [(Sequence[int], [1, 2]), (list[int] | None, [1, 2]), (None | set[int], {1, 2}), (frozenset, frozenset([1, 2]))],
)
def test_sequence_of(annotation, expected):
    found = shapes.sequence_of(annotation, [1, 2])
    assert (type(found), found) == (type(expected), expected)
