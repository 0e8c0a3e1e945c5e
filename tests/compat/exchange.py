"""HTTP requests to the same application over FastAPI and over wirefast, and the comparison of everything that happened.

A case is ``build(f, trace) -> app``: ``f`` has the public names of a framework (``f.App`` is its application class),
``trace(...)`` records what the case wants compared besides ASGI messages and the exception that left the application.
Everything is equal or the case fails; `compare` gives FastAPI's answers back, so that a case can say what they are.
"""

from __future__ import annotations

import asyncio
import importlib
import re
import warnings
from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import zip_longest
from typing import Any

import fastapi.routing

from exchanges import Answer, ask

_MODULES = re.compile(r"\b(?:fastapi|wirefast)((?:\.\w+)+)")
_ADDRESS = re.compile(r" at 0x[0-9a-f]+")


class Framework:
    """The public names of one framework; ``f.load("sse")`` imports a module of it."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.module = importlib.import_module(name)
        self.App = self.module.FastAPI if name == "fastapi" else self.module.App

    def __getattr__(self, name: str) -> Any:
        return getattr(self.module, name)

    def load(self, path: str) -> Any:
        return importlib.import_module(f"{self.name}.{path}")


@dataclass
class Request:
    """One request; see `exchanges.ask` for the options."""

    method: str
    target: str
    options: dict[str, Any] = field(default_factory=dict)


def request(method: str, target: str, **options: Any) -> Request:
    return Request(method, target, options)


Build = Callable[[Framework, Callable[..., None]], Any]


def compare(build: Build, *requests: Request) -> list[Answer]:
    """Run the case over both frameworks and require that they agree."""
    theirs, ours = (_run(build, Framework(name), requests) for name in ("fastapi", "wirefast"))
    for number, (got, expected) in enumerate(zip_longest(ours[0], theirs[0])):
        assert got == expected, f"event {number} differs from FastAPI's"
    return theirs[1]


def _run(build: Build, f: Framework, requests: tuple[Request, ...]) -> tuple[list[Any], list[Answer]]:
    # FastAPI remembers where an endpoint was written by the id of a function that may be gone.
    fastapi.routing._endpoint_context_cache.clear()
    events: list[Any] = []
    answers: list[Answer] = []

    def trace(*event: Any) -> None:
        events.append(("trace", _frozen(event)))

    async def serve(app: Any) -> None:
        for one in requests:
            answer = await ask(app, one.method, one.target, **one.options)
            answers.append(answer)
            events.append((one.method, one.target, _frozen(answer.messages), _frozen(answer.raised)))

    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            app = build(f, trace)
        except Exception as exc:
            events.append(("refused", _frozen(exc)))
        else:
            asyncio.run(serve(app))
    told = [(warning.category.__name__, str(warning.message)) for warning in caught]
    events += [
        ("warning", name, text) for name, text in told if name not in ("DeclarationWarning", "ResourceWarning")
    ]  # advice of wirefast's own, and what an earlier test left to be collected
    return events, answers


def _frozen(value: Any) -> Any:
    if isinstance(value, BaseException):
        parts = [getattr(value, name, None) for name in ("status_code", "detail", "headers", "endpoint_ctx", "body")]
        errors = value.errors() if hasattr(value, "errors") else None
        groups = getattr(value, "exceptions", ())
        return [type(value).__name__, _text(str(value)), _frozen(parts), _frozen(errors), _frozen(groups)]
    if isinstance(value, dict):
        return {str(key): _frozen(_unordered(key, item)) for key, item in value.items()}
    if isinstance(value, tuple) and len(value) == 2 and value[0] == b"allow":
        return [_text(repr(value[0])), _unordered("Allow", value[1].decode())]
    if isinstance(value, (list, tuple)):
        return [_frozen(item) for item in value]
    return _text(repr(value))


def _unordered(name: Any, value: Any) -> Any:
    """The methods of an Allow header, which come out of a set: their order hangs on the hash seed."""
    return sorted(value.split(", ")) if name == "Allow" and isinstance(value, str) else value


def _text(text: str) -> str:
    return _ADDRESS.sub("", _MODULES.sub(r"framework\1", text))
