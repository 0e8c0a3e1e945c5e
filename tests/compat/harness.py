"""Runs one application over FastAPI and over wirefast and compares what happened, in order.

A case is a function ``build(f, trace)`` that writes an application with the names of the framework ``f``, and one or
more handshakes. :func:`compare` builds it on each framework, drives the ASGI application directly (no test client, no
server) and requires equal traces: every ASGI message received and sent, every call the case recorded with ``trace``,
every warning, and the exception that reached the server. It returns FastAPI's result, so that a case can also say
what the census says.

What counts as equal
    * names: ``fastapi.x`` and ``wirefast.x`` are ``framework.x``, ``FastAPI`` is ``App``; where one framework has a
      class of its own and the other Starlette's (``WebSocket``, ``BackgroundTasks``), both are the framework's;
    * addresses in reprs are dropped;
    * a warning is its category: the sentences are each framework's own;
    * a validation error closes with a list as the reason in FastAPI, and in wirefast with JSON text of that list
      without what the client sent (``input``, ``ctx``, and a long input within ``msg``). The text is parsed and
      compared with FastAPI's list reduced in the same way; a list from wirefast, or text that is no JSON, is a
      difference. The whole errors are compared too: each application gets a handler that records ``exc.errors()`` and
      then calls the default.

Every other deliberate difference is spelled out by its case: ``differs=Changed(was=[...], now=[...])`` replaces one
run of events in FastAPI's trace by the events that wirefast must show there. A ``was`` that does not occur fails the
case.

``WIREFAST_COMPAT_PEER=fastapi`` compares FastAPI with itself, which shows that a case is deterministic.
"""

from __future__ import annotations

import asyncio
import collections
import dataclasses
import difflib
import importlib
import pprint
import warnings
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any
from urllib.parse import unquote

import fastapi.routing

from compat.freezing import PEER, freeze, listed_reason, readable_reason
from slower import SLOWER

#: Seconds before a run that waits for something that never comes is recorded as ("timeout",).
TIMEOUT = 30.0 * SLOWER

Event = tuple[Any, ...]
Build = Callable[["Framework", "Trace"], Any]


