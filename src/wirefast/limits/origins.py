"""Which web pages may open a WebSocket: the origins of an application, a router or a route.

A browser sends its cookies with the handshake of any page, without a check: the same-origin policy and CORS do not
    apply to WebSockets (RFC 6455, section 10.2). An origin is a scheme, a host and a port (RFC 6454); the origins of
    both sides are parsed, and these three parts are compared. wirefast only; FastAPI and Starlette accept every page.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Awaitable, Callable, Iterable
from ipaddress import ip_address
from typing import Any, NamedTuple

from starlette.requests import HTTPConnection
from starlette.types import Scope

from wirefast.limits.counters import count_refusal
from wirefast.logger import logger

__all__ = ["Origin", "OriginPolicy", "OriginRule", "Origins", "parse_origin"]

OriginRule = str | Callable[..., bool | Awaitable[bool]]
#: The type of ``origins=``.
Origins = OriginRule | Iterable[OriginRule]

#: The most bytes of an Origin header. The longest host name has 253 characters (RFC 1035).
MAX_ORIGIN = 512
#: Characters of an origin that a log line shows.
SHOWN = 120

_DEFAULT_PORTS = {"http": 80, "https": 443}
_PARTS = re.compile(r"([a-z][a-z0-9+.-]*)://(\[[0-9a-f:.]+\]|[a-z0-9_.-]+)(?::([1-9][0-9]{0,4}))?", re.ASCII)


class Origin(NamedTuple):
    """A scheme, a host and a port, in the form in which origins are compared.

    Attributes:
        scheme: in lower case.
        host: in lower case, in ASCII; an IPv6 address in brackets, compressed.
        port: as given, or the scheme's default port; None if the scheme has none.
    """

    scheme: str
    host: str
    port: int | None


def parse_origin(text: str) -> Origin:
    """Parse an origin as browsers write it, ``scheme://host`` or ``scheme://host:port``.

    Args:
        text: the origin, and nothing else.

    Raises:
        ValueError: the text is no origin.
    """
    parts = _PARTS.fullmatch(text.lower()) if text.isascii() else None
    if parts is None:
        raise ValueError(f"{text!r} is no origin; expected scheme://host or scheme://host:port")
    scheme, host, digits = parts.groups()
    port = _DEFAULT_PORTS.get(scheme) if digits is None else int(digits)
    if port is not None and port > 65535:
        raise ValueError(f"{text!r} is no origin; a port is at most 65535")
    if host.startswith("["):
        try:
            host = f"[{ip_address(host[1:-1]).compressed}]"
        except ValueError:
            raise ValueError(f"{text!r} is no origin; expected an IPv6 address in the brackets") from None
    elif host.startswith(".") or ".." in host:
        raise ValueError(f"{text!r} is no origin; a label of the host is empty")
    return Origin(scheme, host, port)


def _declared(text: str) -> Origin:
    """Parse an origin of the application's list, whose host may have letters beyond ASCII."""
    scheme, separator, rest = text.partition("://")
    if scheme.lower() in ("ws", "wss"):
        raise ValueError(f"{text!r} is no origin; expected scheme://host of the page, with http or https")
    if separator and not rest.isascii():
        try:
            text = f"{scheme}://{rest.encode('idna').decode('ascii')}"
        except UnicodeError:
            pass  # parse_origin raises the error
    return parse_origin(text)


