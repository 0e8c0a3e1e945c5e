from collections.abc import Callable
from typing import Any, final

from wirefast._core.message_input import MessageInput
from wirefast._core.plan_cache import PlanCache

@final
class Replies:
    def __init__(
        self,
        *,
        writers: dict[Any, Callable[..., bytes]],
        other: Callable[[Any], bytes],
        options: dict[str, Any] | None,
        own_ref: frozenset[Any],
    ) -> None: ...

@final
class MessageHandler:
    call: Callable[..., Any]
    def __init__(
        self,
        *,
        call: Callable[..., Any],
        plans: PlanCache,
        kind: str,
        concurrent: bool,
        cancels: bool,
        replies: Replies,
    ) -> None: ...

@final
class MessageTable:
    def __init__(
        self,
        *,
        input: MessageInput,
        stream: MessageHandler | None,
        opened: MessageHandler | None,
        ended: MessageHandler | None,
        given: int,
        on_invalid: str,
        max_invalid: int,
        in_flight: int,
        closes_on_error: bool,
        invalid: Callable[[list[Any], Any], Exception],
        default_handlers: frozenset[Any],
    ) -> None: ...
