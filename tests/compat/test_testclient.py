"""Census 1M: the same application behind Starlette's TestClient, and census 1A: what can be imported from where."""
# ruff: noqa: B008 (Depends() as a default is what is tested)

import importlib

import pytest

from compat.harness import compare


def through_client(body, **options):
    """A build that connects with the framework's TestClient and records what the client sees."""

    def build(f, trace):
        app = f.App()

        @app.websocket("/echo")
        async def echo(websocket: f.WebSocket, room: str = "none"):
            await websocket.accept(
                websocket["subprotocols"][0] if websocket["subprotocols"] else None, [(b"x-a", b"1")]
            )
            async for text in websocket.iter_text():
                await websocket.send_text(f"{room}: {text}")
            trace("ended")

        @app.websocket("/scope")
        async def scope(websocket: f.WebSocket):
            await websocket.accept()
            keys = sorted(set(websocket.scope) & {"type", "path", "raw_path", "root_path", "scheme", "query_string"})
            await websocket.send_json({key: str(websocket.scope[key]) for key in keys})
            await websocket.send_json(dict(websocket.headers))
            await websocket.close(4000, "bye")

        @app.websocket("/refused")
        async def refused(websocket: f.WebSocket, number: int):
            raise f.WebSocketException(4001, "no")

        @app.websocket("/denied")
        async def denied(websocket: f.WebSocket):
            raise f.HTTPException(402, "pay", headers={"x-a": "b"})

        @app.websocket("/broken")
        async def broken(websocket: f.WebSocket):
            await websocket.accept()
            raise ValueError("boom")

        with f.testclient.TestClient(app, **options) as client:
            body(f, trace, client)
        return app

    return build


def client_error(trace, connect):
    try:
        with connect:
            trace("connected")
    except Exception as error:
        trace("error", error, getattr(error, "code", None))


@pytest.mark.census("M2", "M3")
def test_messages_subprotocol_and_headers():
    def body(f, trace, client):
        with client.websocket_connect("/echo?room=r", subprotocols=["a", "b"]) as session:
            trace("accepted", session.accepted_subprotocol, session.extra_headers)
            session.send_text("hello")
            trace("received", session.receive_text())
            session.send_json({"a": 1})
            trace("received", session.receive())
            session.close(4000)

    assert ("accepted", "a", [(b"x-a", b"1")]) in compare(through_client(body)).calls


@pytest.mark.census("M2")
def test_the_scope_of_the_test_client():
    def body(f, trace, client):
        with client.websocket_connect("/scope?a=b", headers={"x-b": "c"}, cookies={"k": "v"}) as session:
            trace("scope", session.receive_json(), session.receive_json())
            try:
                session.receive_text()
            except f.WebSocketDisconnect as error:
                trace("closed", error.code, error.reason)

    assert compare(through_client(body)).calls[-1] == ("closed", 4000, "bye")


@pytest.mark.census("M3", "K1", "K3", "K5")
@pytest.mark.parametrize("path", ["/refused?number=1", "/denied", "/none"])
def test_refusals(path):
    def body(f, trace, client):
        client_error(trace, client.websocket_connect(path))

    calls = compare(through_client(body)).calls
    assert calls[-1][0] == "error" and isinstance(calls[-1][1], Exception)


@pytest.mark.census("M3", "K3")
def test_a_denial_is_a_response():
    def body(f, trace, client):
        try:
            client.websocket_connect("/denied").__enter__()
        except f.WebSocketDisconnect as error:
            trace("response", error.status_code, error.json(), error.headers["x-a"], type(error).__name__)

    expected = ("response", 402, {"detail": "pay"}, "b", "WebSocketDenialResponse")
    assert compare(through_client(body)).calls[0] == expected


@pytest.mark.census("M6", "K9")
@pytest.mark.parametrize("raise_server_exceptions", [True, False])
def test_exceptions_of_the_application_reach_the_test(raise_server_exceptions):
    def body(f, trace, client):
        client_error(trace, client.websocket_connect("/broken"))

    calls = compare(through_client(body, raise_server_exceptions=raise_server_exceptions)).calls
    assert isinstance(calls[-1][1], ValueError)


@pytest.mark.census("M4", "K10")
def test_an_escaping_disconnect_is_raised_at_exit():
    def build(f, trace):
        app = f.App()

        async def resource():
            yield
            trace("cleaned")

        async def guarded():
            try:
                yield
            finally:
                import anyio

                await anyio.sleep(0)
                trace("cleaned too")

        @app.websocket("/ws", dependencies=[f.Depends(guarded)])
        async def endpoint(websocket: f.WebSocket, r=f.Depends(resource)):
            await websocket.accept()
            while True:
                await websocket.send_text(await websocket.receive_text())

        client = f.testclient.TestClient(app)
        try:
            with client.websocket_connect("/ws") as session:
                session.send_text("x")
                trace("received", session.receive_text())
        except f.WebSocketDisconnect as error:
            trace("raised", error.code)
        return app

    assert ("cleaned too",) in compare(build).calls


