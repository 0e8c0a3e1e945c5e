"""The answer to a method that no route of the path has."""

from __future__ import annotations

from collections.abc import Iterable

from starlette.exceptions import HTTPException
from starlette.responses import PlainTextResponse
from starlette.types import Receive, Scope, Send


class MethodNotAllowed:
    """405 with every method of the path in ``Allow`` (RFC 9110, 15.5.6), if several routes share it.

    Args:
        methods: the methods of the routes of the path, in the order of declaration.
    """

    def __init__(self, methods: Iterable[str]) -> None:
        self.allow = ", ".join(dict.fromkeys(methods))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request (ASGI 3). Inside an application its handler of the exception answers."""
        headers = {"Allow": self.allow}
        if "app" in scope:
            raise HTTPException(405, headers=headers)
        await PlainTextResponse("Method Not Allowed", 405, headers)(scope, receive, send)
