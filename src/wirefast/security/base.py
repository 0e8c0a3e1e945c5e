"""The common part of all security schemes. FastAPI: ``fastapi.security.base``."""

from __future__ import annotations

from typing import TYPE_CHECKING

from wirefast.exceptions import HTTPException

if TYPE_CHECKING:
    from wirefast.openapi.models import SecurityBase as SecurityBaseModel

__all__ = ["SecurityBase"]


class SecurityBase:
    """A callable that reads credentials from a connection, HTTP or WebSocket, for use with ``Depends``.

    Attributes:
        model: the scheme as OpenAPI describes it.
        scheme_name: its name in the document. Default: the name of the class.
        auto_error: refuse a connection without credentials with HTTP 401 (True), or return ``None`` for it.
        is_ambient: whether a browser adds the credentials by itself, so that the ``Origin`` has to be checked.
    """

    model: SecurityBaseModel
    scheme_name: str
    auto_error: bool

    #: Whether a browser adds these credentials by itself, even for a page of another site.
    is_ambient: bool = False

    #: Sent as ``WWW-Authenticate`` with a refusal (RFC 9110, section 11.6.1).
    _challenge = "Bearer"

    def _set_up(self, model: SecurityBaseModel, scheme_name: str | None, auto_error: bool) -> None:
        self.model = model
        self.scheme_name = scheme_name or type(self).__name__
        self.auto_error = auto_error

    def make_not_authenticated_error(self) -> HTTPException:
        """Make the refusal: 401, "Not authenticated". Override to refuse in another way."""
        return HTTPException(status_code=401, detail="Not authenticated", headers={"WWW-Authenticate": self._challenge})

    def _refuse_if_required(self) -> None:
        """Raise the refusal if ``auto_error`` is set."""
        if self.auto_error:
            raise self.make_not_authenticated_error()
