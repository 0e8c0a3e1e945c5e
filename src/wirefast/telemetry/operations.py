"""Spans for the operations of a route: its dependencies, its endpoint, the serialisation, its background tasks.

The plan of a route of an application without telemetry has none of this.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any

from opentelemetry import context as contexts
from pydantic import ValidationError
from starlette.requests import HTTPConnection, Request
from starlette.websockets import WebSocket

from wirefast.background import BackgroundTasks
from wirefast.concurrency import run_in_threadpool
from wirefast.dependencies.analysis import get_parameterless_sub_dependant
from wirefast.dependencies.models import Dependant, call_kind
from wirefast.exceptions import ResponseValidationError
from wirefast.params import Depends
from wirefast.telemetry.recording import Recording, recording_in, recording_of

Handler = Callable[[Request], Any]


def watched(dependant: Dependant) -> Dependant:
    """Return a Dependant that reports the runs of its dependencies and its endpoint to the recording of the
    connection."""
    begin = Depends(partial(_begin, dependant.call))
    first = get_parameterless_sub_dependant(depends=begin, path=dependant.path or "")
    kind = call_kind(dependant.call)
    call: Any = dependant.call
    if kind in ("coroutine", "function"):
        call = partial(_call, dependant.call, kind == "function")
    return replace(dependant, call=call, dependencies=[first, *dependant.dependencies])


async def _begin(endpoint: Any, connection: HTTPConnection) -> None:
    recording = recording_in(connection.scope)
    if recording is None or recording.data is None:
        return
    recording.note_route()
    if isinstance(connection, Request):
        recording.data.request = connection
        known = vars(connection)
        recording.data.body = known.get("_json", known.get("_form") or known.get("_body") or None)
    elif isinstance(connection, WebSocket):
        recording.data.websocket = connection
    recording.begin("dependencies", endpoint)


async def _call(endpoint: Any, in_thread: bool, /, **values: Any) -> Any:
    recording = recording_of()
    if recording is None:
        return await (run_in_threadpool(endpoint, **values) if in_thread else endpoint(**values))
    recording.end("dependencies")
    if recording.data is not None:
        recording.data.values, recording.data.errors = values, []
    if in_thread:
        return await run_in_threadpool(_call_here, recording, endpoint, values)
    recording.begin("endpoint", endpoint)
    failure: BaseException | None = None
    try:
        return await endpoint(**values)
    except BaseException as exc:
        failure = exc
        raise
    finally:
        recording.end("endpoint", failure)


def _call_here(recording: Recording, endpoint: Any, values: dict[str, Any]) -> Any:
    recording.begin("endpoint", endpoint)
    failure: BaseException | None = None
    try:
        return endpoint(**values)
    except BaseException as exc:
        failure = exc
        raise
    finally:
        recording.end("endpoint", failure)


# ---- Results and refusals ----


class WatchedResult:
    """The validation and serialisation of an operation's results, as one span.

    Args:
        endpoint: the endpoint.
        validate: the ``validate`` of `Operation`, or None.
    """

    def __init__(self, endpoint: Any, validate: Callable[..., Any] | None) -> None:
        self.endpoint = endpoint
        self._validate = validate

    def validate(self, result: Any, **options: Any) -> Any:
        """Begin, and validate the result if a model was declared."""
        if (recording := recording_of()) is not None:
            recording.begin("serialization", self.endpoint)
        if self._validate is None:
            return result
        try:
            return self._validate(result, **options)
        except ValidationError:
            if recording is not None:
                recording.end("serialization", ResponseValidationError([], body=result))
            raise

    def ending(self, write: Callable[[Any], Any] | None) -> Callable[[Any], Any] | None:
        """Return a function that serialises as ``write`` does, and ends."""
        return None if write is None else partial(_write, write)


def _write(write: Callable[[Any], Any], value: Any) -> Any:
    failure: BaseException | None = None
    try:
        return write(value)
    except BaseException as exc:
        failure = exc
        raise
    finally:
        if (recording := recording_of()) is not None:
            recording.end("serialization", failure)


def watched_refusal(refuse: Callable[..., Any]) -> Callable[..., Any]:
    """Return a function that makes the error of invalid input, and notes it."""

    def noting(*arguments: Any) -> Any:
        error = refuse(*arguments)
        if (recording := recording_of()) is not None and callable(getattr(error, "errors", None)):
            recording.end("dependencies")
            recording.note_invalid(error)
        return error

    return noting


def watched_handler(handler: Handler) -> Handler:
    """Return a handler whose operations end before its response is sent, and whose background tasks are watched."""

    async def answer(request: Request) -> Any:
        recording = recording_in(request.scope)
        if recording is None:
            return await handler(request)
        recording.note_route()
        if recording.data is not None:
            recording.data.request = request  # before the body is read, which may fail
        try:
            response = await handler(request)
        except BaseException as exc:
            recording.close(exc)
            raise
        recording.close(None)
        contexts.attach(recording.context)
        if type(response.background) is BackgroundTasks:
            response.background = _WatchedTasks(response.background.tasks)
        return response

    return answer


class _WatchedTasks(BackgroundTasks):
    async def __call__(self) -> None:
        for task in self.tasks:
            recording = recording_of()
            if recording is None:
                await task()
                continue
            recording.begin("background_task", task.func)
            failure: BaseException | None = None
            try:
                await task()
            except BaseException as exc:
                failure = exc
                raise
            finally:
                recording.end("background_task", failure)
