"""OAuth 2 (RFC 6749): tokens on connections, the form of the password flow, and scopes.

FastAPI: ``fastapi.security.oauth2``.
"""

from typing import Annotated, Any, cast

from starlette.requests import HTTPConnection

from wirefast.openapi.models import OAuth2 as OAuth2Model
from wirefast.openapi.models import OAuthFlows as OAuthFlowsModel
from wirefast.param_functions import Form
from wirefast.security.base import SecurityBase
from wirefast.security.scopes import SecurityScopes
from wirefast.security.utils import get_authorization_scheme_param

__all__ = [
    "OAuth2",
    "OAuth2AuthorizationCodeBearer",
    "OAuth2PasswordBearer",
    "OAuth2PasswordRequestForm",
    "OAuth2PasswordRequestFormStrict",
    "SecurityScopes",
]

_NO_FLOWS = OAuthFlowsModel()


class OAuth2PasswordRequestForm:
    """The form of a token request in the password flow (RFC 6749, section 4.3.2), as an HTTP dependency.

    Args:
        grant_type: ``password``, or None if the client left it out.
        username, password: the username and password of the resource owner.
        scope: the requested scopes, separated by white space.
        client_id, client_secret: the credentials of the client, if it sends them in the form; else None.

    ``scope`` arrives as one string and is split at white space into ``scopes``. ``grant_type`` may be missing; see
    `OAuth2PasswordRequestFormStrict`.
    """

    def __init__(
        self,
        *,
        grant_type: Annotated[str | None, Form(pattern="^password$")] = None,
        username: Annotated[str, Form()],
        password: Annotated[str, Form(json_schema_extra={"format": "password"})],
        scope: Annotated[str, Form()] = "",
        client_id: Annotated[str | None, Form()] = None,
        client_secret: Annotated[str | None, Form(json_schema_extra={"format": "password"})] = None,
    ) -> None:
        self.grant_type = grant_type
        self.username = username
        self.password = password
        self.scopes = scope.split()
        self.client_id = client_id
        self.client_secret = client_secret


class OAuth2PasswordRequestFormStrict(OAuth2PasswordRequestForm):
    """`OAuth2PasswordRequestForm` with ``grant_type=password`` required, as the RFC has it."""

    def __init__(
        self,
        grant_type: Annotated[str, Form(pattern="^password$")],
        username: Annotated[str, Form()],
        password: Annotated[str, Form()],
        scope: Annotated[str, Form()] = "",
        client_id: Annotated[str | None, Form()] = None,
        client_secret: Annotated[str | None, Form()] = None,
    ) -> None:
        super().__init__(
            grant_type=grant_type,
            username=username,
            password=password,
            scope=scope,
            client_id=client_id,
            client_secret=client_secret,
        )


class OAuth2(SecurityBase):
    """Any OAuth 2 flow; the result is the whole ``Authorization`` header.

    Args:
        flows: the flows for documentation, as a model or as the dict it is made of.
        scheme_name: name in documentation; the name of the class by default.
        description: for documentation.
        auto_error: refuse with 401 when there is no such header (default), or result in ``None``.
    """

    model: OAuth2Model

    def __init__(
        self,
        *,
        flows: OAuthFlowsModel | dict[str, dict[str, Any]] = _NO_FLOWS,
        scheme_name: str | None = None,
        description: str | None = None,
        auto_error: bool = True,
    ) -> None:
        model = OAuth2Model(flows=cast(OAuthFlowsModel, flows), description=description)
        self._set_up(model, scheme_name, auto_error)

    async def __call__(self, request: HTTPConnection) -> str | None:
        authorization = request.headers.get("Authorization")
        if not authorization:
            self._refuse_if_required()
            return None
        return authorization


class _BearerToken(OAuth2):
    """The result is the token of an ``Authorization: Bearer`` header, which may be empty."""

    async def __call__(self, request: HTTPConnection) -> str | None:
        scheme, token = get_authorization_scheme_param(request.headers.get("Authorization"))
        if scheme.lower() != "bearer":
            self._refuse_if_required()
            return None
        return token


class OAuth2PasswordBearer(_BearerToken):
    """A token by user name and password (RFC 6749, section 4.3); the result is the token.

    Args:
        tokenUrl: the URL at which clients get a token, for documentation.
        scheme_name: name in documentation; the name of the class by default.
        scopes: descriptions by scope, for documentation.
        description: for documentation.
        auto_error: refuse with 401 when there is no bearer token (default), or result in ``None``.
        refreshUrl: the URL at which clients renew the token, for documentation.
    """

    def __init__(
        self,
        tokenUrl: str,
        scheme_name: str | None = None,
        scopes: dict[str, str] | None = None,
        description: str | None = None,
        auto_error: bool = True,
        refreshUrl: str | None = None,
    ) -> None:
        flow = {"tokenUrl": tokenUrl, "refreshUrl": refreshUrl, "scopes": scopes or {}}
        super().__init__(
            flows={"password": flow}, scheme_name=scheme_name, description=description, auto_error=auto_error
        )


class OAuth2AuthorizationCodeBearer(_BearerToken):
    """A token by an authorization code (RFC 6749, section 4.1); the result is the token.

    Args:
        authorizationUrl: the URL at which users give their consent, for documentation.
        tokenUrl, refreshUrl, scheme_name, scopes, description, auto_error: as in `OAuth2PasswordBearer`.
    """

    def __init__(
        self,
        authorizationUrl: str,
        tokenUrl: str,
        refreshUrl: str | None = None,
        scheme_name: str | None = None,
        scopes: dict[str, str] | None = None,
        description: str | None = None,
        auto_error: bool = True,
    ) -> None:
        flow = {
            "authorizationUrl": authorizationUrl,
            "tokenUrl": tokenUrl,
            "refreshUrl": refreshUrl,
            "scopes": scopes or {},
        }
        super().__init__(
            flows={"authorizationCode": flow}, scheme_name=scheme_name, description=description, auto_error=auto_error
        )