class Framework:
    """The public names of one framework, as in ``f.security.HTTPBearer``; ``f.App`` is ``FastAPI`` or ``App``."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.module = importlib.import_module(name)
        self.App = self.module.FastAPI if name == "fastapi" else self.module.App

    def __getattr__(self, name: str) -> Any:
        try:
            return getattr(self.module, name)
        except AttributeError:
            return self.load(name)

    def load(self, path: str) -> Any:
        """Import a submodule by its path, as in ``f.load("middleware.cors")``."""
        return importlib.import_module(f"{self.name}.{path}")


def frameworks() -> tuple[Framework, Framework]:
    """FastAPI and the framework compared with it."""
    return Framework("fastapi"), Framework(PEER)


class Trace:
    """What happened in one run, in order. Call it to record: ``trace("enter", "db")``."""

    def __init__(self) -> None:
        self.events: list[Event] = []

    def __call__(self, *event: Any) -> None:
        self.events.append(event)


class ScriptExhausted(RuntimeError):
    """The application asked for more messages than the script holds."""


@dataclasses.dataclass(frozen=True)
class Cancel:
    """In a script: cancel the task of the connection while it waits for this message."""


@dataclasses.dataclass(frozen=True)
class Handshake:
    """One scripted connection; made by :func:`handshake`."""

    path: str
    query: bytes
    headers: tuple[tuple[bytes, bytes], ...]
    messages: tuple[Any, ...]
    scope: Mapping[str, Any]
    send_errors: Mapping[int, BaseException]


def handshake(
    target: str = "/ws",
    *messages: Any,
    headers: Mapping[str, str] | Iterable[tuple[str, str]] = (),
    cookies: Mapping[str, str] | None = None,
    close: int | None = 1000,
    scope: Mapping[str, Any] | None = None,
    send_errors: Mapping[int, BaseException] | None = None,
) -> Handshake:
    """A connection to ``target`` (path and query, percent-encoded) that sends ``messages`` and then disconnects.

    A message is a str, bytes, :class:`Cancel`, or an ASGI message as a dict. ``close`` is the code of the disconnect
    at the end, None for no disconnect at all. ``scope`` overrides keys of the ASGI scope (a value of None removes the
    key). ``send_errors`` maps the number of a sent message (from 0) to what ``send`` raises for it.
    """
    path, _, query = target.partition("?")
    pairs = list(headers.items() if isinstance(headers, Mapping) else headers)
    if cookies:
        pairs.append(("cookie", "; ".join(f"{name}={value}" for name, value in cookies.items())))
    encoded = tuple((name.lower().encode("latin-1"), value.encode("latin-1")) for name, value in pairs)
    script: list[Any] = [{"type": "websocket.connect"}, *messages]
    if close is not None:
        script.append({"type": "websocket.disconnect", "code": close, "reason": ""})
    return Handshake(path, query.encode("ascii"), encoded, tuple(script), scope or {}, send_errors or {})


@dataclasses.dataclass
class Result:
    """One run: the frozen events for comparison, and the raw parts for assertions."""

    events: list[Any]
    raw: list[Event]
    sent: list[dict[str, Any]]
    raised: BaseException | None
    scope: dict[str, Any] | None = None

    @property
    def refused(self) -> BaseException | None:
        """What the build raised."""
        return next((event[1] for event in self.raw if event[0] == "declaration"), None)

    @property
    def calls(self) -> list[Event]:
        """What the case recorded itself."""
        return [event for event in self.raw if event[0] not in HARNESS_EVENTS]

    @property
    def close(self) -> dict[str, Any]:
        """The only close message."""
        (message,) = (message for message in self.sent if message["type"] == "websocket.close")
        return message

    @property
    def errors(self) -> list[dict[str, Any]]:
        """The validation errors in the close reason."""
        return self.close["reason"]

    @property
    def texts(self) -> list[str]:
        return [message["text"] for message in self.sent if "text" in message]


HARNESS_EVENTS = {
    "received",
    "sent",
    "raised",
    "warning",
    "invalid",
    "declaration",
    "timeout",
    "left running",
    "returned",
}


def run_websocket(app: Any, connection: Handshake, trace: Trace | None = None) -> Result:
    """Drive ``app`` through one connection and record it; every exception but a failing harness is recorded."""
    trace = Trace() if trace is None else trace
    scope = websocket_scope(connection)
    return _record(trace, _connect(app, scope, connection, trace), scope)


def run_lifespan(app: Any, *connections: Handshake, trace: Trace | None = None) -> Result:
    """Start ``app`` by the lifespan protocol, run the connections within it, and shut it down."""
    trace = Trace() if trace is None else trace
    return _record(trace, _live(app, connections, trace), None)


def websocket_scope(connection: Handshake) -> dict[str, Any]:
    scope: dict[str, Any] = {
        "type": "websocket",
        "asgi": {"version": "3.0", "spec_version": "2.4"},
        "http_version": "1.1",
        "scheme": "ws",
        "path": unquote(connection.path),
        "raw_path": connection.path.encode("ascii"),
        "query_string": connection.query,
        "root_path": "",
        "headers": list(connection.headers),
        "client": ("127.0.0.1", 40000),
        "server": ("example.org", 80),
        "subprotocols": [],
        "state": {},
        "extensions": {"websocket.http.response": {}},
    }
    scope.update(connection.scope)
    return {key: value for key, value in scope.items() if value is not None}


def _record(trace: Trace, run: Any, scope: dict[str, Any] | None) -> Result:
    first = len(trace.events)
    raised: BaseException | None = None

    async def guarded() -> None:
        nonlocal raised
        try:
            returned = await asyncio.wait_for(run, TIMEOUT)
        except (asyncio.TimeoutError, TimeoutError):
            trace("timeout")
        except (Exception, asyncio.CancelledError) as error:
            raised = error
            trace("raised", error)
        else:
            if returned is not None:
                trace("returned", returned)
        running = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
        if running:
            trace("left running", len(running))

    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        asyncio.run(guarded())
    events = trace.events[first:] + _warnings(caught)
    sent = [event[1] for event in events if event[0] == "sent"]
    return Result([freeze(event) for event in events], events, sent, raised, scope)


def _warnings(caught: Sequence[warnings.WarningMessage]) -> list[Event]:
    """One event each, but for those of coroutines that were never awaited and of resources, which come whenever one is
    collected, and for wirefast's advice about declarations, which FastAPI does not give."""
    names = [item.category.__name__ for item in caught if "was never awaited" not in str(item.message)]
    return [("warning", name) for name in names if name not in ("DeclarationWarning", "ResourceWarning")]


async def _connect(app: Any, scope: dict[str, Any], connection: Handshake, trace: Trace) -> Any:
    script = collections.deque(connection.messages)
    sends = 0
    task: asyncio.Task[Any] | None = None

    async def receive() -> dict[str, Any]:
        if not script:
            raise ScriptExhausted("receive() past the end of the script")
        message = script.popleft()
        if isinstance(message, Cancel):
            trace("received", "cancel")
            assert task is not None
            task.cancel()
            await asyncio.sleep(TIMEOUT)
        if isinstance(message, str):
            message = {"type": "websocket.receive", "text": message}
        elif isinstance(message, bytes):
            message = {"type": "websocket.receive", "bytes": message}
        await asyncio.sleep(0)
        trace("received", message["type"])
        return dict(message)

    async def send(message: Mapping[str, Any]) -> None:
        nonlocal sends
        sends += 1
        trace("sent", dict(message))
        if (sends - 1) in connection.send_errors:
            raise connection.send_errors[sends - 1]

    task = asyncio.create_task(app(scope, receive, send))
    try:
        return await task
    finally:
        task = None


