"""A key sent in the query string, a header or a cookie. FastAPI: ``fastapi.security.api_key``."""

from starlette.requests import HTTPConnection

from wirefast.openapi.models import APIKey, APIKeyIn
from wirefast.security.base import SecurityBase

__all__ = ["APIKeyBase", "APIKeyCookie", "APIKeyHeader", "APIKeyQuery"]


class APIKeyBase(SecurityBase):
    """The common part of the three below.

    Args:
        location: query, header or cookie.
        name: the name of the query parameter, header or cookie.
        scheme_name: name in documentation; the name of the class by default.
        description: for documentation.
        auto_error: refuse with 401 when the key is missing or empty (default), or result in ``None``.

    The result is the key, which is not compared with anything.
    """

    model: APIKey
    _challenge = "APIKey"

    def __init__(
        self, location: APIKeyIn, name: str, description: str | None, scheme_name: str | None, auto_error: bool
    ) -> None:
        model = APIKey(**{"in": location}, name=name, description=description)  # type: ignore[arg-type]
        self._set_up(model, scheme_name, auto_error)

    def check_api_key(self, api_key: str | None) -> str | None:
        """``api_key``, unless it is missing or empty: then ``None`` or the refusal."""
        if not api_key:
            self._refuse_if_required()
            return None
        return api_key


class APIKeyQuery(APIKeyBase):
    """A key in the query string. It may end up in the access logs of servers and proxies.

    Args:
        name, scheme_name, description, auto_error: as in `APIKeyBase`.
    """

    def __init__(
        self, *, name: str, scheme_name: str | None = None, description: str | None = None, auto_error: bool = True
    ) -> None:
        super().__init__(APIKeyIn.query, name, description, scheme_name, auto_error)

    async def __call__(self, request: HTTPConnection) -> str | None:
        return self.check_api_key(request.query_params.get(self.model.name))


class APIKeyHeader(APIKeyBase):
    """A key in a header. Browsers cannot set one on a WebSocket.

    Args:
        name, scheme_name, description, auto_error: as in `APIKeyBase`.
    """

    def __init__(
        self, *, name: str, scheme_name: str | None = None, description: str | None = None, auto_error: bool = True
    ) -> None:
        super().__init__(APIKeyIn.header, name, description, scheme_name, auto_error)

    async def __call__(self, request: HTTPConnection) -> str | None:
        return self.check_api_key(request.headers.get(self.model.name))


class APIKeyCookie(APIKeyBase):
    """A key in a cookie. Browsers send cookies from any site's page: see ``origins`` of ``App``.

    Args:
        name, scheme_name, description, auto_error: as in `APIKeyBase`.
    """

    is_ambient = True

    def __init__(
        self, *, name: str, scheme_name: str | None = None, description: str | None = None, auto_error: bool = True
    ) -> None:
        super().__init__(APIKeyIn.cookie, name, description, scheme_name, auto_error)

    async def __call__(self, request: HTTPConnection) -> str | None:
        return self.check_api_key(request.cookies.get(self.model.name))
