from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from typing import Any, TypeVar, final

from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Message, Receive, Scope, Send

from wirefast._core.plan_cache import PlanCache

_T = TypeVar("_T")

@final
class Exchange:
    started: bool
    def __call__(self, message: Message) -> Any: ...
    async def enter(self, manager: AbstractAsyncContextManager[_T]) -> _T: ...

@final
class RequestResponse:
    handler: Callable[..., Any]
    def __init__(self, handler: Callable[..., Any]) -> None: ...
    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None: ...
    async def serve(self, request: Request, exchange: Exchange) -> None: ...
    async def respond(self, request: Request, exchange: Exchange) -> None: ...

@final
class Lender:
    async def leave_functions(self, kind: Any, exc: BaseException | None, traceback: Any) -> bool: ...
    async def leave_requests(self, kind: Any, exc: BaseException | None, traceback: Any) -> bool: ...
    async def left(self, exits: list[Any] | None, exc: BaseException | None) -> bool: ...

@final
class Operation:
    plans: PlanCache
    def __init__(
        self,
        *,
        plans: PlanCache,
        body_kind: str | None,
        strict_content_type: bool,
        read_form: Callable[..., Any] | None,
        in_thread: bool,
        stream: Callable[..., Any] | None,
        validate: Callable[..., Any] | None,
        to_json: Callable[..., bytes] | None,
        prepare: Callable[..., Any] | None,
        response_class: type[Response],
        status_code: int | None,
        refuse: Callable[..., Exception],
        refuse_body: Callable[..., Exception],
        refuse_result: Callable[..., Exception],
    ) -> None: ...
    async def answer(self, request: Request) -> Response: ...
    def call_in_thread(self, frame: Any, request: Request) -> Any: ...

async def read_bytes(request: Request) -> bytes: ...
async def read_json(request: Request, strict_content_type: bool) -> Any: ...
