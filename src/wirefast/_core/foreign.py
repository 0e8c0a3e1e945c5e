"""Private names of other packages that wirefast uses: which, where, why, and the release in which each was checked.

The core's imports of such names are here; other modules import the names from here. Attributes, and names of packages
that only a server needs, stay where they are used. `PRIVATE` lists all names: a test finds each of them in the
installed release, and finds no name that the list does not have.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from pydantic._internal import _typing_extra as typing_extra
from starlette._utils import get_route_path, is_async_callable

__all__ = ["PRIVATE", "Private", "get_route_path", "is_async_callable", "task_states", "typing_extra"]

try:
    from anyio._backends import _asyncio

    #: Task -> its state, with the innermost cancel scope; None with an anyio of other internals.
    task_states: Any = _asyncio._task_states
except (ImportError, AttributeError):
    task_states = None


class Private(NamedTuple):
    """Names that wirefast relies on.

    Attributes:
        owner: the package and the module or class.
        names: the private names.
        release: the release of the package in which the names were checked last.
        used_in: the module of wirefast.
        why: what a public way would cost, or that no public way exists.
    """

    owner: str
    names: tuple[str, ...]
    release: str
    used_in: str
    why: str


PRIVATE = (
    Private(
        "starlette._utils", ("get_route_path", "is_async_callable"), "1.10.0", "_core.foreign", "the rules of paths"
    ),
    Private(
        "starlette.requests.Request",
        ("_stream_consumed", "_receive", "_send", "_is_disconnected", "_body", "_json"),
        "1.10.0",
        "_core.operation, routes.request_handler",
        "a body is read without a generator, and Request.body() finds it afterwards",
    ),
    Private(
        "starlette.websockets.WebSocket",
        ("_receive", "_send"),
        "1.10.0",
        "_core.asgi_socket, _core.fanout, _core.sender",
        "a hub takes the place of a plain socket's send",
    ),
    Private("starlette.datastructures.State", ("_state",), "1.10.0", "applications", "a copy of an application"),
    Private(
        "pydantic._internal._typing_extra", ("try_eval_type",), "2.14.4", "_core.foreign, dependencies.annotations",
        "evaluates annotations as pydantic does, on every Python",
    ),
    Private(
        "pydantic.fields.FieldInfo", ("_attributes_set",), "2.14.4", "dependencies.fields",
        "a copy of a marker keeps what was set",
    ),
    Private(
        "anyio._backends._asyncio", ("_task_states",), "4.16.0", "_core.foreign",
        "saves a cancel scope (5 µs) on connections that no scope encloses; without it each takes the careful way",
    ),
    Private(
        "pydantic.json_schema.GenerateJsonSchema", ("_config",), "2.14.4", "documents.schemas",
        "how bytes are written",
    ),
    Private(
        "fastapi.routing.APIRouter", ("_get_routes_version",), "0.165.0", "routing, routes.inclusion",
        "FastAPI's routers number their changes; one that is included here may change",
    ),
    Private("typing", ("_GenericAlias",), "3.14", "dependencies.shapes", "what List[int] is"),
    Private(
        "multiprocessing.process.BaseProcess", ("_kwargs",), "3.11", "rooms.workers",
        "uvicorn's Config in a worker, which counts the workers",
    ),
    Private(
        "uvicorn.server.Server", ("_captured_signals",), "0.54.0", "server.serving", "a signal that ends a drain",
    ),
    Private("uvicorn._subprocess", ("get_subprocess",), "0.54.0", "cli.worker", "its workers"),
    Private(
        "uvicorn._ansi", ("style",), "0.54.0", "server.reuseport, server.config", "the line that names the address"
    ),
    Private(
        "uvicorn.server.Server", ("_log_started_message",), "0.54.0", "server.sockets.listening", "the same line"
    ),
    Private(
        "opentelemetry.sdk._logs", ("LoggerProvider",), "1.45.2", "telemetry._runtime",
        "logs have no public module yet, in the API neither",
    ),
    Private("opentelemetry.sdk._logs.export", ("BatchLogRecordProcessor",), "1.45.2", "telemetry._runtime", "the same"),
    Private(
        "opentelemetry.exporter.otlp.proto.http._log_exporter", ("OTLPLogExporter",), "1.45.2", "telemetry._runtime",
        "the same",
    ),
    Private(
        "nats.aio.client.Client",
        ("_connect_command", "_close", "_pending_data_size", "_server_info", "_transport", "_io_writer"),
        "2.15.0",
        "rooms.brokers.nats",
        "TLS that is insisted on, and closing a connection that is stuck",
    ),
    Private("redis.asyncio.connection.AbstractConnection", ("_writer",), "8.1.0", "rooms.brokers.redis", "the same"),
    Private(
        "Cython's CyFunction", ("__pyx_CyFunctionObject",), "3.3.1", "_core.coroutine",
        "the code object of a compiled function, which alone says that it is a coroutine function",
    ),
    Private(
        "asyncio.tasks", ("_enter_task", "_leave_task"), "3.14", "server.current_task",
        "an application is the current task while the reactor steps it",
    ),
    Private(
        "CPython's _asyncio", ("_current_tasks", "_swap_current_task"), "3.14", "server.current_task",
        "the same in a row of steps: the dict until Python 3.13, the function from 3.14 on",
    ),
    Private(
        "CPython's type objects", ("tp_version_tag",), "3.14", "_core.session",
        "tells in one comparison that no tool has replaced Starlette.__call__",
    ),
)  # fmt: skip
