"""``App.on_drain``: what an application does with each open socket before its server ends it.

A server drains its sockets on SIGTERM, in a rolling reload and under ``--reload``. A hook gets the socket as a
`WebSocket`, open, while its handler goes on. What a hook returns is sent as JSON, which may be a model of the
application's typed messages.
"""

from __future__ import annotations

import asyncio
import inspect
import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, TypeVar

from starlette.types import ASGIApp, Receive, Scope, Send
from starlette.websockets import WebSocketState

from wirefast._core.leaving import note_farewell
from wirefast.websockets import WebSocket

__all__ = ["HOOK_SECONDS", "DrainDeclarations", "DrainHook", "TellsOfDrain"]

#: Seconds that a hook has for one socket, unless it is declared with others.
HOOK_SECONDS = 5.0

Decorated = TypeVar("Decorated", bound=Callable[..., Any])

logger = logging.getLogger("uvicorn.error")


@dataclass(frozen=True)
class DrainHook:
    """A function that is called for each socket of a drain.

    Args:
        function: ``async def hook(websocket: WebSocket)``. What it returns is sent as JSON, unless that is None.
        seconds: after which the function is cancelled and the socket is closed.

    Raises:
        TypeError: the function is no coroutine function, or the seconds are no number.
        ValueError: the seconds are not above 0.
    """

    function: Callable[[WebSocket], Awaitable[Any]]
    seconds: float = HOOK_SECONDS

    def __post_init__(self) -> None:
        if not inspect.iscoroutinefunction(self.function):
            raise TypeError(f"on_drain takes an async function of one WebSocket, not {self.function!r}")
        if isinstance(self.seconds, bool) or not isinstance(self.seconds, (int, float)):
            raise TypeError(f"deadline takes seconds, not {self.seconds!r}")
        if not self.seconds > 0:
            raise ValueError(f"deadline takes seconds above 0, not {self.seconds!r}")

    async def call(self, websocket: WebSocket) -> None:
        """Call the function and send what it returns. Errors are logged; only cancellation is raised."""
        name = getattr(self.function, "__qualname__", repr(self.function))
        try:
            await asyncio.wait_for(self._call(websocket), self.seconds)
        except asyncio.TimeoutError:
            logger.warning("The on_drain hook %s did not end in %g seconds", name, self.seconds)
        except OSError:
            pass  # the client has left
        except Exception as exc:
            if websocket.client_state is WebSocketState.CONNECTED:
                logger.error("The on_drain hook %s failed", name, exc_info=exc)

    async def _call(self, websocket: WebSocket) -> None:
        message = await self.function(websocket)
        if message is not None:
            await websocket.send_json(message)


class TellsOfDrain:
    """The outermost layer of an application that has hooks: notes the hooks for each socket. It costs no coroutine.

    Args:
        app: the application below.
        hooks: called one after another, in this order.
    """

    def __init__(self, app: ASGIApp, hooks: list[DrainHook]) -> None:
        self.app = app
        self.hooks = hooks

    def __call__(self, scope: Scope, receive: Receive, send: Send) -> Awaitable[None]:
        """Serve one connection (ASGI 3)."""
        if scope["type"] == "websocket":
            channel = getattr(receive, "channel", None)
            if channel is not None:
                note_farewell(channel, Farewell(self.hooks, scope, receive, send))
        return self.app(scope, receive, send)


class Farewell:
    """All hooks for one socket."""

    __slots__ = ("connection", "hooks")

    def __init__(self, hooks: list[DrainHook], scope: Scope, receive: Receive, send: Send) -> None:
        self.hooks = hooks
        self.connection = (scope, receive, send)

    async def __call__(self) -> None:
        """Call the hooks with a WebSocket over the open connection."""
        websocket = WebSocket(*self.connection)
        websocket.client_state = websocket.application_state = WebSocketState.CONNECTED
        for hook in self.hooks:
            await hook.call(websocket)


class DrainDeclarations:
    """What an application declares for the end of its server."""

    _drain_hooks: list[DrainHook]
    middleware_stack: ASGIApp | None

    def on_drain(self, function: Any = None, *, deadline: float = HOOK_SECONDS) -> Any:
        """Declare what is done with each open socket before the server ends it.

        The hook runs on SIGTERM, in a rolling reload and under ``--reload``, while the socket's handler goes on. What
        the hook returns is sent as JSON; it may be a model of typed messages. Then the socket is closed with 1012.
        wirefast only, under ``wirefast run``.

        Args:
            function: ``async def hook(websocket: WebSocket)``, if the decorator has no parentheses.
            deadline: seconds that the hook has for one socket. Default: 5.

        Raises:
            TypeError: the function is no coroutine function, or the deadline is no number.
            ValueError: the deadline is not above 0.
        """

        def decorator(function: Decorated) -> Decorated:
            self._drain_hooks.append(DrainHook(function, deadline))
            self.middleware_stack = None
            return function

        return decorator if function is None else decorator(function)
