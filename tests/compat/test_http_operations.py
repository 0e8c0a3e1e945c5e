"""Operations over HTTP: routing, parameters, responses, dependencies that yield, exceptions, middleware, streams."""

import dataclasses
import datetime
import enum
import uuid
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Annotated, Any

import pytest
from pydantic import BaseModel, Field

from compat.exchange import Framework, compare, request
from exchanges import respond


class Item(BaseModel):
    name: str
    price: float = Field(default=1.5, serialization_alias="cost")
    note: str | None = None


class Secret(Item):
    password: str = "hidden"


@dataclasses.dataclass
class Point:
    x: int
    y: int = 2


class Colour(enum.Enum):
    RED = "red"


METHODS = ["GET", "PUT", "POST", "DELETE", "OPTIONS", "HEAD", "PATCH", "TRACE"]


def test_methods_prefixes_and_redirects():
    def build(f: Any, trace: Any) -> Any:
        app = f.App()
        router = f.APIRouter(prefix="/r")
        inner = f.APIRouter()

        for method in METHODS:

            @getattr(router, method.lower())(f"/{method.lower()}")
            async def endpoint(request: f.Request) -> list[str]:
                return [request.method, request.url.path, request.scope["root_path"]]

        @inner.api_route("/{name}/", methods=["GET", "POST"], name="slashed")
        def slashed(name: str, request: f.Request) -> Any:
            return [name, str(request.url_for("slashed", name="x")), str(request.url_for("plain"))]

        @app.get("/plain", name="plain")
        def plain() -> str:
            return "plain"

        @app.get("/file/{path:path}")
        def file(path: str) -> str:
            return path

        @app.get("/number/{n:int}/{x:float}/{u:uuid}")
        def convertors(n: int, x: float, u: uuid.UUID) -> Any:
            return [n, x, u]

        router.include_router(inner, prefix="/inner")
        app.include_router(router, prefix="/api")
        app.include_router(inner, prefix="/{tenant}/t")
        return app

    targets = [
        *(f"/api/r/{method.lower()}" for method in METHODS), "/api/r/inner/n/", "/api/r/inner/n", "/acme/t/n/",
        "/plain", "/plain/", "/file/a/b%20c//", "/number/x/1/2", "/none",
        "/number/1/2.5/6ba7b810-9dad-11d1-80b4-00c04fd430c8",
    ]  # fmt: skip
    compare(build, *(request(method, target) for target in targets for method in ("GET", "POST", "HEAD", "BREW")))


def test_parameters():
    def build(f: Any, trace: Any) -> Any:
        app = f.App()

        class Filters(BaseModel):
            model_config = {"extra": "forbid"}
            limit: int = Field(10, le=100)
            tags: list[str] = []

        @app.get("/a/{item}")
        async def a(
            item: Annotated[int, f.Path(gt=0)],
            q: Annotated[str | None, f.Query(max_length=3)] = None,
            many: Annotated[list[int], f.Query()] = [],  # noqa: B006
            flag: bool = False,
            x_token: Annotated[str | None, f.Header()] = None,
            session: Annotated[str | None, f.Cookie()] = None,
            colour: Colour = Colour.RED,
            when: datetime.date | None = None,
        ) -> Any:
            return [item, q, many, flag, x_token, session, colour, when]

        @app.get("/b")
        def b(filters: Annotated[Filters, f.Query()]) -> Filters:
            return filters

        return app

    compare(
        build,
        request("GET", "/a/1"),
        request("GET", "/a/0?q=long&many=1&many=x&flag=maybe&colour=blue&when=soon"),
        request(
            "GET", "/a/7?q=abc&many=1&many=2&flag=on&colour=red&when=2026-01-02&q=d",
            headers={"x-token": "é", "cookie": "session=s; other=1"},
        ),
        request("GET", "/b?limit=5&tags=a&tags=b"),
        request("GET", "/b?limit=500&unknown=1"),
    )  # fmt: skip


RESULTS: dict[str, Any] = {
    "dict": {"a": [1, 2.5, None, True]},
    "model": Item(name="a"),
    "models": [Item(name="a"), Secret(name="b", note="n")],
    "dataclass": Point(1),
    "odd": {"when": datetime.datetime(2026, 1, 2), "id": uuid.UUID(int=1), "path": Path("/x"), Colour.RED: {1, }},
    "text": "é\u2028",
    "none": None,
    "big": [10**30, 1e16, 1e-7],
    "bytes": b"bytes",
    "object": object(),
}  # fmt: skip


