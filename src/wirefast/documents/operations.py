"""Make the Path Item of a route: an Operation object for each of its methods."""

from __future__ import annotations

import copy
import http.client
import inspect
import warnings
from functools import lru_cache
from typing import Any

from starlette.responses import JSONResponse, Response

from wirefast.datastructures import DefaultPlaceholder
from wirefast.dependencies.fields import ModelField
from wirefast.dependencies.shapes import is_subclass
from wirefast.documents.needs import Needs, add_examples
from wirefast.documents.schemas import Schemas
from wirefast.openapi.constants import METHODS_WITH_BODY, REF_PREFIX
from wirefast.routes.http import APIRoute
from wirefast.utils import deep_dict_update, is_body_allowed_for_status_code

__all__ = ["PathWriter", "operation_metadata", "request_body", "summary_of"]

#: The schemas of the default 422 response.
validation_error_definition: dict[str, Any] = {
    "title": "ValidationError",
    "type": "object",
    "properties": {
        "loc": {
            "title": "Location",
            "type": "array",
            "items": {"anyOf": [{"type": "string"}, {"type": "integer"}]},
        },
        "msg": {"title": "Message", "type": "string"},
        "type": {"title": "Error Type", "type": "string"},
        "input": {"title": "Input"},
        "ctx": {"title": "Context", "type": "object"},
    },
    "required": ["loc", "msg", "type"],
}
validation_error_response_definition: dict[str, Any] = {
    "title": "HTTPValidationError",
    "type": "object",
    "properties": {
        "detail": {
            "title": "Detail",
            "type": "array",
            "items": {"$ref": f"{REF_PREFIX}ValidationError"},
        }
    },
}

#: The meaning of each range of statuses, for responses without a description of their own.
status_code_ranges = {
    "1XX": "Information",
    "2XX": "Success",
    "3XX": "Redirection",
    "4XX": "Client Error",
    "5XX": "Server Error",
    "DEFAULT": "Default Response",
}

#: One event of a stream, its fields as WHATWG HTML, section 9.2.
EVENT_SCHEMA: dict[str, Any] = {
    "type": "object",
    "properties": {
        "data": {"type": "string"},
        "event": {"type": "string"},
        "id": {"type": "string"},
        "retry": {"type": "integer", "minimum": 0},
    },
}


