"""The AsyncAPI document of a set of routes. AsyncAPI 3.1.0."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import Any
from urllib.parse import urlsplit

from starlette.routing import BaseRoute, WebSocketRoute

from wirefast.documents.asyncapi.channels import Socket, channel_name, write_socket
from wirefast.documents.asyncapi.messages import Operations
from wirefast.documents.asyncapi.payloads import REF_CORRELATION, Payloads
from wirefast.documents.asyncapi.schemas import make_schemas
from wirefast.documents.asyncapi.security import Security
from wirefast.documents.needs import Needs
from wirefast.documents.schemas import Schemas
from wirefast.documents.sockets import shown_routes
from wirefast.routes.description import Described
from wirefast.routes.websocket import APIWebSocketRoute

__all__ = ["make_asyncapi"]

VERSION = "3.1.0"


def make_asyncapi(
    *,
    info: dict[str, Any],
    routes: Sequence[BaseRoute],
    tags: list[dict[str, Any]] | None = None,
    servers: list[dict[str, Any]] | None = None,
    external_docs: dict[str, Any] | None = None,
) -> dict[str, Any]:
    """Make the document: a channel for each WebSocket route, an operation for each handler.

    Args:
        info: OpenAPI's Info object.
        routes: the routes; their sockets become channels, included routers are walked, other routes are ignored.
        tags, external_docs: the tags and external docs of the document.
        servers: OpenAPI's Server objects; those without an absolute address are left out, since AsyncAPI's servers have
            a host.
    """
    sockets = _sockets(routes)
    fields = [field for socket in sockets for field in socket.needs.fields()]
    types = [item for socket in sockets for item in socket.operations.types()]
    found, definitions = make_schemas(types, fields)
    payloads, schemas, security = Payloads(found, definitions), Schemas(found), Security()
    channels: dict[str, Any] = {}
    operations: dict[str, Any] = {}
    for socket in sockets:
        channel, of_channel = write_socket(socket, payloads, schemas, security)
        channels[socket.name] = channel
        for suffix, operation in of_channel.items():
            operations[_operation_name(socket, suffix, operations)] = operation
    document: dict[str, Any] = {"asyncapi": VERSION, "info": _info(info, tags, external_docs)}
    if described := _servers(servers or []):
        document["servers"] = described
    document |= {"defaultContentType": "application/json", "channels": channels, "operations": operations}
    components = {
        "schemas": {name: definitions[name] for name in sorted(_named(channels, definitions))},
        "securitySchemes": security.schemes,
        "correlationIds": {"ref": REF_CORRELATION} if "/correlationIds/ref" in _references(channels) else {},
    }
    if given := {name: part for name, part in components.items() if part}:
        document["components"] = given
    return document


def _sockets(routes: Iterable[Any]) -> list[Socket]:
    """Return the WebSocket routes of the document, including several with one path."""
    shown: list[tuple[Any, Described, Needs]] = []
    for route in shown_routes(routes):
        if isinstance(route, APIWebSocketRoute):
            route.resolve()
            if route.described.include_in_schema:
                shown.append((route, route.described, Needs.of(route.dependant)))
        elif isinstance(route, WebSocketRoute):
            shown.append((route, Described(), Needs()))
    # Given names come first, so that names made of paths do not take them.
    names = {_key(described.operation_id) for _, described, _ in shown if described.operation_id}
    used: set[str] = set()
    found = []
    for route, described, needs in shown:
        # A router that is included twice has its names twice.
        given = _key(described.operation_id) if described.operation_id else ""
        name = given if given and given not in used else channel_name(given or route.path_format, names | used)
        used.add(name)
        found.append(Socket(route, described, needs, Operations(route, described), name))
    return found


def _key(name: str) -> str:
    """Return a name that a reference may contain."""
    return re.sub(r"[^A-Za-z0-9._-]", "_", name)


def _operation_name(socket: Socket, suffix: str, taken: dict[str, Any]) -> str:
    operation = next(item for item in socket.operations.found if item.suffix == suffix)
    own = operation.handler and operation.handler.declared.operation_id
    name = _key(own or f"{socket.name}_{suffix}")
    key, number = name, 1
    while key in taken:
        number += 1
        key = f"{name}_{number}"
    return key


def _named(channels: dict[str, Any], definitions: dict[str, Any]) -> set[str]:
    """Return the models that the channels refer to, with the models below them, without those that only a copy
    replaces."""
    found: set[str] = set()
    waiting: list[Any] = [channels]
    while waiting:
        value = waiting.pop()
        if isinstance(value, list):
            waiting.extend(value)
        elif isinstance(value, dict):
            name = str(value.get("$ref", "")).rpartition("/components/schemas/")[2]
            if name in definitions and name not in found:
                found.add(name)
                waiting.append(definitions[name])
            waiting.extend(item for item in value.values() if isinstance(item, (dict, list)))
    return found


def _references(channels: dict[str, Any]) -> str:
    """Return the correlation identifiers that messages refer to, joined."""
    return " ".join(
        message["correlationId"]["$ref"]
        for channel in channels.values()
        for message in channel["messages"].values()
        if "correlationId" in message
    )


def _info(info: dict[str, Any], tags: Any, external_docs: Any) -> dict[str, Any]:
    """AsyncAPI's Info object, which has the tags and no summary."""
    made = {"title": info["title"], "version": info["version"]}
    text = "\n\n".join(filter(None, [info.get("summary"), info.get("description")]))
    if text:
        made["description"] = text
    if info.get("termsOfService"):
        made["termsOfService"] = info["termsOfService"]
    for part, kept in (("contact", ("name", "url", "email")), ("license", ("name", "url"))):
        if info.get(part):
            made[part] = {name: info[part][name] for name in kept if info[part].get(name)}
    if tags:
        names = ("name", "description", "externalDocs")
        made["tags"] = [{name: tag[name] for name in names if tag.get(name)} for tag in tags]
    if external_docs:
        made["externalDocs"] = external_docs
    return made


def _servers(servers: list[dict[str, Any]]) -> dict[str, Any]:
    """AsyncAPI's Server objects by name."""
    made: dict[str, Any] = {}
    for server in servers:
        address = urlsplit(str(server.get("url", "")))
        if not address.netloc:
            continue
        secure = address.scheme in ("https", "wss")
        described: dict[str, Any] = {"host": address.netloc, "protocol": "wss" if secure else "ws"}
        if address.path.rstrip("/"):
            described["pathname"] = address.path.rstrip("/")
        if server.get("description"):
            described["description"] = server["description"]
        if server.get("variables"):
            kept = ("enum", "default", "description")
            described["variables"] = {
                name: {key: variable[key] for key in kept if variable.get(key)}
                for name, variable in server["variables"].items()
            }
        made[f"server{len(made) + 1}"] = described
    return made
