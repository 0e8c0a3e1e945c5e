"""How body fields share one body: embedding, form models, unions of form models."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Annotated, Any, Union, cast, get_args, get_origin

from pydantic import BaseModel, BeforeValidator, Tag
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined as Undefined
from starlette.datastructures import FormData

from wirefast.dependencies import shapes
from wirefast.dependencies.fields import ModelField, model_fields, read_names
from wirefast.dependencies.groups import multidict_extras, multidict_value
from wirefast.dependencies.markers import is_marker

_REQUIRED = 'Form data requires "python-multipart" to be installed. '
multipart_not_installed_error = (
    _REQUIRED + '\nYou can install "python-multipart" with: \n\npip install python-multipart\n'
)
multipart_incorrect_install_error = (
    _REQUIRED + 'It seems you installed "multipart" instead. \n'
    'You can remove "multipart" with: \n\n'
    "pip uninstall multipart\n\n"
    'And then install "python-multipart" with: \n\n'
    "pip install python-multipart\n"
)


def require_multipart() -> None:
    """Raise RuntimeError with the command to run when python-multipart is missing or the wrong package is there."""
    try:
        from python_multipart import __version__  # an extra

        if __version__ > "0.0.12":
            return
    except ImportError:
        pass
    try:
        from multipart import __version__ as _other  # noqa: F401 - the name of old python-multipart releases
    except ImportError:
        advice = multipart_not_installed_error
    else:
        try:
            from multipart.multipart import parse_options_header  # noqa: F401 - an extra

            return
        except ImportError:
            advice = multipart_incorrect_install_error
    raise RuntimeError(advice)


def union_models(annotation: Any) -> list[type[BaseModel]]:
    """Return the models of ``A | B`` (more than one, nothing but models and None), else an empty list."""
    if not shapes.is_union(annotation):
        return []
    members = [member for member in get_args(annotation) if member is not type(None)]
    models = [get_args(member)[0] if get_origin(member) is Annotated else member for member in members]
    if len(models) < 2 or not all(shapes.is_subclass(model, BaseModel) for model in models):
        return []
    return models


def form_models(field: ModelField) -> list[type[BaseModel]]:
    """Return the models that a form field spreads over the whole form: one, the members of a union, or none."""
    info = field.field_info
    if not is_marker(info, "Form") or getattr(info, "embed", None) or shapes.is_json(info):
        return []
    model = shapes.model_of(info.annotation)
    return [model] if model is not None else union_models(info.annotation)


def should_embed(fields: Sequence[ModelField]) -> bool:
    """Whether the body is an object with one key for each field; otherwise the body is the value of the one field.

    FastAPI's ``dependencies.utils._should_embed_body_fields``.

    Args:
        fields: the body's parameters.
    """
    if not fields:
        return False
    if len({field.name for field in fields}) > 1:
        return True
    first = fields[0]
    models = form_models(first)
    if models and any(
        not form_models(field) or field.field_info.annotation is not first.field_info.annotation for field in fields[1:]
    ):
        return True
    if getattr(first.field_info, "embed", None):
        return True
    plain_form = is_marker(first.field_info, "Form") and not models
    return plain_form and not shapes.is_subclass(first.field_info.annotation, BaseModel)


def prepare_unions(field_info: FieldInfo) -> None:
    """Let each member of a union of form models read the form under its own field names."""
    annotation: Any = field_info.annotation
    if not union_models(annotation):
        return
    choices: list[Any] = []
    for choice in get_args(annotation):
        if choice is type(None):
            choices.append(choice)
            continue
        model, *metadata = get_args(choice) if get_origin(choice) is Annotated else (choice,)
        tag = next((item for item in reversed(metadata) if isinstance(item, Tag)), Tag(model.__name__))
        choices.append(Annotated[choice, BeforeValidator(partial(_as_model_input, model=model)), tag])
    field_info.annotation = cast(Any, Union[tuple(choices)])  # noqa: UP007 - built from a tuple


def _as_model_input(value: Any, *, model: type[BaseModel]) -> Any:
    if not isinstance(value, dict):
        return value
    pairs = [(key, item) for key, items in value.items() for item in (items if isinstance(items, list) else [items])]
    form = FormData(pairs)
    found: dict[str, Any] = {}
    claimed: set[str] = set()
    for field in model_fields(model):
        for alias, _ in read_names(field):
            claimed.add(alias)
            item = multidict_value(field, form, alias)
            if item is not Undefined:
                found[alias] = item
                break
    found.update(multidict_extras(form, claimed))
    found.update({key: item for key, item in value.items() if item is None or item == []})
    return found
