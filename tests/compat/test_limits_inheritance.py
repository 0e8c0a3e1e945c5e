"""Which limits of bodies and forms reach which route, over FastAPI and wirefast: all holders and routes."""

import asyncio
from collections.abc import Callable
from typing import Annotated, Any

import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Host, Mount, Route

from compat.harness import Framework, frameworks
from exchanges import ask

FORM = {"content-type": "application/x-www-form-urlencoded"}
LIMITS: dict[str, dict[str, Any]] = {
    "body": {"max_body_size": 7},
    "nothing": {"max_body_size": 0},
    "fields": {"form_limits": {"max_fields": 1}},
    "both": {"max_body_size": 7, "form_limits": {"max_fields": 1}},
}
WIDER: dict[str, Any] = {"max_body_size": 9, "form_limits": {"max_fields": 2}}


async def length(request: Request) -> PlainTextResponse:
    return PlainTextResponse(str(len(await request.body())))


async def deaf(request: Request) -> PlainTextResponse:
    return PlainTextResponse("not read")


async def raw(scope: Any, receive: Any, send: Any) -> None:
    size, more = 0, True
    while more:
        message = await receive()
        size += len(message.get("body", b""))
        more = message.get("more_body", False)
    await PlainTextResponse(str(size))(scope, receive, send)


def forms(f: Framework, **limits: Any) -> Any:
    """An operation that reads a form, and one that reads the body, in a router."""
    router = f.APIRouter()

    async def form(a: Annotated[str, f.Form()] = "") -> str:
        return a

    async def read(request: Request) -> int:
        return len(await request.body())

    router.post("/form", **limits)(form)
    router.post("/body", **limits)(read)
    return router


def fill(f: Framework, holder: Any) -> None:
    """Give an application or router every kind of route."""
    holder.include_router(forms(f))
    holder.include_router(forms(f, **WIDER), prefix="/wider")
    routes = holder.routes
    routes.append(Route("/starlette", length, methods=["POST"]))
    routes.append(Route("/deaf", deaf, methods=["POST"]))
    routes.append(Mount("/raw", app=raw))
    routes.append(Mount("/plain", app=Starlette(routes=[Route("/starlette", length, methods=["POST"])])))
    routes.append(Mount("/group", routes=[Route("/starlette", length, methods=["POST"])]))
    for name, options in {"app": {}, "app_wider": WIDER}.items():
        mounted = f.App(**options)
        mounted.include_router(forms(f))
        mounted.routes.append(Route("/starlette", length, methods=["POST"]))
        holder.mount("/" + name, mounted)
    for name, options in {"router": {}, "router_wider": WIDER}.items():
        router = f.APIRouter(**options)
        router.include_router(forms(f))
        router.routes.append(Route("/starlette", length, methods=["POST"]))
        holder.mount("/" + name, router)
    hosted = f.App()
    hosted.include_router(forms(f))
    routes.append(Host("hosted.example", app=hosted))
    routes.append(Host("raw.example", app=raw))


PATHS = [
    "/form", "/body", "/wider/form", "/wider/body", "/starlette", "/deaf", "/raw/x", "/plain/starlette",
    "/group/starlette", "/app/form", "/app/body", "/app/starlette", "/app_wider/form", "/app_wider/body",
    "/app_wider/starlette", "/router/form", "/router/body", "/router/starlette", "/router_wider/form",
    "/router_wider/body", "/router_wider/starlette", "/unknown", "/app/unknown", "/router/unknown", "/body/",
]  # fmt: skip


def an_app(f: Framework, limits: dict[str, Any]) -> tuple[Any, str]:
    app = f.App(**limits)
    fill(f, app)
    return app, ""


def a_router_alone(f: Framework, limits: dict[str, Any]) -> tuple[Any, str]:
    router = f.APIRouter(**limits)
    fill(f, router)
    return router, ""


def a_mounted_router(f: Framework, limits: dict[str, Any]) -> tuple[Any, str]:
    app = f.App()
    app.mount("/m", a_router_alone(f, limits)[0])
    return app, "/m"


def a_router_mounted_in_starlette(f: Framework, limits: dict[str, Any]) -> tuple[Any, str]:
    return Starlette(routes=[Mount("/m", app=a_router_alone(f, limits)[0])]), "/m"


def a_mounted_app(f: Framework, limits: dict[str, Any]) -> tuple[Any, str]:
    app = f.App()
    app.mount("/m", an_app(f, limits)[0])
    return app, "/m"