@pytest.mark.census("M1")
def test_root_path_and_base_url():
    def body(f, trace, client):
        with client.websocket_connect("/scope") as session:
            trace("scope", session.receive_json()["root_path"], session.receive_json()["host"])

    build = through_client(body, root_path="/root", base_url="https://example.org:8443")
    assert compare(build).calls[0] == ("scope", "/root", "testserver")


@pytest.mark.census("M1", "H4")
@pytest.mark.parametrize("backend", ["asyncio", "trio"])
def test_both_backends(backend):
    def build(f, trace):
        app = f.App()

        def sync():
            return "sync"

        async def generator():
            yield "generator"
            trace("exit")

        @app.websocket("/ws")
        async def endpoint(websocket: f.WebSocket, s=f.Depends(sync), g=f.Depends(generator), q: int = 1):
            await websocket.accept()
            await websocket.send_json([s, g, q])
            await websocket.close()

        with f.testclient.TestClient(app, backend=backend) as client:
            with client.websocket_connect("/ws?q=3") as session:
                received = session.receive_json(), session.receive()
            trace("json", received[0])
        return app

    assert compare(build).calls[:2] == [("exit",), ("json", ["sync", "generator", 3])]


NAMES = {
    "": "APIRouter WebSocket WebSocketDisconnect WebSocketException Depends Security Query Path Header Cookie Body "
    "Form File UploadFile HTTPException BackgroundTasks Request Response status",
    "websockets": "WebSocket WebSocketDisconnect WebSocketState",
    "routing": "APIRouter APIWebSocketRoute Mount websocket_session get_websocket_app iter_route_contexts",
    "exceptions": "HTTPException WebSocketException RequestValidationError WebSocketRequestValidationError "
    "ResponseValidationError ValidationException FastAPIError DependencyScopeError FastAPIDeprecationWarning",
    "exception_handlers": "http_exception_handler request_validation_exception_handler "
    "websocket_request_validation_exception_handler",
    "security": "HTTPBearer HTTPBasic HTTPDigest HTTPAuthorizationCredentials HTTPBasicCredentials OAuth2 "
    "OAuth2PasswordBearer OAuth2AuthorizationCodeBearer OAuth2PasswordRequestForm OAuth2PasswordRequestFormStrict "
    "OpenIdConnect APIKeyQuery APIKeyHeader APIKeyCookie SecurityScopes",
    "security.http": "HTTPBase",
    "requests": "HTTPConnection Request",
    "testclient": "TestClient",
    "concurrency": "run_in_threadpool iterate_in_threadpool run_until_first_complete contextmanager_in_threadpool "
    "asynccontextmanager",
    "middleware": "Middleware",
    "middleware.cors": "CORSMiddleware",
    "middleware.gzip": "GZipMiddleware",
    "middleware.httpsredirect": "HTTPSRedirectMiddleware",
    "middleware.trustedhost": "TrustedHostMiddleware",
    "responses": "Response JSONResponse HTMLResponse PlainTextResponse RedirectResponse StreamingResponse FileResponse",
    "encoders": "jsonable_encoder",
    "params": "Param Path Query Header Cookie Body Form File Depends Security ParamTypes",
    "param_functions": "Path Query Header Cookie Body Form File Depends Security",
    "datastructures": "Default DefaultPlaceholder UploadFile State Address FormData Headers QueryParams URL",
    "background": "BackgroundTasks",
    "dependencies.models": "Dependant",
    "dependencies.utils": "get_dependant solve_dependencies analyze_param get_typed_signature",
    "types": "DecoratedCallable",
    "utils": "is_body_allowed_for_status_code",
    "staticfiles": "StaticFiles",
    "templating": "Jinja2Templates",
}


@pytest.mark.census("A1", "A2", "A3", "A4", "A5", "A6", "A7", "A8", "A9", "A10")
@pytest.mark.parametrize("path", NAMES)
def test_names_and_module_paths(path):
    def build(f, trace):
        module = importlib.import_module(f"{f.name}.{path}".rstrip("."))
        found = {name: getattr(module, name) for name in NAMES[path].split()}
        # The class of a class is its own affair.
        trace("names", {name: isinstance(one, type) or type(one).__name__ for name, one in found.items()})
        return f.App()

    compare(build)


@pytest.mark.census("A2", "6.2")
def test_starlettes_own_classes():
    def build(f, trace):
        import starlette.background
        import starlette.exceptions
        import starlette.requests
        import starlette.responses
        import starlette.websockets as websockets

        same = f.WebSocketDisconnect is websockets.WebSocketDisconnect
        trace("same", same, f.websockets.WebSocketState is websockets.WebSocketState)
        trace(
            "same",
            f.requests.HTTPConnection is starlette.requests.HTTPConnection,
            f.Request is starlette.requests.Request,
        )
        trace("same", f.Response is starlette.responses.Response)
        trace(
            "sub",
            issubclass(f.WebSocket, websockets.WebSocket),
            issubclass(f.HTTPException, starlette.exceptions.HTTPException),
        )
        trace("sub", issubclass(f.WebSocketException, starlette.exceptions.WebSocketException))
        trace("sub", issubclass(f.BackgroundTasks, starlette.background.BackgroundTasks), f.status.__name__)
        return f.App()

    assert all(all(call[1:]) for call in compare(build).calls)