@pytest.mark.parametrize("result", RESULTS)
@pytest.mark.parametrize(
    "options",
    [
        {}, {"response_model": None}, {"status_code": 201}, {"status_code": 204}, {"response_class": "JSONResponse"},
        {"response_class": "PlainTextResponse"}, {"response_class": "HTMLResponse"}, {"response_model": Item},
        {"response_model": dict[str, Any]}, {"response_model": list[Item], "response_model_exclude_unset": True},
        {"response_model": Item, "response_model_by_alias": False, "response_model_exclude": {"note"}},
        {"response_model": Item, "response_class": "JSONResponse", "response_model_exclude_none": True},
    ],
    ids=str,
)  # fmt: skip
@pytest.mark.parametrize("in_thread", [False, True], ids=["coroutine", "function"])
def test_results(result: str, options: dict[str, Any], in_thread: bool):
    def build(f: Any, trace: Any) -> Any:
        app = f.App()
        given = dict(options)
        if isinstance(given.get("response_class"), str):
            given["response_class"] = getattr(f.load("responses"), given["response_class"])

        async def coroutine():
            return RESULTS[result]

        app.get("/", **given)((lambda: RESULTS[result]) if in_thread else coroutine)
        return app

    compare(build, request("GET", "/"))


def test_returned_responses_and_injected_ones():
    def build(f: Any, trace: Any) -> Any:
        app = f.App()
        responses = f.load("responses")

        async def stamped(response: f.Response) -> None:
            response.headers["x-stamp"] = "1"
            response.set_cookie("a", "b", httponly=True)

        @app.get("/injected", status_code=201, dependencies=[f.Depends(stamped)])
        def injected(response: f.Response, tasks: f.BackgroundTasks, code: int = 0) -> Any:
            response.headers.append("x-stamp", "2")
            if code:
                response.status_code = code
            tasks.add_task(trace, "task")
            return {"code": code}

        @app.get("/own", dependencies=[f.Depends(stamped)])
        async def own(kind: str, tasks: f.BackgroundTasks) -> Any:
            tasks.add_task(trace, "task")
            if kind == "json":
                return responses.JSONResponse({"a": 1}, status_code=202, headers={"x-own": "1"})
            if kind == "redirect":
                return responses.RedirectResponse("/x y", status_code=303)
            if kind == "stream":
                return responses.StreamingResponse(iter(["a", b"b"]), media_type="text/plain")
            if kind == "html":
                return responses.HTMLResponse("<p>")
            return responses.Response(b"raw", media_type="application/x")

        return app

    kinds = ["json", "redirect", "stream", "html", "raw"]
    compare(
        build,
        *(request("GET", f"/injected?code={code}") for code in (0, 204, 418)),
        *(request("GET", f"/own?kind={kind}") for kind in kinds),
    )


def test_exception_handlers():
    def build(f: Any, trace: Any) -> Any:
        exceptions, handlers = f.load("exceptions"), f.load("exception_handlers")
        json = f.load("responses").JSONResponse
        app = f.App()

        class Base(Exception):
            pass

        class Derived(Base):
            pass

        @app.exception_handler(Base)
        async def base(request: f.Request, exc: Base) -> Any:
            return json({"base": type(exc).__name__}, status_code=409)

        @app.exception_handler(404)
        async def missing(request: f.Request, exc: Any) -> Any:
            return json({"missing": exc.detail}, status_code=404)

        @app.exception_handler(exceptions.RequestValidationError)
        async def invalid(request: f.Request, exc: Any) -> Any:
            trace(exc.body, exc.endpoint_ctx)
            response = await handlers.request_validation_exception_handler(request, exc)
            response.headers["x-invalid"] = "1"
            return response

        @app.exception_handler(500)
        async def server(request: f.Request, exc: Exception) -> Any:
            return json({"server": type(exc).__name__}, status_code=500)

        @app.get("/{kind}")
        async def endpoint(kind: str, n: int = 0) -> Any:
            if kind == "broken":
                raise handlers_broken
            raise {
                "derived": Derived(),
                "404": f.HTTPException(404, {"why": "gone"}, headers={"x-a": "b"}),
                "401": f.HTTPException(401, headers={"www-authenticate": "x"}),
                "304": f.HTTPException(304),
                "invalid": exceptions.RequestValidationError([{"loc": ["x"], "msg": "m", "type": "t"}], body="b"),
            }[kind]

        handlers_broken = RuntimeError("broken")
        return app

    kinds = ["derived", "404", "401", "304", "invalid", "broken", "unknown", "x/y", "derived?n=x"]
    compare(build, *(request("GET", f"/{kind}") for kind in kinds))


