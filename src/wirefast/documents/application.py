"""The part of `App` that describes it: its OpenAPI document, made when it is first asked for."""

from __future__ import annotations

from threading import RLock
from typing import TYPE_CHECKING, Any, cast

from wirefast.documents.serving import add_routes
from wirefast.routes.inclusion import foreign_routers

if TYPE_CHECKING:
    from wirefast.routing import APIRouter

__all__ = ["AppDocuments"]

# One document is made at a time; the thread that makes it may ask for it again.
_making = RLock()


class AppDocuments:
    """The part of `App` that describes it."""

    router: APIRouter
    webhooks: APIRouter
    title: str
    summary: str | None
    description: str
    version: str
    terms_of_service: str | None
    contact: dict[str, Any] | None
    license_info: dict[str, Any] | None
    openapi_url: str | None
    openapi_tags: list[dict[str, Any]] | None
    openapi_external_docs: dict[str, Any] | None
    openapi_websockets: bool
    servers: list[dict[str, Any]]
    separate_input_output_schemas: bool
    docs_url: str | None
    redoc_url: str | None
    swagger_ui_oauth2_redirect_url: str | None
    swagger_ui_init_oauth: dict[str, Any] | None
    swagger_ui_parameters: dict[str, Any] | None
    root_path_in_servers: bool

    #: What the document calls its version of OpenAPI. Tools that refuse 3.1 may take it under another name.
    openapi_version = "3.1.0"
    #: The document, once it was made. May be changed, or replaced, before it is served.
    openapi_schema: dict[str, Any] | None = None
    # The routes that it was made of, by number.
    _documented: Any = None

    def openapi(self) -> dict[str, Any]:
        """Return the application's OpenAPI document: made when it is first asked for, and again when routes were added.

        Threads may ask at once; one of them makes it. FastAPI: ``FastAPI.openapi``, which programs replace to change
        what is served.

        Raises:
            pydantic.ValidationError: what the application passes on (``openapi_extra``, ...) is no OpenAPI.
        """
        if self.has_document():
            return cast("dict[str, Any]", self.openapi_schema)
        with _making:
            document, routes = self.openapi_schema, self._routes_now()
            if not document or self._documented != routes:
                document = self.openapi_schema = self._make_document()
                self._documented = routes
            return document

    def has_document(self) -> bool:
        """Return whether `openapi` has nothing to do."""
        return bool(self.openapi_schema) and self._documented == self._routes_now()

    def _routes_now(self) -> tuple[Any, ...]:
        foreign = [router._get_routes_version() for router in foreign_routers(self.router)]
        return self.router._routes_version, self.webhooks._routes_version, foreign

    def _make_document(self) -> dict[str, Any]:
        from wirefast.documents.openapi import make_document  # the document is made when it is asked for

        described = {
            "summary": self.summary,
            "description": self.description,
            "termsOfService": self.terms_of_service,
            "contact": self.contact,
            "license": self.license_info,
        }
        info = {"title": self.title, "version": self.version}
        return make_document(
            info={**info, **{name: value for name, value in described.items() if value}},
            openapi_version=self.openapi_version,
            routes=self.router.routes,
            webhooks=self.webhooks.routes,
            tags=self.openapi_tags,
            servers=self.servers,
            external_docs=self.openapi_external_docs,
            separate_input_output_schemas=self.separate_input_output_schemas,
            websockets=self.openapi_websockets and self.router.include_in_schema,
        )

    def setup(self) -> None:
        """Add the routes of the document and its pages, as far as their addresses are set. ``App()`` calls it."""
        add_routes(self)