async def _live(app: Any, connections: Sequence[Handshake], trace: Trace) -> Any:
    state: dict[str, Any] = {}
    inbox: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
    started = asyncio.Event()

    async def send(message: Mapping[str, Any]) -> None:
        message = dict(message)
        if "message" in message:  # the traceback of a failed start-up names files of the framework
            message["message"] = message["message"].strip().rpartition("\n")[2]
        trace("sent", message)
        started.set()

    lifespan = asyncio.create_task(app({"type": "lifespan", "asgi": {}, "state": state}, inbox.get, send))
    inbox.put_nowait({"type": "lifespan.startup"})
    waiting = asyncio.create_task(started.wait())
    await asyncio.wait({lifespan, waiting}, return_when=asyncio.FIRST_COMPLETED)
    waiting.cancel()
    if not lifespan.done():
        for connection in connections:
            scope = websocket_scope(connection) | {"state": dict(state)}
            await _connect(app, scope, connection, trace)
        inbox.put_nowait({"type": "lifespan.shutdown"})
    return await lifespan


# ---- What is compared ----


@dataclasses.dataclass
class Changed:
    """A deliberate difference: the run of events ``was`` in FastAPI's trace is ``now`` in wirefast's.

    ``was=None`` is FastAPI's whole trace, for what wirefast refuses outright.
    """

    was: Sequence[Event] | None
    now: Sequence[Event]

    def apply(self, events: list[Any]) -> list[Any]:
        now = [freeze(event) for event in self.now]
        if self.was is None:
            return now
        was = [freeze(event) for event in self.was]
        for start in range(len(events) - len(was) + 1):
            if was == events[start : start + len(was)]:
                return events[:start] + now + events[start + len(was) :]
        raise AssertionError(f"FastAPI's trace does not hold {was!r}: {events!r}")


def compare(
    build: Build,
    *connections: Handshake,
    differs: Changed | Sequence[Changed] = (),
    lifespan: bool = False,
    may_refuse: bool = False,
    record_errors: bool = True,
) -> Any:
    """Build and run a case on both frameworks and require equal traces.

    Returns FastAPI's :class:`Result`, or a list of them when several handshakes were given. With ``lifespan`` the
    handshakes run within one start-up and shutdown and the result is one. A build that raises in FastAPI fails the case
    unless it ``may_refuse``; then the refusal is one event of its own, and nothing is run. ``record_errors=False``
    leaves the application without the recording handler for validation errors.
    """
    connections = connections or (handshake(),)
    reference, peer = (_run_case(build, f, connections, lifespan, record_errors) for f in frameworks())
    expected = [event for result in reference for event in result.events]
    if PEER != "fastapi":
        for change in [differs] if isinstance(differs, Changed) else differs:
            expected = change.apply(expected)
    got = [event for result in peer for event in result.events]
    if not may_refuse and isinstance(refused := reference[0].refused, BaseException):
        raise refused
    _require_equal([listed_reason(event) for event in expected], [readable_reason(event) for event in got])
    return reference[0] if len(reference) == 1 else reference


def _require_equal(expected: list[Any], got: list[Any]) -> None:
    if expected == got:
        return
    lines = ([pprint.pformat(event, width=110) for event in events] for events in (expected, got))
    pieces = ["\n".join(part).splitlines() for part in lines]
    difference = difflib.unified_diff(*pieces, fromfile="expected (FastAPI)", tofile=PEER, lineterm="", n=4)
    raise AssertionError("the traces differ\n" + "\n".join(difference))


def refusal(build: Build, **options: Any) -> BaseException:
    """Require that both frameworks refuse a declaration alike; returns FastAPI's exception."""
    result = compare(build, may_refuse=True, **options)
    assert result.refused is not None, f"the declaration was accepted: {result.raw!r}"
    return result.refused


def _run_case(
    build: Build, f: Framework, connections: Sequence[Handshake], lifespan: bool, record_errors: bool
) -> list[Result]:
    # FastAPI remembers where an endpoint was written by the id of a function that may be gone.
    fastapi.routing._endpoint_context_cache.clear()
    trace = Trace()
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            app = build(f, trace)
        except Exception as error:
            trace("declaration", error)
    trace.events += _warnings(caught)
    declared = Result([freeze(event) for event in trace.events], list(trace.events), [], None)
    if declared.refused is not None:
        return [declared]
    if record_errors and isinstance(app, f.App):
        _record_validation_errors(f, app, trace)
    if lifespan:
        results = [run_lifespan(app, *connections, trace=trace)]
    else:
        results = [run_websocket(app, connection, trace) for connection in connections]
    results[0].events[:0], results[0].raw[:0] = declared.events, declared.raw
    return results


def _record_validation_errors(f: Framework, app: Any, trace: Trace) -> None:
    invalid = f.exceptions.WebSocketRequestValidationError
    default = f.load("exception_handlers").websocket_request_validation_exception_handler
    if app.exception_handlers.get(invalid) is not default:
        return

    async def handler(websocket: Any, error: Any) -> None:
        trace("invalid", error)
        await default(websocket, error)

    app.add_exception_handler(invalid, handler)


# Values as they are compared
