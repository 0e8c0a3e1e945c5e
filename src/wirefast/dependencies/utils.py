"""FastAPI's names for the analysis and the solver, for code that builds on them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from dataclasses import field as dataclass_field
from functools import partial
from typing import Any

from pydantic_core import PydanticUndefined as Undefined
from starlette.background import BackgroundTasks
from starlette.requests import Request
from starlette.responses import Response
from starlette.websockets import WebSocket

from wirefast._core.exits import unwind
from wirefast._core.plan_cache import PlanCache
from wirefast._core.solver import leave, open_frame
from wirefast.dependencies.analysis import ParamDetails as ParamDetails
from wirefast.dependencies.analysis import analyze_param as analyze_param
from wirefast.dependencies.analysis import flat_body_params as _get_flat_body_params
from wirefast.dependencies.analysis import get_dependant as get_dependant
from wirefast.dependencies.analysis import get_parameterless_sub_dependant as get_parameterless_sub_dependant
from wirefast.dependencies.analysis import typed_annotation as get_typed_annotation
from wirefast.dependencies.analysis import typed_return_annotation as get_typed_return_annotation
from wirefast.dependencies.analysis import typed_signature as get_typed_signature
from wirefast.dependencies.bodies import BodyFields, body_field, read_upload
from wirefast.dependencies.fields import ModelField
from wirefast.dependencies.flat import get_flat_params as get_flat_params
from wirefast.dependencies.forms import (
    multipart_incorrect_install_error as multipart_incorrect_install_error,
)
from wirefast.dependencies.forms import (
    multipart_not_installed_error as multipart_not_installed_error,
)
from wirefast.dependencies.forms import should_embed as _should_embed_body_fields
from wirefast.dependencies.groups import read_received
from wirefast.dependencies.models import Dependant
from wirefast.dependencies.planning import _empty_response as empty_response
from wirefast.dependencies.planning import make_plan
from wirefast.dependencies.shapes import is_subclass as lenient_issubclass

__all__ = [
    "ParamDetails",
    "SolvedDependency",
    "analyze_param",
    "get_dependant",
    "get_flat_params",
    "get_parameterless_sub_dependant",
    "get_typed_annotation",
    "get_typed_return_annotation",
    "_get_body_field",
    "_get_flat_body_params",
    "_should_embed_body_fields",
    "get_typed_signature",
    "lenient_issubclass",
    "request_body_to_args",
    "request_params_to_args",
    "solve_dependencies",
]

_read_file_bytes = read_upload


@dataclass
class SolvedDependency:
    """The result of solving: the endpoint's arguments, or the errors for the client.

    Attributes:
        values: arguments by name; empty when there are errors.
        errors: one mapping each, as pydantic has them.
        background_tasks: the tasks of a ``BackgroundTasks`` parameter, or the given ones, or None.
        response: the response of a ``Response`` parameter; without a status and length if no code set them.
        dependency_cache: the result of each dependency, by its callable, OAuth scopes and scope.
    """

    values: dict[str, Any]
    errors: list[Any]
    background_tasks: BackgroundTasks | None
    response: Response
    dependency_cache: dict[Any, Any] = dataclass_field(default_factory=dict)


async def solve_dependencies(
    *,
    request: Request | WebSocket,
    dependant: Dependant,
    body: Any = Undefined,
    background_tasks: BackgroundTasks | None = None,
    response: Response | None = None,
    dependency_overrides_provider: Any | None = None,
    dependency_cache: dict[Any, Any] | None = None,
    async_exit_stack: AsyncExitStack,
    embed_body_fields: bool = False,
) -> SolvedDependency:
    """Solve a Dependant for a connection, outside of a route. FastAPI's function of this name.

    Args:
        request: the connection, or another object with its attributes (``headers``, ``query_params``), such as a
            message of a broker.
        dependant: from ``get_dependant``.
        body: parsed JSON, ``FormData``, bytes of another type. Default: none.
        background_tasks: the value of a ``BackgroundTasks`` parameter. Default: new tasks.
        response: the value of a ``Response`` parameter. Default: a new one.
        dependency_overrides_provider: an object with ``dependency_overrides``, or None.
        dependency_cache: known results, such as those of an earlier call.
        async_exit_stack: ends the generators that were entered.
        embed_body_fields: see ``get_endpoint_dependant``.
    """
    http = isinstance(request, Request)
    given = empty_response() if response is None else response
    plans = PlanCache(
        dependant=dependant,
        make_plan=partial(
            make_plan,
            connection="http" if http else "websocket",
            read_body=BodyFields if http or body is not Undefined else None,
            embed_body_fields=embed_body_fields,
            from_connection=True,
            make_response=lambda: given,
            make_background=None if background_tasks is None else lambda: background_tasks,
        ),
        provider=dependency_overrides_provider,
    )
    frame = open_frame(plans, request, body)
    if dependency_cache:
        frame.take_results(dependency_cache)

    async def exit_frame(exc_type: Any, exc: BaseException | None, traceback: Any) -> bool:
        entered = frame.take_exits()
        if exc is not None:
            return await unwind(exc, entered)
        await leave(entered)
        return False

    async_exit_stack.push_async_exit(exit_frame)
    await frame.solve()
    errors = frame.errors or []
    results = {} if dependency_cache is None else dependency_cache
    results.update(frame.results())
    return SolvedDependency(
        values={} if errors else frame.endpoint_arguments(),
        errors=errors,
        background_tasks=background_tasks if frame.background_tasks is None else frame.background_tasks,
        response=given,
        dependency_cache=results,
    )


def request_params_to_args(
    fields: Sequence[ModelField], received: Mapping[str, Any]
) -> tuple[dict[str, Any], list[Any]]:
    """Return the values of parameters of one place, and the errors. FastAPI's function; our routes use their plan.

    Args:
        fields: the parameters.
        received: a multi-dict: the query, the headers, the cookies or the path's parameters.
    """
    values: dict[str, Any] = {}
    errors: list[Any] = []
    for field in fields:
        value, invalid = read_received(field, received)
        if invalid:
            errors.extend(invalid)
        else:
            values[field.name] = value
    return values, errors


def _get_body_field(*, body_params: list[ModelField], name: str, embed_body_fields: bool) -> ModelField | None:
    """Return the whole body as one field, None without one. FastAPI's function of this name.

    Args:
        body_params: the fields of the body.
        name: the name of the operation; the model of an embedded body is named ``Body_{name}``.
        embed_body_fields: whether the body is an object with a key for each field.
    """
    return body_field(body_params, name, embed_body_fields)


async def request_body_to_args(
    body_fields: list[ModelField], received_body: Any, embed_body_fields: bool
) -> tuple[dict[str, Any], list[Any]]:
    """Return the values of body fields from parsed JSON or a form, and the errors.

    Args:
        body_fields: the declared fields.
        received_body: the parsed body.
        embed_body_fields: whether the body is an object with a key for each field.
    """
    return await BodyFields(body_fields, embed_body_fields)(received_body)
