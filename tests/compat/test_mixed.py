"""FastAPI's own objects in a wirefast application, and each mounted in the other: a team moves one router at a time."""
# ruff: noqa: B008 (Depends() as a default is what is tested)

import fastapi
import fastapi.security
import pytest

from compat.freezing import listed_reason, readable_reason
from compat.harness import Trace, compare, frameworks, handshake, run_websocket
from compat.source import written

SIGNATURES = [
    "q: Annotated[int, Query(ge=2)] = 3, h: str = Header('d'), c: Annotated[str, Cookie()] = 'd'",
    "d: Annotated[str, Depends(lambda q: q)]",
    "d=Security(lambda scopes, q=Query(): (q, scopes), scopes=['a'])",
    "scopes: SecurityScopes, response: Response, tasks: BackgroundTasks, connection: HTTPConnection",
    "token=Depends(f.security.HTTPBearer(auto_error=False)), key=Depends(f.security.APIKeyQuery(name='q'))",
    "item: Annotated[Item, Query()]",
    "q: list[int] = Query(default_factory=list, alias='x')",
]


@pytest.mark.census("6.1", "6.3")
@pytest.mark.parametrize("signature", SIGNATURES)
def test_markers_of_fastapi(signature):
    source = f"""
app = App()
@app.websocket("/ws")
async def endpoint(websocket: WebSocket, {signature}):
    objects = ("websocket", "connection", "tasks")
    trace("endpoint", {{name: value for name, value in locals().items() if name not in objects}})
    await websocket.accept()
"""
    pairs = {"h": "hh", "authorization": "Bearer t"}
    targets = ["/ws", "/ws?q=5&name=n&x=1&scopes=s", "/ws?q=1&x=y"]
    connections = [handshake(target, headers=pairs, cookies={"c": "cc"}) for target in targets]
    results = compare(written(source, mixed=True), *connections)
    assert any(result.calls for result in results)


@pytest.mark.census("6.3")
def test_every_scheme_of_fastapi_as_a_dependency():
    def build(f, trace):
        app = f.App()
        bearer = fastapi.security.OAuth2PasswordBearer(tokenUrl="t")

        async def user(scopes: fastapi.security.SecurityScopes, token: str = fastapi.Depends(bearer)):
            return token, scopes.scopes

        @app.websocket("/ws", dependencies=[fastapi.Security(user, scopes=["listed"])])
        async def endpoint(websocket: fastapi.WebSocket, u=fastapi.Security(user, scopes=["own"])):
            trace("endpoint", u, isinstance(websocket, f.WebSocket))

        return app

    given, missing = compare(build, handshake(headers={"authorization": "Bearer x"}), handshake())
    assert given.calls == [("endpoint", ("x", ["own"]), True)] and missing.sent[0]["status"] == 401


@pytest.mark.census("6.2")
@pytest.mark.parametrize("error", [fastapi.HTTPException(403, "no"), fastapi.WebSocketException(4000, "no")], ids=str)
def test_exceptions_of_fastapi_raised_in_an_endpoint(error):
    def build(f, trace):
        app = f.App()

        @app.websocket("/ws")
        async def endpoint(websocket: fastapi.WebSocket):
            raise error

        return app

    assert compare(build).raised is None


@pytest.mark.census("I1")
def test_overrides_of_a_dependency_declared_with_fastapis_marker():
    def build(f, trace):
        async def original():
            return "original"

        app = f.App()

        @app.websocket("/ws")
        async def endpoint(websocket: fastapi.WebSocket, d=fastapi.Depends(original)):
            trace("endpoint", d)

        app.dependency_overrides[original] = lambda: "replacement"
        return app

    assert compare(build).calls == [("endpoint", "replacement")]


def mounted(outer, inner):
    """``inner``'s application mounted in ``outer``'s; records what the endpoint sees."""

    def build(trace):
        app, sub = outer.App(), inner.App()

        @sub.websocket("/ws/{n}", name="child")
        async def endpoint(websocket: inner.WebSocket, n: int, q: str = inner.Query("d")):
            trace("endpoint", n, q, dict(websocket.path_params), websocket.scope["root_path"], websocket.app is sub)
            trace("url", str(websocket.url_for("rt:child", tenant="t", n=5)))
            await websocket.accept()

        app.mount("/rt/{tenant}", sub, name="rt")

        @app.websocket("/own")
        async def own(websocket: outer.WebSocket):
            await websocket.accept()

        return app

    return build


@pytest.mark.census("B17")
@pytest.mark.parametrize("target", ["/rt/t/ws/3?q=x", "/rt/t/ws/x", "/rt/t/none", "/own", "/rt"])
def test_each_mounts_in_the_other(target):
    reference, peer = frameworks()
    traces = []
    for outer, inner in [(reference, reference), (reference, peer), (peer, reference), (peer, peer)]:
        trace = Trace()
        result = run_websocket(mounted(outer, inner)(trace), handshake(target, headers={"host": "h"}), trace)
        traces.append([readable_reason(listed_reason(event)) for event in result.events])
    assert traces[0] and traces[1:] == [traces[0]] * 3
