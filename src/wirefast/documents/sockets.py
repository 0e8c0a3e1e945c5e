"""Sockets in an OpenAPI document, which has no sockets: each is the GET request of its handshake.

Gateways and client generators find paths, parameters and security there. wirefast only; off unless asked for.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from wirefast.documents.needs import Needs
from wirefast.routing import APIWebSocketRoute

if TYPE_CHECKING:
    from wirefast.documents.operations import PathWriter

__all__ = ["DescribedSocket", "described_sockets", "shown_routes"]


@dataclass
class DescribedSocket:
    """One WebSocket route under its includes, and the needs of its handshake."""

    route: APIWebSocketRoute
    needs: Needs

    @property
    def path(self) -> str:
        """The path with parameters in braces, without convertors."""
        return self.route.path_format

    def operation(self, writer: PathWriter) -> dict[str, Any]:
        """Return the Operation object of the handshake (RFC 6455, section 4.2.2: 101 when the server accepts)."""
        schemes, required = self.needs.describe_security()
        writer.security_schemes.update(schemes)
        operation: dict[str, Any] = {"summary": self.route.name.replace("_", " ").title()}
        description = inspect.cleandoc(self.route.endpoint.__doc__ or "").split("\f")[0].strip()
        if description:
            operation["description"] = description
        operation["operationId"] = re.sub(r"\W", "_", f"{self.route.name}{self.path}") + "_websocket"
        if required:
            operation["security"] = required
        parameters = self.needs.describe_parameters(writer.schemas)
        if parameters:
            operation["parameters"] = parameters
        operation["responses"] = {"101": {"description": "Switching Protocols"}}
        return operation


def described_sockets(routes: Iterable[Any]) -> list[DescribedSocket]:
    """Return the sockets of wirefast's among ``routes``, without those of routers outside of documents."""
    return [
        DescribedSocket(route, Needs.of(route.dependant))
        for route in shown_routes(routes)
        if isinstance(route, APIWebSocketRoute) and route.described.include_in_schema
    ]


def shown_routes(routes: Iterable[Any]) -> Iterator[Any]:
    """Routes under their includes, without those of routers outside of documents."""
    for route in routes:
        if not hasattr(route, "effective_candidates"):
            yield getattr(route, "effective", route)
        elif route.include_context.include_in_schema and route.original_router.include_in_schema:
            yield from shown_routes(route.effective_candidates())
