"""Routes and routers of the user's classes under an include: what they override is called, what they count stays."""

import asyncio

import pytest
from starlette.responses import PlainTextResponse
from starlette.routing import Host, Match, Mount, Route, Router, WebSocketRoute

from asgi import connect
from exchanges import respond
from wirefast import APIRouter, App, Request, WebSocket
from wirefast.routes.live_copy import is_live
from wirefast.routing import APIRoute, APIWebSocketRoute, iter_route_contexts


class Watching:
    """Overrides what routes have, and counts on itself: ``hits`` of the class, ``seen`` of the object."""

    hits = 0

    def __init__(self, *arguments, **options):
        super().__init__(*arguments, **options)
        self.seen = []

    def matches(self, scope):
        self.hits += 1
        if getattr(self, "hidden", False):
            return Match.NONE, {}
        return super().matches(scope)

    async def handle(self, scope, receive, send):
        self.seen.append(scope["path"])
        await super().handle(scope, receive, send)


class Operation(Watching, APIRoute): ...


class Socket(Watching, APIWebSocketRoute): ...


class PlainOperation(Watching, Route): ...


class PlainSocket(Watching, WebSocketRoute): ...


class Mounting(Watching, Mount): ...


class Hosting(Watching, Host): ...


def answer(request: Request):
    return PlainTextResponse("answered")


async def speak(websocket: WebSocket):
    await websocket.accept()
    await websocket.send_text("spoken")


INSIDE = Router(routes=[Route("/in", answer), WebSocketRoute("/in", speak)])
ROUTES = {
    "operation": (lambda: Operation("/in", answer), True),
    "socket": (lambda: Socket("/in", speak), False),
    "plain operation": (lambda: PlainOperation("/in", answer), True),
    "plain socket": (lambda: PlainSocket("/in", speak), False),
    "mount": (lambda: Mounting("/", app=INSIDE), True),
    "mounted socket": (lambda: Mounting("/", app=INSIDE), False),
    "host": (lambda: Hosting("testserver", app=INSIDE), True),
}


def reached(app, path, http, *, found=True):
    headers = [("host", "testserver")]
    if http:
        answered = respond(app, "GET", path, headers=headers)
        assert (answered.status == 200) is found and (not found or answered.body == b"answered")
    else:
        assert connect(app, path).texts == (["spoken"] if found else [])


def included(route, depth):
    """An App with the route below that many includes, and its path."""
    router, path = APIRouter(routes=[route]), "/in"
    for level in range(depth):
        outer = App() if level == depth - 1 else APIRouter()
        outer.include_router(router, prefix=f"/{level}")
        router, path = outer, f"/{level}{path}"
    if depth == 0:
        return App(routes=[route]), path
    return router, path


@pytest.mark.parametrize("depth", range(4))
@pytest.mark.parametrize("kind", ROUTES)
def test_what_a_class_overrides_is_called_and_what_it_counts_is_kept(kind, depth):
    make, http = ROUTES[kind]
    route = make()
    app, path = included(route, depth)
    for count in range(1, 4):
        reached(app, path, http)
        assert route.hits >= count and route.seen == [path] * count
    route.hidden = True  # after the first request
    reached(app, path, http, found=False)
    route.hidden = False
    reached(app, path, http)
    assert len(route.seen) == 4


@pytest.mark.parametrize("depth", range(1, 4))
def test_what_is_set_on_a_declared_route_is_seen_later(depth):
    route = APIRoute("/in", lambda request: answer(request))
    seen = []

    def look(request: Request):
        found = request.scope["route"]
        seen.append((found.path, getattr(found, "label", None)))
        found.counted = getattr(found, "counted", 0) + 1
        return answer(request)

    route = APIRoute("/in", look)
    app, path = included(route, depth)
    reached(app, path, True)
    route.label = "set later"
    reached(app, path, True)
    del route.label
    reached(app, path, True)
    assert seen == [(path, None), (path, "set later"), (path, None)]
    assert route.counted == 3 and route.path == "/in"


