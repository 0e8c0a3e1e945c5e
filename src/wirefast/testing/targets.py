"""The sockets of an application that can be fuzzed: what their handshakes need, and which messages they take.

wirefast only.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote, urlencode

from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy
from pydantic import TypeAdapter
from pydantic.errors import PydanticInvalidForJsonSchema
from starlette.routing import Mount, WebSocketRoute

from wirefast.documents.sockets import shown_routes
from wirefast.messages.route import MessageRoute
from wirefast.testing.strategies import JSON, broken, values_of

__all__ = ["Handshake", "Target", "targets_of"]

#: A message: the opcode and the payload.
Sent = tuple[int, bytes]
TEXT, BINARY = 1, 2
CONVERTORS: dict[str, SearchStrategy[Any]] = {
    "int": st.integers(0, 2**31),
    "float": st.floats(0, 1e9).map(lambda value: f"{value:.3f}"),
    "uuid": st.uuids(),
    "path": st.text("abc/.", min_size=1, max_size=12),
}
WORD = st.text("abcdefgh0123456789_-", min_size=1, max_size=12)


@dataclass(frozen=True)
class Handshake:
    """One way to open a socket.

    Attributes:
        path: with the query.
        headers: pairs.
    """

    path: str
    headers: tuple[tuple[str, str], ...] = ()


@dataclass
class Target:
    """One route for WebSockets.

    Attributes:
        path: as it was declared.
        handshakes: for its parameters: values that are allowed, and some that are not.
        messages: frames with what the route takes, and what it does not.
        typed: whether it says which messages it takes.
    """

    path: str
    handshakes: SearchStrategy[Handshake]
    messages: SearchStrategy[Sent]
    typed: bool = False
    kinds: list[str] = field(default_factory=list)


def targets_of(app: Any, prefix: str = "") -> list[Target]:
    """Return every WebSocket route of an application: those of routers and of mounted applications too."""
    found = []
    for route in shown_routes(getattr(app, "routes", ())):
        if isinstance(route, Mount):
            found += targets_of(route.app, prefix + route.path)
        elif isinstance(route, WebSocketRoute):
            found.append(_target(route, prefix))
    return found


def _target(route: Any, prefix: str) -> Target:
    accepted = list(_accepted(route))
    plain = st.tuples(st.just(TEXT), st.text(max_size=60).map(_utf8)) | st.tuples(
        st.just(BINARY), st.binary(max_size=60)
    )
    as_json = st.tuples(st.just(TEXT), JSON.map(_json))
    kinds: list[SearchStrategy[Sent]] = [plain, as_json]
    for strategy in accepted:
        with_ref = st.tuples(strategy, st.none() | st.integers(0, 9) | st.text(max_size=5)).map(_with_ref)
        kinds = [st.tuples(st.sampled_from([TEXT, TEXT, BINARY]), with_ref), *kinds]
    nearly = broken(st.one_of(accepted) if accepted else JSON)
    kinds.append(st.tuples(st.sampled_from([TEXT, BINARY]), nearly))
    return Target(prefix + route.path, _handshakes(route, prefix), st.one_of(kinds), bool(accepted))


def _accepted(route: Any) -> Iterator[SearchStrategy[Any]]:
    """Return the messages that a route says it takes: of its handlers, or ``receives=``."""
    if isinstance(route, MessageRoute):
        types = [handler.message for handler in route.handlers if handler.message is not None and not handler.raw]
        tags = {id(handler.message): handler.declared.tags for handler in route.handlers}
        for message in types:
            yield from _values(message, route.registry.tag, tags.get(id(message)) or ())
        return
    receives = getattr(getattr(route, "described", None), "receives", None)
    if receives is not None:
        yield from _values(receives, "type", ())


def _values(message: Any, tag: str, tags: Any) -> Iterator[SearchStrategy[Any]]:
    try:
        values = values_of(TypeAdapter(message).json_schema())
    except PydanticInvalidForJsonSchema:
        return
    if tags:
        yield st.tuples(values, st.sampled_from(list(tags))).map(
            lambda pair: {**pair[0], tag: pair[1]} if isinstance(pair[0], dict) else pair[0]
        )
    else:
        yield values


def _handshakes(route: Any, prefix: str) -> SearchStrategy[Handshake]:
    fields = {"path": {}, "query": {}, "header": {}, "cookie": {}}  # type: dict[str, dict[str, SearchStrategy[Any]]]
    waiting = [getattr(route, "dependant", None)]
    while waiting:
        dependant = waiting.pop()
        if dependant is None:
            continue
        waiting.extend(dependant.dependencies)
        for place, found in fields.items():
            for item in getattr(dependant, f"{place}_params"):
                required = item.field_info.is_required()
                found[item.alias] = _parameter(item) if required else st.none() | _parameter(item)
    template = prefix + getattr(route, "path_format", re.sub(r":\w+}", "}", route.path))
    convertors = getattr(route, "param_convertors", {})
    places = {}
    for name in re.findall(r"{(\w+)}", template):
        kind = type(convertors.get(name)).__name__.removesuffix("Convertor").lower()
        places[name] = CONVERTORS[kind].map(str) if kind in CONVERTORS else fields["path"].get(name, WORD)
    return st.builds(
        lambda path, query, header, cookie: _opened(template, path, query, header, cookie),
        st.fixed_dictionaries(places),
        *(st.fixed_dictionaries(fields[place]) for place in ("query", "header", "cookie")),
    )


def _parameter(item: Any) -> SearchStrategy[str]:
    """Values of one parameter as text: mostly what it allows."""
    try:
        allowed = values_of(item.type_adapter.json_schema())
    except PydanticInvalidForJsonSchema:
        allowed = WORD
    return st.one_of(allowed.map(_as_text), allowed.map(_as_text), allowed.map(_as_text), WORD)


def _as_text(value: Any) -> str:
    if isinstance(value, (dict, list)):
        return _json(value).decode()
    return "" if value is None else str(value)


def _opened(
    template: str, path: dict[str, str], query: dict[str, str], header: dict[str, str], cookie: dict[str, str]
) -> Handshake:
    def sent(values: dict[str, str]) -> list[tuple[str, str]]:
        return [(name, _utf8(value).decode()) for name, value in values.items() if value is not None]

    filled = re.sub(r"{(\w+)}", lambda found: quote(_utf8(path[found[1]]), safe="/") or "-", template)
    parameters = urlencode(sent(query))
    lines = [(name, _line(value)) for name, value in sent(header)]
    cookies = "; ".join(f"{name}={quote(value, safe='')}" for name, value in sent(cookie))
    if cookies:
        lines.append(("cookie", cookies))
    return Handshake(f"{filled}?{parameters}" if parameters else filled, tuple(lines))


def _line(value: str) -> str:
    """Return what a header line may hold of a text."""
    return "".join(char for char in value if char.isascii() and char.isprintable()).strip()


def _utf8(text: str) -> bytes:
    return text.encode("utf-8", "replace")


def _with_ref(pair: tuple[Any, Any]) -> bytes:
    value, ref = pair
    return _json({**value, "ref": ref} if ref is not None and isinstance(value, dict) else value)


def _json(value: Any) -> bytes:
    return json.dumps(value).encode("utf-8", "replace")
