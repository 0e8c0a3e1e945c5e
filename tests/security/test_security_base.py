"""What the security schemes share, beside FastAPI's."""

import inspect
import typing
from typing import Any

import fastapi.security as oracle
import fastapi.security.api_key as oracle_api_key
import fastapi.security.http as oracle_http
import pytest
from starlette.requests import HTTPConnection

from wirefast import security
from wirefast.exceptions import HTTPException
from wirefast.security import api_key, http
from wirefast.security.base import SecurityBase

CODE_FLOW = {"authorizationUrl": "/auth", "tokenUrl": "/token"}

#: What FastAPI does not have.
OURS_ALONE = {"Ticket", "Tickets", "WebSocketBearer"}

#: Every scheme, in one of the ways it can be declared.
DECLARED: list[tuple[str, dict[str, Any]]] = [
    ("APIKeyQuery", {"name": "key"}),
    ("APIKeyHeader", {"name": "X-Key"}),
    ("APIKeyCookie", {"name": "key"}),
    ("HTTPBasic", {}),
    ("HTTPBasic", {"realm": "here"}),
    ("HTTPBearer", {}),
    ("HTTPBearer", {"bearerFormat": "JWT"}),
    ("HTTPDigest", {}),
    ("OAuth2", {}),
    ("OAuth2", {"flows": {"implicit": {"authorizationUrl": "/auth", "scopes": {"a": "A"}}}}),
    ("OAuth2", {"flows": {"clientCredentials": {"tokenUrl": "/token", "x-own": 1}}}),
    ("OAuth2PasswordBearer", {"tokenUrl": "/token"}),
    ("OAuth2PasswordBearer", {"tokenUrl": "/token", "scopes": {"a": "A"}, "refreshUrl": "/again"}),
    ("OAuth2AuthorizationCodeBearer", CODE_FLOW),
    ("OAuth2AuthorizationCodeBearer", CODE_FLOW | {"scopes": {"a": "A"}, "refreshUrl": "/again"}),
    ("OpenIdConnect", {"openIdConnectUrl": "/config"}),
]
COMMON: list[dict[str, Any]] = [{}, {"scheme_name": "Own", "description": "Text", "auto_error": False}]


@pytest.mark.parametrize("common", COMMON, ids=["plain", "named"])
@pytest.mark.parametrize(("name", "arguments"), DECLARED)
def test_declaration(name: str, arguments: dict[str, Any], common: dict[str, Any]) -> None:
    ours = getattr(security, name)(**arguments, **common)
    theirs = getattr(oracle, name)(**arguments, **common)
    assert isinstance(ours, SecurityBase)
    assert (ours.scheme_name, ours.auto_error) == (theirs.scheme_name, theirs.auto_error)
    assert type(ours.model).__name__ == type(theirs.model).__name__
    for by_alias in (False, True):
        assert ours.model.model_dump_json(by_alias=by_alias) == theirs.model.model_dump_json(by_alias=by_alias)


@pytest.mark.parametrize("name", sorted(set(security.__all__) - OURS_ALONE))
def test_signature(name: str) -> None:
    def shape(function: Any) -> list[Any]:
        parameters = inspect.signature(function).parameters.values()
        return [(p.name, p.kind, p.default is p.empty or repr(p.default)) for p in parameters]

    assert shape(getattr(security, name)) == shape(getattr(oracle, name))


def test_public_names() -> None:
    theirs = {name for name, value in vars(oracle).items() if inspect.isclass(value)}
    assert set(security.__all__) - OURS_ALONE == theirs
    assert issubclass(api_key.APIKeyQuery, api_key.APIKeyBase)
    assert issubclass(oracle_api_key.APIKeyQuery, oracle_api_key.APIKeyBase)
    assert issubclass(http.HTTPDigest, http.HTTPBase)
    assert issubclass(oracle_http.HTTPDigest, oracle_http.HTTPBase)


@pytest.mark.parametrize(("name", "arguments"), DECLARED)
def test_called_with_any_connection(name: str, arguments: dict[str, Any]) -> None:
    call = type(getattr(security, name)(**arguments)).__call__
    assert inspect.iscoroutinefunction(call)
    assert list(inspect.signature(call).parameters) == ["self", "request"]
    assert typing.get_type_hints(call)["request"] is HTTPConnection


@pytest.mark.parametrize(("name", "arguments"), DECLARED)
def test_refusal_can_be_replaced(name: str, arguments: dict[str, Any]) -> None:
    ours, theirs = getattr(security, name)(**arguments), getattr(oracle, name)(**arguments)
    error, expected = ours.make_not_authenticated_error(), theirs.make_not_authenticated_error()
    assert isinstance(error, HTTPException)
    assert (error.status_code, error.detail, error.headers) == (
        expected.status_code,
        expected.detail,
        expected.headers,
    )


def test_each_scheme_is_there_by_its_name_and_by_its_module() -> None:
    for module, names in security._EXPORTS.items():
        assert getattr(security, module).__name__ == f"wirefast.security.{module}"
        for name in names:
            assert getattr(security, name) is getattr(getattr(security, module), name)
    assert sorted(security._MODULE_OF) == sorted(security.__all__) and set(security.__all__) <= set(dir(security))
    with pytest.raises(AttributeError, match="no attribute 'HTTPBear'"):
        security.HTTPBear  # noqa: B018
