"""One socket in the document: its Channel object, and the Operation objects of the channel."""

from __future__ import annotations

import inspect
import re
from collections.abc import Collection
from dataclasses import dataclass
from enum import Enum
from typing import Any

from starlette.convertors import FloatConvertor, IntegerConvertor, PathConvertor, UUIDConvertor

from wirefast.documents.asyncapi.messages import Operation, Operations, TaggedType
from wirefast.documents.asyncapi.payloads import Payloads
from wirefast.documents.asyncapi.schemas import draft7
from wirefast.documents.asyncapi.security import Security
from wirefast.documents.needs import Needs
from wirefast.documents.schemas import Schemas
from wirefast.routes.description import Described

__all__ = ["Socket", "public_doc", "write_socket"]

_OF_CONVERTORS: tuple[tuple[Any, dict[str, Any]], ...] = (
    (IntegerConvertor, {"type": "integer", "minimum": 0}),
    (FloatConvertor, {"type": "number", "minimum": 0}),
    (UUIDConvertor, {"type": "string", "format": "uuid"}),
)


@dataclass
class Socket:
    """One WebSocket route under its includes.

    Attributes:
        route: an ``APIWebSocketRoute``, or a plain one of Starlette's.
        described: its description.
        needs: the parameters and security of its handshake.
        operations: its operations.
        name: its key among the channels.
    """

    route: Any
    described: Described
    needs: Needs
    operations: Operations
    name: str

    @property
    def summary(self) -> str:
        """The given summary, or the route's name in words."""
        return self.described.summary or str(self.route.name).replace("_", " ").strip().title()

    @property
    def description(self) -> str:
        """The given description, or the docstring of the endpoint or of ``on_connect``."""
        if self.described.description:
            return self.described.description
        handlers = getattr(self.route, "handlers", ())
        connects = [handler.declared.call for handler in handlers if handler.declared.role == "connect"]
        return public_doc(self.route.endpoint) or (public_doc(connects[0]) if connects else "")


def public_doc(call: Any) -> str:
    """Return the docstring of a function of the user, up to a form feed."""
    text = call.__doc__ if inspect.isroutine(call) or inspect.isclass(call) else getattr(type(call), "__doc__", "")
    return inspect.cleandoc(text or "").split("\f")[0].strip()