def test_a_method_set_on_a_declared_route_is_called():
    route, calls = APIRoute("/in", answer), []
    plain = route.handle

    async def handle(scope, receive, send):
        calls.append(scope["path"])
        await plain(scope, receive, send)

    route.handle = handle
    app, path = included(route, 2)
    assert respond(app, "GET", path).status == 200 and calls == [path]


def test_a_copy_is_of_the_class_of_its_route():
    registered = []

    class Registering(APIRoute):
        def __init_subclass__(cls, **options):
            registered.append(cls)

    app, path = included(Registering("/in", answer), 1)
    (context,) = [each for each in iter_route_contexts(app.routes) if each.path == path]
    assert isinstance(context.effective, Registering) and is_live(context.effective) and not registered
    assert type(context.effective).__name__ == "Registering" and context.effective.original_route is context.route
    assert not is_live(context.route)


def test_a_context_does_not_call_what_a_class_overrides():
    route = Operation("/in", answer)
    app, path = included(route, 1)
    scope = {"type": "http", "method": "GET", "path": path, "headers": []}
    (context,) = [each for each in iter_route_contexts(app.routes) if each.path == path]
    match, child_scope = context.matches(scope)
    assert match is Match.FULL and child_scope["endpoint"] is answer and route.hits == 0


# ---- Routers ----


class Gate(APIRouter):
    """A router that may hide itself, and counts what it serves."""

    open = True
    served = 0

    def matches(self, scope):
        return super().matches(scope) if self.open else (Match.NONE, {})

    async def handle(self, scope, receive, send):
        self.served += 1
        await super().handle(scope, receive, send)


@pytest.mark.parametrize("above", range(3))
@pytest.mark.parametrize("below", range(3))
def test_a_router_that_hides_itself_is_hidden(above, below):
    inner = APIRouter()
    inner.get("/in")(answer)
    inner.websocket("/in")(speak)
    path = "/in"
    for _ in range(below):
        outer = APIRouter()
        outer.include_router(inner, prefix="/below")
        inner, path = outer, f"/below{path}"
    gate = Gate()
    gate.include_router(inner)
    router = gate
    for _ in range(above):
        outer = APIRouter()
        outer.include_router(router, prefix="/above")
        router, path = outer, f"/above{path}"
    app = App()
    app.include_router(router)
    for http in (True, False):
        gate.open = True
        reached(app, path, http)
        gate.open = False
        reached(app, path, http, found=False)
        gate.open = True
        reached(app, path, http)
    assert gate.served == 4
    assert respond(app, "GET", path + "x").status == 404 and respond(app, "POST", path).status == 405


def test_a_hidden_router_leaves_its_path_to_the_next():
    gate, other, app = Gate(), APIRouter(), App()
    gate.get("/in")(lambda: "gate")
    other.get("/in")(lambda: "other")
    app.include_router(gate)
    app.include_router(other)
    assert respond(app, "GET", "/in").body == b'"gate"'
    gate.open = False
    assert respond(app, "GET", "/in").body == b'"other"'


def test_a_router_may_answer_by_itself():
    class Closed(APIRouter):
        async def handle(self, scope, receive, send):
            await PlainTextResponse("closed", 503)(scope, receive, send)

    router, app = Closed(), App()
    router.get("/in")(answer)
    app.include_router(router, prefix="/x")
    answered = respond(app, "GET", "/x/in")
    assert (answered.status, answered.body) == (503, b"closed")


def test_a_router_alone_matches_nothing_and_serves():
    router = APIRouter()
    router.get("/in")(answer)
    scope = {"type": "http", "method": "GET", "path": "/in", "headers": [], "query_string": b""}
    assert router.matches(scope) == (Match.NONE, {})
    sent = []

    async def send(message):
        sent.append(message)

    asyncio.run(router.handle(scope, None, send))
    assert sent[0]["status"] == 200