def test_server_errors():
    def build(f: Any, trace: Any, debug: bool = False) -> Any:
        app = f.App(debug=debug)

        @app.get("/")
        async def endpoint() -> Any:
            raise RuntimeError("broken")

        return app

    (answer,) = compare(build, request("GET", "/"))
    assert (answer.status, answer.body) == (500, b"Internal Server Error")
    # In debug mode the page quotes each framework's own source.
    page = respond(build(Framework("wirefast"), None, debug=True), "GET", "/")
    assert page.status == 500 and b"RuntimeError: broken" in page.body
    assert isinstance(page.raised, RuntimeError)


def test_security():
    def build(f: Any, trace: Any) -> Any:
        security = f.load("security")
        app = f.App()
        oauth = security.OAuth2PasswordBearer(tokenUrl="token", scopes={"a": "A", "b": "B"})

        async def user(scopes: security.SecurityScopes, token: Annotated[str, f.Depends(oauth)]) -> Any:
            return [token, scopes.scopes, scopes.scope_str]

        @app.get("/oauth")
        async def with_oauth(
            one: Annotated[Any, f.Security(user, scopes=["a"])], two: Annotated[Any, f.Security(user, scopes=["b"])]
        ) -> Any:
            return [one, two]

        @app.get("/basic")
        async def basic(c: Annotated[Any, f.Depends(security.HTTPBasic(realm="r"))]) -> Any:
            return [c.username, c.password]

        @app.get("/bearer")
        async def bearer(c: Annotated[Any, f.Depends(security.HTTPBearer(auto_error=False))]) -> Any:
            return c

        @app.get("/key")
        async def key(k: Annotated[str, f.Security(security.APIKeyHeader(name="x-key"))]) -> str:
            return k

        @app.post("/token")
        async def token(form: Annotated[Any, f.Depends(security.OAuth2PasswordRequestForm)]) -> Any:
            return [form.username, form.password, form.scopes, form.grant_type, form.client_id]

        return app

    headers = [
        {}, {"authorization": "Bearer t"}, {"authorization": "Basic dTpw"}, {"authorization": "Basic !"},
        {"x-key": "k"},
    ]  # fmt: skip
    form = {"content-type": "application/x-www-form-urlencoded"}
    compare(
        build,
        *(request("GET", path, headers=h) for path in ("/oauth", "/basic", "/bearer", "/key") for h in headers),
        request("POST", "/token", body=b"username=u&password=p&scope=a+b&grant_type=password", headers=form),
        request("POST", "/token", body=b"username=u", headers=form),
    )


def test_middleware_static_files_and_sessions(tmp_path: Path):
    (tmp_path / "a.txt").write_text("file " * 300)

    def build(f: Any, trace: Any) -> Any:
        from starlette.middleware.sessions import SessionMiddleware

        app = f.App()
        app.add_middleware(f.load("middleware.gzip").GZipMiddleware, minimum_size=50)
        app.add_middleware(f.load("middleware.cors").CORSMiddleware, allow_origins=["https://a"], allow_headers=["x"])
        app.add_middleware(SessionMiddleware, secret_key="k", max_age=None)
        app.mount("/static", f.load("staticfiles").StaticFiles(directory=tmp_path), name="static")

        @app.middleware("http")
        async def timed(request: f.Request, call_next: Any) -> Any:
            trace("before", request.url.path)
            response = await call_next(request)
            response.headers["x-timed"] = "1"
            return response

        @app.post("/")
        async def endpoint(item: Item, request: f.Request) -> Any:
            return [item, request.session, "x" * 100]

        return app

    origin = {"origin": "https://a"}
    answers = compare(
        build,
        request("POST", "/", json_body={"name": "a"}, headers={**origin, "accept-encoding": "gzip"}),
        request("POST", "/", json_body={}, headers=origin),
        request("OPTIONS", "/", headers={**origin, "access-control-request-method": "POST"}),
        request("GET", "/static/a.txt"),
        request("GET", "/static/none"),
        request("GET", "/static/a.txt", headers={"range": "bytes=0-3"}),
    )
    assert answers[0].headers["content-encoding"] == "gzip"


