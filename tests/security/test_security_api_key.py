"""API keys in the query, a header and a cookie, beside FastAPI's over the same connections."""

from typing import Any

import fastapi.security as oracle
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from connections import connection, outcome
from wirefast import security

pytestmark = pytest.mark.anyio

KINDS = ["http", "websocket", "bare"]


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("auto_error", [True, False])
@pytest.mark.parametrize(
    ("name", "key", "headers", "query", "expected"),
    [
        ("APIKeyQuery", "key", {}, "key=secret", "secret"),
        ("APIKeyQuery", "key", {}, "key=a&key=b", "b"),
        ("APIKeyQuery", "key", {}, "key=a%20b%00", "a b\x00"),
        ("APIKeyQuery", "key", {}, "key=", None),
        ("APIKeyQuery", "key", {}, "other=secret", None),
        ("APIKeyHeader", "X-Key", {"x-key": "secret"}, "", "secret"),
        ("APIKeyHeader", "x_key", {"x-key": "secret"}, "", None),
        ("APIKeyHeader", "X-Key", {"x-key": ""}, "", None),
        ("APIKeyHeader", "X-Key", {}, "X-Key=secret", None),
        ("APIKeyCookie", "key", {"cookie": "a=b; key=secret"}, "", "secret"),
        ("APIKeyCookie", "key", {"cookie": "key="}, "", None),
        ("APIKeyCookie", "key", {"cookie": "Key=secret"}, "", None),
        ("APIKeyCookie", "key", {}, "", None),
    ],
)
async def test_key(
    name: str, key: str, headers: dict[str, str], query: str, expected: str | None, auto_error: bool, kind: str
) -> None:
    ours = getattr(security, name)(name=key, auto_error=auto_error)
    theirs = getattr(oracle, name)(name=key, auto_error=auto_error)
    result = await outcome(ours, connection(kind, headers, query))
    assert result == await outcome(theirs, connection(kind, headers, query))
    if expected is None and auto_error:
        assert result == ("refused", 401, "Not authenticated", {"WWW-Authenticate": "APIKey"})
    else:
        assert result == ("value", expected)


@settings(max_examples=50, deadline=None)
@given(cookie=st.text("key=; \"'a\\1\xe9", max_size=20), query=st.text("key=&;%41+\xe9", max_size=20))
async def test_any_bytes(cookie: str, query: str) -> None:
    arguments: dict[str, Any] = {"name": "key"}
    for name in ("APIKeyQuery", "APIKeyCookie"):
        ours, theirs = (getattr(module, name)(**arguments) for module in (security, oracle))
        request = connection("websocket", {"cookie": cookie}, query)
        assert await outcome(ours, request) == await outcome(theirs, request)
