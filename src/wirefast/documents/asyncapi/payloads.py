"""Message objects: the payload of each type of message, and the error message."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from wirefast.documents.asyncapi.messages import TaggedType
from wirefast.documents.asyncapi.schemas import definition_name
from wirefast.documents.asyncapi.writing import PLAIN, narrowed

__all__ = ["REF_CORRELATION", "REF_SCHEMA", "Payloads"]

#: The ``ref`` that a client may put into a message, and that the answer repeats.
REF_SCHEMA: dict[str, Any] = {
    "title": "Ref",
    "description": "Put into a message, it comes back in each answer to the message.",
    "anyOf": [{"type": "integer"}, {"type": "string", "maxLength": 64}],
}
REF_CORRELATION: dict[str, Any] = {
    "description": "A client may put `ref` into any message: each answer and error to it carries it.",
    "location": "$message.payload#/ref",
}
#: The ends of the names of models that differ between messages.
_DIRECTION = re.compile(r"(-(Input|Output|ByName|NoNull|NoDefaults))+$")
_CODES = {
    "invalid": "the message is not valid; `errors` says where",
    "unknown_type": "no handler takes such messages",
    "malformed": "no JSON, or no object",
    "http": "an HTTP error; `status` and `detail` say which",
    "internal": "the server failed",
}


class Payloads:
    """Writes the messages of one document.

    Args:
        schemas: the schemas of each type, by the type and its mode.
        definitions: the models that these refer to, by name. The one of errors is added when it is used.
    """

    def __init__(self, schemas: Mapping[Any, dict[str, Any]], definitions: dict[str, dict[str, Any]]) -> None:
        self.schemas = schemas
        self.definitions = definitions
        self._errors: dict[str, dict[str, Any]] = {}

    def message(self, tagged: TaggedType, tag: str | None, suffix: str) -> tuple[str, dict[str, Any]]:
        """Return the key and the Message object of a type.

        Args:
            tagged: the type.
            tag: the name of the member that tells kinds apart; None if there is none.
            suffix: the name of the operation, for types without a name.
        """
        kind = tagged.type.annotation
        if kind in (str, bytes):
            name, content = ("Text", "text/plain") if kind is str else ("Binary", "application/octet-stream")
            payload = {"type": "string", **({"format": "binary"} if kind is bytes else {})}
            return name, {"name": name.lower(), "title": name, "contentType": content, "payload": payload}
        found = self.schemas[tagged.type, tagged.type.mode]
        referred = definition_name(found)
        model = self.definitions[referred] if referred else found
        name = _key(
            re.sub(
                r"(-(Input|Output|ByName|NoNull|NoDefaults))+$",
                "",
                referred or model.get("title") or f"{suffix}_message",
            )
        )
        payload = self._payload(found, model, tagged, tag)
        values = tagged.tags or (_values(model.get("properties", {}).get(tag)) if tag else [])
        message: dict[str, Any] = {"name": str(values[0]) if len(values) == 1 else name, "title": name}
        if text := model.get("description"):
            message["summary"] = text.strip().partition("\n")[0]
        message |= {"contentType": "application/json", "payload": payload}
        if model.get("type") == "object":
            message["correlationId"] = {"$ref": "#/components/correlationIds/ref"}
        if isinstance(model.get("examples"), list) and tagged.type.writing == PLAIN:
            message["examples"] = [{"payload": _with_tag(item, tag, values)} for item in model["examples"]]
        return name, message

    def _payload(self, found: dict[str, Any], model: dict[str, Any], tagged: TaggedType, tag: str | None) -> Any:
        """Return the reference to a model, or a copy with the additions of the socket: the tag, and ``ref`` for closed
        models."""
        written = narrowed(model, tagged.type.annotation, tagged.type.writing, self.definitions)
        is_object = written.get("type") == "object"
        closed = is_object and written.get("additionalProperties") is False
        if not is_object or not (closed or tagged.tags or written is not model):
            return found if written is model else written
        model = written
        properties = dict(model.get("properties", {}))
        required = list(model.get("required", ()))
        if tagged.tags and tag is not None:
            only = len(tagged.tags) == 1
            properties = {tag: {"const": tagged.tags[0]} if only else {"enum": tagged.tags}, **properties}
            required = [tag, *(name for name in required if name != tag)]
        if closed and "ref" not in properties:
            properties["ref"] = dict(REF_SCHEMA)
        made = {**model, "properties": properties}
        made.pop("required", None)
        return {**made, **({"required": required} if required else {})}

    def error(self, tag: str) -> dict[str, Any]:
        """Return the Message object of an error, whose tag has this name."""
        if tag not in self._errors:
            name = "ErrorReply" if tag == "type" else f"ErrorReply_{_key(tag)}"
            while name in self.definitions:
                name += "_"
            self.definitions[name] = _error_schema(name, tag)
            self._errors[tag] = {
                "name": "error",
                "title": "Error",
                "summary": "What was wrong with a message; the socket lives on.",
                "contentType": "application/json",
                "payload": {"$ref": f"#/components/schemas/{name}"},
                "correlationId": {"$ref": "#/components/correlationIds/ref"},
            }
        return self._errors[tag]


def _error_schema(name: str, tag: str) -> dict[str, Any]:
    codes = "; ".join(f"`{code}`: {text}" for code, text in _CODES.items())
    place = {"type": "array", "items": {"anyOf": [{"type": "string"}, {"type": "integer"}]}}
    problem = {
        "type": "object",
        "properties": {
            "type": {"type": "string"},
            "loc": {**place, "description": "The way to the member, from the outside in."},
            "msg": {"type": "string", "description": "A sentence for people."},
            "ctx": {"type": "object"},
            "input": {"description": "What stood there, where the socket tells it."},
        },
        "required": ["type", "loc", "msg"],
    }
    return {
        "title": name,
        "description": "What was wrong with a message.",
        "type": "object",
        "properties": {
            tag: {"const": "error"},
            "code": {"type": "string", "description": f"{codes}; others are the application's.", "examples": [*_CODES]},
            "ref": dict(REF_SCHEMA),
            "message": {"type": "string", "description": "A sentence for people."},
            "data": {"description": "More for programs."},
            "errors": {"type": "array", "items": problem, "maxItems": 20},
            "status": {"type": "integer", "description": "Of HTTP, with the code `http`."},
            "detail": {"description": "Of the HTTP error."},
        },
        "required": [tag, "code"],
    }


def _values(member: Any) -> list[Any]:
    """Return the values that a member may have, if it has a ``const`` or an ``enum``."""
    if not isinstance(member, dict):
        return []
    return [member["const"]] if "const" in member else list(member.get("enum", ()))


def _with_tag(example: Any, tag: str | None, values: list[Any]) -> Any:
    if isinstance(example, dict) and tag and values and tag not in example:
        return {tag: values[0], **example}
    return example


def _key(name: str) -> str:
    return re.sub(r"[^A-Za-z0-9_.-]+", "_", name)
