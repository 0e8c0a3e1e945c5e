"""The part of `App` with the AsyncAPI document of its sockets, which is made when it is first asked for."""

from __future__ import annotations

from typing import Any

from wirefast.documents.keeping import KeepsDocuments

__all__ = ["AppSocketDocuments"]


#: FastAPI's default for ``title``, which says nothing of an application of ours.
_NO_TITLE = "FastAPI"


class AppSocketDocuments(KeepsDocuments):
    """The part of `App` with the AsyncAPI document of its sockets."""

    #: The path of the document; None: the document is not served.
    asyncapi_url: str | None
    #: The path of its page; None: the page is not served.
    asyncapi_docs_url: str | None

    #: The document, after it was made. Programs may change or replace it before it is served.
    asyncapi_schema: dict[str, Any] | None = None
    # The versions of the routes that the document was made of.
    _described_sockets: Any = None

    def asyncapi(self) -> dict[str, Any]:
        """Return the AsyncAPI 3.1 document of the application's sockets. wirefast only.

        It is made when it is first asked for, and again when routes were added.

        Several threads may call this at once; one of them makes the document. Programs may replace the function to
        change the served document.
        """
        return self._keep("asyncapi_schema", "_described_sockets", self._routes_versions, self._make_asyncapi)

    @property
    def asyncapi_title(self) -> str:
        """The title of the document and its page: that of the application, "wirefast" if it has none."""
        return "wirefast" if self.title == _NO_TITLE else self.title

    def has_asyncapi(self) -> bool:
        """Return whether the document is made and current."""
        return self._is_kept("asyncapi_schema", "_described_sockets", self._routes_versions)

    def _make_asyncapi(self) -> dict[str, Any]:
        from wirefast.documents.asyncapi.document import make_asyncapi  # loaded when it is first asked for

        return make_asyncapi(
            info={**self._info(), "title": self.asyncapi_title},
            routes=self.router.routes if self.router.include_in_schema else [],
            tags=self.openapi_tags,
            servers=self.servers,
            external_docs=self.openapi_external_docs,
        )
