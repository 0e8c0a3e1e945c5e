"""Read an AsyncAPI document for a generated client: the sockets, and the types with their names in the program."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

__all__ = ["Channel", "MessageObject", "Names", "Reading", "UnreadableDocument", "quoted", "read", "without_controls"]


class UnreadableDocument(ValueError):
    """No client can be made of the document. ``str()`` is the reason."""


@dataclass
class MessageObject:
    """One message of a socket.

    Attributes:
        name: the name of its type in the program; None for a message of any type.
        content: its media type.
        tags: the values of its tag; empty for a message without a tag.
        schema: the payload.
    """

    name: str | None
    content: str
    tags: list[Any]
    schema: Any


@dataclass
class Channel:
    """One socket.

    Attributes:
        name, address, title, description: as in the document.
        tag: the name of the member with the tag; empty for messages without tags.
        params, query: a JSON Schema of each parameter, by name.
        required: the names of the required parameters of the query.
        slashes: the parameters that may contain slashes.
        sends, hears: the messages that the client sends, and those that it receives.
        replies: for the tag of each sent message, the messages that answer it.
        token: the place of the token for a browser: a word, or a parameter of the query.
        program_token: the place of the token for a program.
        kind: the name of the socket's class, if the program has one for each socket.
    """

    name: str
    address: str
    title: str
    description: str
    tag: str
    params: dict[str, Any]
    query: dict[str, Any]
    required: list[str]
    slashes: list[str]
    sends: list[MessageObject] = field(default_factory=list)
    hears: list[MessageObject] = field(default_factory=list)
    replies: dict[Any, list[MessageObject]] = field(default_factory=dict)
    token: str | dict[str, str] = "subprotocol"
    program_token: str | dict[str, str] = "header"
    kind: str = ""


class Names:
    """The unique names of a program.

    Args:
        taken: the names that the program has already.
    """

    def __init__(self, taken: Iterable[str]) -> None:
        self._taken = set(taken)
        self._given: dict[str, str] = {}

    def of(self, key: str) -> str:
        """Return the program's name for ``key`` of the document; the same name each time."""
        if key not in self._given:
            self._given[key] = self.new(key)
        return self._given[key]

    def new(self, key: str) -> str:
        """Return an unused name that resembles ``key``."""
        words = re.findall(r"[A-Za-z0-9]+", key)
        name = "".join(word[0].upper() + word[1:] for word in words) or "Model"
        name = name if not name[0].isdigit() else f"Model{name}"
        found, number = name, 1
        while found in self._taken:
            number += 1
            found = f"{name}{number}" if number > 2 else f"{name}Model"
        self._taken.add(found)
        return found


@dataclass
class Reading:
    """The parts of a document that a client needs.

    Attributes:
        title, version: the title and version of the application.
        channels: the channels with an address; each address once.
        models: a JSON Schema for each name of the program; references have the form ``#/models/NAME``.
    """

    title: str
    version: str
    channels: list[Channel]
    models: dict[str, Any]


def read(document: Mapping[str, Any], taken: Iterable[str]) -> Reading:
    """Read a document.

    Args:
        document: AsyncAPI 3, as `App.asyncapi` makes it.
        taken: the names that the program has already.

    Raises:
        UnreadableDocument: the document is no AsyncAPI 3.
    """
    if not str(document.get("asyncapi", "")).startswith("3."):
        raise UnreadableDocument("this is no AsyncAPI 3 document: it has no member `asyncapi` that begins with 3.")
    try:
        return _Reader(document, Names(taken)).read()
    except (KeyError, AttributeError, TypeError) as exc:
        raise UnreadableDocument(f"the document is damaged or uses what wirefast does not write: {exc!r}") from exc


