"""Every exception wirefast raises or handles, under FastAPI's names::

    starlette HTTPException ─────── HTTPException ── Refuse        refuse with an HTTP status, and a close code
    starlette WebSocketException ── WebSocketException             close with a WebSocket code
    RuntimeError ─── FastAPIError ┬ DependencyScopeError           a declaration that cannot work
                                  └ PydanticV1NotSupportedError
    Exception ────── ValidationException ┬ RequestValidationError             HTTP input
                                         ├ WebSocketRequestValidationError    handshake input
                                         └ ResponseValidationError            what an endpoint returned
    UserWarning ──┬─ FastAPIDeprecationWarning
                  └─ DeclarationWarning                        a declaration that FastAPI accepts and that cannot work

Of wirefast, this module imports only the close codes and the list of secret names.
"""

from collections.abc import Mapping, Sequence
from typing import Any, TypedDict

from starlette.exceptions import HTTPException as StarletteHTTPException
from starlette.exceptions import WebSocketException as StarletteWebSocketException

from wirefast._core.close import POLICY_VIOLATION, is_frame_code
from wirefast._core.secrets import hide_input

__all__ = [
    "DeclarationWarning",
    "DependencyScopeError",
    "EndpointContext",
    "FastAPIDeprecationWarning",
    "FastAPIError",
    "HTTPException",
    "PydanticV1NotSupportedError",
    "Refuse",
    "RequestValidationError",
    "ResponseValidationError",
    "ValidationException",
    "WebSocketException",
    "WebSocketRequestValidationError",
]


class EndpointContext(TypedDict, total=False):
    """Where an endpoint lives, for the text of a validation error.

    ``function`` is its name, ``path`` the route with its kind (``"WS /items/{id}"``), ``file`` and ``line`` its source.
    """

    function: str
    path: str
    file: str
    line: int


