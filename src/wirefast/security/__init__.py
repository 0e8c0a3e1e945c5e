"""Security schemes as dependencies: each reads credentials from a request or a WebSocket handshake.

They find credentials and refuse connections that have none; whether these are right is for the application to say.
FastAPI: ``fastapi.security``, whose schemes take WebSockets too.
"""

from wirefast.security.api_key import APIKeyCookie, APIKeyHeader, APIKeyQuery
from wirefast.security.http import HTTPAuthorizationCredentials, HTTPBasic, HTTPBasicCredentials, HTTPBearer, HTTPDigest
from wirefast.security.oauth2 import (
    OAuth2,
    OAuth2AuthorizationCodeBearer,
    OAuth2PasswordBearer,
    OAuth2PasswordRequestForm,
    OAuth2PasswordRequestFormStrict,
    SecurityScopes,
)
from wirefast.security.open_id_connect_url import OpenIdConnect
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
