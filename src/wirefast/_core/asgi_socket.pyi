from typing import Any

from starlette.datastructures import State
from starlette.types import Message, Receive, Scope, Send
from starlette.websockets import WebSocketState

LAST_PATIENCE: float
WebSocketDisconnected: type[RuntimeError]

class AsgiSocket:
    scope: Scope
    client_state: WebSocketState
    application_state: WebSocketState
    _receive: Receive
    _send: Send
    def __init__(self, scope: Scope, receive: Receive, send: Send) -> None: ...
    def __setattr__(self, name: str, value: Any) -> None: ...
    @property
    def state(self) -> State: ...
    @property
    def connected(self) -> bool: ...
    async def receive(self) -> Message: ...
    async def send(self, message: Message) -> None: ...
