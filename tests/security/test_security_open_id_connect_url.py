"""OpenID Connect, beside FastAPI's."""

import fastapi.security as oracle
import pytest

from connections import connection, outcome
from wirefast import security

pytestmark = pytest.mark.anyio


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.mark.parametrize("kind", ["http", "websocket", "bare"])
@pytest.mark.parametrize("auto_error", [True, False])
@pytest.mark.parametrize("authorization", [None, "", "Bearer token", "anything"])
async def test_same_as_fastapi(authorization: str | None, auto_error: bool, kind: str) -> None:
    headers = {} if authorization is None else {"Authorization": authorization}
    ours, theirs = (
        module.OpenIdConnect(openIdConnectUrl="/config", auto_error=auto_error) for module in (security, oracle)
    )
    result = await outcome(ours, connection(kind, headers))
    assert result == await outcome(theirs, connection(kind, headers))
    if authorization:
        assert result == ("value", authorization)
