"""Server-sent events: what a generator endpoint yields and how it is written (WHATWG HTML, section 9.2).

An endpoint with ``response_class=EventSourceResponse`` that yields becomes a stream of events: a `ServerSentEvent` is
written field by field, everything else as JSON in ``data``. FastAPI: ``fastapi.sse``.
"""

from __future__ import annotations

import re
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

from wirefast.responses import EventSourceResponse

__all__ = ["KEEPALIVE_COMMENT", "EventSourceResponse", "ServerSentEvent", "format_sse_event"]

#: Sent after `_PING_INTERVAL` seconds without an event, so that proxies keep the connection open.
KEEPALIVE_COMMENT = b": ping\n\n"
_PING_INTERVAL: float = 15.0


def _single_line(field: str) -> AfterValidator:
    def check(value: str | None) -> str | None:
        if value is not None and ("\r" in value or "\n" in value):
            raise ValueError(f"SSE '{field}' must be a single line")
        return value

    return AfterValidator(check)


def _without_null(value: str | None) -> str | None:
    if value is not None and "\0" in value:
        raise ValueError("SSE 'id' must not contain null characters")
    return value


class ServerSentEvent(BaseModel):
    """One event.

    Attributes:
        data: any JSON-serialisable value, written as JSON: ``"hello"`` keeps its quotes.
        raw_data: text written as it is, in place of ``data``.
        event: the type that ``addEventListener`` names; one line. Default: ``message``.
        id: what a browser repeats as ``Last-Event-ID`` when it reconnects; one line without NUL.
        retry: milliseconds before a browser reconnects, at least 0.
        comment: lines that clients skip.

    Raises:
        pydantic.ValidationError: a field breaks its rule, or ``data`` and ``raw_data`` are both given.
    """

    # Made with the first event: most services send no events, so the import makes no model.
    model_config = ConfigDict(defer_build=True)

    data: Any = None
    raw_data: str | None = None
    event: Annotated[str | None, _single_line("event")] = None
    id: Annotated[str | None, AfterValidator(_without_null), _single_line("id")] = None
    retry: Annotated[int | None, Field(ge=0)] = None
    comment: str | None = None

    @model_validator(mode="after")
    def _check_data_exclusive(self) -> ServerSentEvent:
        if self.data is not None and self.raw_data is not None:
            raise ValueError(
                "Cannot set both 'data' and 'raw_data' on the same ServerSentEvent. "
                "Use 'data' for JSON-serialized payloads or 'raw_data' for pre-formatted strings."
            )
        return self


def _lines(text: str) -> list[str]:
    """Return the lines of the event format: CR LF, LF and CR end a line, Unicode's other line ends do not."""
    return re.split("\r\n|\n|\r", text)


def format_sse_event(
    *,
    data_str: str | None = None,
    event: str | None = None,
    id: str | None = None,
    retry: int | None = None,
    comment: str | None = None,
) -> bytes:
    """Write one event, which an empty line ends. ``data_str`` is serialised already.

    The order is comment, event, data, id, retry; fields that are None are left out.
    """
    lines = [f": {line}" for line in _lines(comment)] if comment is not None else []
    if event is not None:
        lines.append(f"event: {event}")
    if data_str is not None:
        lines += [f"data: {line}" for line in _lines(data_str)]
    if id is not None:
        lines.append(f"id: {id}")
    if retry is not None:
        lines.append(f"retry: {retry}")
    text = "\n".join([*lines, "", ""])
    try:
        return text.encode("utf-8")
    except UnicodeEncodeError:  # a lone surrogate: the rule of docs/json.md
        return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace").encode("utf-8")
