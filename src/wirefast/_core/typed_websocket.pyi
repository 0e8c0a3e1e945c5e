from collections.abc import AsyncIterator
from typing import Any, Generic, Literal, TypeVar, final

from typing_extensions import TypeForm
from typing_extensions import TypeVar as TypeVarWithDefault

from wirefast._core.coroutine import CompiledCoroutine
from wirefast._core.websocket import WebSocketCore

_Received = TypeVar("_Received")
# The type of the messages that a socket sends. Default: any.
_Sent = TypeVarWithDefault("_Sent", contravariant=True, default=Any)

class TypedWebSocketCore(WebSocketCore, Generic[_Sent]):
    async def receive_message(self, model: TypeForm[_Received], *, tag: str = "type") -> _Received: ...
    def iter_messages(
        self,
        model: TypeForm[_Received],
        *,
        tag: str = "type",
        on_invalid: Literal["reply", "raise", "ignore"] = "reply",
        max_invalid: int = 10,
    ) -> AsyncIterator[_Received]: ...
    async def send_message(self, message: _Sent) -> None: ...

@final
class ReceiveMessageCall(CompiledCoroutine): ...

@final
class SendMessageCall(CompiledCoroutine): ...
