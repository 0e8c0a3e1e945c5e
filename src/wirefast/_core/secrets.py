"""Names of query parameters whose values are secrets, and the filters that hide them in logs.

Access logs of servers show query strings, and so tokens in them. The loggers of wirefast, of uvicorn and of asyncio get
a filter that replaces such values before a handler gets the record: in the message, its arguments and the traceback.
The process has one list, as it has one set of loggers. Imports nothing of wirefast.
"""

from __future__ import annotations

import logging
import re
import traceback
from collections.abc import Collection, Mapping
from typing import Any
from urllib.parse import unquote_plus

__all__ = ["NAMES", "hidden_names", "hide", "hide_in_logs", "hide_input", "hide_query", "is_secret"]

#: The default list. Upper and lower case are equal.
NAMES = frozenset(
    """
    token access_token id_token refresh_token auth auth_token ticket key api_key apikey api-key secret client_secret
    password passwd session sessionid sid code jwt sig signature x-amz-signature x-amz-credential x-amz-security-token
    x-goog-signature
    """.split()
)
HIDDEN = "***"

# The filter of a logger is not asked about the records of the loggers below it, so each stands here.
_LOGGERS = (
    "uvicorn.access",
    "uvicorn.error",
    "uvicorn.asgi",
    "uvicorn",
    "wirefast",
    "wirefast.dependencies",
    "wirefast.messages",
    "wirefast.metrics",
    "wirefast.rooms",
    "asyncio",
)
# A pair of a query string, and the character before it in a text.
_PAIR = re.compile(r"(?<=[?&;'\"])([^\s?&;='\"<>]{1,200})=([^\s&;'\"<>#]+)")
#: A token among the subprotocols of a handshake.
_BEARER = re.compile(r"\bbearer\.[A-Za-z0-9_\-=]{6,}")

_names: frozenset[str] = NAMES


def hidden_names() -> frozenset[str]:
    """Return the names that are hidden in this process."""
    return _names


def is_secret(name: str) -> bool:
    """Return whether a parameter is hidden.

    Args:
        name: as in a query string, with any percent-encoding; the brackets of a list at the end are ignored.
    """
    name = name.lower()
    if name in _names:
        return True
    if "%" in name or "+" in name or name.endswith("]"):
        name = unquote_plus(name).strip().lower()
        return name in _names or name.partition("[")[0] in _names
    return False


def _hidden_pair(match: re.Match[str]) -> str:
    return f"{match[1]}={HIDDEN}" if is_secret(match[1]) else match[0]


def hide(text: str) -> str:
    """Return a text, such as a log line, without the secrets of its query strings."""
    if "=" in text:
        text = _PAIR.sub(_hidden_pair, text)
    return _BEARER.sub(f"bearer.{HIDDEN}", text) if "bearer." in text else text


def hide_query(query: str) -> str:
    """Return a query string without the question mark, and without its secrets."""
    return hide(f"?{query}")[1:]


def hide_input(error: Any) -> Any:
    """Return one error of validation without the client's input if that is a secret."""
    if not isinstance(error, Mapping) or "input" not in error:
        return error
    place = error.get("loc") or ()
    sent = error["input"]
    if place and isinstance(place, (tuple, list)) and any(isinstance(part, str) and is_secret(part) for part in place):
        return {**error, "input": HIDDEN}
    if isinstance(sent, Mapping) and any(isinstance(name, str) and is_secret(name) for name in sent):
        shown = {name: HIDDEN if isinstance(name, str) and is_secret(name) else sent[name] for name in sent}
        return {**error, "input": shown}
    return error


class SecretFilter(logging.Filter):
    """Removes the secrets from each record."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Hide the secrets of a record; every record passes."""
        if isinstance(record.msg, str):
            record.msg = hide(record.msg)
        if isinstance(record.args, tuple) and record.args:
            record.args = tuple(hide(value) if isinstance(value, str) else value for value in record.args)
            if record.name != "uvicorn.access":  # the formatter of uvicorn.access needs the five arguments
                self._hide_rest(record)
        if record.exc_info and record.exc_info[0] is not None and not record.exc_text:
            text = "".join(traceback.format_exception(*record.exc_info)).rstrip("\n")
            hidden = hide(text)
            if hidden != text:
                record.exc_text = hidden
        return True

    @staticmethod
    def _hide_rest(record: logging.LogRecord) -> None:
        """Hide secrets in the text of an argument of another type, such as an exception."""
        if all(isinstance(value, (str, int, float, type(None))) for value in record.args or ()):
            return
        try:
            text = record.getMessage()
        except Exception:  # logging reports a message that does not fit its arguments
            return
        hidden = hide(text)
        if hidden != text:
            record.msg, record.args = hidden, ()


_FILTER = SecretFilter()


def hide_in_logs(names: Collection[str] | None = None) -> None:
    """Add the filter to every logger that may get a query string; may be called more than once.

    Args:
        names: the list for this process. Default: the list stays unchanged.

    Raises:
        TypeError: a single string, or a name that is no string.
    """
    global _names
    if names is not None:
        if isinstance(names, str) or not all(isinstance(name, str) for name in names):
            raise TypeError(f"secret_parameters takes a list of names, not {names!r}")
        _names = frozenset(name.lower() for name in names)
    for name in _LOGGERS:
        logger = logging.getLogger(name)
        if _FILTER not in logger.filters:
            logger.addFilter(_FILTER)
