"""The sockets of an application that can be fuzzed: the parameters of their handshakes, and their messages.

wirefast only.
"""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import quote, urlencode

from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy
from pydantic import TypeAdapter
from pydantic.errors import PydanticInvalidForJsonSchema
from starlette.routing import Mount, WebSocketRoute

from wirefast.dependencies.models import Dependant
from wirefast.documents.needs import Needs
from wirefast.documents.sockets import shown_routes
from wirefast.messages.route import MessageRoute
from wirefast.testing.frames import BINARY, TEXT
from wirefast.testing.steps import Step, awry, message, split
from wirefast.testing.strategies import JSON, broken, values_of

__all__ = ["Handshake", "Target", "targets_of"]

#: A whole message: the opcode and the payload.
Sent = tuple[int, bytes]
#: Names and values as they are sent.
Pairs = list[tuple[str, str]]
CONVERTORS: dict[str, SearchStrategy[Any]] = {
    "int": st.integers(0, 2**31),
    "float": st.floats(0, 1e9).map(lambda value: f"{value:.3f}"),
    "uuid": st.uuids(),
    "path": st.text("abc/.", min_size=1, max_size=12),
}
WORD = st.text("abcdefgh0123456789_-", min_size=1, max_size=12)
#: Unusual values of a parameter: too large a number, other digits, no number, almost one, not printable, long.
ODD = st.sampled_from(
    [
        "",
        " ",
        "-1",
        "9" * 30,
        "9" * 5000,
        "1e400",
        "NaN",
        "\u0663",
        " 1 ",
        "0x1",
        "1_0",
        "\0",
        "\ufffd",
        "\U0001f600",
        "x" * 3000,
    ]
)
#: Texts behind a path or a query, some with wrong percent-encoding.
PATH_ENDS = st.sampled_from(["%", "%zz", "%ff", "%00", "/", "/../x", "%2e%2e", "%2f", ";a=b", "\\", "é"])
QUERY_ENDS = st.sampled_from(["&", "=", "%", "%ff", "a[b]=c", "&&=&", "a=%00", "a;b", "x=" + "y" * 5000])
#: Headers that make a handshake wrong, or change its meaning.
ODD_HEADERS: SearchStrategy[tuple[tuple[str, str], ...]] = st.sampled_from(
    [
        (("Sec-WebSocket-Version", "12"),),
        (("Sec-WebSocket-Key", "short"),),
        (("Upgrade", "h2c"),),
        (("Connection", "close"),),
        (("Host", ""),),
        (("Sec-WebSocket-Protocol", "chat, superchat"),),
        (("Sec-WebSocket-Protocol", "a b,,"),),
        (("Sec-WebSocket-Extensions", "permessage-deflate; client_max_window_bits"),),
        (("Sec-WebSocket-Extensions", "permessage-deflate; server_max_window_bits=99"),),
        (("Origin", "https://elsewhere.example"),),
        (("Origin", "null"),),
        (("Cookie", 'a=b; =; "'),),
        (("Cookie", "session=%ff; session=\xff"),),
        (("Content-Length", "5"),),
        (("Transfer-Encoding", "chunked"),),
        (("X-Forwarded-For", "not an address"),),
        (("X-Long", "x" * 10_000),),
        (("Accept-Language", "\xe9\xff"),),
    ]
)


@dataclass(frozen=True)
class Handshake:
    """One way to open a socket.

    Attributes:
        path: the path with the query.
        headers: the headers as pairs.
    """

    path: str
    headers: tuple[tuple[str, str], ...] = ()


@dataclass
class Target:
    """One route for WebSockets.

    Attributes:
        path: the declared path.
        handshakes: a strategy for handshakes, whose parameters have allowed values and sometimes others.
        steps: a strategy for messages, those of the route and others.
        typed: whether the route declares its messages.
    """

    path: str
    handshakes: SearchStrategy[Handshake]
    steps: SearchStrategy[Step]
    typed: bool = False


def targets_of(
    app: Any, prefix: str = "", given: Collection[str] = (), query: Sequence[tuple[str, str]] = ()
) -> list[Target]:
    """Return every WebSocket route of an application, also those of routers and of mounted applications.

    Args:
        app: anything with ``routes``.
        prefix: the prefix of every path.
        given: names of headers that every handshake has already, in small letters.
        query: parameters that the query of every handshake has, in place of values of the strategy.
    """
    found = []
    for route in shown_routes(getattr(app, "routes", ())):
        if isinstance(route, Mount):
            found += targets_of(route.app, prefix + route.path, given, query)
        elif isinstance(route, WebSocketRoute):
            found.append(_target(route, prefix, given, query))
    return found


def _target(route: Any, prefix: str, given: Collection[str], query: Sequence[tuple[str, str]]) -> Target:
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
    messages = st.one_of(kinds)
    whole = messages.map(lambda sent: message(*sent))
    steps = st.one_of(whole, whole, whole, whole, split(messages), awry(messages))
    handshakes = _handshakes(route, prefix, given, {name for name, _ in query})
    if query:
        handshakes = handshakes.map(
            lambda opened: replace(opened, path=f"{opened.path}{'&' if '?' in opened.path else '?'}{urlencode(query)}")
        )
    return Target(prefix + route.path, handshakes, steps, bool(accepted))


