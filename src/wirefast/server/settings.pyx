"""The settings of a server, read once from uvicorn's Config and shared by its sockets."""

import copy
import logging

import uvicorn.logging
from uvicorn.middleware.proxy_headers import ProxyHeadersMiddleware

from wirefast._core.hooks import is_replaced
from wirefast._core.source_location import begin_in_application
from wirefast._core.secrets import hide_in_logs
from wirefast.server.bounds import LONG as _LONG, check

begin_in_application()
hide_in_logs()

cdef int TRACE = uvicorn.logging.TRACE_LOG_LEVEL
cdef tuple NUMBERS = ("ws_max_size", "ws_max_queue", "ws_ping_interval", "ws_ping_timeout", "limit_concurrency")


async def nothing(scope, receive, send):
    """Return at once: an ASGI application that does nothing."""


def finish(coroutine):
    """Run a coroutine that never waits. Raise RuntimeError for one that does."""
    try:
        coroutine.send(None)
    except StopIteration:
        return
    coroutine.close()
    raise RuntimeError("it waits")


cdef class Settings:
    """Every ``ws_*`` setting of uvicorn's Config, and the other settings that a WebSocket needs."""

    def __cinit__(self, config, server_state):
        self.config = config
        self.server_state = server_state
        self.app = config.loaded_app
        self.rewrite = None
        if type(self.app) is ProxyHeadersMiddleware:
            # The middleware changes the scope and awaits the application. Every open socket would keep the middleware's
            # coroutine, so the middleware runs alone, without the application.
            rewrite = copy.copy(self.app)
            rewrite.app = nothing
            try:
                # A call that changes nothing without a proxy's headers is left out for a handshake without them. Only
                # uvicorn's own is known to read no other header.
                scope = {"type": "websocket", "headers": [], "client": ("127.0.0.1", 1), "scheme": "ws"}
                before = scope.copy()
                finish(rewrite(scope, None, None))
                self.rewrites_all = scope != before or is_replaced(ProxyHeadersMiddleware, "__call__")
                self.rewrite, self.app = rewrite, self.app.app
            except Exception:
                # The middleware does not work alone, so it stays around the application.
                pass
        self.logger = logging.getLogger("uvicorn.error")
        try:
            self.read_limits(config)
        except ValueError as exc:
            # This code first sees uvicorn's Config at the first connection, and cannot stop the server then.
            self.invalid = True
            self.logger.error("No WebSocket is accepted: %s", exc)
        self.deflate = config.ws_per_message_deflate
        self.root_path = config.root_path
        self.raw_root_path = config.root_path.encode("ascii")
        self.asgi = {"version": config.asgi_version, "spec_version": "2.4"}
        self.reset_contextvars = getattr(config, "reset_contextvars", False)
        self.access_log = config.access_log
        self.trace = self.logger.isEnabledFor(TRACE)
        self.default_headers = None
        self.default_lines = b""

    cdef int read_limits(self, object config) except -1:
        """Read the numbers. Raise ValueError for a number that is out of bounds."""
        for name in NUMBERS:
            value = getattr(config, name)
            if value is not None or name == "ws_max_size":
                check(name, value)
        self.max_size = config.ws_max_size
        self.max_queue = max(1, config.ws_max_queue or 1)
        self.ping_interval = min(config.ws_ping_interval or -1.0, _LONG)
        self.ping_timeout = -1.0 if config.ws_ping_timeout is None else min(config.ws_ping_timeout, _LONG)
        self.limit_concurrency = -1 if config.limit_concurrency is None else config.limit_concurrency
        return 0

    cdef bytes header_lines(self):
        cdef list headers = self.server_state.default_headers
        if headers is not self.default_headers:
            self.default_lines = b"".join([name + b": " + value + b"\r\n" for name, value in headers])
            self.default_headers = headers
        return self.default_lines

    cdef bint full(self) except -1:
        return self.limit_concurrency >= 0 and (
            len(self.server_state.connections) > self.limit_concurrency
            or len(self.server_state.tasks) >= self.limit_concurrency
        )


cdef Settings settings_of(object config, object server_state):
    cdef Settings settings = getattr(server_state, "wirefast_settings", None)
    if settings is None or settings.config is not config:
        if not config.loaded:
            config.load()
        settings = server_state.wirefast_settings = Settings(config, server_state)
    return settings
