"""HTTP operations: APIRoute, and the methods that declare them (``get``, ``post``, ...).

FastAPI's ``fastapi.routing.APIRoute``. A route analyses its endpoint when it is declared and makes a compiled Operation
(``_core.operation``), which answers the requests.
"""

from __future__ import annotations

import copy
import inspect
from collections.abc import (
    AsyncGenerator,
    AsyncIterable,
    AsyncIterator,
    Awaitable,
    Callable,
    Generator,
    Iterable,
    Iterator,
    Sequence,
)
from contextvars import ContextVar
from enum import Enum
from functools import cached_property
from types import NoneType
from typing import Any, cast, get_args, get_origin

from starlette import routing
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Match, get_name
from starlette.types import Receive, Scope, Send

from wirefast import params
from wirefast.datastructures import Default, DefaultPlaceholder
from wirefast.dependencies import bodies, shapes
from wirefast.dependencies.analysis import get_endpoint_dependant, require_resolved, typed_return_annotation
from wirefast.dependencies.fields import ModelField, create_model_field
from wirefast.dependencies.models import is_generator_kind
from wirefast.limits.bodies import (
    FormLimits,
    first_limit,
    limit_body,
    validate_form_limits,
    validate_max_body_size,
)
from wirefast.routes.analysed import AnalysedRoute
from wirefast.routes.include_context import RouterIncludeContext
from wirefast.routes.live_copy import OWN, live_copy
from wirefast.routes.request_handler import Handler, get_request_handler, hooked, hooks_now, request_application
from wirefast.sse import EventSourceResponse, ServerSentEvent
from wirefast.stand_in import stands_in_for
from wirefast.types import IncEx
from wirefast.utils import generate_unique_id, get_value_or_default, is_body_allowed_for_status_code

#: The route under an include whose handler is being made. FastAPI's name.
_effective_route_context_var: ContextVar[Any] = ContextVar("effective_route_context", default=None)
_STREAMS = (AsyncIterable, AsyncIterator, AsyncGenerator, Iterable, Iterator, Generator)


