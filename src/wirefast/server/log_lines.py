"""The log line at the end of a socket, and logs as JSON."""

from __future__ import annotations

import json
import logging
import time
import traceback
from typing import Any
from urllib.parse import quote

from wirefast.server.reasons import shown
from wirefast.server.request_ids import KEY, current

__all__ = ["JsonFormatter", "json_logging", "log_end", "members_of", "own_logging"]

#: The attributes of every record, which a line of JSON has under other names or leaves out.
_USUAL = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "color_message", "taskName"}
#: The most bytes of a traceback in one line.
MAX_TRACEBACK = 16384


def log_end(
    peer: str,
    scope: dict[str, Any],
    code: int,
    reason: str | None,
    side: str,
    seconds: float,
    carried: tuple[int, int, int, int],
) -> None:
    """Log the end of a socket: peer, path, code, who closed, seconds, messages and bytes both ways.

    Args:
        peer: address and port.
        scope: the connection's scope.
        code: the close code.
        reason: the close reason. The line has it only if the server began the close, never a client's reason.
        side: the side that began the close: ``client`` or ``server``.
        seconds: since the handshake was accepted.
        carried: messages received and sent, bytes received and sent.
    """
    received, sent, bytes_in, bytes_out = carried
    path = quote(scope["path"])
    told = {
        "event": "websocket_closed",
        "client": peer,
        "path": path,
        "code": code,
        "side": side,
        "seconds": round(seconds, 3),
        "messages_in": received,
        "messages_out": sent,
        "bytes_in": bytes_in,
        "bytes_out": bytes_out,
    }
    request_id = scope.get(KEY)
    said = f" ({shown(reason)})" if reason and side == "server" else ""
    if said:
        told["reason"] = reason
    text = '%s - "WebSocket %s" closed %d%s by %s after %.3fs, in %d messages %d bytes, out %d messages %d bytes'
    values: tuple[Any, ...] = (peer, path, code, said, side, seconds, received, bytes_in, sent, bytes_out)
    if request_id is not None:
        told["request_id"] = request_id
        text += " [%s]"
        values += (request_id,)
    # uvicorn's own formatter of this logger accepts only the five values of a request.
    logging.getLogger("uvicorn.error").info(text, *values, extra=told)


def members_of(scope: dict[str, Any] | None, peer: str) -> dict[str, Any]:
    """Return the client, the path and the id of a connection, for a log line as JSON.

    Args:
        scope: the connection's scope, if there is one.
        peer: address and port of the other side of the connection. A trusted proxy may have named another client.
    """
    if scope is None:
        return {"client": peer}
    client = scope["client"]
    told = {"client": "{}:{}".format(*client) if client else peer, "path": quote(scope["path"])}
    if KEY in scope:
        told["request_id"] = scope[KEY]
    return told


class JsonFormatter(logging.Formatter):
    """Formats a record as a line of JSON: time, level, logger, message, the record's extra attributes, a traceback."""

    def format(self, record: logging.LogRecord) -> str:
        """Render one record."""
        when = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(record.created))
        line: dict[str, Any] = {
            "time": f"{when}.{int(record.msecs):03d}Z",
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
            "process": record.process,
        }
        if record.name == "uvicorn.access" and isinstance(record.args, tuple) and len(record.args) == 5:
            names = ("client", "method", "path", "http_version", "status")
            line.update(zip(names, record.args, strict=True), event="http_request")
        line.update((name, value) for name, value in vars(record).items() if name not in _USUAL)
        if (request_id := current.get()) is not None:
            line.setdefault("request_id", request_id)
        if record.exc_info and record.exc_info[1] is not None:
            line["exception"] = "".join(traceback.format_exception(*record.exc_info))[-MAX_TRACEBACK:]
        return json.dumps(line, ensure_ascii=False, default=str)


def json_logging(config: dict[str, Any]) -> dict[str, Any]:
    """Return uvicorn's logging configuration with lines of JSON in place of its formats.

    Args:
        config: a configuration such as ``uvicorn.config.LOGGING_CONFIG``. It is not changed.
    """
    formatters = {name: {"()": f"{__name__}.JsonFormatter"} for name in config.get("formatters", {})}
    return {**config, "formatters": formatters}


def own_logging(config: dict[str, Any]) -> dict[str, Any]:
    """Return uvicorn's logging configuration with the logger ``wirefast`` beside uvicorn's: same handler, same level.

    Args:
        config: a configuration such as ``uvicorn.config.LOGGING_CONFIG``. It is not changed.
    """
    like = config["loggers"]["uvicorn"]
    return {**config, "loggers": {**config["loggers"], "wirefast": {**like, "propagate": False}}}
