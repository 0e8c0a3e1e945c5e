"""The part of `App` with its OpenAPI document, which is made when it is first asked for."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from wirefast.documents.keeping import KeepsDocuments
from wirefast.documents.serving import add_routes

if TYPE_CHECKING:
    from wirefast.routing import APIRouter

__all__ = ["AppDocuments"]


class AppDocuments(KeepsDocuments):
    """The part of `App` with its OpenAPI document."""

    webhooks: APIRouter
    openapi_url: str | None
    openapi_websockets: bool
    separate_input_output_schemas: bool
    docs_url: str | None
    redoc_url: str | None
    swagger_ui_oauth2_redirect_url: str | None
    swagger_ui_init_oauth: dict[str, Any] | None
    swagger_ui_parameters: dict[str, Any] | None
    root_path_in_servers: bool

    #: The version of OpenAPI in the document. Tools that refuse 3.1 may accept the document with another version.
    openapi_version = "3.1.0"
    #: The document, after it was made. Programs may change or replace it before it is served.
    openapi_schema: dict[str, Any] | None = None
    # The versions of the routes that the document was made of.
    _documented: Any = None

    def openapi(self) -> dict[str, Any]:
        """Return the application's OpenAPI document: made when it is first asked for, and again when routes were added.

        Several threads may call this at once; one of them makes the document. FastAPI: ``FastAPI.openapi``, which
        programs replace to change the served document.

        Raises:
            pydantic.ValidationError: a value of the application (``openapi_extra``, ...) is no OpenAPI.
        """
        return self._keep("openapi_schema", "_documented", self._routes_now, self._make_document)

    def has_document(self) -> bool:
        """Return whether the document is made and current."""
        return self._is_kept("openapi_schema", "_documented", self._routes_now)

    def _routes_now(self) -> tuple[Any, ...]:
        return *self._routes_versions(), self.webhooks._routes_version

    def _make_document(self) -> dict[str, Any]:
        from wirefast.documents.openapi import make_document  # the document is made when it is asked for

        return make_document(
            info=self._info(),
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
        """Add the routes of the document and its pages whose paths are set. ``App()`` calls this."""
        add_routes(self)