class APIRoute(routing.Route, AnalysedRoute):
    """A route whose endpoint's parameters, body and dependencies are filled from the request.

    Args:
        path: with parameters in braces (``/items/{item_id:int}``).
        endpoint: a coroutine function, a function (run in a thread) or a generator function (a stream).
        response_model: the type that validates and serialises the result. Default: the return annotation; None for
            none.
        status_code: the status code of the response. Default: that of the response class, mostly 200.
        dependencies: run before those of the signature, for their effect.
        name: for ``url_path_for``. Default: the endpoint's name.
        methods: HTTP methods. Default: ``["GET"]``.
        response_model_include, response_model_exclude: fields of the result to write, or not to write.
        response_model_by_alias: write aliases in place of names. Default True.
        response_model_exclude_unset, response_model_exclude_defaults, response_model_exclude_none: leave out fields
            that were not set, that have their default, that are None. Default False.
        response_class: wraps the serialised result. Default: JSON.
        dependency_overrides_provider: the object whose ``dependency_overrides`` apply; usually the App.
        strict_content_type: whether a JSON body needs a JSON content type. Default True; others accept none at all.
        max_body_size: bytes of the request body; None for no limit.
        form_limits: ``max_fields``, ``max_files``, ``max_part_size`` of a form.
        tags, summary, description, response_description, responses, deprecated: describe the operation to OpenAPI.
        operation_id, include_in_schema, callbacks, openapi_extra, generate_unique_id_function: the same.

    Raises:
        AssertionError, ValueError, FastAPIError: the declaration is wrong; the text says how.
    """

    __class__ = stands_in_for("fastapi.routing", "APIRoute")

    def __init__(
        self,
        path: str,
        endpoint: Callable[..., Any],
        *,
        response_model: Any = Default(None),  # noqa: B008
        status_code: int | None = None,
        tags: list[str | Enum] | None = None,
        dependencies: Sequence[params.Depends] | None = None,
        summary: str | None = None,
        description: str | None = None,
        response_description: str = "Successful Response",
        responses: dict[int | str, dict[str, Any]] | None = None,
        deprecated: bool | None = None,
        name: str | None = None,
        methods: set[str] | list[str] | None = None,
        operation_id: str | None = None,
        response_model_include: IncEx | None = None,
        response_model_exclude: IncEx | None = None,
        response_model_by_alias: bool = True,
        response_model_exclude_unset: bool = False,
        response_model_exclude_defaults: bool = False,
        response_model_exclude_none: bool = False,
        include_in_schema: bool = True,
        response_class: type[Response] | DefaultPlaceholder = Default(JSONResponse),  # noqa: B008
        dependency_overrides_provider: Any | None = None,
        callbacks: list[BaseRoute] | None = None,
        openapi_extra: dict[str, Any] | None = None,
        generate_unique_id_function: Callable[..., str] | DefaultPlaceholder = Default(generate_unique_id),  # noqa: B008
        strict_content_type: bool | DefaultPlaceholder = Default(True),  # noqa: B008
        max_body_size: int | None = None,
        form_limits: FormLimits | None = None,
    ) -> None:
        validate_max_body_size(max_body_size)
        self.path = path
        self.endpoint = endpoint
        self.name = get_name(endpoint) if name is None else name
        self.methods = {method.upper() for method in (("GET",) if methods is None else methods)}
        self.dependencies = list(dependencies or ())
        self.dependency_overrides_provider = dependency_overrides_provider
        # The response.
        self.status_code = int(status_code) if status_code is not None else None
        self.response_class = response_class
        self.response_model_include = response_model_include
        self.response_model_exclude = response_model_exclude
        self.response_model_by_alias = response_model_by_alias
        self.response_model_exclude_unset = response_model_exclude_unset
        self.response_model_exclude_defaults = response_model_exclude_defaults
        self.response_model_exclude_none = response_model_exclude_none
        # The request.
        self.strict_content_type = strict_content_type
        self.max_body_size = max_body_size
        self.form_limits = validate_form_limits(form_limits)
        #: The form limits of the includes above; the route's own count before them.
        self.included_form_limits: FormLimits = {}
        # The description for OpenAPI.
        self.tags: list[str | Enum] = tags or []
        self.summary = summary
        self.description = (description or inspect.cleandoc(endpoint.__doc__ or "")).split("\f")[0].strip()
        self.response_description = response_description
        self.responses = responses or {}
        self.deprecated = deprecated
        self.operation_id = operation_id
        self.include_in_schema = include_in_schema
        self.callbacks = callbacks
        self.openapi_extra = openapi_extra
        self.generate_unique_id_function = generate_unique_id_function
        # Found by the analysis; None before it.
        self.response_model: Any = response_model
        self.stream_item_type: Any = None
        self.response_field: ModelField | None = None
        self.stream_item_field: ModelField | None = None
        self._analyse()

    def _analyse(self) -> None:
        super()._analyse()
        if self.unresolved is not None:
            self._body_fields: list[ModelField] = []
            self._embed_body_fields = False
            self.is_sse_stream = self.is_json_stream = False

    def _analyse_endpoint(self) -> None:
        make_id = self.generate_unique_id_function
        if isinstance(make_id, DefaultPlaceholder):
            make_id = cast("Callable[[APIRoute], str]", make_id.value)
        self.unique_id: str = self.operation_id or make_id(self)
        self.response_fields = self._additional_response_fields()
        if not callable(self.endpoint):
            raise AssertionError("An endpoint must be a callable")
        self.__dict__.pop("body_field", None)
        self.dependant, self._body_fields, self._embed_body_fields = get_endpoint_dependant(
            path=self.path_format, call=self.endpoint, dependencies=self.dependencies
        )
        yields = is_generator_kind(self.dependant.call)
        self.is_sse_stream = yields and shapes.is_subclass(self.response_class, EventSourceResponse)
        self.is_json_stream = yields and isinstance(self.response_class, DefaultPlaceholder)
        if isinstance(self.response_model, DefaultPlaceholder):
            self.response_model = self._model_of_annotation(yields)
        if self.response_model:
            _require_body_allowed(self.status_code)
            self.response_field = self._field(f"Response_{self.unique_id}", self.response_model, self.response_field)
        else:
            self.response_field = None
        if self.stream_item_type:
            name = f"StreamItem_{self.unique_id}"
            self.stream_item_field = self._field(name, self.stream_item_type, self.stream_item_field)
        self._hooks = hooks_now()
        self.app = limit_body(request_application(self.get_route_handler()), self.max_body_size)

    def _model_of_annotation(self, yields: bool) -> Any:
        """Return the response model of the return annotation, and note the type of streamed items."""
        annotation = typed_return_annotation(self.endpoint)
        require_resolved(self.endpoint, "the result", annotation)
        if shapes.is_subclass(annotation, Response):
            return None
        if not yields or get_origin(annotation) not in _STREAMS:
            return annotation
        item = next(iter(get_args(annotation)), Any)
        if (self.is_json_stream or self.is_sse_stream) and not shapes.is_subclass(item, ServerSentEvent):
            self.stream_item_type = item
        return None

    def _additional_response_fields(self) -> dict[int | str, ModelField]:
        fields: dict[int | str, ModelField] = {}
        for status_code, response in self.responses.items():
            if not isinstance(response, dict):
                raise AssertionError("An additional response must be a dict")
            model = response.get("model")
            if model:
                _require_body_allowed(status_code)
                fields[status_code] = self._field(f"Response_{status_code}_{self.unique_id}", model, None)
        return fields

    @staticmethod
    def _field(name: str, model: Any, known: ModelField | None) -> ModelField:
        """Return the field of a response; copies of a route under includes have the field under other names."""
        if known is None:
            return create_model_field(name=name, type_=model, mode="serialization")
        field = copy.copy(known)
        field.name = name
        return field

    @cached_property
    def body_field(self) -> ModelField | None:
        """The whole request body as one field, None if the operation takes none."""
        return bodies.body_field(self._body_fields, self.unique_id, self._embed_body_fields)

    # ---- Included routers ----

    def included(self, context: RouterIncludeContext) -> APIRoute:
        """Return this route under an include: with prefix, dependencies and defaults of the routers above.

        Args:
            context: what the includes add.
        """
        route = live_copy(self)
        route.path = context.path_for(self)
        route.tags = [*context.tags, *self.tags]
        route.dependencies = [*context.dependencies, *self.dependencies]
        route.responses = {**context.responses, **self.responses}
        route.callbacks = [*context.callbacks, *(self.callbacks or ())]
        route.deprecated = self.deprecated or context.deprecated
        route.include_in_schema = self.include_in_schema and context.include_in_schema
        route.dependency_overrides_provider = context.dependency_overrides_provider
        for name in ("generate_unique_id_function", "strict_content_type"):
            inner, outer = getattr(context.included_router, name), getattr(context, name)
            setattr(route, name, get_value_or_default(getattr(self, name), inner, outer))
        route.response_class = get_value_or_default(
            self.response_class, context.included_router.default_response_class, context.default_response_class
        )
        route.max_body_size = first_limit(self.max_body_size, context.max_body_size)
        route.included_form_limits = context.form_limits
        token = _effective_route_context_var.set(route)
        try:
            route._analyse()
        finally:
            _effective_route_context_var.reset(token)
        return route

    @classmethod
    def adopted(cls, route: Any) -> APIRoute:
        """Return a FastAPI route as one of ours, for a team that moves over one router at a time."""
        given = {name: getattr(route, name) for name in _OPTION_NAMES if hasattr(route, name)}
        for name, value in given.items():
            if type(value).__name__ == "DefaultPlaceholder":
                given[name] = Default(value.value)
        return cls(route.path, route.endpoint, **given)

    # ---- Serving ----

    def get_route_handler(self) -> Handler:
        """Return the coroutine function that answers a Request with a Response.

        Subclasses override it to wrap the handler. Called when the route is declared, and for each included copy.
        """
        if not isinstance(self.__dict__.get("body_field"), (ModelField, NoneType)):
            del self.__dict__["body_field"]  # a package has set one of FastAPI's
        options: dict[str, Any] = {name: getattr(self, name) for name in _HANDLER_OPTIONS}
        options["embed_body_fields"] = self._embed_body_fields
        options["form_limits"] = {**self.included_form_limits, **self.form_limits}
        if replaced := hooked("get_request_handler", get_request_handler):
            return cast(Handler, replaced(body_field=self.body_field, **options))
        return get_request_handler(**options)

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        """Return whether path and method are this route's, and what to add to the scope, with the route as
        ``route``."""
        match, child_scope = super().matches(scope)
        if match is not Match.NONE:
            child_scope["route"] = self
        return match, child_scope

    def handle(self, scope: Scope, receive: Receive, send: Send) -> Awaitable[None]:  # type: ignore[override]
        """Serve a request that matched; answer 405 with ``Allow`` to another method."""
        if self.methods and scope["method"] not in self.methods:
            return super().handle(scope, receive, send)
        return self.app(scope, receive, send)


def _no_endpoint() -> None:
    """Do nothing: an endpoint that is never called."""


OWN[APIRoute] = lambda: APIRoute("/", _no_endpoint)
_HANDLER_OPTIONS = tuple(
    set(inspect.signature(get_request_handler).parameters) - {"body_field", "embed_body_fields", "form_limits"}
)
_OPTION_NAMES = tuple(inspect.signature(APIRoute.__init__).parameters)[3:]


def _require_body_allowed(status_code: int | str | None) -> None:
    if not is_body_allowed_for_status_code(status_code):
        raise AssertionError(f"Status code {status_code} must not have a response body")
