"""Census 1L: middleware, lifespan, background tasks, application state."""

import pytest

from compat.harness import compare, handshake, refusal
from compat.source import written

WATCH = """
class Watch:
    def __init__(self, app, name):
        trace("built", name)
        self.app, self.name = app, name
    async def __call__(self, scope, receive, send):
        trace("through", self.name)
        await self.app(scope, receive, send)
"""

ENDPOINT = """
@app.websocket("/ws")
async def endpoint(websocket: WebSocket):
    trace("endpoint")
    await websocket.accept()
"""


@pytest.mark.census("L1")
def test_order_of_middleware():
    source = (
        WATCH
        + """
Middleware = f.load("middleware").Middleware
app = App(middleware=[Middleware(Watch, name="ctor1"), Middleware(Watch, "ctor2")])
app.add_middleware(Watch, "add1")
app.add_middleware(Watch, name="add2")
"""
        + ENDPOINT
    )
    first, second = compare(written(source), handshake(), handshake())
    assert [call[1] for call in second.calls if call[0] == "through"] == ["add2", "add1", "ctor1", "ctor2"]
    assert [call[1] for call in first.calls if call[0] == "built"] == ["ctor2", "ctor1", "add1", "add2"]


@pytest.mark.census("L1")
def test_function_factories_as_middleware():
    source = """
import functools
def factory(app, label):
    async def middleware(scope, receive, send):
        trace("before", label)
        try:
            await app(scope, receive, send)
        except ValueError as error:
            trace("caught", str(error))
    return middleware
app = App()
app.add_middleware(factory, "x")
@app.websocket("/ws")
async def endpoint(websocket: WebSocket):
    raise ValueError("boom")
"""
    assert compare(written(source)).calls == [("before", "x"), ("caught", "boom")]


@pytest.mark.census("L1")
def test_middleware_that_answers_itself_and_that_changes_the_scope():
    source = """
class Gate:
    def __init__(self, app):
        self.app = app
    async def __call__(self, scope, receive, send):
        if scope["path"] == "/closed":
            return await send({"type": "websocket.close", "code": 4000, "reason": "gate"})
        scope = dict(scope, path="/ws", headers=[(b"x-n", b"3")])
        await self.app(scope, receive, send)
app = App()
app.add_middleware(Gate)
@app.websocket("/ws")
async def endpoint(websocket: WebSocket, x_n: int = Header()):
    trace("endpoint", x_n)
"""
    opened, closed = compare(written(source), handshake("/anything"), handshake("/closed"))
    assert opened.calls == [("endpoint", 3)] and closed.close["code"] == 4000


@pytest.mark.census("L1")
def test_middleware_cannot_be_added_while_running():
    source = (
        WATCH
        + """
app = App()
@app.websocket("/ws")
async def endpoint(websocket: WebSocket):
    app.add_middleware(Watch, "late")
"""
    )
    assert str(compare(written(source)).raised) == "Cannot add middleware after an application has started"


@pytest.mark.census("L1", "4.18")
def test_http_middleware_does_not_see_websockets():
    source = (
        """
app = App()
@app.middleware("http")
async def middleware(request, call_next):
    trace("never")
    return await call_next(request)
"""
        + ENDPOINT
    )
    assert compare(written(source)).calls == [("endpoint",)]


@pytest.mark.census("L2", "L3")
@pytest.mark.parametrize(
    "path, arguments",
    [
        ("trustedhost.TrustedHostMiddleware", "allowed_hosts=['good.org', '*.sub.org']"),
        ("httpsredirect.HTTPSRedirectMiddleware", ""),
        ("cors.CORSMiddleware", "allow_origins=['http://x']"),
        ("gzip.GZipMiddleware", ""),
    ],
)
def test_stock_middleware(path, arguments):
    module, _, name = path.partition(".")
    source = (
        f"""
app = App()
app.add_middleware(f.load("middleware.{module}").{name}, {arguments})
"""
        + ENDPOINT
    )
    hosts = ["good.org", "a.sub.org", "bad.org"]
    connections = [handshake("/ws", headers={"host": host, "origin": "http://evil"}) for host in hosts]
    results = compare(
        written(source), *connections, handshake("/ws", headers={"host": "good.org"}, scope={"scheme": "wss"})
    )
    assert results[-1].calls == [("endpoint",)]
    if module == "trustedhost":
        assert results[2].sent[0]["status"] == 400
    if module == "httpsredirect":
        assert results[0].sent[0]["status"] == 307


