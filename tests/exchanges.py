"""HTTP requests to an ASGI application without a network, and what came of them."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import unquote

from starlette.types import ASGIApp, Message


@dataclass
class Answer:
    """The ASGI messages an application sent, and the exception that left it."""

    messages: list[Message] = field(default_factory=list)
    raised: BaseException | None = None

    @property
    def status(self) -> int:
        return self.messages[0]["status"]

    @property
    def headers(self) -> dict[str, str]:
        return {name.decode(): value.decode() for name, value in self.messages[0]["headers"]}

    @property
    def body(self) -> bytes:
        return b"".join(message.get("body", b"") for message in self.messages[1:])

    @property
    def json(self) -> Any:
        return json.loads(self.body)


def http_scope(method: str, target: str, headers: Mapping[str, str] | None = None, **scope: Any) -> dict[str, Any]:
    path, _, query = target.partition("?")
    return {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.4"},
        "http_version": "1.1",
        "method": method,
        "scheme": "http",
        "path": unquote(path),
        "raw_path": path.encode(),
        "query_string": query.encode(),
        "root_path": "",
        "headers": [(name.lower().encode(), value.encode()) for name, value in (headers or {}).items()],
        "client": ("127.0.0.1", 40000),
        "server": ("example.org", 80),
        "state": {},
        "extensions": {},
        **scope,
    }


async def ask(
    app: ASGIApp,
    method: str,
    target: str,
    *,
    body: bytes | Sequence[bytes] = b"",
    json_body: Any = None,
    headers: Mapping[str, str] | None = None,
    scope: Mapping[str, Any] | None = None,
) -> Answer:
    """Send one request; ``body`` may be given in chunks. ``json_body`` is sent with its content type."""
    headers = dict(headers or {})
    if json_body is not None:
        body = json.dumps(json_body).encode()
        headers.setdefault("content-type", "application/json")
    chunks: Iterable[bytes] = [body] if isinstance(body, bytes) else body
    left = list(chunks)
    answer = Answer()
    done = asyncio.Event()

    async def receive() -> Message:
        if left:
            chunk = left.pop(0)
            return {"type": "http.request", "body": chunk, "more_body": bool(left)}
        await done.wait()
        return {"type": "http.disconnect"}

    async def send(message: Message) -> None:
        answer.messages.append(message)
        if message["type"] == "http.response.body" and not message.get("more_body", False):
            done.set()

    try:
        await app(http_scope(method, target, headers, **(scope or {})), receive, send)
    except Exception as exc:
        answer.raised = exc
    return answer


def respond(app: ASGIApp, method: str, target: str, **options: Any) -> Answer:
    """`ask` in an event loop of its own."""
    return asyncio.run(ask(app, method, target, **options))