class HTTPException(StarletteHTTPException):
    """Refuse a request, or a WebSocket handshake, with an HTTP response.

    Args:
        status_code: HTTP status, 100 to 599.
        detail: any JSON-serialisable value, sent as ``{"detail": detail}``; ``None`` means the standard phrase of the
            status.
        headers: extra response headers.

    Before ``accept()`` the client receives the response itself (ASGI ``websocket.http.response.start``); after it,
    a close with code 1008 and the detail as its reason. FastAPI: ``fastapi.HTTPException``.
    """

    def __init__(self, status_code: int, detail: Any = None, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(status_code=status_code, detail=detail, headers=headers)


class Refuse(HTTPException):
    """Refuse a client, with an HTTP status before the upgrade and a close code after it; wirefast only.

    Args:
        status_code: HTTP status, 300 to 599, of the answer to a request, or to a handshake before ``accept()``.
        detail: the reason: text, or any JSON-serialisable value, sent as ``{"detail": detail}``. Default: the standard
            phrase of the status. On a socket the detail is the reason of the close frame, cut to 123 bytes.
        code: the close code of a socket (RFC 6455, section 7.4; 4000 to 4999 are free for applications): after
            ``accept()``, and before it under ``App(explain_rejections="close")`` and on a server that cannot answer a
            handshake with a response. Default: 1008.
        headers: the headers of the HTTP answer. A 401 without ``WWW-Authenticate`` gets ``WWW-Authenticate: Bearer``:
            RFC 9110, section 15.5.2, requires the header.

    Raises:
        ValueError: a status that refuses nothing, or a code that no close frame may have.
    """

    def __init__(
        self,
        status_code: int,
        detail: Any = None,
        *,
        code: int = POLICY_VIOLATION,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        if not 300 <= status_code <= 599:
            raise ValueError(f"a refusal has a status from 300 to 599, not {status_code}")
        if not is_frame_code(code):
            raise ValueError(f"{code} is no code of a close frame; 4000 to 4999 are free for applications")
        if status_code == 401 and not any(name.lower() == "www-authenticate" for name in headers or ()):
            headers = {**(headers or {}), "WWW-Authenticate": "Bearer"}
        super().__init__(status_code, detail, headers)
        self.code = code


class WebSocketException(StarletteWebSocketException):
    """End a WebSocket with a close code.

    Args:
        code: close code (RFC 6455, section 7.4; 4000 to 4999 are free for applications).
        reason: text of at most 123 UTF-8 bytes; ``None`` sends an empty one.

    Before ``accept()`` the exception refuses the handshake: servers answer HTTP 403. FastAPI:
    ``fastapi.WebSocketException``.
    """

    def __init__(self, code: int, reason: str | None = None) -> None:
        super().__init__(code=code, reason=reason)


class FastAPIError(RuntimeError):
    """A mistake in how the application was declared; the base of wirefast's own errors."""


class DependencyScopeError(FastAPIError):
    """A dependency that lives for the whole request needs one that ends with the endpoint function."""


class PydanticV1NotSupportedError(FastAPIError):
    """A ``pydantic.v1`` model was used where a pydantic 2 model is needed."""


class DeclarationWarning(UserWarning):
    """A declaration that FastAPI accepts without a warning, and that cannot work. wirefast only."""


class FastAPIDeprecationWarning(UserWarning):
    """A feature still works and will be removed. Python hides a ``DeprecationWarning`` by default, so this is none."""


class ValidationException(Exception):
    """Data did not pass validation.

    Args:
        errors: one mapping per error: ``type``, ``loc`` (tuple), ``msg``, ``input`` and sometimes ``ctx``.
        endpoint_ctx: the endpoint; the attributes below are ``None`` for parts of it that are unknown.

    Attributes:
        endpoint_ctx: as given.
        endpoint_function, endpoint_path, endpoint_file, endpoint_line: its parts.

    ``str()`` lists the errors and then the endpoint.
    """

    def __init__(self, errors: Sequence[Any], *, endpoint_ctx: EndpointContext | None = None) -> None:
        self._errors = errors
        self.endpoint_ctx = endpoint_ctx
        place: EndpointContext = endpoint_ctx or {}
        self.endpoint_function = place.get("function")
        self.endpoint_path = place.get("path")
        self.endpoint_file = place.get("file")
        self.endpoint_line = place.get("line")

    def errors(self) -> Sequence[Any]:
        """Return the errors, as given."""
        return self._errors

    def _place(self) -> list[str]:
        """Return the lines that say which endpoint failed; none when nothing is known about it."""
        if self.endpoint_file and self.endpoint_line and self.endpoint_function:
            lines = [f'  File "{self.endpoint_file}", line {self.endpoint_line}, in {self.endpoint_function}']
            if self.endpoint_path:
                lines.append(f"    {self.endpoint_path}")
            return lines
        return [f"  Endpoint: {self.endpoint_path}"] if self.endpoint_path else []

    def __str__(self) -> str:
        count = len(self._errors)
        lines = [f"{count} validation error{'' if count == 1 else 's'}:"]
        lines += [f"  {hide_input(error)}" for error in self._errors]
        if place := self._place():
            lines += ["", *place]
        return "\n".join(lines).rstrip()


class RequestValidationError(ValidationException):
    """The input of an HTTP request was refused; answered with 422.

    Args:
        errors, endpoint_ctx: as in `ValidationException`.
        body: the body that was received, if it was read.
    """

    def __init__(self, errors: Sequence[Any], *, body: Any = None, endpoint_ctx: EndpointContext | None = None) -> None:
        super().__init__(errors, endpoint_ctx=endpoint_ctx)
        self.body = body


class WebSocketRequestValidationError(ValidationException):
    """The input of a WebSocket handshake was refused; answered with close code 1008."""


class ResponseValidationError(ValidationException):
    """An HTTP endpoint returned what its response model does not allow.

    Args:
        errors, endpoint_ctx: as in `ValidationException`.
        body: what the endpoint returned.
    """

    def __init__(self, errors: Sequence[Any], *, body: Any = None, endpoint_ctx: EndpointContext | None = None) -> None:
        super().__init__(errors, endpoint_ctx=endpoint_ctx)
        self.body = body


def __getattr__(name: str) -> Any:
    # FastAPI's empty models, made when they are asked for.
    if name in ("RequestErrorModel", "WebSocketErrorModel"):
        from pydantic import create_model  # made when it is asked for

        return globals().setdefault(name, create_model(name.removesuffix("ErrorModel")))
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
