"""What a run did, in a form that two frameworks' runs can be compared in."""

from __future__ import annotations

import ast
import collections
import dataclasses
import enum
import json
import os
import re
from collections.abc import Mapping
from typing import Any

import pydantic
from starlette.websockets import WebSocket as StarletteWebSocket

PEER = os.environ.get("WIREFAST_COMPAT_PEER", "wirefast")

_MODULES = re.compile(r"\b(?:fastapi|wirefast)((?:\.\w+)+)")
_SHARED = re.compile(r"\b(?:starlette|fastapi|wirefast)\.(?:\w+\.)*(WebSocket|BackgroundTasks)\b")
_METHOD = re.compile(r"\bFastAPI(\.\w+\(\))")
_ADDRESS = re.compile(r" at 0x[0-9a-fA-F]+")


class Saying:
    """In an expected trace: any text that holds each of these parts."""

    def __init__(self, *parts: str) -> None:
        self.parts = parts

    def __eq__(self, other: object) -> bool:
        return isinstance(other, str) and all(part in other for part in self.parts)

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        return f"Saying{self.parts!r}"


class Raising(Saying):
    """In an expected trace: an exception whose text holds each of these parts."""

    def __eq__(self, other: object) -> bool:
        return isinstance(other, list) and len(other) >= 2 and super().__eq__(other[1])

    __hash__ = None  # type: ignore[assignment]


def normalised(text: str) -> str:
    text = _METHOD.sub(r"App\1", text)
    text = _SHARED.sub(r"framework.\1", text)
    text = _MODULES.sub(r"framework\1", text).replace("framework.applications.FastAPI", "framework.applications.App")
    return _ADDRESS.sub("", text)


def kind(cls: type) -> str:
    return normalised(f"{cls.__module__}.{cls.__qualname__}").removeprefix("builtins.")


def freeze(value: Any) -> Any:
    """The value as nested lists and dicts of reprs: 1, True and "1" stay apart, both frameworks' classes do not."""
    if isinstance(value, Saying):
        return value
    if isinstance(value, enum.Enum) or value is None or isinstance(value, (bool, int, float, bytes)):
        return repr(value)
    if isinstance(value, str):
        return normalised(repr(str(value)))
    if isinstance(value, BaseException):
        return _freeze_exception(value)
    if isinstance(value, StarletteWebSocket):
        return "<WebSocket>"
    if isinstance(value, pydantic.BaseModel):
        return [kind(type(value)), freeze(value.__dict__), freeze(value.model_extra)]
    if isinstance(value, type):
        return f"<class {kind(value)}>"
    if dataclasses.is_dataclass(value):
        names = [field.name for field in dataclasses.fields(value) if field.repr]
        return [kind(type(value)), {name: freeze(getattr(value, name)) for name in names}]
    if isinstance(value, Mapping):
        return {freeze(key) if not isinstance(key, str) else key: freeze(item) for key, item in value.items()}
    if isinstance(value, (set, frozenset)):
        return [type(value).__name__, *sorted((freeze(item) for item in value), key=repr)]
    if isinstance(value, (list, tuple, collections.deque)):
        return [type(value).__name__, *(freeze(item) for item in value)]
    return normalised(repr(value))


def _freeze_exception(error: BaseException) -> Any:
    frozen: list[Any] = [kind(type(error)), normalised(str(error))]
    for name in ("code", "reason", "status_code", "detail", "headers", "endpoint_ctx", "exceptions"):
        if hasattr(error, name):
            frozen.append([name, freeze(getattr(error, name))])
    if callable(getattr(error, "errors", None)):
        frozen.append(["errors", freeze(error.errors())])
    return frozen


def _is_close(event: Any) -> bool:
    return (
        isinstance(event, list)
        and len(event) == 3
        and event[1] == "'sent'"
        and isinstance(event[2], dict)
        and event[2].get("type") == "'websocket.close'"
    )


def listed_reason(event: Any) -> Any:
    """Marks a reason that is a list in FastAPI's trace, without what the client sent."""
    if _is_close(event) and isinstance(event[2].get("reason"), list) and event[2]["reason"][0] == "list":
        return [
            *event[:2],
            event[2] | {"reason": ["json", [_without_input(error) for error in event[2]["reason"][1:]]]},
        ]
    return event


def _without_input(error: dict[str, Any]) -> dict[str, Any]:
    sent = error.get("input")
    if isinstance(sent, str) and sent[:1] in "'\"" and len(text := ast.literal_eval(sent)) >= 8:
        error = error | {"msg": repr(ast.literal_eval(error["msg"]).replace(text, "…"))}
    return {name: error[name] for name in ("type", "loc", "msg")}


def readable_reason(event: Any) -> Any:
    """Parses a reason that is JSON text of a list; anything else is left as it is."""
    if PEER == "fastapi":
        return listed_reason(event)
    if _is_close(event) and isinstance(event[2].get("reason"), str) and event[2]["reason"].startswith("'["):
        try:
            parsed = json.loads(ast.literal_eval(event[2]["reason"]))
        except ValueError:
            return event
        return [*event[:2], event[2] | {"reason": ["json", freeze(parsed)[1:]]}]
    return event
