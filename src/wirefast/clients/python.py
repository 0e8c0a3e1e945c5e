"""Write a Python client as one module: the models of an AsyncAPI document, and a runtime that every client has."""

from __future__ import annotations

import keyword
import re
from collections.abc import Iterable, Mapping
from importlib.resources import files
from typing import Any

from wirefast.clients.python_types import Types
from wirefast.clients.reading import Channel, MessageObject, quoted, read

__all__ = ["make_python"]

WIDTH = 120

_HEAD = '''\
"""The sockets of {title} {version}, as types, and a client for them.

Written by ``wirefast client --lang python`` from the application's AsyncAPI document; changes are lost the next time.
Needs Python 3.10, pydantic 2 and websockets 15 or later. ``connect()`` is at the end.
"""

# ruff: noqa: E501
from __future__ import annotations

import asyncio
import base64
import datetime as _datetime
import json
import random
import re
import time
import uuid as _uuid
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from typing import Annotated, Any, Generic, Literal, NamedTuple, TypeVar, Union, get_args, get_origin, overload
from urllib.parse import quote, urlencode, urlsplit, urlunsplit

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError
from typing_extensions import Self, TypedDict, Unpack
from websockets.asyncio.client import ClientConnection
from websockets.asyncio.client import connect as open_connection
from websockets.exceptions import ConnectionClosed, InvalidStatus, WebSocketException
'''
#: Names that a model of the document cannot have.
TAKEN = (
    "Annotated Any AsyncIterator Awaitable BaseModel CHANNELS Callable ChannelSpec ClientConnection ConfigDict "
    "ConnectionClosed ConnectionLost Dropped Exception Field Generic Heard InvalidStatus LATER Literal Mapping "
    "Model NEVER NamedTuple Options OSError Outcome Pending REFUSALS Reader ReplyError Self Sent Sequence Socket State "
    "StateChange StopAsyncIteration TimeoutError TokenPlace _MODELS TypeAdapter TypeError TypeVar TypedDict "
    "UNREAD Union Unpack ValidationError ValueError Waiting WebSocketException None True False"
).split()


def make_python(document: Mapping[str, Any]) -> str:
    """Return the whole module.

    Args:
        document: AsyncAPI 3, as `App.asyncapi` makes it.

    Raises:
        UnreadableDocument: the document is no AsyncAPI 3.
    """
    reading = read(document, TAKEN)
    title, version = (part.replace('"', "'").replace("\\", "/") for part in (reading.title, reading.version))
    types = Types(reading.models)
    parts, runtime = _regions("runtime_parts.py"), _regions("runtime.py")
    blocks = [
        _HEAD.format(title=title, version=version),
        parts["models"],
        types.text(),
        parts["parts"],
        runtime["runtime"],
    ]
    blocks += [_class(channel, types) for channel in reading.channels]
    blocks += [_specs(reading.channels), _connect(reading.channels, types)]
    return "\n\n\n".join(block.strip("\n") for block in blocks if block.strip()) + "\n"


def _regions(name: str) -> dict[str, str]:
    """Return the marked regions of a module of this package."""
    text = files("wirefast.clients").joinpath(name).read_text(encoding="utf-8")
    return {found[1]: found[2] for found in re.finditer(r"(?ms)^# region (\w+)\n(.*?)^# endregion$", text)}