class PathWriter:
    """Writes the paths of one document, and collects the components of their references.

    Args:
        schemas: the schemas of every field of the routes that will be written.
        operation_ids: the used ids; a second operation of one id is a warning.

    Attributes:
        security_schemes, definitions: the components that the written paths refer to.
    """

    def __init__(self, schemas: Schemas, operation_ids: set[str] | None = None) -> None:
        self.schemas = schemas
        self.operation_ids = set() if operation_ids is None else operation_ids
        self.security_schemes: dict[str, Any] = {}
        self.definitions: dict[str, Any] = {}

    def path_item(self, route: Any, needs: Needs | None = None) -> dict[str, Any]:
        """Return the Operation objects of a route by method, none for a route outside of the document.

        Args:
            route: an `APIRoute`, or a ``RouteContext`` of one.
            needs: the needs of the route, if they are known already.
        """
        if route.methods is None:
            raise AssertionError("A route in a document needs its methods")
        if not route.include_in_schema:
            return {}
        needs = needs or Needs.of(route.dependant)
        return {method.lower(): self._operation(route, method, needs) for method in route.methods}

    def _operation(self, route: Any, method: str, needs: Needs) -> dict[str, Any]:
        operation = operation_metadata(route, self.operation_ids)
        schemes, required = needs.describe_security()
        self.security_schemes.update(schemes)
        if required:
            operation["security"] = required
        parameters = needs.describe_parameters(self.schemas)
        if parameters:
            operation["parameters"] = parameters
        if method in METHODS_WITH_BODY and route.body_field:
            operation["requestBody"] = request_body(route.body_field, self.schemas)
        if route.callbacks:
            operation["callbacks"] = self._callbacks(route.callbacks)
        operation["responses"] = self._responses(route, takes_input=bool(needs.fields() or route.body_field))
        if route.openapi_extra:
            deep_dict_update(operation, route.openapi_extra)
        return operation

    def _callbacks(self, callbacks: list[Any]) -> dict[str, Any]:
        # The components that only callbacks need are left out, as FastAPI does.
        writer = PathWriter(self.schemas, self.operation_ids)
        routes = [callback for callback in callbacks if isinstance(callback, APIRoute)]
        return {route.name: {route.path: writer.path_item(route)} for route in routes}

    # ---- Responses ----

    def _responses(self, route: Any, takes_input: bool) -> dict[str, Any]:
        response_class = route.response_class
        if isinstance(response_class, DefaultPlaceholder):
            response_class = response_class.value
        if not response_class:
            raise AssertionError("A route in a document needs a response class")
        status = _default_status(response_class) if route.status_code is None else str(route.status_code)
        main: dict[str, Any] = {"description": route.response_description}
        if is_body_allowed_for_status_code(route.status_code):
            content = self._content(route, response_class)
            if content:
                main["content"] = content
        responses = {status: main}
        for code, declared in route.responses.items():
            self._add_response(responses, code, declared, route.response_fields.get(code), response_class.media_type)
        if takes_input and not responses.keys() & {"422", "4XX", "default"}:
            responses["422"] = {
                "description": "Validation Error",
                "content": {"application/json": {"schema": {"$ref": f"{REF_PREFIX}HTTPValidationError"}}},
            }
            self.definitions["ValidationError"] = validation_error_definition
            self.definitions["HTTPValidationError"] = validation_error_response_definition
        return responses

    def _content(self, route: Any, response_class: type[Response]) -> dict[str, Any]:
        """Return the successful response by media type."""
        item = route.stream_item_field
        if route.is_json_stream:
            return {"application/jsonl": {"itemSchema": self.schemas.of(item) if item else {}}}
        if route.is_sse_stream:
            event = copy.deepcopy(EVENT_SCHEMA)
            if item:
                event["required"] = ["data"]
                event["properties"]["data"] = {
                    "type": "string",
                    "contentMediaType": "application/json",
                    "contentSchema": self.schemas.of(item),
                }
            return {"text/event-stream": {"itemSchema": event}}
        if not response_class.media_type:
            return {}
        schema: dict[str, Any] = {"type": "string"}
        if is_subclass(response_class, JSONResponse):
            schema = self.schemas.of(route.response_field) if route.response_field else {}
        return {response_class.media_type: {"schema": schema}}

    def _add_response(
        self,
        responses: dict[str, Any],
        code: int | str,
        declared: dict[str, Any],
        field: ModelField | None,
        media_type: str | None,
    ) -> None:
        """Merge one of a route's ``responses`` into the response of its status."""
        key = str(code).upper()
        described = responses.setdefault("default" if key == "DEFAULT" else key, {})
        added = copy.deepcopy(declared)
        added.pop("model", None)
        if field:
            content = added.setdefault("content", {}).setdefault(media_type or "application/json", {})
            deep_dict_update(content.setdefault("schema", {}), self.schemas.of(field))
        standard = status_code_ranges.get(key) or http.client.responses.get(_status_number(code))
        text = added.get("description") or described.get("description") or standard or "Additional Response"
        deep_dict_update(described, added)
        described["description"] = text


def operation_metadata(route: Any, operation_ids: set[str]) -> dict[str, Any]:
    """Return the description in an Operation object: tags, summary, description, id, deprecation.

    Args:
        route: an `APIRoute`.
        operation_ids: the used ids, to which the route's is added.
    """
    metadata: dict[str, Any] = {"tags": route.tags} if route.tags else {}
    metadata["summary"] = summary_of(route)
    if route.description:
        metadata["description"] = route.description
    identifier = route.operation_id or route.unique_id
    if identifier in operation_ids:
        name = getattr(route.endpoint, "__name__", "<unnamed_endpoint>")
        file = getattr(route.endpoint, "__globals__", {}).get("__file__")
        place = f" at {file}" if file else ""
        warnings.warn(f"Duplicate Operation ID {identifier} for function {name}{place}", stacklevel=1)
    operation_ids.add(identifier)
    metadata["operationId"] = identifier
    if route.deprecated:
        metadata["deprecated"] = route.deprecated
    return metadata


def summary_of(route: Any) -> str:
    """Return the given summary of a route, or its name in words."""
    summary: str = route.summary or route.name.replace("_", " ").title()
    return summary


def request_body(field: ModelField, schemas: Schemas) -> dict[str, Any]:
    """Return the Request Body object of an operation's body field."""
    info: Any = field.field_info
    content: dict[str, Any] = {"schema": schemas.of(field)}
    add_examples(content, info)
    described: dict[str, Any] = {"required": True} if info.is_required() else {}
    described["content"] = {info.media_type: content}
    return described


@lru_cache(maxsize=256)
def _default_status(response_class: type[Response]) -> str:
    """Return the status of a response class, which is a default of its constructor."""
    parameter = inspect.signature(response_class.__init__).parameters.get("status_code")
    return str(parameter.default) if parameter is not None and isinstance(parameter.default, int) else "200"


def _status_number(code: int | str) -> int:
    try:
        return int(code)
    except ValueError:
        raise ValueError(
            f"{code!r} in `responses` is no status; use a number, a range such as '4XX', or 'default'"
        ) from None
