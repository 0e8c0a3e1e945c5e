from collections.abc import Awaitable, Callable, Mapping
from typing import Any, final

class Op: ...

@final
class FieldOp(Op):
    def __init__(
        self,
        *,
        node: int,
        out: int,
        place: str,
        names: tuple[str, ...],
        header_slots: tuple[int, ...],
        multi: bool,
        drop_empty: bool,
        shortcut: str,
        low: int,
        high: int,
        validate: Callable[..., Any],
        from_attributes: bool,
        required: bool,
        default: Any,
        default_factory: Callable[[], Any] | None,
        copy_default: bool,
        validate_default: bool,
    ) -> None: ...

@final
class ReadOp(Op):
    def __init__(self, *, node: int, out: int, read: Callable[[Any], tuple[Any, list[Any]]]) -> None: ...

@final
class BodyOp(Op):
    def __init__(
        self,
        *,
        node: int,
        read: Callable[[Any], Awaitable[tuple[dict[str, Any], list[Any]]]],
        names: tuple[str, ...],
        outs: tuple[int, ...],
    ) -> None: ...

@final
class ScopesOp(Op):
    def __init__(self, *, node: int, out: int, make: Callable[[], Any]) -> None: ...

@final
class MemberOp(Op):
    def __init__(self, *, node: int, out: int, source: int, get: Callable[[Any], Any]) -> None: ...

@final
class EnterOp(Op):
    def __init__(self, *, node: int, out: int, skippable: bool, make_dependant: Callable[[], Any]) -> None: ...
    def set_target(self, target: int) -> None: ...

@final
class CallOp(Op):
    def __init__(
        self,
        *,
        node: int,
        out: int,
        kind: str,
        call: Callable[..., Any],
        arguments: Mapping[str, int],
        parent: int,
        cache: int,
        use_cache: bool,
        function_scope: bool,
        open_context: Callable[..., Any] | None,
    ) -> None: ...

@final
class Plan:
    def __init__(
        self,
        *,
        ops: tuple[Op, ...],
        endpoint: CallOp,
        slot_count: int,
        node_count: int,
        cache_slots: dict[Any, int],
        header_index: dict[bytes, int] | None,
        connection_slot: int,
        response_slot: int,
        background_slot: int,
        make_response: Callable[[], Any],
        make_background: Callable[[], Any],
    ) -> None: ...
