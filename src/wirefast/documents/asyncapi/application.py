"""The part of `App` that describes its sockets: the AsyncAPI document, made when it is first asked for."""

from __future__ import annotations

from threading import RLock
from typing import TYPE_CHECKING, Any, cast

from wirefast.routes.inclusion import foreign_routers

if TYPE_CHECKING:
    from wirefast.routing import APIRouter

__all__ = ["AppSocketDocuments"]

# One document is made at a time; the thread that makes it may ask for it again.
_making = RLock()


class AppSocketDocuments:
    """The part of `App` that describes its sockets."""

    router: APIRouter
    title: str
    summary: str | None
    description: str
    version: str
    terms_of_service: str | None
    contact: dict[str, Any] | None
    license_info: dict[str, Any] | None
    openapi_tags: list[dict[str, Any]] | None
    openapi_external_docs: dict[str, Any] | None
    servers: list[dict[str, Any]]
    #: Where the document is served; None for nowhere.
    asyncapi_url: str | None
    #: Where its page is served; None for nowhere.
    asyncapi_docs_url: str | None

    #: The document, once it was made. May be changed, or replaced, before it is served.
    asyncapi_schema: dict[str, Any] | None = None
    # The version of the routes that it was made of.
    _described_sockets: Any = None

    def asyncapi(self) -> dict[str, Any]:
        """Return the AsyncAPI 3.1 document of the application's sockets. wirefast only.

        It is made when it is first asked for, and again when routes were added.

        Threads may ask at once; one of them makes it. Programs may replace the function to change what is served.
        """
        if self.has_asyncapi():
            return cast("dict[str, Any]", self.asyncapi_schema)
        with _making:
            document, routes = self.asyncapi_schema, self._socket_routes_now()
            if not document or self._described_sockets != routes:
                document = self.asyncapi_schema = self._make_asyncapi()
                self._described_sockets = routes
            return document

    def has_asyncapi(self) -> bool:
        """Whether `asyncapi` has nothing to do."""
        return bool(self.asyncapi_schema) and self._described_sockets == self._socket_routes_now()

    def _socket_routes_now(self) -> tuple[Any, ...]:
        foreign = [router._get_routes_version() for router in foreign_routers(self.router)]
        return self.router._routes_version, foreign

    def _make_asyncapi(self) -> dict[str, Any]:
        from wirefast.documents.asyncapi.document import make_asyncapi  # loaded when it is first asked for

        described = {
            "summary": self.summary,
            "description": self.description,
            "termsOfService": self.terms_of_service,
            "contact": self.contact,
            "license": self.license_info,
        }
        return make_asyncapi(
            info={"title": self.title, "version": self.version, **described},
            routes=self.router.routes if self.router.include_in_schema else [],
            tags=self.openapi_tags,
            servers=self.servers,
            external_docs=self.openapi_external_docs,
        )
