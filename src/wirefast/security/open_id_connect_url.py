"""OpenID Connect discovery. FastAPI: ``fastapi.security.open_id_connect_url``."""

from starlette.requests import HTTPConnection

from wirefast.openapi.models import OpenIdConnect as OpenIdConnectModel
from wirefast.security.base import SecurityBase

__all__ = ["OpenIdConnect"]


class OpenIdConnect(SecurityBase):
    """A scheme found through a provider's configuration document; the result is the whole ``Authorization`` header.

    Args:
        openIdConnectUrl: the URL of that document, for documentation; the document is not fetched.
        scheme_name: name in documentation; the name of the class by default.
        description: for documentation.
        auto_error: refuse with 401 when there is no such header (default), or result in ``None``.
    """

    model: OpenIdConnectModel

    def __init__(
        self,
        *,
        openIdConnectUrl: str,
        scheme_name: str | None = None,
        description: str | None = None,
        auto_error: bool = True,
    ) -> None:
        model = OpenIdConnectModel(openIdConnectUrl=openIdConnectUrl, description=description)
        self._set_up(model, scheme_name, auto_error)

    async def __call__(self, request: HTTPConnection) -> str | None:
        authorization = request.headers.get("Authorization")
        if not authorization:
            self._refuse_if_required()
            return None
        return authorization
