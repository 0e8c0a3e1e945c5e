"""The OpenAPI document of a set of routes, equal to FastAPI's."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from starlette.routing import BaseRoute, Route

from wirefast.dependencies.fields import ModelField
from wirefast.documents.needs import Needs
from wirefast.documents.operations import PathWriter
from wirefast.documents.schemas import Schemas, make_schemas
from wirefast.documents.sockets import described_sockets
from wirefast.openapi.models import OpenAPI
from wirefast.routes.http import APIRoute
from wirefast.routes.inclusion import RouteContext, iter_route_contexts

__all__ = ["fields_of_routes", "make_document"]

Routes = Sequence[BaseRoute | RouteContext]


def make_document(
    *,
    info: dict[str, Any],
    openapi_version: str = "3.1.0",
    routes: Routes,
    webhooks: Routes = (),
    tags: list[dict[str, Any]] | None = None,
    servers: list[dict[str, Any]] | None = None,
    external_docs: dict[str, Any] | None = None,
    separate_input_output_schemas: bool = True,
    websockets: bool = False,
) -> dict[str, Any]:
    """Make the document; see OpenAPI 3.1, section 4.8.1.

    Args:
        info: the Info object.
        openapi_version: the version of OpenAPI in the document.
        routes: the routes; their operations become ``paths``, included routers are walked, other routes are ignored.
        webhooks: the same, for ``webhooks``.
        tags, servers, external_docs: parts of the document, unchanged.
        separate_input_output_schemas: whether a model may have one schema as input and one as output.
        websockets: whether each socket becomes a GET operation that answers 101.

    Raises:
        pydantic.ValidationError: a given value (``openapi_extra``, ``responses``, ``servers``, ...) is no OpenAPI.
    """
    operations, hooks = _described(routes), _described(webhooks)
    sockets = described_sockets(routes) if websockets else []
    fields = [*_fields(operations + hooks), *(field for socket in sockets for field in socket.needs.fields())]
    of_fields, definitions = make_schemas(fields, separate_input_output_schemas)
    writer = PathWriter(Schemas(of_fields, separate_input_output_schemas))
    paths, webhook_paths = _paths(writer, operations), _paths(writer, hooks)
    for socket in sockets:
        paths.setdefault(socket.path, {}).setdefault("get", socket.operation(writer))
    definitions.update(writer.definitions)
    schemas = dict(sorted(definitions.items()))
    components = _given(schemas=schemas, securitySchemes=writer.security_schemes)
    parts = _given(
        servers=servers, components=components, webhooks=webhook_paths, tags=tags, externalDocs=external_docs
    )
    document = OpenAPI.model_validate({"openapi": openapi_version, "info": info, "paths": paths, **parts})
    # pydantic leaves out fields that are None, but not None inside of a value of any type, such as an example.
    encoded: dict[str, Any] = _without_none(document.model_dump(mode="json", by_alias=True, exclude_none=True))
    return encoded


def _given(**parts: Any) -> dict[str, Any]:
    return {name: part for name, part in parts.items() if part}


def _without_none(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _without_none(item) for key, item in value.items() if item is not None}
    return [_without_none(item) for item in value] if isinstance(value, list) else value


def fields_of_routes(routes: Routes) -> list[ModelField]:
    """Every field with a schema in the document: bodies, responses, parameters, also those of callbacks."""
    return _fields(_described(routes))


def _described(routes: Routes) -> list[tuple[Any, Needs]]:
    """Return the HTTP operations among routes, under their includes, with the needs of each."""
    found = map(_operation, (context.effective for context in iter_route_contexts(routes)))
    return [(route, Needs.of(route.dependant)) for route in found if route is not None]


def _operation(route: Any) -> APIRoute | None:
    """Return a route as an operation; FastAPI's route as one of ours. None for a route that is no operation."""
    if isinstance(route, APIRoute):
        return route
    return APIRoute.adopted(route) if isinstance(route, Route) and hasattr(route, "dependant") else None


def _fields(operations: Iterable[tuple[Any, Needs]]) -> list[ModelField]:
    callbacks: list[ModelField] = []
    bodies: list[ModelField] = []
    responses: list[ModelField] = []
    parameters: list[ModelField] = []
    for route, needs in operations:
        if not route.include_in_schema:
            continue
        if route.body_field:
            bodies.append(route.body_field)
        responses += filter(None, [route.response_field, *route.response_fields.values(), route.stream_item_field])
        if route.callbacks:
            callbacks += _fields(_described(route.callbacks))
        parameters += needs.fields()
    return callbacks + bodies + responses + parameters


def _paths(writer: PathWriter, operations: Iterable[tuple[Any, Needs]]) -> dict[str, dict[str, Any]]:
    paths: dict[str, dict[str, Any]] = {}
    for route, needs in operations:
        item = writer.path_item(route, needs)
        if item:
            paths.setdefault(route.path_format, {}).update(item)
    return paths
