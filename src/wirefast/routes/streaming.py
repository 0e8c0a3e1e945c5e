"""Endpoints that yield: server-sent events, JSON lines, or the content of a streaming response.

The response starts at once and each item is sent when it is yielded. Request-scoped dependencies stay open until the
last item is sent.
"""

from __future__ import annotations

import json
import math
import re
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import aclosing, asynccontextmanager
from typing import Any, Literal

import anyio
from anyio.abc import ObjectReceiveStream
from pydantic_core import PydanticSerializationError
from starlette.concurrency import iterate_in_threadpool
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from wirefast import sse
from wirefast._core.json import dumps, loads
from wirefast._core.unicode import utf8
from wirefast.encoders import jsonable_encoder

__all__ = ["StreamedAnswer"]

StreamKind = Literal["sse", "jsonl", "raw"]


class StreamedAnswer:
    """Makes the Response of a generator endpoint.

    Args:
        kind: ``"sse"`` for events, ``"jsonl"`` for a JSON document a line, ``"raw"`` for what ``response_class`` takes.
        asynchronous: whether the endpoint is an asynchronous generator; a plain generator runs in worker threads.
        response_class: the response class of a raw stream.
        status_code: the status code of the response, unless a dependency sets one.
        to_json: ``(item, request) -> bytes``, which validates; None if the items have no declared type.
    """

    def __init__(
        self,
        *,
        kind: StreamKind,
        asynchronous: bool,
        response_class: type[Response],
        status_code: int | None,
        to_json: Callable[[Any, Request], bytes] | None,
    ) -> None:
        self.kind = kind
        self.asynchronous = asynchronous
        self.response_class = response_class
        self.status_code = status_code
        self.to_json = to_json

    async def __call__(self, frame: Any, exchange: Any, request: Request) -> Response:
        items = frame.call_endpoint()
        injected = frame.response
        options: dict[str, Any] = {"background": frame.background_tasks}
        status = (injected is not None and injected.status_code) or self.status_code
        if status is not None:
            options["status_code"] = status
        if self.kind == "sse":
            response = await self._events(items, exchange, request, options)
        elif self.kind == "jsonl":
            lines: Any = self._lines(items, request) if self.asynchronous else self._lines_in_threads(items, request)
            response = StreamingResponse(lines, media_type="application/jsonl", **options)
        else:
            content: Any = _with_checkpoints(items) if self.asynchronous else _with_whole_text(items)
            response = self.response_class(content=content, **options)
        if injected is not None:
            response.headers.raw.extend(injected.headers.raw)
        return response

    def _json(self, item: Any, request: Request) -> bytes:
        if self.to_json is not None:
            return self.to_json(item, request)
        return _json(item).encode("utf-8")

    async def _lines(self, items: AsyncIterator[Any], request: Request) -> AsyncIterator[bytes]:
        async for item in items:
            yield self._json(item, request) + b"\n"
            await anyio.sleep(0)

    def _lines_in_threads(self, items: Iterator[Any], request: Request) -> Iterator[bytes]:
        for item in items:
            yield self._json(item, request) + b"\n"

    async def _events(self, items: Any, exchange: Any, request: Request, options: dict[str, Any]) -> Response:
        if not self.asynchronous:
            items = iterate_in_threadpool(items)

        async def events() -> AsyncIterator[bytes]:
            async for item in items:
                yield self._event(item, request)

        stream = await exchange.enter(_kept_alive(events()))
        await exchange.enter(aclosing(stream))
        response = StreamingResponse(_with_checkpoints(stream), media_type="text/event-stream", **options)
        response.headers["Cache-Control"] = "no-cache"
        response.headers["X-Accel-Buffering"] = "no"  # otherwise nginx would buffer the events
        return response

    def _event(self, item: Any, request: Request) -> bytes:
        if not isinstance(item, sse.ServerSentEvent):
            return sse.format_sse_event(data_str=self._json(item, request).decode("utf-8"))
        data = item.raw_data
        if data is None and item.data is not None:
            if hasattr(item.data, "model_dump_json"):
                try:
                    data = item.data.model_dump_json()
                except (PydanticSerializationError, UnicodeEncodeError):
                    data = _json(item.data)
            else:
                data = _json(item.data)
        return sse.format_sse_event(data_str=data, event=item.event, id=item.id, retry=item.retry, comment=item.comment)


async def _with_checkpoints(items: Any) -> AsyncIterator[Any]:
    """Return the same items; other tasks run even if the generator never waits, and it can be cancelled."""
    async for item in items:
        yield _sendable(item)
        await anyio.sleep(0)


def _with_whole_text(items: Iterator[Any]) -> Iterator[Any]:
    for item in items:
        yield _sendable(item)


def _sendable(item: Any) -> Any:
    """Text without lone surrogates, which no encoding has; any other item unchanged."""
    return utf8(item).decode("utf-8") if type(item) is str and not item.isascii() else item


@asynccontextmanager
async def _kept_alive(events: AsyncIterator[bytes]) -> AsyncIterator[ObjectReceiveStream[bytes]]:
    """Return the events, with a comment after each time without one.

    There are two tasks: one runs the generator, and the timeout of the other does not cancel the generator.
    """
    send_event, receive_event = anyio.create_memory_object_stream[bytes](max_buffer_size=1)
    send, receive = anyio.create_memory_object_stream[bytes](max_buffer_size=1)

    async def produce() -> None:
        async with send_event:
            async for event in events:
                await send_event.send(event)

    async def keep_alive() -> None:
        interval = _ping_interval()
        async with send, receive_event:
            while True:
                try:
                    with anyio.fail_after(interval):
                        event = await receive_event.receive()
                except TimeoutError:
                    event = sse.KEEPALIVE_COMMENT
                except anyio.EndOfStream:
                    return
                await send.send(event)

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(produce)
        tasks.start_soon(keep_alive)
        yield receive
        tasks.cancel_scope.cancel()


_DEFAULT_PING_INTERVAL = sse._PING_INTERVAL


def _ping_interval() -> float:
    """Seconds without an event until a comment is sent: the value that a program has set in ``routing``, or in
    ``sse``."""
    in_routing: float = sys.modules["wirefast.routing"]._PING_INTERVAL
    return sse._PING_INTERVAL if in_routing == _DEFAULT_PING_INTERVAL else in_routing


# The escape of a surrogate. Text with an escaped backslash before such letters may match too.
_LONE = re.compile(r"\\ud[89ab]..(?!\\ud[c-f])|(?<!\\ud[89ab]..)\\ud[c-f]..|\\\\ud")


def _json(value: Any) -> str:
    """Write an item as FastAPI does, in ASCII, if JSON has a form for it; otherwise by the rule of docs/json.md."""
    try:
        text = json.dumps(_without_nan(jsonable_encoder(value)))
    except RecursionError:
        return dumps(jsonable_encoder(value)).decode("utf-8")
    if "\\ud" in text and _LONE.search(text):
        text = json.dumps(loads(dumps(loads(text))))
    return text


def _without_nan(value: Any) -> Any:
    """Replace NaN and infinities, which JSON does not have, by null."""
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, dict):
        return {key: _without_nan(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_without_nan(item) for item in value]
    return value