def _class(channel: Channel, types: Types) -> str:
    """Return the class of one socket, whose requests have the types of their answers."""
    line = f"class {channel.kind}(Socket[{_union(channel.sends)}, {_union(channel.hears)}]):"
    lines = [line]
    if len(line) > WIDTH:
        bases = [_type_arguments(messages) for messages in (channel.sends, channel.hears)]
        lines = [f"class {channel.kind}(", "    Socket[", *(",\n".join(bases) + ",").splitlines(), "    ]", "):"]
    text = "\n\n".join(filter(None, [channel.title, channel.description])) or channel.address
    lines.append(types.docstring(text, "    "))
    requests = [(item, _answer(channel, item)) for item in channel.sends if _is_object(item)]
    for item, answer in requests:
        if len(requests) > 1:
            lines += ["", "    @overload"]
        elif requests:
            lines.append("")
        body = " ..." if len(requests) > 1 else ""
        arguments = f"self, message: {_type(item)}, *, timeout: float | None = None"
        line = f"    async def request({arguments}) -> {answer}:{body}"
        if len(line) <= WIDTH:
            lines.append(line)
        else:
            each = [f"        {arguments}"] if len(arguments) + 8 <= WIDTH else _each_argument(arguments)
            lines += ["    async def request(", *each, f"    ) -> {answer}:{body}"]
    if len(requests) > 1:
        lines += ["", "    async def request(self, message: Any, *, timeout: float | None = None) -> Any:"]
    if requests:
        lines += [
            '        """Send a message and wait for its answer.',
            "",
            "        Args:",
            "            message: the message.",
            "            timeout: seconds. Default: that of the options.",
            "",
            "        Raises:",
            "            ReplyError: the server answered with an error.",
            "            TimeoutError: no answer in time.",
            "            ConnectionLost: the connection was lost after the message was sent, or is closed permanently.",
            '        """',
            "        return await self._request(message, timeout)"
            + ("" if len(requests) > 1 else "  # type: ignore[no-any-return,unused-ignore]"),
        ]
    return "\n".join(lines)


def _type_arguments(messages: list[MessageObject]) -> str:
    """Return a union that is too long for a line, with the line breaks of formatters."""
    found = _union(messages)
    whole = f"        {found}"
    return whole if len(whole) < WIDTH else "        " + found.replace(" | ", "\n        | ")


def _each_argument(arguments: str) -> list[str]:
    return [f"        {argument}," for argument in arguments.split(", ")]


def _is_object(message: MessageObject) -> bool:
    return message.content == "application/json"


def _answer(channel: Channel, message: MessageObject) -> str:
    found = [item for tag in message.tags or [""] for item in channel.replies.get(tag, [])]
    return _union(list({id(item): item for item in found}.values()), "Any")


def _union(messages: list[MessageObject], none: str = "Any") -> str:
    found = list(dict.fromkeys(map(_type, messages)))
    return "Any" if "Any" in found else " | ".join(found) or none


def _type(message: MessageObject) -> str:
    if message.content == "text/plain":
        return "str"
    if message.content == "application/octet-stream":
        return "bytes"
    return message.name or "Any"


def _specs(channels: list[Channel]) -> str:
    lines = ["#: What the client knows of each socket."]
    lines.append("CHANNELS: dict[str, tuple[type[Socket[Any, Any]], ChannelSpec]] = {")
    for channel in channels:
        token = channel.program_token if isinstance(channel.program_token, str) else channel.program_token["query"]
        hears = list(dict.fromkeys(map(_type, channel.hears)))
        texts = any(item.content == "text/plain" for item in channel.hears)
        text = texts and not any(item.content == "application/json" for item in channel.hears)
        fields = {
            "address": quoted(channel.address),
            "tag": quoted(channel.tag),
            "hears": _subscript("Union", hears, " " * 12) if len(hears) > 1 else hears[0] if hears else "Any",
            "token": quoted(token),
            "text": str(text),
            "slashes": f"({' '.join(f'{quoted(name)},' for name in channel.slashes)})",
        }
        lines += [f"    {quoted(channel.address)}: (", f"        {channel.kind},", "        ChannelSpec("]
        lines += [f"            {name}={value}," for name, value in fields.items()]
        lines += ["        ),", "    ),"]
    return "\n".join([*lines, "}"])


def _subscript(name: str, items: list[str], indent: str) -> str:
    """Return ``name[items]``; long items are on a line each."""
    line = f"{name}[{', '.join(items)}]"
    if len(line) < 90:
        return line
    return "\n".join([f"{name}[", *(f"{indent}    {item}," for item in items), f"{indent}]"])


