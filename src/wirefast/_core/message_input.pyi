from collections.abc import Callable
from typing import Any, final

KNOWN_TYPES: int
UNHASHABLE_TYPES: int

@final
class Target:
    def __init__(
        self, *, validate: Callable[[Any], Any] | None, handler: Any, cut_tag: bool, cut_ref: bool
    ) -> None: ...

@final
class MessageInput:
    @property
    def tag(self) -> str: ...
    def __init__(
        self,
        *,
        tag: str,
        targets: dict[bytes, Target],
        only: Target | None,
        text: Target | None,
        binary: Target | None,
        explain: Callable[[Any, Any], tuple[str, list[Any] | None]],
    ) -> None: ...

def set_maker(maker: Callable[[Any, str], MessageInput]) -> None: ...
def known_types() -> tuple[int, int]: ...
