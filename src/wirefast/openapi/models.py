"""Security schemes and examples as OpenAPI 3.1 describes them (sections 4.8.19, 4.8.27 to 4.8.29).

Each security class keeps one of these as its ``model``. Field names are OpenAPI's; if one is a Python word it has
a trailing underscore and the real name as its alias (``type_``, ``in_``). Unknown fields are kept. FastAPI:
``fastapi.openapi.models``.

The models of a whole document (``OpenAPI``, ``Operation``, ``Schema``, ...) are here too. They are loaded at the first
use of one, because a service without a document needs none of them.
"""

import importlib
from enum import Enum
from typing import TYPE_CHECKING, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from wirefast.openapi.example import Example

if TYPE_CHECKING:
    from wirefast.openapi.document_models import XML as XML
    from wirefast.openapi.document_models import Components as Components
    from wirefast.openapi.document_models import Contact as Contact
    from wirefast.openapi.document_models import Discriminator as Discriminator
    from wirefast.openapi.document_models import EmailStr as EmailStr
    from wirefast.openapi.document_models import Encoding as Encoding
    from wirefast.openapi.document_models import ExternalDocumentation as ExternalDocumentation
    from wirefast.openapi.document_models import Header as Header
    from wirefast.openapi.document_models import Info as Info
    from wirefast.openapi.document_models import License as License
    from wirefast.openapi.document_models import Link as Link
    from wirefast.openapi.document_models import MediaType as MediaType
    from wirefast.openapi.document_models import OpenAPI as OpenAPI
    from wirefast.openapi.document_models import Operation as Operation
    from wirefast.openapi.document_models import Parameter as Parameter
    from wirefast.openapi.document_models import ParameterBase as ParameterBase
    from wirefast.openapi.document_models import ParameterInType as ParameterInType
    from wirefast.openapi.document_models import PathItem as PathItem
    from wirefast.openapi.document_models import Reference as Reference
    from wirefast.openapi.document_models import RequestBody as RequestBody
    from wirefast.openapi.document_models import Response as Response
    from wirefast.openapi.document_models import Schema as Schema
    from wirefast.openapi.document_models import SchemaOrBool as SchemaOrBool
    from wirefast.openapi.document_models import SchemaType as SchemaType
    from wirefast.openapi.document_models import Server as Server
    from wirefast.openapi.document_models import ServerVariable as ServerVariable
    from wirefast.openapi.document_models import Tag as Tag

__all__ = [
    "APIKey",
    "APIKeyIn",
    "BaseModelWithConfig",
    "Components",
    "Contact",
    "Discriminator",
    "EmailStr",
    "Encoding",
    "Example",
    "ExternalDocumentation",
    "HTTPBase",
    "HTTPBearer",
    "Header",
    "Info",
    "License",
    "Link",
    "MediaType",
    "OAuth2",
    "OAuthFlow",
    "OAuthFlowAuthorizationCode",
    "OAuthFlowClientCredentials",
    "OAuthFlowImplicit",
    "OAuthFlowPassword",
    "OAuthFlows",
    "OpenAPI",
    "OpenIdConnect",
    "Operation",
    "Parameter",
    "ParameterBase",
    "ParameterInType",
    "PathItem",
    "Reference",
    "RequestBody",
    "Response",
    "Schema",
    "SchemaOrBool",
    "SchemaType",
    "SecurityBase",
    "SecurityScheme",
    "SecuritySchemeType",
    "Server",
    "ServerVariable",
    "Tag",
    "XML",
]


class BaseModelWithConfig(BaseModel):
    """A model that keeps unknown fields, such as extensions (``x-...``)."""

    # Built at the first use: a service with only sockets may never make a document, so the import builds no model.
    model_config = ConfigDict(extra="allow", defer_build=True)


class SecuritySchemeType(Enum):
    """The kinds of security scheme in OpenAPI."""

    apiKey = "apiKey"
    http = "http"
    oauth2 = "oauth2"
    openIdConnect = "openIdConnect"


class SecurityBase(BaseModelWithConfig):
    """The common part of all schemes."""

    type_: SecuritySchemeType = Field(alias="type")
    description: str | None = None


class APIKeyIn(Enum):
    """Where a key is sent."""

    query = "query"
    header = "header"
    cookie = "cookie"


class APIKey(SecurityBase):
    """A key sent under ``name`` in the query, a header or a cookie."""

    type_: SecuritySchemeType = Field(default=SecuritySchemeType.apiKey, alias="type")
    in_: APIKeyIn = Field(alias="in")
    name: str


class HTTPBase(SecurityBase):
    """An ``Authorization`` header of the given scheme (RFC 9110, section 11)."""

    type_: SecuritySchemeType = Field(default=SecuritySchemeType.http, alias="type")
    scheme: str


class HTTPBearer(HTTPBase):
    """A bearer token; ``bearerFormat`` is a hint for readers, such as ``"JWT"``."""

    scheme: Literal["bearer"] = "bearer"
    bearerFormat: str | None = None


class OAuthFlow(BaseModelWithConfig):
    """The common part of all OAuth 2 flows; ``scopes`` maps a scope to its description."""

    refreshUrl: str | None = None
    scopes: dict[str, str] = {}


class OAuthFlowImplicit(OAuthFlow):
    """A token at once, from the page of the user's consent (RFC 6749, section 4.2)."""

    authorizationUrl: str


class OAuthFlowPassword(OAuthFlow):
    """A token for the user's name and password (RFC 6749, section 4.3)."""

    tokenUrl: str


class OAuthFlowClientCredentials(OAuthFlow):
    """A token for the client itself (RFC 6749, section 4.4)."""

    tokenUrl: str


class OAuthFlowAuthorizationCode(OAuthFlow):
    """A code from the page of the user's consent, then a token for it (RFC 6749, section 4.1)."""

    authorizationUrl: str
    tokenUrl: str


class OAuthFlows(BaseModelWithConfig):
    """The flows an OAuth 2 scheme offers."""

    implicit: OAuthFlowImplicit | None = None
    password: OAuthFlowPassword | None = None
    clientCredentials: OAuthFlowClientCredentials | None = None
    authorizationCode: OAuthFlowAuthorizationCode | None = None


class OAuth2(SecurityBase):
    """OAuth 2, by one flow or several."""

    type_: SecuritySchemeType = Field(default=SecuritySchemeType.oauth2, alias="type")
    flows: OAuthFlows


class OpenIdConnect(SecurityBase):
    """Discovery by OpenID Connect, from the provider's configuration document."""

    type_: SecuritySchemeType = Field(default=SecuritySchemeType.openIdConnect, alias="type")
    openIdConnectUrl: str


SecurityScheme = APIKey | HTTPBase | OAuth2 | OpenIdConnect | HTTPBearer


def __getattr__(name: str) -> Any:
    """Load the models of a whole document with the first of them that is asked for."""
    if name in __all__:
        return getattr(importlib.import_module("wirefast.openapi.document_models"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
