"""Credentials in the ``Authorization`` header: Basic, Bearer, Digest or any other scheme (RFC 9110, section 11.6.2).

FastAPI: ``fastapi.security.http``.
"""

from base64 import b64decode
from typing import ClassVar

from pydantic import BaseModel
from starlette.requests import HTTPConnection

from wirefast.exceptions import HTTPException
from wirefast.openapi.models import HTTPBase as HTTPBaseModel
from wirefast.openapi.models import HTTPBearer as HTTPBearerModel
from wirefast.security.base import SecurityBase
from wirefast.security.utils import get_authorization_scheme_param

__all__ = ["HTTPAuthorizationCredentials", "HTTPBase", "HTTPBasic", "HTTPBasicCredentials", "HTTPBearer", "HTTPDigest"]


class HTTPBasicCredentials(BaseModel):
    """The credentials that `HTTPBasic` finds. Compare them with ``secrets.compare_digest``."""

    username: str
    password: str


class HTTPAuthorizationCredentials(BaseModel):
    """The credentials that the other schemes find: the scheme in the client's own case, and the rest of the header."""

    scheme: str
    credentials: str


class HTTPBase(SecurityBase):
    """Any scheme; the base of the three below.

    Args:
        scheme: name for documentation and for the challenge. Requests of other schemes pass too.
        scheme_name: name in documentation; the name of the class by default.
        description: for documentation.
        auto_error: refuse with 401 when there are no credentials (default), or result in ``None``.
    """

    model: HTTPBaseModel

    #: The only scheme accepted, in lower case; None for any.
    _only: ClassVar[str | None] = None

    def __init__(
        self, *, scheme: str, scheme_name: str | None = None, description: str | None = None, auto_error: bool = True
    ) -> None:
        self._set_up(HTTPBaseModel(scheme=scheme, description=description), scheme_name, auto_error)
        self.is_ambient = scheme.lower() != "bearer"

    def make_authenticate_headers(self) -> dict[str, str]:
        """Return the headers of a refusal: the challenge for this scheme."""
        return {"WWW-Authenticate": self.model.scheme.title()}

    def make_not_authenticated_error(self) -> HTTPException:
        """Make the refusal: 401, "Not authenticated". Override to refuse in another way."""
        return HTTPException(status_code=401, detail="Not authenticated", headers=self.make_authenticate_headers())

    async def __call__(self, request: HTTPConnection) -> HTTPAuthorizationCredentials | None:
        scheme, credentials = get_authorization_scheme_param(request.headers.get("Authorization"))
        if not scheme or not credentials or self._only not in (None, scheme.lower()):
            self._refuse_if_required()
            return None
        return HTTPAuthorizationCredentials(scheme=scheme, credentials=credentials)


class HTTPBasic(HTTPBase):
    """User name and password (RFC 7617), ASCII only.

    Args:
        realm: named in the challenge.
        scheme_name, description, auto_error: as in `HTTPBase`.

    A malformed header is refused, also with ``auto_error=False``.
    """

    def __init__(
        self,
        *,
        scheme_name: str | None = None,
        realm: str | None = None,
        description: str | None = None,
        auto_error: bool = True,
    ) -> None:
        super().__init__(scheme="basic", scheme_name=scheme_name, description=description, auto_error=auto_error)
        self.realm = realm

    def make_authenticate_headers(self) -> dict[str, str]:
        """Return the headers of a refusal: the challenge, with the realm if there is one."""
        return {"WWW-Authenticate": f'Basic realm="{self.realm}"' if self.realm else "Basic"}

    async def __call__(self, request: HTTPConnection) -> HTTPBasicCredentials | None:  # type: ignore[override]
        scheme, parameter = get_authorization_scheme_param(request.headers.get("Authorization"))
        if scheme.lower() != "basic":
            self._refuse_if_required()
            return None
        try:
            username, colon, password = b64decode(parameter).decode("ascii").partition(":")
        except ValueError:
            # Not chained: the cause would carry the password.
            raise self.make_not_authenticated_error() from None
        if not colon:
            raise self.make_not_authenticated_error()
        return HTTPBasicCredentials(username=username, password=password)


class HTTPBearer(HTTPBase):
    """A bearer token (RFC 6750).

    Args:
        bearerFormat: kind of token, for documentation.
        scheme_name, description, auto_error: as in `HTTPBase`.
    """

    _only = "bearer"

    def __init__(
        self,
        *,
        bearerFormat: str | None = None,
        scheme_name: str | None = None,
        description: str | None = None,
        auto_error: bool = True,
    ) -> None:
        self._set_up(HTTPBearerModel(bearerFormat=bearerFormat, description=description), scheme_name, auto_error)


class HTTPDigest(HTTPBase):
    """The header of digest authentication (RFC 7616), unparsed: the digest is not computed here.

    Args:
        scheme_name, description, auto_error: as in `HTTPBase`.
    """

    _only = "digest"

    def __init__(
        self, *, scheme_name: str | None = None, description: str | None = None, auto_error: bool = True
    ) -> None:
        super().__init__(scheme="digest", scheme_name=scheme_name, description=description, auto_error=auto_error)