class OriginPolicy:
    """The pages that may open a WebSocket.

    Args:
        origins: exact origins such as ``"https://app.example.com"``, with the port if it is not the scheme's own;
            ``"https://*.example.com"`` for all hosts below one, at any depth; ``"null"`` for pages without an origin
            (files, sandboxed frames); ``"*"`` for every page that has one; functions that get the origin as text, and
            the connection if they take two arguments, and return whether it may connect. One of these alone, or
            several. None (default): pages of other origins may connect only without cookies and without
            ``Authorization`` other than Bearer.
        setting: the name of the setting in log lines.

    Raises:
        TypeError: an entry is neither a str nor a function.
        ValueError: an entry is no origin.
    """

    def __init__(self, origins: Origins | None = None, *, setting: str = "origins=[...]") -> None:
        self.origins = origins
        self.setting = setting
        self.any = False
        self.null = False
        self._exact: set[Origin] = set()
        #: The listed origins in the form of browsers, which are compared without parsing.
        self.spelled: set[bytes] = set()
        self._below: list[Origin] = []
        self._functions: list[Callable[[str, Scope], bool | Awaitable[bool]]] = []
        rules: Iterable[Any] = [origins] if isinstance(origins, str) or callable(origins) else origins or ()
        for rule in rules:
            self._add(rule)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.origins!r})"

    @property
    def is_explicit(self) -> bool:
        """Whether the application has set its origins."""
        return self.origins is not None

    def _add(self, rule: Any) -> None:
        if callable(rule):
            self._functions.append(_as_function(rule))
        elif not isinstance(rule, str):
            raise TypeError(f"an origin is a str or a function, not {type(rule).__name__}")
        elif rule == "*":
            self.any = True
        elif rule == "null":
            self.null = True
        elif "*" in rule:
            scheme, separator, rest = rule.partition("://*.")
            if not separator or "*" in rest:
                raise ValueError(f"{rule!r} is no origin; expected scheme://*.host for all hosts below one")
            below = _declared(f"{scheme}://{rest}")
            if below.host.startswith("[") or below.host.replace(".", "").isdigit():
                raise ValueError(f"{rule!r} is no origin; an address has no hosts below it")
            self._below.append(below)
        else:
            origin = _declared(rule)
            self._exact.add(origin)
            own = origin.port is None or origin.port == _DEFAULT_PORTS.get(origin.scheme)
            self.spelled.add(f"{origin.scheme}://{origin.host}{'' if own else f':{origin.port}'}".encode())

    def judge(self, scope: Scope, sent: tuple[bytes, ...]) -> bool | Awaitable[bool]:
        """Decide about a handshake with an Origin.

        Args:
            scope: the ASGI scope.
            sent: the values of its Origin headers, one or more. Without a list of origins, only handshakes with ambient
                credentials are judged.

        Returns:
            Whether the handshake is allowed; an awaitable of that if an asynchronous function decides.
        """
        if len(sent) != 1 or len(sent[0]) > MAX_ORIGIN:
            return False
        text = sent[0].decode("latin-1")
        if text == "null":
            return self.null
        try:
            origin = parse_origin(text)
        except ValueError:
            return False
        if not self.is_explicit:
            return not is_foreign(origin, scope)
        if self.any or origin in self._exact or any(_is_below(origin, parent) for parent in self._below):
            return True
        return self._ask(text, scope) if self._functions else False

    def _ask(self, text: str, scope: Scope) -> bool | Awaitable[bool]:
        for position, function in enumerate(self._functions):
            answer = function(text, scope)
            if inspect.isawaitable(answer):
                return self._ask_on(answer, position + 1, text, scope)
            if answer:
                return True
        return False

    async def _ask_on(self, answer: Awaitable[bool], position: int, text: str, scope: Scope) -> bool:
        if await answer:
            return True
        for function in self._functions[position:]:
            answer_or_bool = function(text, scope)
            if await answer_or_bool if inspect.isawaitable(answer_or_bool) else answer_or_bool:
                return True
        return False

    def refused(self, scope: Scope, sent: tuple[bytes, ...]) -> None:
        """Count a refusal, and log in one line which setting would have allowed the handshake.

        Args:
            scope: the ASGI scope.
            sent: the values of its Origin headers.
        """
        count_refusal("origin")
        shown = ", ".join(_shown(value) for value in sent[:2])
        why = "is not listed" if self.is_explicit else "is foreign, and the browser's credentials came along"
        logger.warning(
            "Refused a WebSocket on %r with 403: the origin %s %s. Pages that may connect belong into %s",
            scope.get("path", "")[:SHOWN],
            shown,
            why,
            self.setting,
        )


def _shown(value: bytes) -> str:
    text = value.decode("latin-1")
    return repr(text if len(text) <= SHOWN else f"{text[:SHOWN]}…")


def _is_below(origin: Origin, parent: Origin) -> bool:
    return (
        origin.scheme == parent.scheme
        and origin.port == parent.port
        and origin.host.endswith(f".{parent.host}")
        and not origin.host.startswith("[")
    )


def _as_function(function: Callable[..., Any]) -> Callable[[str, Scope], Any]:
    """Return a rule of the application as a function of the text and the scope."""
    try:
        takes = [
            parameter
            for parameter in inspect.signature(function).parameters.values()
            if parameter.kind in (parameter.POSITIONAL_ONLY, parameter.POSITIONAL_OR_KEYWORD)
            and parameter.default is parameter.empty
        ]
    except (TypeError, ValueError):  # a builtin without a signature
        takes = []
    if len(takes) >= 2:
        return lambda text, scope: function(text, HTTPConnection(scope))
    return lambda text, scope: function(text)


def is_foreign(origin: Origin, scope: Scope) -> bool:
    """Return whether a page of this origin is of another origin than the server, as far as the handshake tells.

    ``Sec-Fetch-Site``, which no page can set, counts before ``Host``, which a proxy may have rewritten. A page over
    https may have the same origin as a server behind a proxy that uses ws, but a page over http never has the origin of
    a server over wss.
    """
    site: list[bytes] = []
    hosts: list[bytes] = []
    for name, value in scope["headers"]:
        if name == b"sec-fetch-site":
            site.append(value)
        elif name == b"host":
            hosts.append(value)
    if len(site) == 1 and site[0] in (b"same-origin", b"same-site"):
        return False
    if site and site != [b"none"]:
        return True
    schemes = ("https",) if scope.get("scheme") in ("wss", "https") else ("http", "https")
    if len(hosts) != 1 or origin.scheme not in schemes:
        return True
    try:
        return parse_origin(f"{origin.scheme}://{hosts[0].decode('latin-1')}") != origin
    except ValueError:
        return True
