"""Markers are recognised by class: ours, and FastAPI's where FastAPI is loaded, which is never our doing."""

import subprocess
import sys
import textwrap
from typing import Annotated

import fastapi
import fastapi.params
import fastapi.security
import pytest

import wirefast
from asgi import connect
from wirefast import App, WebSocket, params
from wirefast.dependencies import markers
from wirefast.dependencies.markers import is_marker, is_security_scheme, security_scopes_classes
from wirefast.security import APIKeyHeader, SecurityScopes


@pytest.mark.parametrize("module", [params, fastapi.params], ids=["ours", "fastapi"])
def test_by_name_and_by_base(module):
    assert is_marker(module.Query(), "Query")
    assert is_marker(module.Query(), "Header", "Param")
    assert not is_marker(module.Query(), "Header", "Body")
    assert is_marker(module.File(), "Body") and is_marker(module.File(), "Form")
    assert is_marker(module.Security(), "Depends")
    assert not is_marker("Query", "Query")


def test_security_schemes():
    assert is_security_scheme(APIKeyHeader(name="x"))
    assert is_security_scheme(fastapi.security.APIKeyHeader(name="x"))
    assert not is_security_scheme(APIKeyHeader)
    assert not is_security_scheme(None)


def test_security_scopes():
    assert security_scopes_classes() == (SecurityScopes, fastapi.security.SecurityScopes)


def test_without_fastapi(monkeypatch):
    for name in ("fastapi.params", "fastapi.security.base", "fastapi.security.oauth2"):
        monkeypatch.delitem(sys.modules, name)
    assert is_marker(params.Query(), "Query")
    assert not is_marker(fastapi.params.Query(), "Query")
    assert is_security_scheme(APIKeyHeader(name="x"))
    assert not is_security_scheme(fastapi.security.APIKeyHeader(name="x"))
    assert markers.security_scopes_classes() == (SecurityScopes,)


def test_a_signature_of_fastapis_objects():
    key = fastapi.security.APIKeyHeader(name="x-key")

    async def user(scopes: fastapi.security.SecurityScopes, key: Annotated[str, fastapi.Security(key, scopes=["c"])]):
        return scopes.scopes, key

    app = App()

    @app.websocket("/{room}")
    async def endpoint(
        websocket: fastapi.WebSocket,
        room: Annotated[int, fastapi.Path(ge=1)],
        q: Annotated[list[str], fastapi.Query()],
        agent: Annotated[str, fastapi.Header(alias="x-agent")],
        user: Annotated[tuple, fastapi.Security(user, scopes=["a", "b"])],
        session: str = fastapi.Cookie("none"),  # noqa: B008
    ):
        assert type(websocket) is WebSocket
        await websocket.accept()
        await websocket.send_json([room, q, agent, user, session])

    headers = [("x-agent", "me"), ("x-key", "k"), ("cookie", "session=s")]
    assert connect(app, "/7?q=1&q=2", headers=headers).texts == ['[7,["1","2"],"me",[["a","b"],"k"],"s"]']
    assert connect(app, "/0?q=1", headers=headers).sent[-1]["code"] == 1008


def test_fastapi_is_not_imported():
    """An application is built, served and refuses a client in a process that has never heard of FastAPI."""
    program = """
        import asyncio, sys
        from wirefast import App, Depends, Query, WebSocket
        from wirefast.security import HTTPBearer
        from typing import Annotated

        class Refuse:
            def find_spec(self, name, path=None, target=None):
                assert name.partition(".")[0] != "fastapi", name

        sys.meta_path.insert(0, Refuse())
        app = App()
        scheme = HTTPBearer(auto_error=False)

        @app.websocket("/")
        async def endpoint(websocket: WebSocket, n: int, user: Annotated[object, Depends(scheme)]):
            await websocket.accept()

        async def serve(query):
            sent = []

            async def receive():
                return {"type": "websocket.connect"}

            async def send(message):
                sent.append(message["type"])

            scope = {"type": "websocket", "path": "/", "query_string": query, "headers": []}
            await app(scope, receive, send)
            return sent

        assert asyncio.run(serve(b"n=1")) == ["websocket.accept"]
        assert asyncio.run(serve(b"n=x")) == ["websocket.close"]
        assert not [name for name in sys.modules if name.partition(".")[0] == "fastapi"]
    """
    subprocess.run([sys.executable, "-c", textwrap.dedent(program)], check=True, timeout=60)


def test_names_at_the_top_are_functions_over_these_classes():
    for name in ("Query", "Path", "Header", "Cookie", "Body", "Form", "File", "Depends", "Security"):
        marker = getattr(wirefast, name)()
        assert type(marker) is getattr(params, name)