def write_socket(
    socket: Socket, payloads: Payloads, schemas: Schemas, security: Security
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the Channel object of a socket, and its Operation objects by suffix.

    Args:
        socket: the described socket.
        payloads: writes its messages.
        schemas: the schemas of the parameters of all sockets.
        security: the security of the document; schemes that the socket needs are added.
    """
    writer = _Writer(socket, payloads)
    operations = {operation.suffix: writer.operation(operation) for operation in socket.operations.found}
    required = security.required(socket.needs)
    tags = [{"name": name} for name in dict.fromkeys(map(_text, socket.described.tags))]
    for operation in operations.values():
        operation.update(_given(security=required, tags=tags))
    parameters = socket.needs.describe_parameters(schemas)
    channel: dict[str, Any] = {"address": socket.route.path_format, "title": socket.summary}
    channel |= _given(description=socket.description, tags=tags)
    channel |= _given(parameters=_path_parameters(socket, parameters))
    channel["bindings"] = {"ws": _binding(parameters)}
    channel["messages"] = writer.messages
    if socket.operations.tag is not None:
        channel["x-tag"] = socket.operations.tag
    if socket.described.deprecated:
        channel["x-deprecated"] = True
    return channel, operations


class _Writer:
    """Writes the operations of one socket, and collects the messages that they refer to."""

    def __init__(self, socket: Socket, payloads: Payloads) -> None:
        self.socket = socket
        self.payloads = payloads
        self.messages: dict[str, Any] = {}
        self._keys: dict[int, str] = {}

    def operation(self, operation: Operation) -> dict[str, Any]:
        where = {"$ref": f"#/channels/{self.socket.name}"}
        made: dict[str, Any] = {"action": operation.action, "channel": where}
        made |= self._words(operation)
        messages = [self._reference(item, operation) for item in operation.messages]
        if not operation.messages and operation.handler is None:
            messages = [self._referred("Any", ANY_MESSAGE)]
        made["messages"] = _unique(messages)
        if operation.answers:
            replies = [self._reference(item, operation) for item in operation.replies]
            replies.append(self._referred("Error", self.payloads.error(self.socket.operations.tag or "type")))
            made["reply"] = {"channel": where, "messages": _unique(replies)}
        return made

    def _words(self, operation: Operation) -> dict[str, Any]:
        if operation.handler is None:
            what = "What the client sends" if operation.action == "receive" else "What the server sends"
            return {"title": f"{self.socket.summary}: {operation.action}", "summary": what}
        declared = operation.handler.declared
        summary = declared.summary or operation.suffix.replace("_", " ").title()
        return {"title": summary} | _given(description=declared.description or public_doc(declared.call))

    def _reference(self, tagged: TaggedType, operation: Operation) -> dict[str, str]:
        if id(tagged) not in self._keys:
            name, message = self.payloads.message(tagged, self.socket.operations.tag, operation.suffix)
            if not any(one.answers for one in self.socket.operations.found):
                message.pop("correlationId", None)  # no handler reads a ``ref``
            self._keys[id(tagged)] = self._add(name, message)
        return self._to(self._keys[id(tagged)])

    def _referred(self, name: str, message: dict[str, Any]) -> dict[str, str]:
        return self._to(self._add(name, message))

    def _add(self, name: str, message: dict[str, Any]) -> str:
        """Return the key of a message: its name, with a number if another message has that."""
        key, number = name, 1
        while key in self.messages and self.messages[key] != message:
            number += 1
            key = f"{name}_{number}"
        self.messages[key] = message
        return key

    def _to(self, key: str) -> dict[str, str]:
        return {"$ref": f"#/channels/{self.socket.name}/messages/{key}"}


#: For a socket whose types are not declared.
ANY_MESSAGE: dict[str, Any] = {
    "name": "any",
    "title": "Any message",
    "summary": "Text or binary: this socket declares no types.",
}


def _path_parameters(socket: Socket, parameters: list[dict[str, Any]]) -> dict[str, Any]:
    """Parameter objects, whose values are strings; ``x-schema`` has the type that the application reads."""
    declared = {item["name"]: item for item in parameters if item["in"] == "path"}
    made = {}
    for name, convertor in socket.route.param_convertors.items():
        item = declared.get(name, {})
        fallback = next((found for kind, found in _OF_CONVERTORS if isinstance(convertor, kind)), {"type": "string"})
        found = draft7(item["schema"]) if "schema" in item else dict(fallback)
        parameter = _given(description=item.get("description"))
        if values := found.get("enum", [found["const"]] if "const" in found else None):
            parameter["enum"] = [str(value) for value in values]
        if examples := found.get("examples"):
            parameter["examples"] = [str(value) for value in examples]
        parameter["x-schema"] = found
        if isinstance(convertor, PathConvertor):
            parameter["x-slashes"] = True
        made[name] = parameter
    return made


def _binding(parameters: list[dict[str, Any]]) -> dict[str, Any]:
    """Return the WebSockets channel binding 0.1.0: query and headers. Cookies are described as their header."""
    groups = {place: _object([item for item in parameters if item["in"] == place]) for place in ("query", "header")}
    cookies = _object([item for item in parameters if item["in"] == "cookie"])
    headers: dict[str, Any] = groups["header"]
    if cookies:
        names = ", ".join(cookies["properties"])
        headers = headers or {"type": "object", "properties": {}}
        headers["properties"]["Cookie"] = {"type": "string", "description": f"The cookies {names}."}
        if "required" in cookies:
            headers["required"] = [*headers.get("required", ()), "Cookie"]
    return {
        "method": "GET",
        **_given(query=groups["query"], headers=headers),
        "bindingVersion": "0.1.0",
        **({"x-cookies": cookies} if cookies else {}),
    }


def _object(parameters: list[dict[str, Any]]) -> dict[str, Any]:
    if not parameters:
        return {}
    properties = {}
    for item in parameters:
        found = draft7(item["schema"])
        if item.get("description") and "description" not in found and "$ref" not in found:
            found["description"] = item["description"]
        if item.get("deprecated"):
            found = {"allOf": [found]} if "$ref" in found else found
            found["deprecated"] = True
        properties[item["name"]] = found
    required = [item["name"] for item in parameters if item["required"]]
    return {"type": "object", "properties": properties, **({"required": required} if required else {})}


def channel_name(path: str, taken: Collection[str]) -> str:
    """Return the key of a channel without a given one: its path in words, with a number if that is taken."""
    name = re.sub(r"[^A-Za-z0-9]+", "_", path).strip("_") or "root"
    key, number = name, 1
    while key in taken:
        number += 1
        key = f"{name}_{number}"
    return key


def _text(tag: str | Enum) -> str:
    return str(tag.value) if isinstance(tag, Enum) else tag


def _unique(references: list[dict[str, str]]) -> list[dict[str, str]]:
    return list({item["$ref"]: item for item in references}.values())


def _given(**parts: Any) -> dict[str, Any]:
    return {name: part for name, part in parts.items() if part}
