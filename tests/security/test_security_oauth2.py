"""OAuth 2 tokens, forms and scopes, beside FastAPI's."""

import inspect
from typing import Any, get_type_hints

import fastapi.params as oracle_params
import fastapi.security as oracle
import pytest

from connections import connection, outcome
from wirefast import params, security

pytestmark = pytest.mark.anyio

KINDS = ["http", "websocket", "bare"]
CODE_FLOW: dict[str, Any] = {"authorizationUrl": "/auth", "tokenUrl": "/token"}
SCHEMES: list[tuple[str, dict[str, Any]]] = [
    ("OAuth2", {}),
    ("OAuth2PasswordBearer", {"tokenUrl": "/token"}),
    ("OAuth2AuthorizationCodeBearer", CODE_FLOW),
]


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("auto_error", [True, False])
@pytest.mark.parametrize(
    "authorization", [None, "", "Bearer token", "bearer  token ", "Bearer", "Bearer ", "Basic abc", "token"]
)
@pytest.mark.parametrize(("name", "arguments"), SCHEMES)
async def test_same_as_fastapi(
    name: str, arguments: dict[str, Any], authorization: str | None, auto_error: bool, kind: str
) -> None:
    headers = {} if authorization is None else {"Authorization": authorization}
    ours = getattr(security, name)(**arguments, auto_error=auto_error)
    theirs = getattr(oracle, name)(**arguments, auto_error=auto_error)
    result = await outcome(ours, connection(kind, headers))
    assert result == await outcome(theirs, connection(kind, headers))


@pytest.mark.parametrize("kind", KINDS)
async def test_results(kind: str) -> None:
    request = connection(kind, {"Authorization": "Bearer token"})
    assert await security.OAuth2()(request) == "Bearer token"
    assert await security.OAuth2PasswordBearer(tokenUrl="/token")(request) == "token"
    assert await security.OAuth2AuthorizationCodeBearer(**CODE_FLOW)(request) == "token"


def test_schemes_are_oauth2() -> None:
    for name, arguments in SCHEMES:
        assert isinstance(getattr(security, name)(**arguments), security.OAuth2)


def test_flows_as_models() -> None:
    from wirefast.openapi.models import OAuthFlowPassword, OAuthFlows

    flows = OAuthFlows(password=OAuthFlowPassword(tokenUrl="/token"))
    assert security.OAuth2(flows=flows).model.flows == flows


@pytest.mark.parametrize("name", ["OAuth2PasswordRequestForm", "OAuth2PasswordRequestFormStrict"])
def test_form_declarations(name: str) -> None:
    ours, theirs = (get_type_hints(getattr(m, name).__init__, include_extras=True) for m in (security, oracle))
    for hints in (ours, theirs):
        hints.pop("return", None)
    assert list(ours) == list(theirs)
    for key, hint in ours.items():
        (form,) = hint.__metadata__
        (expected,) = (item for item in theirs[key].__metadata__ if isinstance(item, oracle_params.Form))
        assert hint.__origin__ == theirs[key].__origin__
        assert isinstance(form, params.Form)
        assert repr(form.metadata) == repr(expected.metadata)
        assert form.json_schema_extra == expected.json_schema_extra
    first, second = (inspect.signature(getattr(m, name)).parameters.values() for m in (security, oracle))
    assert [(p.name, p.kind, p.default) for p in first] == [(p.name, p.kind, p.default) for p in second]


@pytest.mark.parametrize("name", ["OAuth2PasswordRequestForm", "OAuth2PasswordRequestFormStrict"])
@pytest.mark.parametrize(
    "fields",
    [
        {"username": "ann", "password": "secret"},
        {"username": "ann", "password": "secret", "scope": " a  b:c ", "client_id": "i", "client_secret": "s"},
    ],
    ids=["short", "full"],
)
def test_form_values(name: str, fields: dict[str, Any]) -> None:
    ours, theirs = (getattr(module, name)(grant_type="password", **fields) for module in (security, oracle))
    assert vars(ours) == vars(theirs)


@pytest.mark.parametrize("scopes", [None, [], ["a"], ["a", "b:c"]])
def test_scopes(scopes: list[str] | None) -> None:
    ours, theirs = security.SecurityScopes(scopes), oracle.SecurityScopes(scopes)
    assert (ours.scopes, ours.scope_str) == (theirs.scopes, theirs.scope_str)
