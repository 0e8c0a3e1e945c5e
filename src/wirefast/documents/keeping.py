"""What the OpenAPI and the AsyncAPI document of an application share."""

from __future__ import annotations

from threading import RLock
from typing import TYPE_CHECKING, Any, cast

from wirefast.routes.inclusion import foreign_routers

if TYPE_CHECKING:
    from collections.abc import Callable

    from wirefast.routing import APIRouter

__all__ = ["KeepsDocuments"]

# One document is made at a time; the thread that makes it may ask for it again.
_making = RLock()


class KeepsDocuments:
    """The part of `App` that makes a document when it is first asked for, and again when routes were added."""

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

    def _keep(
        self, document: str, routes: str, now: Callable[[], tuple[Any, ...]], make: Callable[[], dict[str, Any]]
    ) -> dict[str, Any]:
        """Return a document that is made at most once for the routes of now; threads may ask at once.

        Args:
            document: the attribute that has the document.
            routes: the attribute that has the versions of the routes that the document was made of.
            now: returns the versions of the routes as they are.
            make: makes the document.
        """
        if self._is_kept(document, routes, now):
            return cast("dict[str, Any]", getattr(self, document))
        with _making:
            version = now()
            if not getattr(self, document) or getattr(self, routes) != version:
                setattr(self, document, make())
                setattr(self, routes, version)
            return cast("dict[str, Any]", getattr(self, document))

    def _is_kept(self, document: str, routes: str, now: Callable[[], tuple[Any, ...]]) -> bool:
        return bool(getattr(self, document)) and getattr(self, routes) == now()

    def _routes_versions(self) -> tuple[Any, ...]:
        foreign = [router._get_routes_version() for router in foreign_routers(self.router)]
        return self.router._routes_version, foreign

    def _info(self) -> dict[str, Any]:
        """Return the Info object of both documents, without what the application does not say."""
        described = {
            "summary": self.summary,
            "description": self.description,
            "termsOfService": self.terms_of_service,
            "contact": self.contact,
            "license": self.license_info,
        }
        info = {"title": self.title, "version": self.version}
        return {**info, **{name: value for name, value in described.items() if value}}