def an_included_router(f: Framework, limits: dict[str, Any]) -> tuple[Any, str]:
    app = f.App()
    app.include_router(a_router_alone(f, limits)[0], prefix="/i")
    return app, "/i"


def an_include(f: Framework, limits: dict[str, Any]) -> tuple[Any, str]:
    app = f.App()
    app.include_router(a_router_alone(f, {})[0], prefix="/i", **limits)
    return app, "/i"


def an_outer_include(f: Framework, limits: dict[str, Any]) -> tuple[Any, str]:
    app, middle = f.App(), f.APIRouter()
    middle.include_router(a_router_alone(f, {})[0], prefix="/j")
    app.include_router(middle, prefix="/i", **limits)
    return app, "/i/j"


def a_router_that_includes_and_is_mounted(f: Framework, limits: dict[str, Any]) -> tuple[Any, str]:
    app, middle = f.App(), f.APIRouter(**limits)
    middle.include_router(a_router_alone(f, {})[0], prefix="/j")
    app.mount("/m", middle)
    return app, "/m/j"


def an_inner_limit(f: Framework, limits: dict[str, Any]) -> tuple[Any, str]:
    app = f.App(**WIDER)
    app.include_router(a_router_alone(f, limits)[0], prefix="/i")
    return app, "/i"


def an_inner_limit_of_a_mount(f: Framework, limits: dict[str, Any]) -> tuple[Any, str]:
    app = f.App(**WIDER)
    app.mount("/m", a_router_alone(f, limits)[0])
    return app, "/m"


def the_router_of_an_app(f: Framework, limits: dict[str, Any]) -> tuple[Any, str]:
    return an_app(f, limits)[0].router, ""


HOLDERS: list[Callable[..., Any]] = [
    an_app,
    a_router_alone,
    a_mounted_router,
    a_router_mounted_in_starlette,
    a_mounted_app,
    an_included_router,
    an_include,
    an_outer_include,
    a_router_that_includes_and_is_mounted,
    an_inner_limit,
    an_inner_limit_of_a_mount,
    the_router_of_an_app,
]


async def outcome(app: Any, path: str, body: bytes, declared: bool, host: str) -> Any:
    headers = {**FORM, "host": host}
    if declared:
        headers["content-length"] = str(len(body))
    chunks = [body[at : at + 2] for at in range(0, len(body), 2)] or [b""]
    answer = await ask(app, "POST", path, body=chunks, headers=headers)
    raised = None if answer.raised is None else (type(answer.raised).__name__, str(answer.raised))
    return answer.messages, raised


@pytest.mark.parametrize("limits", LIMITS)
@pytest.mark.parametrize("holder", HOLDERS, ids=lambda holder: holder.__name__)
def test_the_same_limits(holder: Any, limits: str) -> None:
    (theirs, prefix), (ours, _) = (holder(f, LIMITS[limits]) for f in frameworks())
    requests = [(prefix + path, "example.org") for path in PATHS]
    requests += [(prefix + path, "hosted.example") for path in ("/form", "/body")]
    requests += [(prefix + "/other", "hosted.example"), (prefix + "/other", "raw.example")]
    wrong = []

    async def compare() -> None:
        for path, host in requests:
            for body in (b"", b"a=12345", b"a=123456", b"a=1&b=2", b"a=1&b=2&c=3", b"a=1&b=&c"):
                for declared in (True, False):
                    expected = await outcome(theirs, path, body, declared, host)
                    answer = await outcome(ours, path, body, declared, host)
                    # FastAPI's operations need a FastAPI around them; ours do not.
                    alone = expected[1] is not None and "fastapi_middleware_astack" in expected[1][1]
                    if answer != expected and not alone:
                        wrong.append((path, host, body, declared, answer, expected))

    asyncio.run(compare())
    assert not wrong, wrong[:5]


@pytest.mark.parametrize("path", ["/form", "/body", "/starlette", "/raw/x", "/group/starlette", "/router/starlette"])
@pytest.mark.parametrize("declared", [True, False], ids=["content-length", "chunked"])
def test_a_router_bounds_what_is_below(path: str, declared: bool) -> None:
    for holder in (a_router_alone, a_mounted_router, a_router_mounted_in_starlette):
        app, prefix = holder(frameworks()[1], {"max_body_size": 4})
        answers = [asyncio.run(outcome(app, prefix + path, b"a" * size, declared, "")) for size in (4, 5)]
        assert [messages[0]["status"] for messages, _ in answers] == [200, 413]


def test_sockets_keep_the_short_way() -> None:
    assert frameworks()[1].App(max_body_size=4).router.selects_by_itself()
