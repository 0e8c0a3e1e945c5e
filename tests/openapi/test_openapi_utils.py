"""FastAPI's functions that make documents and their parts, called as FastAPI's are."""

from __future__ import annotations

import importlib
import inspect
from typing import Any

import pytest

from compat.documented import CASES, MODELS, REFUSED
from compat.harness import Trace, frameworks
from compat.source import define
from wirefast.encoders import jsonable_encoder

PUBLIC = [
    "generate_operation_id",
    "generate_operation_summary",
    "get_fields_from_routes",
    "get_openapi",
    "get_openapi_operation_metadata",
    "get_openapi_operation_request_body",
    "get_openapi_path",
]
CONSTANTS = ["status_code_ranges", "validation_error_definition", "validation_error_response_definition"]
SCHEMAS = ["get_definitions", "get_flat_models_from_fields", "get_model_name_map", "get_schema_from_model_field"]


def sides(module: str) -> tuple[Any, Any]:
    return importlib.import_module(f"wirefast.{module}"), importlib.import_module(f"fastapi.{module}")


@pytest.mark.parametrize(
    ("module", "name"), [("openapi.utils", name) for name in PUBLIC] + [("_compat", name) for name in SCHEMAS]
)
def test_signatures(module: str, name: str) -> None:
    ours, theirs = (inspect.signature(getattr(side, name)).parameters.values() for side in sides(module))
    assert [(p.name, p.kind, p.default) for p in ours] == [(p.name, p.kind, p.default) for p in theirs]


@pytest.mark.parametrize("name", CONSTANTS)
def test_constants(name: str) -> None:
    ours, theirs = sides("openapi.utils")
    assert getattr(ours, name) == getattr(theirs, name)


def parts(f: Any, source: str) -> list[Any]:
    """Everything that the functions say of the routes of a source's ``app``, one route after the other."""
    app = define(f, Trace(), MODELS + source)["app"]
    utils, compat = f.load("openapi.utils"), f.load("_compat")
    fields = utils.get_fields_from_routes(app.routes)
    names = compat.get_model_name_map(compat.get_flat_models_from_fields(fields, known_models=set()))
    mapping, definitions = compat.get_definitions(fields=fields, model_name_map=names)
    found: list[Any] = [sorted(names.values()), sorted(definitions.items()), len(fields)]
    common = {"model_name_map": names, "field_mapping": mapping}
    for context in f.load("routing").iter_route_contexts(app.routes):
        if not isinstance(context.original_route, f.load("routing").APIRoute) or not context.include_in_schema:
            continue
        found.append(utils.generate_operation_summary(route=context, method="get"))
        found.append(utils.get_openapi_operation_metadata(route=context, method="get", operation_ids=set()))
        found.append(utils.get_openapi_path(route=context, operation_ids=set(), **common))
        found.append(utils.get_openapi_operation_request_body(body_field=context.body_field, **common))
        # titiler describes the parameters of dependencies by these; litellm and titiler ask for the flat ones.
        data = utils._get_openapi_dependency_data(context.dependant)
        found.append(utils._get_openapi_operation_parameters(dependency_data=data, **common))
        flat = f.load("dependencies.utils").get_flat_params(context.dependant)
        found.append([(field.name, field.alias) for field in flat])
        if context.body_field:
            found.append(compat.get_schema_from_model_field(field=context.body_field, **common))
    # What is None is left out in the end; FastAPI's parts still have it.
    return jsonable_encoder(found, exclude_none=True)


@pytest.mark.filterwarnings("ignore:Duplicate Operation ID", "ignore:.*has been deprecated")
@pytest.mark.parametrize("name", sorted(set(CASES) - REFUSED - {"forms"}))
def test_parts(name: str) -> None:
    theirs, ours = [parts(f, CASES[name]) for f in frameworks()]
    assert ours == theirs


def test_deprecated_operation_id() -> None:
    results = []
    for f in frameworks():
        app = f.App(openapi_url=None)
        app.get("/a/{b}", name="c d")(lambda: None)
        app.get("/e", operation_id="own")(lambda: None)
        with pytest.warns(f.exceptions.FastAPIDeprecationWarning):
            make = f.load("openapi.utils").generate_operation_id
            results.append([make(route=route, method="GET") for route in app.routes])
    assert results[0] == results[1] == ["c_d_a__b__get", "own"]
