"""From a Dependant to a Plan: the tree written out as a flat list of operations in execution order."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Coroutine, Mapping
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import replace
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from enum import Enum
from functools import partial
from typing import Any, Literal
from uuid import UUID

from anyio import CancelScope
from pydantic_core import PydanticUndefined as Undefined
from pydantic_core import SchemaValidator
from starlette.background import BackgroundTasks as StarletteBackgroundTasks
from starlette.requests import HTTPConnection
from starlette.responses import Response

from wirefast._core.plan import BodyOp, CallOp, EnterOp, FieldOp, Plan, ReadOp, ScopesOp
from wirefast._core.scope import FromScope
from wirefast._core.solver import Frame
from wirefast._core.source_location import note_declaration
from wirefast.background import BackgroundTasks
from wirefast.concurrency import (
    DependencyConcurrency,
    contextmanager_in_threadpool,
    limited,
    run_in_threadpool,
    shielded_exit,
)
from wirefast.dependencies import forms, shapes
from wirefast.dependencies.analysis import adopt_foreign, get_dependant
from wirefast.dependencies.fields import ModelField, parameter_model, read_names
from wirefast.dependencies.groups import read_field, read_group, validate_or_default
from wirefast.dependencies.models import Dependant, cache_key, call_kind, oauth_scopes
from wirefast.dependencies.places import PLACES
from wirefast.exceptions import FastAPIError
from wirefast.security.scopes import SecurityScopes

Overrides = Mapping[Callable[..., Any], Callable[..., Any]]
ReadBody = Callable[[Any], Coroutine[Any, Any, tuple[dict[str, Any], list[Any]]]]

# Defaults of these types can be shared between connections; the rest are copied, as FastAPI copies all.
_IMMUTABLE = (
    type(None), bool, int, float, complex, str, bytes, Enum, Decimal, UUID, date, datetime, time, timedelta, type,
)  # fmt: skip
_LARGEST = 2**63 - 1


def make_plan(
    dependant: Dependant,
    overrides: Overrides | None = None,
    *,
    connection: Literal["websocket", "http"] = "websocket",
    read_body: Callable[[list[ModelField], bool], ReadBody] | None = None,
    embed_body_fields: bool = False,
    from_connection: bool = False,
    make_response: Callable[[], Response] | None = None,
    make_background: Callable[[], StarletteBackgroundTasks] | None = None,
) -> Plan:
    """Write the Plan of an endpoint.

    Args:
        dependant: the endpoint's Dependant.
        overrides: ``{original callable: replacement}``; None or empty for none.
        connection: the kind of connection, which decides about the special parameters.
        read_body: a function of a node's fields and ``embed_body_fields`` that returns a coroutine function
            (body) -> (values, errors), for HTTP; None on a WebSocket, which has no body.
        embed_body_fields: whether the body is an object with a key for each field.
        from_connection: read parameters from the attributes of the connection object in place of its scope.
        make_response, make_background: make the injected objects; by default new ones.

    Raises:
        AssertionError, FastAPIError, TypeError: an override cannot be analysed.
    """
    adopt_foreign(dependant)
    planner = _Planner(overrides or {}, connection, read_body, embed_body_fields, from_connection)
    return planner.plan(dependant, make_response or _empty_response, make_background or BackgroundTasks)


class _Planner:
    def __init__(
        self,
        overrides: Overrides,
        connection: str,
        read_body: Callable[[list[ModelField], bool], ReadBody] | None,
        embed_body_fields: bool,
        from_connection: bool,
    ) -> None:
        self.overrides = overrides
        self.connection = connection
        self.read_body = read_body
        self.embed_body_fields = embed_body_fields
        self.from_connection = from_connection
        self.ops: list[Any] = []
        self.slots = 0
        self.nodes = 0
        self.cache_slots: dict[Any, int] = {}
        self.header_index: dict[bytes, int] = {}
        # Special values have one slot each, which exists when a callable takes the value.
        self.special: dict[str, int] = {}

    def plan(
        self,
        dependant: Dependant,
        make_response: Callable[[], Response],
        make_background: Callable[[], StarletteBackgroundTasks],
    ) -> Plan:
        if dependant.call is None:
            raise AssertionError
        arguments = self.node(dependant, self.new_node())
        endpoint = CallOp(
            node=0, out=-1, kind="coroutine", call=dependant.call, arguments=arguments, parent=-1, cache=-1,
            use_cache=False, function_scope=False, open_context=None,
        )  # fmt: skip
        return Plan(
            ops=tuple(self.ops),
            endpoint=endpoint,
            slot_count=self.slots,
            node_count=self.nodes,
            cache_slots=self.cache_slots,
            header_index=self.header_index or None,
            connection_slot=self.special.get("connection", -1),
            response_slot=self.special.get("response", -1),
            background_slot=self.special.get("background", -1),
            make_response=make_response,
            make_background=make_background,
        )

    def new_slot(self) -> int:
        self.slots += 1
        return self.slots - 1

    def new_node(self) -> int:
        self.nodes += 1
        return self.nodes - 1

    def special_slot(self, name: str) -> int:
        if name not in self.special:
            self.special[name] = self.new_slot()
        return self.special[name]

    def node(self, dependant: Dependant, node: int) -> dict[str, int]:
        """Write the operations of one callable: sub-dependencies, then its parameters. Returns its arguments by
        slot."""
        arguments: dict[str, int] = {}
        for child in dependant.dependencies:
            slot = self.dependency(child, node)
            if child.name is not None:
                arguments[child.name] = slot
        for place in PLACES:
            for field in dependant.params_of(place):
                arguments[field.name] = self.field(field, place, node)
        if dependant.body_params:
            arguments.update(self.body(dependant.body_params, node))
        arguments.update(self.special_arguments(dependant, node))
        return arguments

    def special_arguments(self, dependant: Dependant, node: int) -> dict[str, int]:
        arguments: dict[str, int] = {}
        if dependant.http_connection_param_name:
            arguments[dependant.http_connection_param_name] = self.special_slot("connection")
        if dependant.request_param_name and self.connection == "http":
            arguments[dependant.request_param_name] = self.special_slot("connection")
        elif dependant.websocket_param_name and self.connection == "websocket":
            arguments[dependant.websocket_param_name] = self.special_slot("connection")
        for kind, name in dependant.other_connections:
            if kind in (self.connection, "any"):
                arguments[name] = self.special_slot("connection")
        if dependant.background_tasks_param_name:
            arguments[dependant.background_tasks_param_name] = self.special_slot("background")
        if dependant.response_param_name:
            arguments[dependant.response_param_name] = self.special_slot("response")
        if dependant.security_scopes_param_name:
            slot = arguments[dependant.security_scopes_param_name] = self.new_slot()
            make = partial(SecurityScopes, scopes=oauth_scopes(dependant))
            self.ops.append(ScopesOp(node=node, out=slot, make=make))
        for name, needed in dependant.from_scope.items():
            slot = arguments[name] = self.new_slot()
            self.ops.append(ReadOp(node=node, out=slot, read=partial(_read_scope, needed, dependant.call)))
        return arguments

    def dependency(self, declared: Dependant, parent: int) -> int:
        """Write the operations of one dependency. Returns the slot of its result."""
        slot = self.cache_slot(declared)
        out = slot if declared.use_cache else self.new_slot()
        used: Dependant | None = None
        with suppress(Exception):
            used = self.replacement(declared)
        enter = EnterOp(
            node=parent,
            out=out,
            skippable=used is not None and declared.use_cache and _is_repeatable(used),
            make_dependant=partial(_lone_dependant, declared),
        )
        self.ops.append(enter)
        if used is None:
            # The connection gets the error, at this place in the order: it analyses again and raises.
            self.ops.append(ReadOp(node=parent, out=out, read=partial(self.replace_again, declared)))
        else:
            node = self.new_node()
            arguments = self.node(used, node)
            self.ops.append(self.call(declared, used, arguments, node=node, parent=parent, cache=slot, out=out))
        enter.set_target(len(self.ops))
        return out

    def replacement(self, declared: Dependant) -> Dependant:
        if not self.overrides or declared.made_here:
            return declared
        if declared.call is None:
            raise AssertionError
        return get_dependant(
            path=declared.path or "",
            call=self.overrides.get(declared.call, declared.call),
            name=declared.name,
            parent_oauth_scopes=oauth_scopes(declared),
            scope=declared.scope,
            concurrency=declared.concurrency,
        )

    def replace_again(self, declared: Dependant, connection: Any) -> tuple[None, list[Any]]:
        """Raise the exception of the analysis of ``replacement``; the ``read`` of a ReadOp."""
        self.replacement(declared)
        return None, []

    def cache_slot(self, declared: Dependant) -> int:
        key = cache_key(declared)
        try:
            hash(key)
        except TypeError:  # an unhashable callable equals only itself
            key = (id(declared.call), *key[1:])
        if key not in self.cache_slots:
            self.cache_slots[key] = self.new_slot()
        return self.cache_slots[key]

    def call(
        self, declared: Dependant, used: Dependant, arguments: dict[str, int], *, node: int, parent: int, cache: int,
        out: int,
    ) -> CallOp:  # fmt: skip
        call, kind = used.call, call_kind(used.call)
        if call is None:
            raise AssertionError
        concurrency = used.concurrency
        open_context: Callable[..., Any] | None = None
        op_kind = "thread" if kind == "function" else str(kind)
        if kind == "generator":
            op_kind, open_context = "context", partial(_open_generator, call, concurrency)
        elif kind == "async generator":
            open_context = partial(_open_async_generator, call, concurrency)
            if concurrency is not None:
                op_kind = "context"
        elif concurrency is not None:
            op_kind, call = "coroutine", partial(_call_limited, call, kind == "function", concurrency)
        return CallOp(
            node=node,
            out=out,
            kind=op_kind,
            call=call,
            arguments=arguments,
            parent=parent,
            cache=cache,
            use_cache=declared.use_cache,
            function_scope=declared.scope == "function",
            open_context=open_context,
        )

    def field(self, field: ModelField, place: str, node: int) -> int:
        slot = self.new_slot()
        if parameter_model(field) is not None:
            self.ops.append(ReadOp(node=node, out=slot, read=partial(read_group, field)))
            return slot
        if self.from_connection or not PLACES[place].is_compiled:
            self.ops.append(ReadOp(node=node, out=slot, read=partial(read_field, field)))
            return slot
        info = field.field_info
        names = tuple(dict.fromkeys(name for _, name in read_names(field)))
        header_slots: tuple[int, ...] = ()
        if place == "header":
            header_slots = tuple(
                self.header_index.setdefault(name.lower().encode("latin-1"), len(self.header_index)) for name in names
            )
        sequence = shapes.is_sequence(info.annotation)
        required = info.is_required()
        default = None if required or info.default_factory is not None else info.default
        adapter = field.type_adapter
        # For a type with unknown names pydantic raises its explanation, but only for a value.
        shortcut, low, high = _shortcut(adapter.core_schema) if adapter.pydantic_complete else ("", 0, 0)
        validator = adapter.validator if adapter.pydantic_complete else None
        scalar_target = _is_plain(info.annotation)
        self.ops.append(
            FieldOp(
                node=node,
                out=slot,
                place=place,
                names=names,
                header_slots=header_slots,
                multi=sequence and place in ("query", "header") and not shapes.is_json(info),
                drop_empty=sequence,
                shortcut=shortcut,
                low=low,
                high=high,
                validate=(
                    validator.validate_python if isinstance(validator, SchemaValidator) else adapter.validate_python
                ),
                from_attributes=not scalar_target,
                required=required,
                default=default,
                default_factory=None if info.default_factory is None else field.get_default,
                copy_default=info.default_factory is not None or not isinstance(default, _IMMUTABLE),
                validate_default=bool(info.validate_default),
            )
        )
        return slot

    def body(self, fields: list[ModelField], node: int) -> dict[str, int]:
        slots = {field.name: self.new_slot() for field in fields}
        read: ReadBody
        if self.read_body is None:
            embed = self.embed_body_fields or forms.should_embed(fields)
            read = partial(_absent_body, fields, embed)
        else:
            read = self.read_body(fields, self.embed_body_fields)
        self.ops.append(BodyOp(node=node, read=read, names=tuple(slots), outs=tuple(slots.values())))
        return slots


def _read_scope(
    kind: type[FromScope], call: Callable[..., Any] | None, connection: HTTPConnection
) -> tuple[Any, list[Any]]:
    try:
        return kind.find(connection.scope, getattr(call, "__qualname__", repr(call))), []
    except RuntimeError as exc:
        note_declaration(exc, call, connection.scope["path"])
        raise


async def _absent_body(fields: list[ModelField], embed: bool, body: Any) -> tuple[dict[str, Any], list[Any]]:
    """Give each body field its default, or the error that it is missing, since a WebSocket has no body."""
    values: dict[str, Any] = {}
    errors: list[Any] = []
    for field in fields:
        whole = len(fields) == 1 and not embed and not forms.form_models(field)
        loc = ("body",) if whole else ("body", read_names(field)[0][0])
        value, invalid = validate_or_default(field, Undefined, loc)
        if invalid:
            errors.extend(invalid)
        else:
            values[field.name] = value
    return values, errors


def _lone_dependant(declared: Dependant) -> Dependant:
    """Return the Dependant of an endpoint with one dependency, which it gets as ``value``."""
    return Dependant(call=_lone_dependant, path=declared.path, dependencies=[replace(declared, name="value")])


def _empty_response() -> Response:
    response = Response()
    del response.headers["content-length"]
    response.status_code = None  # type: ignore[assignment]
    return response


async def _call_limited(
    call: Callable[..., Any], in_thread: bool, concurrency: DependencyConcurrency, /, **values: Any
) -> Any:
    async with concurrency.get_semaphore():
        return await (run_in_threadpool(call, **values) if in_thread else call(**values))


def _open_generator(
    call: Callable[..., Any], concurrency: DependencyConcurrency | None, frame: Frame, values: dict[str, Any]
) -> Any:
    """Open a synchronous generator: both ends run in threads, the exit is shielded."""
    manager = contextmanager_in_threadpool(contextmanager(call)(**values))
    return manager if concurrency is None else limited(manager, concurrency.get_semaphore())


def _open_async_generator(
    call: Callable[..., Any], concurrency: DependencyConcurrency | None, frame: Frame, values: dict[str, Any]
) -> Any:
    """Open an asynchronous generator, whose exit is shielded from anyio's cancellation.

    A connection has one scope, entered before the first generator: a scope entered at the exit would be interleaved
        with scopes that a generator holds open across its yield.
    """
    generator = asynccontextmanager(call)(**values)
    if frame.cleanup_scope is None:
        frame.cleanup_scope = frame.enter_request_scope(CancelScope())
    manager = shielded_exit(generator, frame.cleanup_scope)
    return manager if concurrency is None else limited(manager, concurrency.get_semaphore())


def _shortcut(schema: Any) -> tuple[str, int, int]:
    """Return which raw values need no pydantic: their kind, and inclusive bounds of length or value."""
    while schema.get("type") in ("default", "nullable"):
        schema = schema["schema"]
    options = {key: value for key, value in schema.items() if key not in ("type", "metadata", "ref", "serialization")}
    if schema.get("type") == "str" and options.keys() <= {"min_length", "max_length"}:
        return "string", options.get("min_length") or 0, options.get("max_length", _LARGEST)
    bounds = all(type(value) is int and abs(value) < _LARGEST for value in options.values())
    if schema.get("type") == "int" and bounds and options.keys() <= {"ge", "gt", "le", "lt"}:
        low = max(options.get("ge", -_LARGEST), options.get("gt", -_LARGEST - 1) + 1)
        high = min(options.get("le", _LARGEST), options.get("lt", _LARGEST) - ("lt" in options))
        return "integer", low, high
    return "", 0, 0


_PLAIN = (str, int, float, bool, bytes, Decimal, UUID, date, datetime, time, timedelta)


def _is_plain(annotation: Any) -> bool:
    """Whether only built-in validation applies: no user code runs and no attributes are read."""
    if shapes.is_union(annotation):
        return all(_is_plain(member) for member in annotation.__args__)
    return annotation in _PLAIN or annotation is type(None)


def _is_repeatable(dependant: Dependant) -> bool:
    """Whether solving this dependency again, with its result cached, has no effect.

    FastAPI solves the parameters and sub-dependencies of a cached dependency again at each appearance. That has an
    effect if one of them is not cached or runs code of the user (validators, default factories).
    """
    fields = [field for place in PLACES for field in dependant.params_of(place)]
    return (
        not dependant.body_params
        and all(_is_plain(field.field_info.annotation) and _is_silent(field) for field in fields)
        and all(child.use_cache and _is_repeatable(child) for child in dependant.dependencies)
    )


def _is_silent(field: ModelField) -> bool:
    info = field.field_info
    return info.default_factory is None and all(
        type(item).__module__.partition(".")[0] == "annotated_types" for item in info.metadata
    )


def refuse_body(fields: list[ModelField], path: str) -> None:
    """Refuse body parameters on a WebSocket route, where no request has a body.

    Raises:
        FastAPIError: a required parameter, which would reject every client.

    Warns:
        UserWarning: a parameter with a default, which is always its value.
    """
    for field in fields:
        kind = type(field.field_info).__name__
        advice = (
            f"parameter {field.name!r} of the WebSocket route {path!r} is a {kind} parameter, but a WebSocket "
            "handshake has no body. Read it from the query (Query()), a header (Header()) or a cookie (Cookie()), "
            "a pydantic model as Annotated[Model, Query()], or receive it as the first message."
        )
        if field.field_info.is_required():
            raise FastAPIError(f"Required {advice}")
        warnings.warn(f"The {advice} It will always have its default.", UserWarning, stacklevel=2)