AUTHENTICATION = """
from starlette.authentication import AuthCredentials, AuthenticationBackend, AuthenticationError, SimpleUser, requires
from starlette.middleware.authentication import AuthenticationMiddleware
class Backend(AuthenticationBackend):
    async def authenticate(self, connection):
        if "error" in connection.query_params: raise AuthenticationError("no")
        if "user" in connection.query_params: return AuthCredentials(["yes"]), SimpleUser("u")
app = App()
app.add_middleware(AuthenticationMiddleware, backend=Backend())
@app.websocket("/ws")
@requires("yes")
async def endpoint(websocket: WebSocket, n: int = 0):
    trace("endpoint", n, websocket.user.display_name, websocket.auth.scopes)
    await websocket.accept()
"""


@pytest.mark.census("L4")
def test_authentication_middleware_and_requires():
    good, refused, error = compare(
        written(AUTHENTICATION), handshake("/ws?user=1&n=4"), handshake("/ws"), handshake("/ws?error=1")
    )
    assert good.calls == [("endpoint", 4, "u", ["yes"])]
    assert refused.close["code"] == 1000 and error.close["code"] == 1000


@pytest.mark.census("L5")
def test_sessions():
    source = """
from starlette.middleware.sessions import SessionMiddleware
app = App()
app.add_middleware(SessionMiddleware, secret_key="k")
@app.websocket("/ws")
async def endpoint(websocket: WebSocket):
    trace("session", dict(websocket.session))
    websocket.session["a"] = 1
    await websocket.accept()
"""
    result = compare(written(source))
    assert result.calls == [("session", {})] and result.sent[0]["headers"] == []


LIFESPANS = """
import contextlib
def lifespan_of(name, state):
    @contextlib.asynccontextmanager
    async def lifespan(app):
        trace("start", name, type(app).__name__ in ("App", "FastAPI", "APIRouter"))
        yield state
        trace("stop", name)
    return lifespan
"""


@pytest.mark.census("L6")
def test_lifespans_are_merged_and_the_apps_state_wins():
    source = (
        LIFESPANS
        + """
app = App(lifespan=lifespan_of("app", {"a": "app", "app": 1}))
inner = APIRouter(lifespan=lifespan_of("inner", {"a": "inner", "inner": 1}))
outer = APIRouter(lifespan=lifespan_of("outer", {"a": "outer", "outer": 1}))
outer.include_router(inner)
app.include_router(outer)
@app.websocket("/ws")
async def endpoint(websocket: WebSocket):
    trace("state", dict(websocket.scope["state"]), websocket.state.a)
"""
    )
    calls = compare(written(source), handshake(), lifespan=True).calls
    assert [call[1] for call in calls if call[0] == "start"] == ["app", "outer", "inner"]
    assert [call[1] for call in calls if call[0] == "stop"] == ["inner", "outer", "app"]
    assert ("state", {"a": "app", "app": 1, "outer": 1, "inner": 1}, "app") in calls


@pytest.mark.census("L6")
@pytest.mark.parametrize("kind", ["async def", "def"])
@pytest.mark.parametrize("state", ["", "{'a': 1}", "[1]"])
def test_generator_functions_as_lifespan(kind, state):
    source = (
        f"""
{kind} lifespan(app):
    trace("start")
    yield {state}
    trace("stop")
app = App(lifespan=lifespan)
"""
        + ENDPOINT
    )
    compare(written(source), handshake(), lifespan=True)


@pytest.mark.census("L6", "L7")
def test_lifespan_replaces_startup_and_shutdown_handlers():
    source = (
        LIFESPANS
        + """
app = App(lifespan=lifespan_of("app", None), on_startup=[lambda: trace("never")], on_shutdown=[lambda: trace("never")])
"""
        + ENDPOINT
    )
    calls = compare(written(source), handshake(), lifespan=True).calls
    assert [call[0] for call in calls] == ["start", "endpoint", "stop"]