class _Reader:
    def __init__(self, document: Mapping[str, Any], names: Names) -> None:
        self.document = document
        self.names = names
        self.models: dict[str, Any] = {}

    def read(self) -> Reading:
        kinds = {key: self.names.new(f"{key} Socket") for key in self.document["channels"]}
        components = self.document.get("components", {})
        for key, schema in components.get("schemas", {}).items():
            self.models[self.names.of(key)] = schema
        by_address: dict[str, Channel] = {}
        for name, channel in self.document["channels"].items():
            if channel.get("address") is not None and channel["address"] not in by_address:
                by_address[channel["address"]] = self.channel(name, channel)
                by_address[channel["address"]].kind = kinds[name]
        info = self.document["info"]
        models = {name: self.renamed(schema) for name, schema in sorted(self.models.items())}
        for found in by_address.values():
            found.params = {name: self.renamed(schema) for name, schema in found.params.items()}
            found.query = {name: self.renamed(schema) for name, schema in found.query.items()}
        title, version = (" ".join(without_controls(info[part]).split()) for part in ("title", "version"))
        return Reading(title, version, list(by_address.values()), models)

    def channel(self, name: str, channel: Mapping[str, Any]) -> Channel:
        parameters = channel.get("parameters", {})
        query = channel.get("bindings", {}).get("ws", {}).get("query", {})
        found = Channel(
            name=name,
            address=channel["address"],
            title=channel.get("title", name),
            description=channel.get("description", ""),
            tag=channel.get("x-tag", ""),
            params={key: value.get("x-schema", {"type": "string"}) for key, value in parameters.items()},
            query=query.get("properties", {}),
            required=query.get("required", []),
            slashes=[key for key, value in parameters.items() if value.get("x-slashes")],
        )
        messages = {key: self.message(value, found.tag) for key, value in channel.get("messages", {}).items()}
        place = f"#/channels/{name}"

        def those(references: Iterable[Mapping[str, str]]) -> list[MessageObject]:
            return [messages[reference["$ref"].rpartition("/")[2]] for reference in references]

        sends: list[MessageObject] = []
        hears: list[MessageObject] = []
        for operation in self.document["operations"].values():
            if operation["channel"]["$ref"] != place:
                continue
            found.token = self.token(operation.get("security", []), found.token)
            found.program_token = self.token(operation.get("security", []), found.program_token, program=True)
            own = those(operation.get("messages", []))
            if operation["action"] == "send":
                hears += own
                continue
            sends += own
            answers = those(operation.get("reply", {}).get("messages", []))
            hears += answers
            replies = [item for item in answers if item.tags != ["error"]]
            for message in own:
                for tag in message.tags or [""]:
                    if replies:
                        found.replies[tag] = replies
        found.sends = list({id(item): item for item in sends}.values())
        found.hears = list({id(item): item for item in hears}.values())
        return found

    def message(self, message: Mapping[str, Any], tag: str) -> MessageObject:
        content = message.get("contentType", "application/json")
        if "payload" not in message:
            return MessageObject(None, content, [], {})
        schema = message["payload"]
        if content != "application/json":
            return MessageObject(None, content, [], schema)
        if set(schema) == {"$ref"}:
            name = self.names.of(schema["$ref"].rpartition("/")[2])
        else:
            name = self.names.new(message.get("title") or message.get("name") or "Message")
            self.models[name] = schema
        member = self.models[name].get("properties", {}).get(tag, {}) if tag else {}
        tags = [member["const"]] if "const" in member else list(member.get("enum", ()))
        return MessageObject(name, content, tags, schema)

    def token(self, security: list[Mapping[str, Any]], before: Any, program: bool = False) -> Any:
        """Return the place of the token, by the first scheme with one. Browsers cannot set headers."""
        schemes = self.document.get("components", {}).get("securitySchemes", {})
        for item in security:
            scheme = schemes[item["$ref"].rpartition("/")[2]] if "$ref" in item else item
            if scheme["type"] == "httpApiKey" and scheme["in"] == "query":
                return {"query": scheme["name"]}
            sources = scheme.get("x-sources", ())
            for place in ("header", "subprotocol", "message", "query")[0 if program else 1 :]:
                if place in sources:
                    return {"query": scheme.get("x-query", "token")} if place == "query" else place
            if scheme["type"] in ("http", "oauth2", "openIdConnect"):
                before = "header"
        return before

    def renamed(self, schema: Any) -> Any:
        """Return the schema with references to the names of the program."""
        if isinstance(schema, list):
            return [self.renamed(item) for item in schema]
        if not isinstance(schema, dict):
            return schema
        made = {}
        for key, value in schema.items():
            if key == "$ref" and isinstance(value, str) and value.startswith("#/components/schemas/"):
                made[key] = "#/models/" + self.names.of(value.rpartition("/")[2])
            elif key in ("const", "enum", "default", "examples"):
                made[key] = value
            else:
                made[key] = self.renamed(value)
        return made


def without_controls(text: str) -> str:
    """Return text without control characters other than line breaks, as not every place of a source file allows
    them."""
    return "".join(
        letter for letter in text if letter == "\n" or (letter.isprintable() and letter not in "\u2028\u2029")
    )


def quoted(value: Any) -> str:
    """Return a Python literal with the quotes of formatters: double quotes, unless single quotes need fewer escapes."""
    if not isinstance(value, str):
        return repr(value)
    mark = "'" if value.count('"') > value.count("'") else '"'
    # With a quote of each kind in the text, repr() uses single quotes and escapes only single quotes.
    body = repr(value + "\"'")[1:-4].replace("\\'", "'")
    return mark + body.replace(mark, "\\" + mark) + mark
