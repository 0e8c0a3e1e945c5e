"""What in an OpenAPI or AsyncAPI document breaks the clients of an older one."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from wirefast.documents.comparison.schemas import Comparison, follow

__all__ = ["IncomparableDocuments", "find_breaks"]

Document = Mapping[str, Any]


class IncomparableDocuments(ValueError):
    """The documents are of different kinds, or of none that is known."""


def find_breaks(old: Document, new: Document) -> list[str]:
    """Return what breaks existing clients, a sentence each; none where they may stay as they are.

    Args:
        old: what clients were made for.
        new: what is served now.

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
    """Yield that credentials are asked for that a client does not send."""
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
            for kind, message in old.received.items():
                where = f"{address}: the message {kind!r}"
                if kind not in new.received:
                    yield f"{where} is not taken any more"
                    continue
                yield from self.schemas.breaks(where, _payload(message), _payload(new.received[kind]), "in")
                for reply in sorted(old.replies.get(kind, set()) - new.replies.get(kind, set())):
                    yield f"{where} is no longer answered by {reply!r}"
            for kind, message in old.sent.items():
                where = f"{address}: the message {kind!r}"
                if kind not in new.sent:
                    yield f"{where} is not sent any more"
                else:
                    yield from self.schemas.breaks(where, _payload(message), _payload(new.sent[kind]), "out")

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


class _Traffic:
    """The messages of a channel by their names, as the application sees the directions."""

    def __init__(self, document: Document, name: str) -> None:
        self.received: dict[str, Any] = {}
        self.sent: dict[str, Any] = {}
        self.replies: dict[str, set[str]] = {}
        self.security: list[Any] = []
        for operation in document.get("operations", {}).values():
            if operation["channel"]["$ref"] != f"#/channels/{name}":
                continue
            self.security = operation.get("security", [])
            messages = _those(document, operation)
            if operation["action"] == "send":
                self.sent.update(messages)
                continue
            self.received.update(messages)
            replies = _those(document, operation.get("reply", {}))
            self.sent.update(replies)
            for kind in messages:
                self.replies[kind] = set(replies)


def _those(document: Document, part: Document) -> dict[str, Any]:
    """Return the messages that are referred to: under each of their tags, or else under their names."""
    found: dict[str, Any] = {}
    for reference in part.get("messages", ()):
        message = follow(document, reference["$ref"])
        found[str(message.get("name"))] = message
    return found


def _payload(message: Document) -> Any:
    return message.get("payload", True)