def _accepted(route: Any) -> Iterator[SearchStrategy[Any]]:
    """Return the messages that a route declares, by its handlers or by ``receives=``."""
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


def _handshakes(
    route: Any, prefix: str, given: Collection[str], in_query: Collection[str]
) -> SearchStrategy[Handshake]:
    fields: dict[str, dict[str, SearchStrategy[Any]]] = {"path": {}, "query": {}, "header": {}, "cookie": {}}
    dependant = getattr(route, "dependant", None)
    if isinstance(dependant, Dependant):  # another framework's dependant has other fields
        needs = Needs.of(dependant)
        for scheme, _ in needs.security:
            place, name, values = _credentials(scheme.model)
            fields[place][name] = st.none() | values
        for place, name, field, required in needs.sent():
            fields[place][name] = _parameter(field) if required else st.none() | _parameter(field)
    for name in [name for name in fields["header"] if name.lower() in given]:
        del fields["header"][name]
    for name in in_query:
        fields["query"].pop(name, None)
    if "cookie" in given:
        fields["cookie"].clear()
    template = prefix + getattr(route, "path_format", re.sub(r":\w+}", "}", route.path))
    convertors = getattr(route, "param_convertors", {})
    places = {}
    for name in re.findall(r"{(\w+)}", template):
        kind = type(convertors.get(name)).__name__.removesuffix("Convertor").lower()
        places[name] = CONVERTORS[kind].map(str) if kind in CONVERTORS else fields["path"].get(name, WORD)
    valid = st.builds(
        lambda path, query, header, cookie: _opened(template, path, query, header, cookie),
        st.fixed_dictionaries(places),
        *(st.fixed_dictionaries(fields[place]) for place in ("query", "header", "cookie")),
    )
    return st.one_of(*[valid] * 6, _spoiled(valid, given))


@st.composite
def _spoiled(draw: st.DrawFn, valid: SearchStrategy[Handshake], given: Collection[str]) -> Handshake:
    """Return a handshake with an error."""
    opened = draw(valid)
    path, mark, query = opened.path.partition("?")
    where = draw(st.sampled_from(["path", "query", "twice", "headers"]))
    if where == "path":
        path += draw(PATH_ENDS)
    elif where == "query":
        query, mark = f"{query}&{draw(QUERY_ENDS)}" if query else draw(QUERY_ENDS), "?"
    elif where == "twice":
        query = f"{query}&{query}" if query else query
    more = draw(ODD_HEADERS) if where == "headers" else ()
    more = tuple(line for line in more if line[0].lower() not in given)
    return Handshake(path + mark + query, (*opened.headers, *more))


def _credentials(model: Any) -> tuple[str, str, SearchStrategy[str]]:
    """Return the place of a security scheme's credentials, their name, and a strategy for values."""
    if str(model.type_.value) == "apiKey":
        return model.in_.value, model.name, WORD | ODD
    word = WORD | ODD
    if str(getattr(model, "scheme", "")).lower() == "basic":
        pairs = st.tuples(WORD, WORD).map(lambda pair: base64.b64encode(":".join(pair).encode()).decode())
        return "header", "Authorization", st.one_of(pairs, word).map(lambda text: f"Basic {text}")
    return "header", "Authorization", st.one_of(word.map(lambda text: f"Bearer {text}"), word)


def _parameter(item: Any) -> SearchStrategy[str | list[str]]:
    """Return a strategy for values of one parameter as text. Most of them are allowed."""
    try:
        allowed = values_of(item.type_adapter.json_schema())
    except PydanticInvalidForJsonSchema:
        allowed = WORD
    sent = allowed.map(_as_sent)
    return st.one_of(*[sent] * 8, WORD, ODD)


def _as_sent(value: Any) -> str | list[str]:
    return [_as_text(item) for item in value] if isinstance(value, list) else _as_text(value)


def _as_text(value: Any) -> str:
    if isinstance(value, (dict, list)):
        return _json(value).decode()
    return "" if value is None else str(value)


def _opened(
    template: str, path: dict[str, Any], query: dict[str, Any], header: dict[str, Any], cookie: dict[str, Any]
) -> Handshake:
    def sent(values: dict[str, Any]) -> Pairs:
        several = [(name, value if isinstance(value, list) else [value]) for name, value in values.items()]
        return [(name, _utf8(item).decode()) for name, items in several for item in items if item is not None]

    filled = re.sub(r"{(\w+)}", lambda found: quote(_utf8(_as_text(path[found[1]])), safe="/") or "-", template)
    parameters = urlencode(sent(query))
    lines = [(name, _line(value)) for name, value in sent(header)]
    cookies = "; ".join(f"{name}={quote(value, safe='')}" for name, value in sent(cookie))
    if cookies:
        lines.append(("cookie", cookies))
    return Handshake(f"{filled}?{parameters}" if parameters else filled, tuple(lines))


def _line(value: str) -> str:
    """Return the part of a text that a header line may have."""
    return "".join(char for char in value if char.isascii() and char.isprintable()).strip()


def _utf8(text: str) -> bytes:
    return text.encode("utf-8", "replace")


def _with_ref(pair: tuple[Any, Any]) -> bytes:
    value, ref = pair
    return _json({**value, "ref": ref} if ref is not None and isinstance(value, dict) else value)


def _json(value: Any) -> bytes:
    return json.dumps(value).encode("utf-8", "replace")
