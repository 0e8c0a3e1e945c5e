from collections.abc import Awaitable
from typing import final

from starlette.types import ASGIApp, Message, Receive, Scope, Send

@final
class PacedSend:
    def __init__(self, send: Send) -> None: ...
    def __call__(self, message: Message) -> Awaitable[None]: ...

@final
class PacedApp:
    app: ASGIApp
    def __init__(self, app: ASGIApp) -> None: ...
    def __call__(self, scope: Scope, receive: Receive, send: Send) -> Awaitable[None]: ...