def _connect(channels: list[Channel], types: Types) -> str:
    """Return ``connect()``, with a signature for each socket."""
    lines: list[str] = []
    for channel in channels:
        if len(channels) > 1:
            lines.append("@overload")
        lines += [
            "def connect(",
            f"    address: Literal[{quoted(channel.address)}],",
            "    *,",
            "    url: str,",
            *(f"    {argument}: {annotation}," for argument, annotation in _arguments(channel, types)),
            "    **options: Unpack[Options],",
            f") -> {channel.kind}: ..." if len(channels) > 1 else f") -> {channel.kind}:",
        ]
    if len(channels) != 1:
        lines.append("def connect(address: str, *, url: str, **options: Any) -> Any:")
    lines += [
        '    """Connect to a socket by its address. It connects by itself, now and whenever the connection is lost.',
        "",
        "    Args:",
        "        address: of the socket.",
        "        url: of the server, ``ws://``, ``wss://``, ``http://`` or ``https://``.",
        "        **options: the parameters of the path and of the query, and `Options`.",
        *dict.fromkeys(
            f"            ``{argument}`` is a parameter of the {place}, because ``{option}`` is another argument."
            for channel in channels
            for argument, (place, _) in _named_arguments(channel).items()
            if (option := argument.rstrip("_")) != argument and option in _KEYWORDS
        ),
        '    """',
    ]
    if len(channels) == 1:
        given = ", ".join(
            f"{quoted(argument)}: {argument}" for argument, _ in _arguments(channels[0], types, bare=True)
        )
        lines.append(f"    values: dict[str, Any] = {{{given}}}")
        lines.append("    rest: Options = options")
    else:
        lines += [
            "    values = {name: options.pop(name) for name in _ARGUMENTS[address] if name in options}",
            "    rest: Any = options",
        ]
    lines += [
        "    kind, spec = CHANNELS[address]",
        "    named = [(place, wire, values.get(name)) for name, (place, wire) in _ARGUMENTS[address].items()]",
        '    params = {wire: value for place, wire, value in named if place == "path"}',
        '    query = {wire: value for place, wire, value in named if place == "query"}',
        "    return kind(spec, url, params, query, rest)"
        + ("  # type: ignore[return-value]" if len(channels) == 1 else ""),
    ]
    table = ["#: The arguments of `connect`, where they go, and what they are called there."]
    table.append("_ARGUMENTS: dict[str, dict[str, tuple[str, str]]] = {")
    for channel in channels:
        names = _named_arguments(channel).items()
        pairs = [f'        {quoted(name)}: ("{place}", {quoted(wire)}),' for name, (place, wire) in names]
        address = quoted(channel.address)
        table += [f"    {address}: {{", *pairs, "    },"] if pairs else [f"    {address}: {{}},"]
    return "\n".join([*table, "}", "", "", *lines])


#: The keywords of ``connect()`` beside a socket's own.
_KEYWORDS = frozenset(
    "address url token token_in headers protocols queue timeout retry_base retry_max attempts stable open_timeout "
    "reconnect".split()
)
#: The names that no argument of a socket may have: those keywords, and the variables of ``connect()``.
_TAKEN_ARGUMENTS = _KEYWORDS | frozenset("options values rest kind spec named params query".split())


def _named_arguments(channel: Channel) -> dict[str, tuple[str, str]]:
    """Return the place and the name of each parameter by its keyword; each keyword is unique."""
    found: dict[str, tuple[str, str]] = {}
    for place, names in (("path", channel.params), ("query", channel.query)):
        for name in names:
            argument = re.sub(r"\W", "_", name, flags=re.ASCII)
            if not argument or argument[0].isdigit():
                argument = f"_{argument}"
            while argument in _TAKEN_ARGUMENTS or argument in found or keyword.iskeyword(argument):
                argument += "_"
            found[argument] = (place, name)
    return found


def _arguments(channel: Channel, types: Types, bare: bool = False) -> Iterable[tuple[str, str]]:
    """Yield each keyword and its annotation, required ones first."""
    optional = []
    for argument, (place, name) in _named_arguments(channel).items():
        kind = types.of((channel.params if place == "path" else channel.query)[name])
        if place == "path" or name in channel.required:
            yield argument, kind
        else:
            kind = kind if bare or "None" in kind or kind == "Any" else f"{kind} | None"
            optional.append((argument, f"{kind} = None"))
    yield from optional
