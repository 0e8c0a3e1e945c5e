"""FastAPI's names for the analysis and the solver, for code that builds on them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from dataclasses import field as dataclass_field
from functools import partial
from typing import Any

from starlette.background import BackgroundTasks
from starlette.requests import Request
from starlette.responses import Response
from starlette.websockets import WebSocket

from wirefast._core.exits import unwind
from wirefast._core.plan_cache import PlanCache
from wirefast._core.solver import leave, open_frame
from wirefast.dependencies.analysis import ParamDetails as ParamDetails
from wirefast.dependencies.analysis import analyze_param as analyze_param
from wirefast.dependencies.analysis import get_dependant as get_dependant
from wirefast.dependencies.analysis import get_parameterless_sub_dependant as get_parameterless_sub_dependant
from wirefast.dependencies.analysis import typed_annotation as get_typed_annotation
from wirefast.dependencies.analysis import typed_return_annotation as get_typed_return_annotation
from wirefast.dependencies.analysis import typed_signature as get_typed_signature
from wirefast.dependencies.bodies import BodyFields, read_upload
from wirefast.dependencies.fields import ModelField, parameter_model, read_names
from wirefast.dependencies.forms import (
    multipart_incorrect_install_error as multipart_incorrect_install_error,
)
from wirefast.dependencies.forms import (
    multipart_not_installed_error as multipart_not_installed_error,
)
from wirefast.dependencies.groups import multidict_value, read_received_group, validate_or_default
from wirefast.dependencies.models import Dependant
from wirefast.dependencies.planning import make_plan

__all__ = [
    "ParamDetails",
    "SolvedDependency",
    "analyze_param",
    "get_dependant",
    "get_parameterless_sub_dependant",
    "get_typed_annotation",
    "get_typed_return_annotation",
    "get_typed_signature",
    "request_body_to_args",
    "request_params_to_args",
    "solve_dependencies",
]

_read_file_bytes = read_upload


@dataclass
class SolvedDependency:
    """What solving gave: the endpoint's arguments, or the errors for the client.

    Attributes:
        values: arguments by name; empty when there are errors.
        errors: one mapping each, as pydantic has them.
        background_tasks: what was added to a ``BackgroundTasks`` parameter, or None.
        response: what a ``Response`` parameter was given, or None.
        dependency_cache: always empty here; the compiled frame holds the results.
    """

    values: dict[str, Any]
    errors: list[Any]
    background_tasks: BackgroundTasks | None
    response: Response | None
    dependency_cache: dict[Any, Any] = dataclass_field(default_factory=dict)


async def solve_dependencies(
    *,
    request: Request | WebSocket,
    dependant: Dependant,
    dependency_overrides_provider: Any | None = None,
    async_exit_stack: AsyncExitStack,
    embed_body_fields: bool = False,
) -> SolvedDependency:
    """Solve a Dependant for a connection, outside of a route. FastAPI's function of this name, without bodies.

    Args:
        request: the connection.
        dependant: from ``get_dependant``.
        dependency_overrides_provider: an object with ``dependency_overrides``, or None.
        async_exit_stack: leaves the generators that were entered.
        embed_body_fields: see ``get_endpoint_dependant``.
    """
    plans = PlanCache(
        dependant=dependant,
        make_plan=partial(
            make_plan,
            connection="http" if isinstance(request, Request) else "websocket",
            embed_body_fields=embed_body_fields,
        ),
        provider=dependency_overrides_provider,
    )
    frame = open_frame(plans, request)

    async def exit_frame(exc_type: Any, exc: BaseException | None, traceback: Any) -> bool:
        entered = frame.take_exits()
        if exc is not None:
            return await unwind(exc, entered)
        await leave(entered)
        return False

    async_exit_stack.push_async_exit(exit_frame)
    await frame.solve()
    errors = frame.errors or []
    return SolvedDependency(
        values={} if errors else frame.endpoint_arguments(),
        errors=errors,
        background_tasks=frame.background_tasks,
        response=frame.response,
    )


def request_params_to_args(
    fields: Sequence[ModelField], received: Mapping[str, Any]
) -> tuple[dict[str, Any], list[Any]]:
    """The values of the ``fields`` from one multi-dict, ``received``, and the errors. Routes use their plan instead."""
    values: dict[str, Any] = {}
    errors: list[Any] = []
    for field in fields:
        if parameter_model(field) is not None:
            value, invalid = read_received_group(field, received)
        else:
            names = [name for _, name in read_names(field)]
            name = next((name for name in names if name in received), names[0])
            loc = (field.field_info.in_.value, name)  # type: ignore[attr-defined]
            value, invalid = validate_or_default(field, multidict_value(field, received, name), loc)
        if invalid:
            errors.extend(invalid)
        else:
            values[field.name] = value
    return values, errors


async def request_body_to_args(
    body_fields: list[ModelField], received_body: Any, embed_body_fields: bool
) -> tuple[dict[str, Any], list[Any]]:
    """The values of body fields from parsed JSON or a form, and the errors.

    Args:
        body_fields: what is declared.
        received_body: what came.
        embed_body_fields: whether the body is an object with a key for each field.
    """
    return await BodyFields(body_fields, embed_body_fields)(received_body)