@pytest.mark.census("L7")
def test_startup_and_shutdown_handlers():
    source = (
        """
async def later(): trace("async startup")
app = App(on_startup=[lambda: trace("startup"), later], on_shutdown=[lambda: trace("shutdown")])
@app.on_event("startup")
async def event(): trace("event")
app.router.add_event_handler("shutdown", lambda: trace("added"))
router = APIRouter(on_startup=[lambda: trace("rs")], on_shutdown=[lambda: trace("re")])
app.include_router(router)
"""
        + ENDPOINT
    )
    calls = compare(written(source), handshake(), lifespan=True).calls
    assert [call[0] for call in calls].count("rs") == 2


@pytest.mark.census("L7")
@pytest.mark.parametrize(
    "lifespan",
    [
        "app.router.on_startup, app.router.on_shutdown = [late], (lambda: trace('replaced'),)",
        "app.router.lifespan_context = f.load('routing')._DefaultLifespan(Other(on_startup=[late]))",
        "app.router.lifespan_context = own",
    ],
)
def test_who_starts_the_handlers(lifespan):
    """A lifespan of a library's that runs the handlers of a router, and handlers in another list."""
    source = (
        f"""
import contextlib
async def late(): trace("late")
class Other(APIRouter):
    async def _startup(self):
        trace("before")
        await super()._startup()
@contextlib.asynccontextmanager
async def own(app):
    await app.router._startup()
    yield
    await app.router._shutdown()
app = App(on_startup=[lambda: trace("startup"), late], on_shutdown=[lambda: trace("shutdown")])
{lifespan}
"""
        + ENDPOINT
    )
    assert "late" in [call[0] for call in compare(written(source), handshake(), lifespan=True).calls]


@pytest.mark.census("L8")
@pytest.mark.parametrize("phase", ["start", "stop"])
def test_a_failing_lifespan(phase):
    source = (
        f"""
import contextlib
@contextlib.asynccontextmanager
async def lifespan(app):
    if {phase == "start"}: raise ValueError("start failed")
    yield
    raise ValueError("stop failed")
app = App(lifespan=lifespan)
"""
        + ENDPOINT
    )
    result = compare(written(source), handshake(), lifespan=True)
    wanted = {"start": "lifespan.startup.failed", "stop": "lifespan.shutdown.failed"}[phase]
    assert result.sent[-1]["type"] == wanted and str(result.raised) == f"{phase} failed"


@pytest.mark.census("L8")
def test_a_lifespan_needs_the_state_of_the_scope_only_when_it_yields_one():
    result = compare(written(LIFESPANS + "app = App(lifespan=lifespan_of('app', None))" + ENDPOINT), lifespan=True)
    assert ("stop", "app") in result.calls


@pytest.mark.census("L9", "G10", "4.21")
def test_background_tasks_never_run():
    source = """
app = App()
@app.websocket("/ws")
async def endpoint(websocket: WebSocket, tasks: BackgroundTasks):
    tasks.add_task(trace, "never")
    await websocket.accept()
    await websocket.close()
"""
    assert compare(written(source)).calls == []


@pytest.mark.census("L10")
def test_application_state():
    source = """
app = App()
app.state.value = [1]
@app.websocket("/ws")
async def endpoint(websocket: WebSocket):
    websocket.app.state.value.append(2)
    trace("state", websocket.app.state.value, websocket.app is app)
"""
    first, second = compare(written(source), handshake(), handshake())
    assert second.calls == [("state", [1, 2, 2], True)] and first.calls


@pytest.mark.census("L6", "B17")
def test_the_lifespan_of_a_mounted_app_is_not_run():
    source = (
        LIFESPANS
        + """
app, sub = App(), App(lifespan=lifespan_of("sub", None))
app.mount("/sub", sub)
@sub.websocket("/ws")
async def endpoint(websocket: WebSocket):
    trace("endpoint")
"""
    )
    assert compare(written(source), handshake("/sub/ws"), lifespan=True).calls == [("endpoint",)]


@pytest.mark.census("L1")
def test_middleware_by_keyword_needs_a_class():
    compare(written("app = App(middleware=[])" + ENDPOINT))
    assert refusal(lambda f, trace: f.App().add_middleware())


@pytest.mark.census("L1")
def test_user_middleware_wraps_an_application_again_each_time_it_is_built():
    source = (
        WATCH
        + """
app = App()
app.add_middleware(Watch, "one")
app.middleware_stack = app.build_middleware_stack()
"""
        + ENDPOINT
    )
    assert compare(written(source)).calls == [("built", "one"), ("through", "one"), ("endpoint",)]
