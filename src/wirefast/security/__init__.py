"""Security schemes as dependencies: each reads credentials from a request or a WebSocket handshake.

They find credentials and refuse connections without them; the application decides whether the credentials are right. A
scheme and its models are loaded when its name is first asked for, since an application uses one or two of them.
FastAPI: ``fastapi.security``, whose schemes take WebSockets too.
"""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from wirefast.security.api_key import APIKeyCookie, APIKeyHeader, APIKeyQuery
    from wirefast.security.http import (
        HTTPAuthorizationCredentials,
        HTTPBasic,
        HTTPBasicCredentials,
        HTTPBearer,
        HTTPDigest,
    )
    from wirefast.security.oauth2 import (
        OAuth2,
        OAuth2AuthorizationCodeBearer,
        OAuth2PasswordBearer,
        OAuth2PasswordRequestForm,
        OAuth2PasswordRequestFormStrict,
    )
    from wirefast.security.open_id_connect_url import OpenIdConnect
    from wirefast.security.scopes import SecurityScopes
    from wirefast.security.tickets import Ticket, Tickets
    from wirefast.security.websocket_bearer import WebSocketBearer

__all__ = [
    "APIKeyCookie",
    "APIKeyHeader",
    "APIKeyQuery",
    "HTTPAuthorizationCredentials",
    "HTTPBasic",
    "HTTPBasicCredentials",
    "HTTPBearer",
    "HTTPDigest",
    "OAuth2",
    "OAuth2AuthorizationCodeBearer",
    "OAuth2PasswordBearer",
    "OAuth2PasswordRequestForm",
    "OAuth2PasswordRequestFormStrict",
    "OpenIdConnect",
    "SecurityScopes",
    "Ticket",
    "Tickets",
    "WebSocketBearer",
]

#: The modules of the schemes, each with the names that are exported here.
_EXPORTS = {
    "api_key": ("APIKeyCookie", "APIKeyHeader", "APIKeyQuery"),
    "base": (),
    "http": ("HTTPAuthorizationCredentials", "HTTPBasic", "HTTPBasicCredentials", "HTTPBearer", "HTTPDigest"),
    "oauth2": (
        "OAuth2",
        "OAuth2AuthorizationCodeBearer",
        "OAuth2PasswordBearer",
        "OAuth2PasswordRequestForm",
        "OAuth2PasswordRequestFormStrict",
    ),
    "open_id_connect_url": ("OpenIdConnect",),
    "scopes": ("SecurityScopes",),
    "tickets": ("Ticket", "Tickets"),
    "utils": (),
    "websocket_bearer": ("WebSocketBearer",),
}
_MODULE_OF = {name: module for module, names in _EXPORTS.items() for name in names}


def __getattr__(name: str) -> Any:
    """Load the module of a scheme at the first use of one of its names, or of its own name."""
    if name in _EXPORTS:
        return importlib.import_module(f"{__name__}.{name}")
    if name not in _MODULE_OF:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    found = getattr(importlib.import_module(f"{__name__}.{_MODULE_OF[name]}"), name)
    globals()[name] = found  # the next look-up finds it without this function
    return found


def __dir__() -> list[str]:
    """List all names, of loaded modules and others."""
    return sorted({*globals(), *__all__})
