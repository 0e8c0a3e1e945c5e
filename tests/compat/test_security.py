"""Census 1J: security classes on WebSockets."""

import base64

import pytest

from compat.harness import Changed, compare, handshake
from compat.source import written


def guarded(scheme, before="", endpoint="trace('endpoint', credentials)"):
    """A build with one endpoint behind the security scheme written as ``scheme``."""
    source = f"""
security = f.security
app = App()
scheme = security.{scheme}
{before}
@app.websocket("/ws")
async def endpoint(websocket: WebSocket, credentials=Depends(scheme)):
    {endpoint}
    await websocket.accept()
"""
    return written(source)


def basic(text):
    return "Basic " + base64.b64encode(text.encode()).decode()


AUTHORIZATIONS = [
    "Bearer token",
    "bearer  token ",
    "BEARER token x",
    "Basic abc",
    "Digest d=1",
    "Bearer",
    "Bearer ",
    "",
    "x",
]
SCHEMES = {
    "HTTPBearer()": "Bearer",
    "HTTPBearer(auto_error=False)": None,
    "HTTPBearer(bearerFormat='JWT', scheme_name='s', description='d')": "Bearer",
    "HTTPDigest()": "Digest",
    "HTTPDigest(auto_error=False)": None,
    "http.HTTPBase(scheme='Custom')": "Custom",
    "http.HTTPBase(scheme='bearer', auto_error=False)": None,
    "OAuth2PasswordBearer(tokenUrl='token', scopes={'a': 'b'})": "Bearer",
    "OAuth2PasswordBearer(tokenUrl='token', auto_error=False)": None,
    "OAuth2AuthorizationCodeBearer(authorizationUrl='a', tokenUrl='t')": "Bearer",
    "OAuth2AuthorizationCodeBearer(authorizationUrl='a', tokenUrl='t', auto_error=False)": None,
    "OAuth2()": "Bearer",
    "OAuth2(auto_error=False)": None,
    "OpenIdConnect(openIdConnectUrl='u')": "Bearer",
    "OpenIdConnect(openIdConnectUrl='u', auto_error=False)": None,
    "HTTPBasic()": "Basic",
    "HTTPBasic(realm='simple')": 'Basic realm="simple"',
    "HTTPBasic(auto_error=False)": None,
}


@pytest.mark.census("J1", "J2", "J3", "3.2")
@pytest.mark.parametrize("scheme", SCHEMES)
def test_authorization_header_schemes(scheme):
    headers = [[]] + [[("authorization", value)] for value in AUTHORIZATIONS]
    headers += [[("authorization", basic("name:pass:word"))], [("authorization", basic("no colon"))]]
    headers += [[("authorization", "Basic !!!")], [("authorization", "Bearer a"), ("authorization", "Bearer b")]]
    results = compare(guarded(scheme), *(handshake("/ws", headers=pairs) for pairs in headers))
    missing = results[0]
    if SCHEMES[scheme] is None:
        assert missing.calls == [("endpoint", None)]
    else:
        assert missing.sent[0]["status"] == 401
        assert (b"www-authenticate", SCHEMES[scheme].encode()) in missing.sent[0]["headers"]
        assert missing.sent[1]["body"] == b'{"detail":"Not authenticated"}'


@pytest.mark.census("J1")
def test_credentials_are_the_documented_types():
    build = guarded(
        "HTTPBearer()",
        endpoint="trace('type', type(credentials) is security.HTTPAuthorizationCredentials, "
        "credentials.scheme, credentials.credentials)",
    )
    assert compare(build, handshake(headers={"authorization": "bearer t"})).calls == [("type", True, "bearer", "t")]
    build = guarded(
        "HTTPBasic()",
        endpoint="trace('type', type(credentials) is security.HTTPBasicCredentials, "
        "credentials.username, credentials.password)",
    )
    assert compare(build, handshake(headers={"authorization": basic("é:ü")})).refused is None


@pytest.mark.census("J1", "J2", "J3")
@pytest.mark.parametrize("auto_error", [True, False])
@pytest.mark.parametrize("place", ["Query", "Header", "Cookie"])
def test_api_keys(place, auto_error):
    connections = [
        handshake("/ws"),
        handshake("/ws?api-key=q", headers={"api-key": "h"}, cookies={"api-key": "c"}),
        handshake("/ws?api-key=", headers={"API-Key": ""}, cookies={"api-key": ""}),
        handshake("/ws?api-key=1&api-key=2", headers=[("api-key", "1"), ("api-key", "2"), ("cookie", "api-key=3")]),
    ]
    missing, given, *_ = compare(guarded(f"APIKey{place}(name='api-key', auto_error={auto_error})"), *connections)
    assert given.calls == [("endpoint", place[0].lower())]
    assert missing.sent[0].get("status") == (401 if auto_error else None)


