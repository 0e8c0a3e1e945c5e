"""FastAPI's functions that make OpenAPI documents, under its names. FastAPI: ``fastapi.openapi.utils``.

`get_openapi` is for programs that change the document before it is served; the others give its parts. All are thin:
``wirefast.documents`` does the work.
"""

from __future__ import annotations

import re
import warnings
from collections.abc import Mapping, Sequence
from typing import Any, Literal

from starlette.routing import BaseRoute

from wirefast._compat import get_definitions as get_definitions
from wirefast._compat import get_flat_models_from_fields as get_flat_models_from_fields
from wirefast._compat import get_model_name_map as get_model_name_map
from wirefast._compat import get_schema_from_model_field as get_schema_from_model_field
from wirefast.dependencies.fields import ModelField
from wirefast.dependencies.models import Dependant
from wirefast.documents import operations
from wirefast.documents.needs import Needs
from wirefast.documents.openapi import fields_of_routes, make_document
from wirefast.documents.operations import PathWriter
from wirefast.documents.operations import status_code_ranges as status_code_ranges
from wirefast.documents.operations import validation_error_definition as validation_error_definition
from wirefast.documents.operations import (
    validation_error_response_definition as validation_error_response_definition,
)
from wirefast.documents.schemas import Schemas
from wirefast.exceptions import FastAPIDeprecationWarning
from wirefast.openapi.constants import METHODS_WITH_BODY as METHODS_WITH_BODY
from wirefast.openapi.constants import REF_PREFIX as REF_PREFIX
from wirefast.openapi.models import OpenAPI as OpenAPI
from wirefast.routes.inclusion import RouteContext
from wirefast.types import ModelNameMap

__all__ = [
    "generate_operation_id",
    "generate_operation_summary",
    "get_fields_from_routes",
    "get_openapi",
    "get_openapi_operation_metadata",
    "get_openapi_operation_request_body",
    "get_openapi_path",
]

_FieldMapping = Mapping[tuple[ModelField, Literal["validation", "serialization"]], dict[str, Any]]


def get_openapi(
    *,
    title: str,
    version: str,
    openapi_version: str = "3.1.0",
    summary: str | None = None,
    description: str | None = None,
    routes: Sequence[BaseRoute | RouteContext],
    webhooks: Sequence[BaseRoute | RouteContext] | None = None,
    tags: list[dict[str, Any]] | None = None,
    servers: list[dict[str, str | Any]] | None = None,
    terms_of_service: str | None = None,
    contact: dict[str, str | Any] | None = None,
    license_info: dict[str, str | Any] | None = None,
    separate_input_output_schemas: bool = True,
    external_docs: dict[str, Any] | None = None,
) -> dict[str, Any]:
    """Make the OpenAPI document of some routes.

    Args:
        title, version, summary, description, terms_of_service, contact, license_info: facts about the API.
        openapi_version: the version of OpenAPI in the document. Default ``"3.1.0"``, the real version.
        routes: usually ``app.routes``.
        webhooks: usually ``app.webhooks.routes``.
        tags, servers, external_docs: parts of the document, unchanged.
        separate_input_output_schemas: whether a model may have one schema as input and one as output. Default True.

    Raises:
        pydantic.ValidationError: a given value is no OpenAPI.
    """
    described = {
        "summary": summary,
        "description": description,
        "termsOfService": terms_of_service,
        "contact": contact,
        "license": license_info,
    }
    return make_document(
        info={"title": title, "version": version, **{name: value for name, value in described.items() if value}},
        openapi_version=openapi_version,
        routes=routes,
        webhooks=webhooks or (),
        tags=tags,
        servers=servers,
        external_docs=external_docs,
        separate_input_output_schemas=separate_input_output_schemas,
    )


def get_openapi_path(
    *,
    route: Any,
    operation_ids: set[str],
    model_name_map: ModelNameMap,
    field_mapping: _FieldMapping,
    separate_input_output_schemas: bool = True,
) -> tuple[dict[str, Any], dict[str, Any], dict[str, Any]]:
    """Return the Path Item object of one route, its security schemes and the schemas it needs beyond its fields'.

    Args:
        route: an ``APIRoute``.
        operation_ids: those taken already; the route's are added.
        model_name_map: not used, as the schemas are named already.
        field_mapping: from field and mode to JSON Schema.
        separate_input_output_schemas: as it was when the schemas were made.
    """
    writer = PathWriter(Schemas(field_mapping, separate_input_output_schemas), operation_ids)
    return writer.path_item(route), writer.security_schemes, writer.definitions


def get_openapi_operation_metadata(*, route: Any, method: str, operation_ids: set[str]) -> dict[str, Any]:
    """Tags, summary, description, id and deprecation of an operation.

    Args:
        route: an ``APIRoute``.
        method: not used.
        operation_ids: those taken already, for a warning; the route's is added.
    """
    return operations.operation_metadata(route, operation_ids)


def _get_openapi_dependency_data(dependant: Dependant) -> Needs:
    """Return what a tree of dependencies needs, for `_get_openapi_operation_parameters`.

    Args:
        dependant: the root of the tree.
    """
    return Needs.of(dependant)


def _get_openapi_operation_parameters(
    *,
    dependency_data: Needs,
    model_name_map: ModelNameMap,
    field_mapping: _FieldMapping,
    separate_input_output_schemas: bool = True,
) -> list[dict[str, Any]]:
    """Return a Parameter object for each declaration in a tree of dependencies.

    Args:
        dependency_data: from `_get_openapi_dependency_data`.
        model_name_map: not used, as the schemas are named already.
        field_mapping: from field and mode to JSON Schema.
        separate_input_output_schemas: as it was when the schemas were made.
    """
    return dependency_data.describe_each_parameter(Schemas(field_mapping, separate_input_output_schemas))


def get_openapi_operation_request_body(
    *,
    body_field: ModelField | None,
    model_name_map: ModelNameMap,
    field_mapping: _FieldMapping,
    separate_input_output_schemas: bool = True,
) -> dict[str, Any] | None:
    """Return the Request Body object of an operation, None if it takes no body.

    Args:
        body_field: the route's.
        model_name_map, field_mapping, separate_input_output_schemas: as in `get_openapi_path`.
    """
    if not body_field:
        return None
    return operations.request_body(body_field, Schemas(field_mapping, separate_input_output_schemas))


def get_fields_from_routes(routes: Sequence[BaseRoute | RouteContext]) -> list[ModelField]:
    """Every field of the routes that a document has a schema for.

    Args:
        routes: included routers among them are walked.
    """
    return fields_of_routes(routes)


def generate_operation_summary(*, route: Any, method: str) -> str:
    """Return the summary of an operation: the one it was given, or the name of its function in words.

    Args:
        route: an ``APIRoute``.
        method: not used.
    """
    return operations.summary_of(route)


def generate_operation_id(*, route: Any, method: str) -> str:
    """Return an operation id from name, path and method. Deprecated as in FastAPI: a route has its ``unique_id``.

    Args:
        route: an ``APIRoute``.
        method: of HTTP.
    """
    warnings.warn(
        "generate_operation_id() is deprecated; use route.unique_id", category=FastAPIDeprecationWarning, stacklevel=2
    )
    identifier: str = (
        route.operation_id or re.sub(r"\W", "_", f"{route.name}{route.path_format}") + f"_{method.lower()}"
    )
    return identifier
