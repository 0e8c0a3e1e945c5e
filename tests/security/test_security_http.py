"""Basic, Bearer, Digest and other schemes, beside FastAPI's over the same connections."""

from base64 import b64encode
from typing import Any

import fastapi.security as oracle
import fastapi.security.http as oracle_http
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from connections import connection, outcome
from wirefast import security
from wirefast.exceptions import HTTPException
from wirefast.security import http

pytestmark = pytest.mark.anyio

KINDS = ["http", "websocket", "bare"]


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


def basic(text: bytes) -> str:
    return "Basic " + b64encode(text).decode()


AUTHORIZATION: list[str | None] = [
    None,
    "",
    " ",
    "Bearer",
    "Bearer ",
    "Bearer token",
    "bearer token",
    "BEARER   spaced out  ",
    "Bearer\ttoken",
    " Bearer token",
    "Token abc",
    'Digest username="ann", realm="here"',
    "digest ",
    basic(b"ann:secret"),
    basic(b"ann:se:cret"),
    basic(b":"),
    basic(b"ann"),
    basic(b""),
    basic("ann:é".encode()),
    "Basic !!!",
    "Basic a",
    "Basic",
    "basic YW5uOnNlY3JldA==",
    "Basic YW5uOnNlY3JldA",
    "Basic YW5u OnNlY3JldA==",
    "Basic caf\xe9",
]
SCHEMES: list[tuple[str, dict[str, Any]]] = [
    ("HTTPBase", {"scheme": "token"}),
    ("HTTPBasic", {}),
    ("HTTPBasic", {"realm": "here"}),
    ("HTTPBearer", {}),
    ("HTTPDigest", {}),
]


def headers(authorization: str | None) -> dict[str, str]:
    return {} if authorization is None else {"Authorization": authorization}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("auto_error", [True, False])
@pytest.mark.parametrize("authorization", AUTHORIZATION)
@pytest.mark.parametrize(("name", "arguments"), SCHEMES)
async def test_same_as_fastapi(
    name: str, arguments: dict[str, Any], authorization: str | None, auto_error: bool, kind: str
) -> None:
    ours = getattr(http, name)(**arguments, auto_error=auto_error)
    theirs = getattr(oracle_http, name)(**arguments, auto_error=auto_error)
    result = await outcome(ours, connection(kind, headers(authorization)))
    assert result == await outcome(theirs, connection(kind, headers(authorization)))


@pytest.mark.parametrize("kind", KINDS)
async def test_credentials(kind: str) -> None:
    token = await security.HTTPBearer()(connection(kind, headers("Bearer token")))
    assert token == security.HTTPAuthorizationCredentials(scheme="Bearer", credentials="token")
    user = await security.HTTPBasic()(connection(kind, headers(basic(b"ann:secret"))))
    assert user == security.HTTPBasicCredentials(username="ann", password="secret")


async def test_refusal_of_a_handshake() -> None:
    for name, challenge in (("HTTPBearer", "Bearer"), ("HTTPBasic", "Basic"), ("HTTPDigest", "Digest")):
        result = await outcome(getattr(security, name)(), connection("websocket"))
        assert result == ("refused", 401, "Not authenticated", {"WWW-Authenticate": challenge})
    result = await outcome(security.HTTPBasic(realm="here"), connection("websocket"))
    assert result[3] == {"WWW-Authenticate": 'Basic realm="here"'}


async def test_refusal_does_not_carry_the_password() -> None:
    with pytest.raises(HTTPException) as caught:
        await security.HTTPBasic()(connection("websocket", headers(basic("ann:sécret".encode()))))
    assert caught.value.__cause__ is None
    assert caught.value.__suppress_context__


async def test_own_refusal() -> None:
    class Hidden(security.HTTPBearer):
        def make_not_authenticated_error(self) -> HTTPException:
            return HTTPException(404)

    assert (await outcome(Hidden(), connection("websocket")))[:2] == ("refused", 404)


@settings(max_examples=100, deadline=None)
@given(value=st.text(st.characters(max_codepoint=0xFF), max_size=20), prefix=st.sampled_from(["", "Basic ", "bearer "]))
async def test_any_header(value: str, prefix: str) -> None:
    request = connection("websocket", headers(prefix + value))
    for name, arguments in SCHEMES:
        ours, theirs = (getattr(module, name)(**arguments) for module in (http, oracle_http))
        assert await outcome(ours, request) == await outcome(theirs, request)


def test_public_names_are_the_same_classes() -> None:
    assert security.HTTPBearer is http.HTTPBearer
    assert oracle.HTTPBearer is oracle_http.HTTPBearer
