"""Find the changes of an OpenAPI or AsyncAPI document that break the clients of an older one."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from wirefast.documents.comparison.schemas import Comparison, follow, tags_of

__all__ = ["IncomparableDocuments", "find_breaks"]

Document = Mapping[str, Any]


class IncomparableDocuments(ValueError):
    """The documents are of different kinds, or of an unknown kind."""


def find_breaks(old: Document, new: Document) -> list[str]:
    """Return the changes that break existing clients, one sentence each; none if all clients keep working.

    Args:
        old: the document that the clients were made for.
        new: the document that is served now.

    Raises:
        IncomparableDocuments: one is OpenAPI and the other AsyncAPI, or either is neither.
    """
    kinds = [next((kind for kind in ("openapi", "asyncapi") if kind in document), None) for document in (old, new)]
    if None in kinds or kinds[0] != kinds[1]:
        raise IncomparableDocuments("both documents must be OpenAPI 3, or both AsyncAPI 3")
    if kinds[0] == "asyncapi" and not all(str(one["asyncapi"]).startswith("3.") for one in (old, new)):
        raise IncomparableDocuments("only AsyncAPI 3 can be compared")
    compare = _OpenAPI if kinds[0] == "openapi" else _AsyncAPI
    return list(dict.fromkeys(compare(old, new).breaks()))


class _OpenAPI:
    def __init__(self, old: Document, new: Document) -> None:
        self.old, self.new = old, new
        self.schemas = Comparison(old, new)

    def breaks(self) -> Iterator[str]:
        now = self.new.get("paths", {})
        for path, item in self.old.get("paths", {}).items():
            if path not in now:
                yield f"{path} is gone"
                continue
            for method, operation in item.items():
                if not isinstance(operation, dict) or method == "parameters":
                    continue
                where = f"{method.upper()} {path}"
                if method not in now[path]:
                    yield f"{where} is gone"
                else:
                    yield from self._operation(where, operation, now[path][method])

    def _operation(self, where: str, old: Document, new: Document) -> Iterator[str]:
        yield from _security(where, old.get("security"), new.get("security"))
        before, after = _parameters(self.old, old), _parameters(self.new, new)
        for key, parameter in after.items():
            name = f"{where}: {key[0]} parameter {key[1]!r}"
            if parameter.get("required") and not before.get(key, {}).get("required"):
                yield f"{name} is required now"
            if key in before:
                yield from self.schemas.breaks(name, before[key].get("schema", {}), parameter.get("schema", {}), "in")
        body, given = new.get("requestBody"), old.get("requestBody")
        if body and body.get("required") and not (given or {}).get("required"):
            yield f"{where}: a body is required now"
        yield from self._contents(f"{where}: the body", given, body, "in")
        for status, response in old.get("responses", {}).items():
            now = new.get("responses", {}).get(status)
            if now is None:
                if status.startswith("2"):
                    yield f"{where}: the response {status} is gone"
                continue
            yield from self._contents(f"{where}: the response {status}", response, now, "out")

    def _contents(self, where: str, old: Any, new: Any, way: Any) -> Iterator[str]:
        before, after = (old or {}).get("content", {}), (new or {}).get("content", {})
        for media, content in before.items():
            if media not in after:
                if new is not None:
                    yield f"{where} is no longer {media}"
                continue
            yield from self.schemas.breaks(where, content.get("schema", {}), after[media].get("schema", {}), way)


def _parameters(document: Document, operation: Document) -> dict[tuple[str, str], Any]:
    found = [follow(document, item["$ref"]) if "$ref" in item else item for item in operation.get("parameters", ())]
    return {(item["in"], item["name"]): item for item in found}


def _security(where: str, old: Any, new: Any) -> Iterator[str]:
    """Yield changes that require credentials that a client does not send."""
    if new and not old:
        yield f"{where}: credentials are required now"
    elif new and not any(one in new for one in old) and {} not in new:
        yield f"{where}: other credentials are required now"


class _AsyncAPI:
    def __init__(self, old: Document, new: Document) -> None:
        self.old, self.new = old, new
        self.schemas = Comparison(old, new)

    def breaks(self) -> Iterator[str]:
        before, after = _channels(self.old), _channels(self.new)
        for address, (name, channel) in before.items():
            if address not in after:
                yield f"{address} is gone"
                continue
            key, now = after[address]
            yield from self._handshake(address, channel, now)
            old, new = _Traffic(self.old, name), _Traffic(self.new, key)
            yield from _security(address, old.security, new.security)
            for kind, messages in old.received.items():
                where = f"{address}: the message {messages.name!r}"
                if kind not in new.received:
                    yield f"{where} is not taken any more"
                    continue
                yield from self.schemas.breaks(where, messages.schema, new.received[kind].schema, "in")
                for reply in sorted(old.replies.get(kind, set()) - new.replies.get(kind, set())):
                    yield f"{where} is no longer answered by {old.sent[reply].name!r}"
            for kind, messages in old.sent.items():
                where = f"{address}: the message {messages.name!r}"
                if kind not in new.sent:
                    yield f"{where} is not sent any more"
                else:
                    yield from self.schemas.breaks(where, messages.schema, new.sent[kind].schema, "out")

    def _handshake(self, address: str, old: Document, new: Document) -> Iterator[str]:
        for name, parameter in old.get("parameters", {}).items():
            now = new.get("parameters", {}).get(name, {})
            where = f"{address}: the parameter {name!r}"
            yield from self.schemas.breaks(where, parameter.get("x-schema", {}), now.get("x-schema", {}), "in")
        before, after = old.get("bindings", {}).get("ws", {}), new.get("bindings", {}).get("ws", {})
        for part, word in (("query", "the query"), ("headers", "the headers"), ("x-cookies", "the cookies")):
            schemas = before.get(part, {"type": "object"}), after.get(part, {"type": "object"})
            yield from self.schemas.breaks(f"{address}: {word}", *schemas, "in")


def _channels(document: Document) -> dict[str, tuple[str, Any]]:
    found: dict[str, tuple[str, Any]] = {}
    for name, channel in document.get("channels", {}).items():
        found.setdefault(str(channel.get("address")), (name, channel))
    return found


@dataclass
class _Messages:
    """The messages that a client cannot tell apart before it reads them: those of one tag, and those without a tag."""

    names: list[str]
    schemas: list[Any]

    @property
    def name(self) -> str:
        return " or ".join(self.names)

    @property
    def schema(self) -> Any:
        return self.schemas[0] if len(self.schemas) == 1 else {"anyOf": self.schemas}


class _Traffic:
    """The messages of a channel, by the application's directions. The names of models are not on the wire, so they may
    differ."""

    def __init__(self, document: Document, name: str) -> None:
        self.document = document
        self.tag = document["channels"][name].get("x-tag")
        self.received: dict[str, _Messages] = {}
        self.sent: dict[str, _Messages] = {}
        self.replies: dict[str, set[str]] = {}
        self.security: list[Any] = []
        for operation in document.get("operations", {}).values():
            if operation["channel"]["$ref"] != f"#/channels/{name}":
                continue
            self.security = operation.get("security", [])
            if operation["action"] == "send":
                self._add(self.sent, operation)
                continue
            received = self._add(self.received, operation)
            replies = self._add(self.sent, operation.get("reply", {}))
            for kind in received:
                self.replies.setdefault(kind, set()).update(replies)

    def _add(self, found: dict[str, _Messages], part: Document) -> set[str]:
        """Sort the referenced messages by their tags, or by their media types without a tag."""
        kinds: set[str] = set()
        for reference in part.get("messages", ()):
            message = follow(self.document, reference["$ref"])
            schema, name = message.get("payload", True), str(message.get("name"))
            tags = tags_of(self.document, schema, self.tag) if self.tag else []
            keys = [json.dumps(tag) for tag in tags] or [str(message.get("contentType"))]
            for key, shown in zip(keys, map(str, tags or [name]), strict=True):
                messages = found.setdefault(key, _Messages([], []))
                if schema not in messages.schemas:
                    messages.schemas.append(schema)
                if shown not in messages.names:
                    messages.names.append(shown)
            kinds.update(keys)
        return kinds