@pytest.mark.census("J2", "K3")
def test_without_the_extension_a_denial_is_a_close():
    """FastAPI sends messages there that such a server does not know, so that the client gets no answer."""
    close = {"type": "websocket.close", "code": 1008, "reason": "Not authenticated"}
    compare(
        guarded("HTTPBearer()"),
        handshake("/ws", scope={"extensions": None}),
        differs=Changed(None, [("sent", close)]),
    )


@pytest.mark.census("J2", "3.19")
def test_the_documents_example():
    source = """
app = App()
security = f.security.HTTPBearer()
def verify(token: str = Depends(security)):
    if token.credentials != "valid-token":
        raise HTTPException(status_code=401, detail="Invalid token")
    return token.credentials
@app.websocket("/ws")
async def endpoint(websocket: WebSocket, token: str = Depends(verify)):
    await websocket.accept()
    await websocket.send_text(f"Authenticated with token: {token}")
"""
    headers = [{"authorization": "Bearer valid-token"}, {"authorization": "Bearer other"}, {}]
    # Of a server that can answer a handshake with an HTTP response; what another gets is in core/test_denials.py.
    scope = {"extensions": {"websocket.http.response": {}}}
    connections = [handshake("/ws", headers=pairs, scope=scope) for pairs in headers]
    good, bad, missing = compare(written(source), *connections)
    assert good.texts == ["Authenticated with token: valid-token"]
    assert bad.sent[1]["body"] == b'{"detail":"Invalid token"}' and missing.sent[0]["status"] == 401


@pytest.mark.census("J4", "K4")
def test_a_scheme_that_fails_after_accept_closes_with_the_detail():
    source = """
app = App()
bearer = f.security.HTTPBearer()
async def accepting(websocket: WebSocket):
    await websocket.accept()
@app.websocket("/ws")
async def endpoint(websocket: WebSocket, a=Depends(accepting), b=Depends(bearer)):
    trace("never")
"""
    denial = [
        {
            "type": "websocket.http.response.start",
            "status": 401,
            "headers": [
                (b"www-authenticate", b"Bearer"),
                (b"content-length", b"30"),
                (b"content-type", b"application/json"),
            ],
        },
        {"type": "websocket.http.response.body", "body": b'{"detail":"Not authenticated"}'},
    ]
    close = {"type": "websocket.close", "code": 1008, "reason": "Not authenticated"}
    compare(
        written(source),
        differs=Changed(was=[("sent", message) for message in denial], now=[("sent", close)]),
    )


@pytest.mark.census("J1", "H8")
def test_oauth2_with_scopes_and_a_subclass():
    source = """
app = App()
class Mine(f.security.OAuth2PasswordBearer):
    async def __call__(self, request: HTTPConnection):
        trace("called", request.scope["type"])
        return await super().__call__(request)
scheme = Mine(tokenUrl="token")
async def user(scopes: SecurityScopes, token: str = Depends(scheme)):
    if "admin" not in scopes.scopes:
        raise HTTPException(403, scopes.scope_str, headers={"WWW-Authenticate": f'Bearer scope="{scopes.scope_str}"'})
    return token
@app.websocket("/ws")
async def endpoint(websocket: WebSocket, u=Security(user, scopes=["admin"])):
    trace("endpoint", u)
@app.websocket("/user")
async def plain(websocket: WebSocket, u=Security(user, scopes=["user"])):
    trace("never")
"""
    connections = [handshake(path, headers={"authorization": "Bearer t"}) for path in ("/ws", "/user")]
    admin, user = compare(written(source), *connections)
    assert admin.calls == [("called", "websocket"), ("endpoint", "t")] and user.sent[0]["status"] == 403


@pytest.mark.census("J1")
def test_router_level_security():
    source = """
app = App(dependencies=[Depends(f.security.APIKeyQuery(name="key"))])
router = APIRouter(dependencies=[Security(f.security.HTTPBearer(), scopes=["x"])])
@router.websocket("/ws")
async def endpoint(websocket: WebSocket):
    trace("endpoint")
app.include_router(router)
"""
    connections = [
        handshake("/ws"),
        handshake("/ws?key=1"),
        handshake("/ws?key=1", headers={"authorization": "Bearer t"}),
    ]
    results = compare(written(source), *connections)
    assert [bool(result.calls) for result in results] == [False, False, True]


@pytest.mark.census("A6")
def test_password_form_needs_a_body():
    def build(f, trace):
        form = f.security.OAuth2PasswordRequestForm(grant_type="password", username="u", password="p", scope="a b")
        trace("form", form.username, form.scopes, form.client_id)
        scopes = f.security.SecurityScopes(["a", "b"])
        trace("scopes", scopes.scopes, scopes.scope_str, f.security.SecurityScopes().scopes)
        return f.App()

    assert compare(build).calls[0] == ("form", "u", ["a", "b"], None)


@pytest.mark.census("J1")
@pytest.mark.parametrize("scheme", SCHEMES)
def test_models_of_the_schemes(scheme):
    def build(f, trace):
        instance = eval(f"security.{scheme}", {"security": f.security})
        trace("model", instance.model.model_dump(exclude_none=True), instance.scheme_name, instance.auto_error)
        return f.App()

    compare(build)
