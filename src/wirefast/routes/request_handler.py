"""Make the coroutine function that answers the requests of a route.

FastAPI's ``routing.get_request_handler``, ``run_endpoint_function`` and ``serialize_response``: packages call them and
replace them in the module, so each is looked up there when a route is declared. `request_application` makes the
application of a handler; it looks up ``request_response`` of our module and of Starlette's.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Coroutine
from contextlib import AsyncExitStack
from dataclasses import replace
from functools import partial
from typing import Any, cast

from pydantic import ValidationError
from pydantic_core import PydanticSerializationError, SchemaSerializer, SchemaValidator
from pydantic_core import PydanticUndefined as Undefined
from starlette import routing as starlette_routing
from starlette.datastructures import FormData
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.types import ASGIApp, Receive, Scope, Send

from wirefast._core import scope as keys
from wirefast._core.dumping import dumped
from wirefast._core.foreign import is_async_callable
from wirefast._core.hooks import is_replaced
from wirefast._core.json import dumps
from wirefast._core.jsonable import unchanged
from wirefast._core.operation import Operation, RequestResponse
from wirefast._core.plan import Plan
from wirefast._core.plan_cache import PlanCache
from wirefast.background import BackgroundTasks
from wirefast.concurrency import run_in_threadpool
from wirefast.datastructures import Default, DefaultPlaceholder
from wirefast.dependencies import bodies, shapes
from wirefast.dependencies.analysis import adopt_foreign, flat_body_params, get_dependant
from wirefast.dependencies.fields import ModelField, located_errors
from wirefast.dependencies.models import Dependant, call_kind, endpoint_context
from wirefast.dependencies.planning import Overrides, make_plan
from wirefast.dependencies.utils import solve_dependencies
from wirefast.encoders import jsonable_encoder
from wirefast.exceptions import EndpointContext, RequestValidationError, ResponseValidationError
from wirefast.limits.bodies import FormLimits, body_limit_error, inherited_form_limits
from wirefast.routes.streaming import StreamedAnswer
from wirefast.sse import EventSourceResponse
from wirefast.telemetry.watching import is_watched, watch_handler, watch_operation, watch_plan
from wirefast.types import IncEx

Handler = Callable[[Request], Coroutine[Any, Any, Response]]

_HOOKED = (
    "get_request_handler",
    "get_websocket_app",
    "request_response",
    "run_endpoint_function",
    "serialize_response",
    "solve_dependencies",
    "websocket_session",
)


def hooked(name: str, original: Any) -> Any:
    """Return the replacement of ``original`` in ``wirefast.routing`` under a name; None if it is not replaced."""
    found = getattr(sys.modules["wirefast.routing"], name)
    return None if found is original else found


def hooks_now() -> tuple[Any, ...]:
    """Return the current functions of ``wirefast.routing`` that make a route."""
    return tuple(vars(sys.modules["wirefast.routing"])[name] for name in _HOOKED)


def get_request_handler(
    dependant: Dependant,
    body_field: ModelField | None = None,
    status_code: int | None = None,
    response_class: type[Response] | DefaultPlaceholder = Default(JSONResponse),  # noqa: B008
    response_field: ModelField | None = None,
    response_model_include: IncEx | None = None,
    response_model_exclude: IncEx | None = None,
    response_model_by_alias: bool = True,
    response_model_exclude_unset: bool = False,
    response_model_exclude_defaults: bool = False,
    response_model_exclude_none: bool = False,
    dependency_overrides_provider: Any | None = None,
    embed_body_fields: bool = False,
    strict_content_type: bool | DefaultPlaceholder = Default(True),  # noqa: B008
    stream_item_field: ModelField | None = None,
    is_json_stream: bool = False,
    form_limits: FormLimits | None = None,
) -> Handler:
    """Return the coroutine function that answers a Request with a Response. FastAPI's function of this name.

    The arguments are those of `APIRoute` and the results of its analysis.

    Args:
        dependant: the dependant of the endpoint.
        body_field: not read; the body fields are those of ``dependant``.
        response_field: validates and serialises the result; None for none.
        embed_body_fields: whether the body is an object of its fields.
        stream_item_field: validates and serialises each streamed item; None for none.
        is_json_stream: whether a generator sends lines of JSON.
        form_limits: count before those of the scope.
    """
    if dependant.call is None:
        raise AssertionError("dependant.call must be a function")
    adopt_foreign(dependant)
    dump = {
        "include": response_model_include,
        "exclude": response_model_exclude,
        "exclude_unset": response_model_exclude_unset,
        "exclude_defaults": response_model_exclude_defaults,
        "exclude_none": response_model_exclude_none,
    }
    # The options of serialisation that differ from pydantic's defaults.
    options: dict[str, Any] = {name: value for name, value in dump.items() if value is not None and value is not False}
    options["by_alias"] = response_model_by_alias
    by_default = isinstance(response_class, DefaultPlaceholder)
    if isinstance(response_class, DefaultPlaceholder):
        response_class = cast("type[Response]", response_class.value)
    if isinstance(strict_content_type, DefaultPlaceholder):
        strict_content_type = bool(strict_content_type.value)
    fields = flat_body_params(dependant)
    body_kind = None
    if fields:
        body_kind = "form" if bodies.is_form_body(fields, embed_body_fields) else "json"
    errors = _Errors(dependant)
    field = response_field
    called, validate = dependant, None if field is None else _validator(field)
    prepare: Callable[[Any], Any] = jsonable_encoder
    to_json = None
    if field is not None:
        prepare = partial(_serialized, field, options)
        to_json = _serializer(field, options) if by_default else None
    kind = call_kind(dependant.call)
    if kind in ("coroutine", "function"):
        hooks, solve = _result_hooks(), hooked("solve_dependencies", solve_dependencies)
        if hooks or solve:
            call = partial(_call_by_hooks, hooks or _RESULT_HOOKS, dependant, field, {**dump, **options})
            called = replace(dependant, call=call)
            validate, to_json, prepare = None, None, _unchanged
        if solve:
            solving = {"dependency_overrides_provider": dependency_overrides_provider}
            solving["embed_body_fields"] = embed_body_fields
            by_hook = _SolvedByHook(partial(solve, dependant=dependant, **solving), called.call, errors)
            called = get_dependant(path=dependant.path or "", call=by_hook.call)
    stream = None
    if kind in ("generator", "async generator"):
        is_sse = shapes.is_subclass(response_class, EventSourceResponse)
        stream = StreamedAnswer(
            kind="sse" if is_sse else "jsonl" if is_json_stream else "raw",
            asynchronous=kind == "async generator",
            response_class=response_class,
            status_code=status_code,
            to_json=(None if stream_item_field is None else partial(_item_to_json, stream_item_field, options, errors)),
        )
    refuse: Callable[..., Any] = errors.invalid_request
    refuse_body: Callable[..., Any] = errors.unreadable_body
    in_thread = call_kind(called.call) == "function"
    planner: Callable[..., Plan] = partial(_make_plan, embed_body_fields)
    if watched := is_watched(dependency_overrides_provider):
        parts: dict[str, Any] = {
            "validate": validate,
            "to_json": to_json,
            "prepare": prepare,
            "refuse": refuse,
            "refuse_body": refuse_body,
        }
        parts = watch_operation(parts, dependant)
        validate, to_json, prepare = parts["validate"], parts["to_json"], parts["prepare"]
        refuse, refuse_body, in_thread = parts["refuse"], parts["refuse_body"], False
        planner = watch_plan(called, planner)
    handler = cast(
        Handler,
        Operation(
            plans=PlanCache(
                dependant=called,
                make_plan=planner,
                provider=dependency_overrides_provider,
            ),
            body_kind=body_kind,
            strict_content_type=strict_content_type,
            read_form=partial(_read_form, form_limits or FormLimits()),
            in_thread=in_thread,
            stream=stream,
            validate=validate,
            to_json=to_json,
            prepare=prepare,
            response_class=response_class,
            status_code=status_code,
            refuse=refuse,
            refuse_body=refuse_body,
            refuse_result=errors.invalid_result,
        ).answer,
    )
    return cast(Handler, watch_handler(handler)) if watched else handler


def _make_plan(embed_body_fields: bool, dependant: Dependant, overrides: Overrides | None) -> Plan:
    return make_plan(
        dependant,
        overrides,
        connection="http",
        read_body=bodies.BodyFields,
        embed_body_fields=embed_body_fields,
    )


async def _read_form(own_limits: FormLimits, request: Request) -> FormData:
    limits: FormLimits = {**inherited_form_limits(request.scope), **own_limits}
    return await request.form(**limits)


def _unchanged(value: Any) -> Any:
    return value


# ---- The result ----


async def run_endpoint_function(*, dependant: Dependant, values: dict[str, Any], is_coroutine: bool) -> Any:
    """Call an endpoint, a plain function in a thread. FastAPI's function of this name; our routes do not call it.

    Args:
        dependant: its ``call`` is the endpoint.
        values: the arguments.
        is_coroutine: whether to await it.

    Raises:
        AssertionError: the Dependant has no ``call``.
    """
    if dependant.call is None:
        raise AssertionError("dependant.call must be a function")
    if is_coroutine:
        return await dependant.call(**values)
    call: Any = dependant.call
    return await run_in_threadpool(call, **values)


async def serialize_response(
    *,
    field: ModelField | None = None,
    response_content: Any,
    include: IncEx | None = None,
    exclude: IncEx | None = None,
    by_alias: bool = True,
    exclude_unset: bool = False,
    exclude_defaults: bool = False,
    exclude_none: bool = False,
    is_coroutine: bool = True,
    endpoint_ctx: EndpointContext | None = None,
    dump_json: bool = False,
) -> Any:
    """Validate a result and make it JSON. FastAPI's function of this name; our routes do not call it.

    Args:
        field: validates the result; None: the result is not validated.
        response_content: the result.
        include, exclude, by_alias, exclude_unset, exclude_defaults, exclude_none: see `APIRoute`.
        is_coroutine: False validates in a thread, as the endpoint ran in one.
        endpoint_ctx: named by the error.
        dump_json: bytes in place of plain objects.

    Raises:
        ResponseValidationError: the result is not valid.
    """
    if field is None:
        return jsonable_encoder(response_content)
    if is_coroutine:
        value, errors = field.validate(response_content, loc=("response",))
    else:
        value, errors = await run_in_threadpool(field.validate, response_content, loc=("response",))
    if errors:
        raise ResponseValidationError(errors, body=response_content, endpoint_ctx=endpoint_ctx)
    return (field.serialize_json if dump_json else field.serialize)(
        value,
        include=include,
        exclude=exclude,
        by_alias=by_alias,
        exclude_unset=exclude_unset,
        exclude_defaults=exclude_defaults,
        exclude_none=exclude_none,
    )


_RESULT_HOOKS = (run_endpoint_function, serialize_response)


def _result_hooks() -> tuple[Any, Any] | None:
    """Return the replacements of the two functions above; None if no tool has replaced them."""
    found = sys.modules["wirefast.routing"]
    hooks = (found.run_endpoint_function, found.serialize_response)
    return None if hooks == _RESULT_HOOKS else hooks


async def _call_by_hooks(
    hooks: tuple[Any, Any],
    dependant: Dependant,
    field: ModelField | None,
    options: dict[str, Any],
    given: dict[str, Any] | None = None,
    /,
    **values: Any,
) -> Any:
    run, serialize = hooks
    values = values if given is None else given  # may be of a class of the tool
    is_coroutine = call_kind(dependant.call) == "coroutine"
    result = await run(dependant=dependant, values=values, is_coroutine=is_coroutine)
    if isinstance(result, Response):
        return result
    return await serialize(field=field, response_content=result, is_coroutine=is_coroutine, **options)


class _SolvedByHook:
    """An endpoint whose arguments come from a tool's replacement of ``routing.solve_dependencies``.

    Args:
        solve: the tool's function, with the arguments of the route.
        endpoint: takes the values as one mapping.
        errors: the errors of the operation.
    """

    def __init__(self, solve: Callable[..., Any], endpoint: Any, errors: _Errors) -> None:
        self.solve = solve
        self.endpoint = endpoint
        self.errors = errors

    async def call(self, request: Request, response: Response, background: BackgroundTasks) -> Any:
        known = vars(request)  # the body was read before
        body = known.get("_json", known.get("_form", known.get("_body", Undefined)))
        stack = await request.scope[keys.EXCHANGE].enter(AsyncExitStack())
        solved = await self.solve(
            request=request, body=body, response=response, background_tasks=background, async_exit_stack=stack
        )
        if solved.errors:
            raise self.errors.invalid_request(solved.errors, None if body is Undefined else body, request)
        return await self.endpoint(solved.values)


def _serializer(field: ModelField, options: dict[str, Any]) -> Callable[[Any], bytes]:
    serializer = field.type_adapter.serializer
    dump = serializer.to_json if isinstance(serializer, SchemaSerializer) else field.serialize_json
    return partial(dump, **options)


def _serialized(field: ModelField, options: dict[str, Any], value: Any) -> Any:
    """``value`` in a form that the json module writes."""
    try:
        return field.serialize(value, **options)
    except ValueError:  # UnicodeEncodeError and PydanticSerializationError are among them
        return jsonable_encoder(dumped(partial(field.serialize, value), **options))


def _validator(field: ModelField) -> Callable[..., Any]:
    validator = field.type_adapter.validator
    if isinstance(validator, SchemaValidator):
        return validator.validate_python
    return field.type_adapter.validate_python


def _item_to_json(field: ModelField, options: dict[str, Any], errors: _Errors, item: Any, request: Request) -> bytes:
    value, invalid = field.validate(item, loc=("response",))
    if invalid:
        raise ResponseValidationError(invalid, body=item, endpoint_ctx=errors.context(request))
    try:
        return field.serialize_json(value, **options)
    except (PydanticSerializationError, UnicodeEncodeError):
        # Lone surrogates, deep JSON: the rule of docs/json.md.
        return dumps(value if unchanged(value) else _serialized(field, options, value))


class _Errors:
    """Makes the exceptions of an operation, which name its endpoint."""

    def __init__(self, dependant: Dependant) -> None:
        self.dependant = dependant

    def context(self, request: Request) -> EndpointContext:
        return endpoint_context(self.dependant, request.method, request.scope)

    def invalid_request(self, errors: list[Any], body: Any, request: Request) -> RequestValidationError:
        return RequestValidationError(errors, body=body, endpoint_ctx=self.context(request))

    def unreadable_body(self, exc: Exception, request: Request) -> Exception:
        if isinstance(exc, json.JSONDecodeError):
            error = {
                "type": "json_invalid",
                "loc": ("body", exc.pos),
                "msg": "JSON decode error",
                "input": {},
                "ctx": {"error": exc.msg},
            }
            return RequestValidationError([error], body=exc.doc, endpoint_ctx=self.context(request))
        limit = body_limit_error(exc, request.scope)
        return limit or HTTPException(status_code=400, detail="There was an error parsing the body")

    def invalid_result(self, exc: ValidationError, result: Any, request: Request) -> ResponseValidationError:
        errors = located_errors(exc, ("response",))
        return ResponseValidationError(errors, body=result, endpoint_ctx=self.context(request))


# ---- The application ----


def request_application(handler: Handler) -> ASGIApp:
    """Return a handler's ASGI application, made by a tool's replacement of ``request_response`` if there is one."""
    if wrap := hooked("request_response", RequestResponse):
        return cast(ASGIApp, wrap(handler))
    # A tool for FastAPI has wrapped the handler already.
    if is_replaced(starlette_routing, "request_response") and not hooked("get_request_handler", get_request_handler):
        handler = _Watched(handler)
    return RequestResponse(handler)


async def _send_nothing(scope: Scope, receive: Receive, send: Send) -> None:
    """Send nothing: the response is sent elsewhere."""


class _Watched:
    """A handler for a tool's replacement of ``starlette.routing.request_response``.

    The tool's application runs for the tool: it gets the request, and the exception. The response, the clean-up and the
    exception handlers stay as without the tool.
    """

    def __init__(self, handler: Handler) -> None:
        self.handler = handler
        self.in_thread = not is_async_callable(handler)
        self.app = starlette_routing.request_response(cast(Any, self._answer))

    async def __call__(self, request: Request) -> Response:
        scope = request.scope
        # Starlette would answer an exception itself if the scope has a handler.
        note: dict[str, Any] = {"handlers": scope.pop(keys.EXCEPTION_HANDLERS, None), "request": request}
        scope[keys.ANSWER] = note
        try:
            await self.app(scope, request.receive, request._send)
        finally:
            self._restore(scope, note)
            del scope[keys.ANSWER]
        return cast(Response, note["response"])

    async def _answer(self, request: Request) -> ASGIApp:
        note = request.scope[keys.ANSWER]
        self._restore(request.scope, note)
        try:
            answer: Any = self.handler
            note["response"] = await (run_in_threadpool(answer, request) if self.in_thread else answer(request))
        finally:
            # Exception handlers get the outer request, so the body that was read is passed to it.
            note["request"].__dict__.update(
                {name: value for name, value in request.__dict__.items() if name not in ("scope", "_receive", "_send")}
            )
        return _send_nothing

    @staticmethod
    def _restore(scope: Scope, note: dict[str, Any]) -> None:
        if note["handlers"] is not None:
            scope[keys.EXCEPTION_HANDLERS] = note["handlers"]
