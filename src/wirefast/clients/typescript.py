"""Write a TypeScript client as one file: the types of an AsyncAPI document, and a runtime that every client has."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from importlib.resources import files
from typing import Any

from wirefast.clients.reading import Channel, MessageObject, Reading, read, without_controls

__all__ = ["make_typescript", "type_of"]

WIDTH = 120
#: Names that a type of the document cannot have: those of the runtime, and of the language.
TAKEN = (
    "Address Sent Heard Replies TagOf Tags WithTag Plain Answer State StateChange Dropped SocketLike TokenPlace "
    "Retry Options Given ReplyError TimeoutError ConnectionLost Pending Waiting Socket Reader Channels "
    "ChannelSpec ErrorMessage Array Blob Boolean Date Error Extract Function Map Number Object Omit Promise "
    "Record Set String Symbol URL ArrayBuffer AbortSignal AsyncIterable AsyncIterator IteratorResult SyntaxError "
    "TypeError TextEncoder WebSocket JSON ReturnType"
).split()

_HEAD = """\
// The sockets of {title} {version}, as types, and a client for them.
//
// Written by `wirefast client --lang ts` from the application's AsyncAPI document; changes are lost the next time.
// It has no dependencies. Needs TypeScript 5 (`--strict`, target ES2020 or later), and at run time a browser, Deno, Bun
// or Node 22; older ones with `WebSocket` of the package `ws` as an option.
/* eslint-disable */
"""


def make_typescript(document: Mapping[str, Any]) -> str:
    """Return the whole file.

    Args:
        document: AsyncAPI 3, as `App.asyncapi` makes it.

    Raises:
        UnreadableDocument: the document is no AsyncAPI 3.
    """
    reading = read(document, TAKEN)
    parts = [_HEAD.format(title=reading.title, version=reading.version)]
    parts += [_declaration(name, schema) for name, schema in reading.models.items()]
    parts += [_ERROR, _channels(reading), _specs(reading)]
    for name in ("runtime_types.ts", "runtime.ts"):
        parts.append(files("wirefast.clients").joinpath(name).read_text(encoding="utf-8"))
    return "\n".join(parts)


_ERROR = """\
/** What was wrong with a message: the answer in the place of a reply. */
export interface ErrorMessage {
  code: string;
  ref?: number | string;
  message?: string;
  data?: unknown;
  errors?: { type: string; loc: (string | number)[]; msg: string }[];
  status?: number;
  detail?: unknown;
}
"""


def _declaration(name: str, schema: Any) -> str:
    """Return a type with its documentation."""
    text = _comment(_documentation(schema), "")
    if _is_plain_object(schema):
        return f"{text}export interface {name} {_members(schema, '')}\n"
    found = type_of(schema)
    line = f"export type {name} = {found};"
    if len(line) > WIDTH and len(_alternatives(found)) > 1:
        line = f"export type {name} =" + "".join(f"\n  | {item}" for item in _alternatives(found)) + ";"
    return f"{text}{line}\n"


def type_of(schema: Any, indent: str = "") -> str:
    """Return a JSON Schema as a TypeScript type."""
    if not isinstance(schema, dict) or not schema:
        return "never" if schema is False else "unknown"
    if "$ref" in schema:
        return str(schema["$ref"]).rpartition("/")[2]
    if "const" in schema:
        return _literal(schema["const"])
    if "enum" in schema:
        return _union(map(_literal, schema["enum"]))
    for key in ("anyOf", "oneOf"):
        if key in schema:
            return _union(type_of(item, indent) for item in schema[key])
    if "allOf" in schema:
        found = [type_of(item, indent) for item in schema["allOf"]]
        return " & ".join(dict.fromkeys(f"({item})" if " | " in item else item for item in found))
    kind = schema.get("type")
    if isinstance(kind, list):
        return _union(type_of({**schema, "type": item}, indent) for item in kind)
    if kind == "array":
        return _array(schema, indent)
    if kind == "object" or "properties" in schema:
        return _object(schema, indent)
    simple = {"string": "string", "integer": "number", "number": "number", "boolean": "boolean", "null": "null"}
    return simple.get(str(kind), "unknown")


def _array(schema: dict[str, Any], indent: str) -> str:
    items = schema.get("items", {})
    if isinstance(items, list):
        found = [type_of(item, indent) for item in items]
        least = schema.get("minItems", 0)
        found = [item if number < least else f"{_element(item)}?" for number, item in enumerate(found)]
        if schema.get("additionalItems", schema.get("maxItems") is None) is not False:
            found.append(f"...{_element(type_of(schema.get('additionalItems', {}), indent))}[]")
        return f"[{', '.join(found)}]"
    return f"{_element(type_of(items, indent))}[]"


def _element(text: str) -> str:
    """Return a type in front of brackets or a question mark."""
    return f"({text})" if len(_alternatives(text)) > 1 or " & " in text else text


def _alternatives(text: str) -> list[str]:
    """Return the parts of a union, one part if a type is no union."""
    found, depth, quote = [""], 0, ""
    for part in re.findall(r"""\\.| \| |.|\n""", text):
        if quote:
            quote = "" if part == quote else quote
        elif part in "\"'":
            quote = part
        else:
            depth += (part in "({[<") - (part in ")}]>")
        if part == " | " and not depth and not quote:
            found.append("")
        else:
            found[-1] += part
    return found


def _object(schema: dict[str, Any], indent: str) -> str:
    others = schema.get("additionalProperties")
    if schema.get("properties"):
        return _members(schema, indent)
    if others is False:
        return "Record<string, never>"
    # An index signature, since a type cannot name itself inside of Record.
    return f"{{ [key: string]: {type_of(others if isinstance(others, dict) else {}, indent)} }}"


def _is_plain_object(schema: Any) -> bool:
    return isinstance(schema, dict) and schema.get("type") == "object" and bool(schema.get("properties"))


def _members(schema: dict[str, Any], indent: str) -> str:
    inner = indent + "  "
    lines = ["{"]
    required = schema.get("required", [])
    for name, member in schema["properties"].items():
        text = _comment(_documentation(member), inner)
        mark = "" if name in required else "?"
        lines.append(text + _member(inner, f"{_name(name)}{mark}", type_of(member, inner)))
    others = schema.get("additionalProperties")
    if others is True or isinstance(others, dict):
        lines.append(f"{inner}[key: string]: unknown;")
    return "\n".join([*lines, indent + "}"])


def _name(name: str) -> str:
    # Letters of every alphabet, except those beyond the first plane, which formatters keep in quotes.
    return name if name.replace("$", "_").isidentifier() and max(name) < "\U00010000" else _literal(name)


def _literal(value: Any) -> str:
    """Return a literal. Strings have the quotes of formatters: double quotes, unless single quotes need fewer
    escapes."""
    if isinstance(value, (dict, list)):
        return "unknown"
    text = json.dumps(value, ensure_ascii=False).replace("\u2028", "\\u2028").replace("\u2029", "\\u2029")
    if isinstance(value, str) and value.count('"') > value.count("'"):
        return "'" + text[1:-1].replace('\\"', '"').replace("'", "\\'") + "'"
    return text


def _union(types: Iterable[str]) -> str:
    found = list(dict.fromkeys(types))
    return "unknown" if "unknown" in found else " | ".join(found) or "never"


#: The bounds of a schema, in words.
_BOUNDS = {
    "minimum": "at least {}",
    "exclusiveMinimum": "more than {}",
    "maximum": "at most {}",
    "exclusiveMaximum": "less than {}",
    "multipleOf": "a multiple of {}",
    "minLength": "at least {} characters",
    "maxLength": "at most {} characters",
    "pattern": "matches {}",
    "minItems": "at least {} items",
    "maxItems": "at most {} items",
    "format": "format {}",
}


def _documentation(schema: Any) -> str:
    """Return the description, bounds, default and deprecation of a schema."""
    if not isinstance(schema, dict):
        return ""
    tuples = isinstance(schema.get("items"), list)
    bounds = [words.format(schema[key]) for key, words in _BOUNDS.items() if key in schema and not tuples]
    text = [str(schema.get("description", "")).strip()]
    if bounds:
        text.append(", ".join(bounds).capitalize() + ".")
    if "default" in schema and "const" not in schema:
        text.append(f"Default: {json.dumps(schema['default'], ensure_ascii=False)}.")
    if schema.get("deprecated"):
        text.append("@deprecated")
    return "\n".join(filter(None, text))


def _comment(text: str, indent: str) -> str:
    lines = without_controls(text).replace("*/", "*\\/").splitlines()
    if not lines:
        return ""
    if len(lines) == 1 and len(lines[0]) < WIDTH - len(indent) - 7:
        return f"{indent}/** {lines[0]} */\n"
    return "".join([f"{indent}/**\n", *(f"{indent} * {line}".rstrip() + "\n" for line in lines), f"{indent} */\n"])


def _channels(reading: Reading) -> str:
    lines = ["/** The sockets by their addresses. */", "export interface Channels {"]
    for channel in reading.channels:
        lines.append(_comment("\n\n".join(filter(None, [channel.title, channel.description])), "  ").rstrip("\n"))
        lines.append(f"  {json.dumps(channel.address)}: {{")
        lines.append(f"    params: {_parameters(channel.params, list(channel.params))};")
        lines.append(f"    query: {_parameters(channel.query, channel.required)};")
        lines.append(_member("    ", "sends", _messages(channel.sends, "never")))
        lines.append(_member("    ", "hears", _messages(channel.hears, "never")))
        replies = [_member("      ", _key(tag), _messages(found, "unknown")) for tag, found in channel.replies.items()]
        lines += ["    replies: {", *replies, "    };"] if replies else ["    replies: {};"]
        lines.append(f"    tag: {json.dumps(channel.tag or 'type')};")
        lines.append("  };")
    return "\n".join([*lines, "}", ""])


def _key(tag: Any) -> str:
    return str(tag) if isinstance(tag, int) and tag >= 0 else _name(str(tag))


def _member(indent: str, name: str, text: str) -> str:
    """Return a line, or a line for each type of a union that is too long."""
    line = f"{indent}{name}: {text};"
    if len(line.split("\n")[0]) <= WIDTH:
        return line
    array = text[1:-3] if text.startswith("(") and text.endswith(")[]") else ""
    parts = _alternatives(array or text)
    if len(parts) == 1:
        return line
    if array:
        return f"{indent}{name}: (" + "".join(f"\n{indent}  | {item}" for item in parts) + f"\n{indent})[];"
    return f"{indent}{name}:" + "".join(f"\n{indent}  | {item}" for item in parts) + ";"


def _parameters(schemas: Mapping[str, Any], required: list[str]) -> str:
    if not schemas:
        return "{}"
    made = {"properties": dict(schemas), "required": required}
    return _members(made, "    ")


def _messages(messages: list[MessageObject], none: str) -> str:
    return _union(map(_message, messages)) if messages else none


def _message(message: MessageObject) -> str:
    if message.content == "text/plain":
        return "string"
    if message.content == "application/octet-stream":
        return "ArrayBuffer"
    return message.name or "unknown"


def _specs(reading: Reading) -> str:
    lines = [
        "interface ChannelSpec {",
        "  /** The member that tells messages apart. */",
        "  tag: string;",
        "  /** Where a token goes. */",
        "  token: TokenPlace;",
        "  /** Parameters that may have slashes. */",
        "  slashes?: string[];",
        "  /** Strings are sent as they are, not as JSON. */",
        "  text?: boolean;",
        "  /** Text that comes is no JSON. */",
        "  raw?: boolean;",
        "}",
        "",
        "const CHANNELS: Record<Address, ChannelSpec> = {",
    ]
    for channel in reading.channels:
        lines.append(f"  {json.dumps(channel.address)}: {{ {', '.join(_spec(channel))} }},")
    return "\n".join([*lines, "};", ""])


def _spec(channel: Channel) -> list[str]:
    place = channel.token if isinstance(channel.token, str) else None
    token = json.dumps(place) if place else f"{{ query: {json.dumps(channel.token['query'])} }}"  # type: ignore[index]
    found = [f"tag: {json.dumps(channel.tag)}", f"token: {token}"]
    if channel.slashes:
        found.append(f"slashes: {json.dumps(channel.slashes)}")
    if any(item.content == "text/plain" or item.name is None for item in channel.sends):
        found.append("text: true")
    texts = [item for item in channel.hears if item.content == "text/plain"]
    if texts and not any(item.content == "application/json" for item in channel.hears):
        found.append("raw: true")
    return found