def test_streams():
    def build(f: Any, trace: Any) -> Any:
        responses, sse = f.load("responses"), f.load("sse")
        app = f.App()

        async def resource() -> AsyncIterator[str]:
            trace("open")
            yield "r"
            trace("close")

        @app.get("/lines")
        async def lines(r: Annotated[str, f.Depends(resource)]) -> AsyncIterator[Item]:
            yield Item(name=r)
            trace("between")
            yield Secret(name="s")

        @app.get("/threads")
        def threads() -> Iterator[dict[str, int]]:
            yield {"a": 1}

        @app.get("/untyped", response_model_exclude_none=True)
        async def untyped():
            yield {"a": {1}, "b": float("inf")}

        @app.get("/events", response_class=sse.EventSourceResponse)
        async def events(r: Annotated[str, f.Depends(resource)], response: f.Response) -> AsyncIterator[Any]:
            response.headers["x-late"] = "1"
            yield sse.ServerSentEvent(data={"r": r}, event="e", id="1")
            yield Item(name="x")

        @app.get("/raw", response_class=responses.StreamingResponse, status_code=206)
        def raw() -> Iterator[bytes]:
            yield b"a"
            yield b"b"

        @app.get("/file", response_class=responses.FileResponse)
        def file() -> str:
            return __file__

        @app.get("/fails")
        async def fails() -> AsyncIterator[int]:
            yield 1
            raise KeyError("late")

        @app.get("/invalid")
        async def invalid() -> AsyncIterator[int]:
            yield "x"  # type: ignore[misc]

        return app

    targets = ["/lines", "/threads", "/untyped", "/events", "/raw", "/fails", "/invalid"]
    compare(build, *(request("GET", target) for target in targets))


def test_custom_request_and_route():
    def build(f: Any, trace: Any) -> Any:
        class Reversed(f.Request):
            async def body(self) -> bytes:
                if not hasattr(self, "_body"):
                    self._body = bytes(reversed(await super().body()))
                return self._body

        class Route(f.load("routing").APIRoute):
            def get_route_handler(self) -> Any:
                handler = super().get_route_handler()

                async def custom(request: f.Request) -> Any:
                    try:
                        response = await handler(Reversed(request.scope, request.receive))
                    except f.load("exceptions").RequestValidationError as exc:
                        raise f.HTTPException(422, [exc.errors()[0]["loc"], exc.body]) from exc
                    response.headers["x-custom"] = "1"
                    return response

                return custom

        app = f.App()
        app.router.route_class = Route

        @app.post("/")
        async def endpoint(numbers: Annotated[list[int], f.Body()], request: f.Request) -> Any:
            return [numbers, type(request).__name__, (await request.body()).decode()]

        return app

    headers = {"content-type": "application/json"}
    compare(
        build, request("POST", "/", body=b"]1 ,2[", headers=headers), request("POST", "/", body=b"[1]", headers=headers)
    )


@pytest.mark.parametrize(
    "declare",
    [
        lambda f, app: app.get("/{x}")(_endpoint({"x": dict})),
        lambda f, app: app.get("/")(_endpoint({"x": Annotated[Item, f.Header()] | None})),
        lambda f, app: app.get("/", response_model=type("Unknown", (), {}))(_endpoint({})),
        lambda f, app: app.get("/", status_code=204, response_model=int)(_endpoint({})),
        lambda f, app: app.get("/", responses={204: {"model": int}})(_endpoint({})),
        lambda f, app: app.get("/")(None),
        lambda f, app: app.get("no-slash")(_endpoint({})),
        lambda f, app: app.include_router(f.APIRouter(prefix="no-slash")),
        lambda f, app: app.include_router(f.APIRouter(), prefix="/slash/"),
        lambda f, app: _include_empty(f, app),
        lambda f, app: app.post("/", max_body_size=-1)(_endpoint({})),
    ],
)
def test_declarations_that_are_refused(declare: Any):
    def build(f: Any, trace: Any) -> Any:
        app = f.App()
        declare(f, app)
        return app

    compare(build, request("GET", "/"))


def _endpoint(parameters: dict[str, Any]) -> Any:
    namespace: dict[str, Any] = {}
    exec(f"async def endpoint({', '.join(parameters)}): ...", namespace)
    namespace["endpoint"].__annotations__ = parameters
    return namespace["endpoint"]


def _include_empty(f: Any, app: Any) -> None:
    router = f.APIRouter()
    router.get("")(_endpoint({}))
    app.include_router(router)
