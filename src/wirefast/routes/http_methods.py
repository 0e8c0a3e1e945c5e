"""The decorators that declare HTTP operations: ``get``, ``post``, ..., on routers and applications.

Each takes the options of `wirefast.routes.http.APIRoute` by keyword. `OperationOptions` has their types for type
checkers. FastAPI: the methods of the same names.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Collection, Sequence
from enum import Enum
from typing import Any, cast

from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute
from typing_extensions import TypedDict, Unpack

from wirefast import params
from wirefast.datastructures import Default, DefaultPlaceholder
from wirefast.limits.bodies import FormLimits, first_limit
from wirefast.routes.advice import advise_of_path
from wirefast.routes.http import APIRoute
from wirefast.types import DecoratedCallable, IncEx
from wirefast.utils import generate_unique_id, get_value_or_default

__all__ = ["AddRouteOptions", "AppHttpMethods", "OperationOptions", "RouterHttpMethods"]


class OperationOptions(TypedDict, total=False):
    """The options of a decorator; see `APIRoute`, which has the defaults."""

    response_model: Any
    status_code: int | None
    tags: list[str | Enum] | None
    dependencies: Sequence[params.Depends] | None
    summary: str | None
    description: str | None
    response_description: str
    responses: dict[int | str, dict[str, Any]] | None
    deprecated: bool | None
    operation_id: str | None
    response_model_include: IncEx | None
    response_model_exclude: IncEx | None
    response_model_by_alias: bool
    response_model_exclude_unset: bool
    response_model_exclude_defaults: bool
    response_model_exclude_none: bool
    include_in_schema: bool
    response_class: type[Response] | DefaultPlaceholder
    name: str | None
    callbacks: list[BaseRoute] | None
    openapi_extra: dict[str, Any] | None
    generate_unique_id_function: Callable[[APIRoute], str] | DefaultPlaceholder
    max_body_size: int | None
    form_limits: FormLimits | None


class AddRouteOptions(OperationOptions, total=False):
    """The options of ``add_api_route``."""

    methods: set[str] | list[str] | None
    strict_content_type: bool | DefaultPlaceholder


class HttpMethods:
    """The decorators, in terms of ``api_route``."""

    def add_api_route(self, path: str, endpoint: Callable[..., Any], **options: Unpack[AddRouteOptions]) -> None:
        """Add an operation without a decorator.

        Args:
            path: below the router's prefix.
            endpoint: see `APIRoute`.
            options: those of `APIRoute`.

        Raises:
            NotImplementedError: here; routers and applications have their own.
        """
        raise NotImplementedError

    def api_route(
        self, path: str, *, methods: list[str] | None = None, **options: Unpack[OperationOptions]
    ) -> Callable[[DecoratedCallable], DecoratedCallable]:
        """Declare an operation for several methods. Default: GET.

        Args:
            path: below the router's prefix.
            methods: names of HTTP methods.
            options: those of `APIRoute`.
        """

        def decorator(function: DecoratedCallable) -> DecoratedCallable:
            self.add_api_route(path, function, methods=methods, **options)
            return function

        return decorator

    def get(self, path: str, **options: Unpack[OperationOptions]) -> Callable[[DecoratedCallable], DecoratedCallable]:
        """Declare a GET operation, as `api_route` does. HEAD is not included, as in FastAPI."""
        return self.api_route(path, methods=["GET"], **options)

    def put(self, path: str, **options: Unpack[OperationOptions]) -> Callable[[DecoratedCallable], DecoratedCallable]:
        """Declare a PUT operation, as `api_route` does."""
        return self.api_route(path, methods=["PUT"], **options)

    def post(self, path: str, **options: Unpack[OperationOptions]) -> Callable[[DecoratedCallable], DecoratedCallable]:
        """Declare a POST operation, as `api_route` does."""
        return self.api_route(path, methods=["POST"], **options)

    def delete(
        self, path: str, **options: Unpack[OperationOptions]
    ) -> Callable[[DecoratedCallable], DecoratedCallable]:
        """Declare a DELETE operation, as `api_route` does."""
        return self.api_route(path, methods=["DELETE"], **options)

    def options(
        self, path: str, **options: Unpack[OperationOptions]
    ) -> Callable[[DecoratedCallable], DecoratedCallable]:
        """Declare an OPTIONS operation, as `api_route` does."""
        return self.api_route(path, methods=["OPTIONS"], **options)

    def head(self, path: str, **options: Unpack[OperationOptions]) -> Callable[[DecoratedCallable], DecoratedCallable]:
        """Declare a HEAD operation, as `api_route` does."""
        return self.api_route(path, methods=["HEAD"], **options)

    def patch(self, path: str, **options: Unpack[OperationOptions]) -> Callable[[DecoratedCallable], DecoratedCallable]:
        """Declare a PATCH operation, as `api_route` does."""
        return self.api_route(path, methods=["PATCH"], **options)

    def trace(self, path: str, **options: Unpack[OperationOptions]) -> Callable[[DecoratedCallable], DecoratedCallable]:
        """Declare a TRACE operation, as `api_route` does."""
        return self.api_route(path, methods=["TRACE"], **options)


class RouterHttpMethods(HttpMethods):
    """The decorators of APIRouter, which gives each operation its prefix and its defaults."""

    routes: list[BaseRoute]
    prefix: str
    tags: list[str | Enum]
    dependencies: list[params.Depends]
    responses: dict[int | str, dict[str, Any]]
    callbacks: list[BaseRoute]
    deprecated: bool | None
    include_in_schema: bool
    default_response_class: Any
    generate_unique_id_function: Any
    strict_content_type: Any
    dependency_overrides_provider: Any
    route_class: type[APIRoute]
    max_body_size: int | None
    form_limits: FormLimits
    _advise: Callable[[str, Collection[str] | None, Any], None]

    def add_api_route(
        self,
        path: str,
        endpoint: Callable[..., Any],
        *,
        route_class_override: type[APIRoute] | None = None,
        **options: Unpack[AddRouteOptions],
    ) -> None:
        """Add an operation without a decorator.

        Args:
            path: below the router's prefix.
            endpoint: see `APIRoute`.
            route_class_override: in place of the router's ``route_class``.
            options: those of `APIRoute`; tags, dependencies, callbacks and responses come after the router's.
        """
        given = cast("dict[str, Any]", options)
        merged: dict[str, Any] = {
            **given,
            "tags": [*self.tags, *(given.get("tags") or ())],
            "dependencies": [*self.dependencies, *(given.get("dependencies") or ())],
            "callbacks": [*self.callbacks, *(given.get("callbacks") or ())],
            "responses": {**self.responses, **(given.get("responses") or {})},
            "deprecated": given.get("deprecated") or self.deprecated,
            "include_in_schema": given.get("include_in_schema", True) and self.include_in_schema,
            "response_class": get_value_or_default(
                given.get("response_class", Default(JSONResponse)), self.default_response_class
            ),
            "generate_unique_id_function": get_value_or_default(
                given.get("generate_unique_id_function", Default(generate_unique_id)), self.generate_unique_id_function
            ),
            "strict_content_type": get_value_or_default(
                given.get("strict_content_type", Default(True)), self.strict_content_type
            ),
            "max_body_size": first_limit(given.get("max_body_size"), self.max_body_size),
            "dependency_overrides_provider": self.dependency_overrides_provider,
        }
        if merged.get("form_limits") is None:  # a route class of the user may not take them
            merged.pop("form_limits", None)
        self._advise(path, {method.upper() for method in given.get("methods") or ("GET",)}, endpoint)
        route_class = route_class_override or self.route_class
        self.routes.append(route_class(self.prefix + path, endpoint=endpoint, **merged))


class AppHttpMethods(HttpMethods):
    """The decorators of App, which add to its router."""

    router: Any

    def add_api_route(self, path: str, endpoint: Callable[..., Any], **options: Unpack[AddRouteOptions]) -> None:
        """Add an operation without a decorator; see `APIRouter.add_api_route`."""
        advise_of_path(path, endpoint)
        self.router.add_api_route(path, endpoint, **options)

    def api_route(
        self, path: str, *, methods: list[str] | None = None, **options: Unpack[OperationOptions]
    ) -> Callable[[DecoratedCallable], DecoratedCallable]:
        """Declare an operation for several methods; see `APIRouter.api_route`."""
        declare = self.router.api_route(path, methods=methods, **options)

        def decorator(function: DecoratedCallable) -> DecoratedCallable:
            advise_of_path(path, function)
            return cast("DecoratedCallable", declare(function))

        return decorator


def _show_options(owner: type[Any], name: str, options: type[Any]) -> None:
    """Let ``inspect.signature`` (and ``help``) list the options with the defaults of `APIRoute`."""
    method = vars(owner)[name]
    declared = inspect.signature(APIRoute.__init__).parameters
    own = [item for item in inspect.signature(method).parameters.values() if item.kind is not item.VAR_KEYWORD]
    taken = {item.name for item in own}
    shown = [item for key, item in declared.items() if key in options.__annotations__ and key not in taken]
    method.__signature__ = inspect.Signature([*own, *shown])


for _owner in (HttpMethods, RouterHttpMethods, AppHttpMethods):
    for _name in vars(_owner).keys() & {
        "api_route",
        "get",
        "put",
        "post",
        "delete",
        "options",
        "head",
        "patch",
        "trace",
    }:
        _show_options(_owner, _name, OperationOptions)
    _show_options(_owner, "add_api_route", AddRouteOptions)
