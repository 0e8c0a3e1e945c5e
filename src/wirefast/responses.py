"""Starlette's responses, and the three that FastAPI adds."""

import importlib
from typing import Any

import orjson
from starlette.responses import (
    FileResponse,
    HTMLResponse,
    JSONResponse,
    PlainTextResponse,
    RedirectResponse,
    Response,
    StreamingResponse,
)
from typing_extensions import deprecated

from wirefast.exceptions import FastAPIDeprecationWarning

__all__ = [
    "EventSourceResponse",
    "FileResponse",
    "HTMLResponse",
    "JSONResponse",
    "ORJSONResponse",
    "PlainTextResponse",
    "RedirectResponse",
    "Response",
    "StreamingResponse",
    "UJSONResponse",
]


class EventSourceResponse(StreamingResponse):
    """A stream of server-sent events: a `StreamingResponse` of media type ``text/event-stream``.

    The content must be in the event format (WHATWG HTML, section 9.2).
    """

    media_type = "text/event-stream"


@deprecated("ORJSONResponse is deprecated, use JSONResponse instead", category=FastAPIDeprecationWarning)
class ORJSONResponse(JSONResponse):
    """JSON written by orjson: keys that are not strings and numpy arrays are allowed. Deprecated, as in FastAPI."""

    def render(self, content: Any) -> bytes:
        """Return the body for a ``content``."""
        return orjson.dumps(content, option=orjson.OPT_NON_STR_KEYS | orjson.OPT_SERIALIZE_NUMPY)


@deprecated("UJSONResponse is deprecated, use JSONResponse instead", category=FastAPIDeprecationWarning)
class UJSONResponse(JSONResponse):
    """JSON written by ujson. Deprecated, as in FastAPI.

    Raises:
        AssertionError: ujson is not installed.
    """

    def render(self, content: Any) -> bytes:
        """Return the body for a ``content``. Raises AssertionError when ujson is not installed."""
        try:
            ujson = importlib.import_module("ujson")
        except ModuleNotFoundError:
            raise AssertionError("ujson must be installed to use UJSONResponse") from None
        text: str = ujson.dumps(content, ensure_ascii=False)
        return text.encode("utf-8")
