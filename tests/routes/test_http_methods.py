"""The decorators: every method, the options they show and take, what a router adds, what subclasses may override."""

import inspect
from collections.abc import Callable
from functools import partial
from typing import Any

import fastapi
import pytest

from exchanges import respond
from wirefast import APIRouter, App, Depends
from wirefast.responses import PlainTextResponse
from wirefast.routes.http import APIRoute
from wirefast.routes.http_methods import AddRouteOptions, OperationOptions

METHODS = ["get", "put", "post", "delete", "options", "head", "patch", "trace"]


async def endpoint() -> str:
    return "answer"


@pytest.mark.parametrize("owner", [partial(App, openapi_url=None), APIRouter], ids=["App", "APIRouter"])
@pytest.mark.parametrize("method", METHODS)
def test_methods(owner: Callable[[], Any], method: str):
    router = owner()
    assert getattr(router, method)("/x", name="named")(endpoint) is endpoint
    assert respond(router, method.upper(), "/x").status == 200
    (route,) = router.routes
    assert (route.methods, route.name) == ({method.upper()}, "named")


@pytest.mark.parametrize("owner", [partial(App, openapi_url=None), APIRouter], ids=["App", "APIRouter"])
def test_several_methods(owner: Callable[[], Any]):
    router = owner()
    router.api_route("/", methods=["GET", "POST"])(endpoint)
    router.api_route("/default")(endpoint)
    router.add_api_route("/added", endpoint, methods=["PUT"], tags=["t"])
    assert [route.methods for route in router.routes] == [{"GET", "POST"}, {"GET"}, {"PUT"}]


def test_unknown_option():
    with pytest.raises(TypeError, match="colour"):
        App().get("/", colour="red")(endpoint)  # type: ignore[call-arg]


@pytest.mark.parametrize("name", [*METHODS, "api_route", "add_api_route"])
def test_signatures_list_fastapis_options(name: str):
    for ours, theirs in [(App, fastapi.FastAPI), (APIRouter, fastapi.APIRouter)]:
        shown = inspect.signature(getattr(ours, name)).parameters
        expected = inspect.signature(getattr(theirs, name)).parameters
        assert expected.keys() <= shown.keys() | {"callbacks", "strict_content_type"}
        for option in expected.keys() & shown.keys() & OperationOptions.__annotations__.keys():
            default, their_default = shown[option].default, expected[option].default
            assert getattr(default, "value", default) == getattr(their_default, "value", their_default) or option in (
                "generate_unique_id_function",
            )


def test_options_are_those_of_the_route():
    of_route = inspect.signature(APIRoute.__init__).parameters.keys() - {"self", "path", "endpoint"}
    assert AddRouteOptions.__annotations__.keys() | {"dependency_overrides_provider"} == of_route


def test_defaults_of_the_router():
    def first() -> None: ...

    def second() -> None: ...

    router = APIRouter(
        prefix="/p",
        tags=["router"],
        dependencies=[Depends(first)],
        responses={400: {"description": "router"}, 404: {"description": "router"}},
        default_response_class=PlainTextResponse,
        deprecated=True,
        include_in_schema=False,
        max_body_size=7,
        strict_content_type=False,
    )
    router.post(
        "/x", tags=["own"], dependencies=[Depends(second)], responses={404: {"description": "own"}}, max_body_size=0
    )(endpoint)
    (route,) = router.routes
    assert isinstance(route, APIRoute)
    assert (route.path, route.tags) == ("/p/x", ["router", "own"])
    assert [depends.dependency for depends in route.dependencies] == [first, second]
    assert route.responses == {400: {"description": "router"}, 404: {"description": "own"}}
    assert route.response_class is PlainTextResponse
    assert (route.deprecated, route.include_in_schema, route.max_body_size) == (True, False, 0)
    assert route.strict_content_type is False
    # The router's own lists are untouched.
    assert (router.tags, len(router.dependencies)) == (["router"], 1)


def test_route_class():
    class Own(APIRoute):
        def __init__(self, path: str, endpoint: Callable[..., Any], **options: Any) -> None:
            assert "form_limits" not in options  # FastAPI gives it only where it was given
            super().__init__(path, endpoint, **options)

    router = APIRouter(route_class=Own)
    router.get("/")(endpoint)
    router.add_api_route("/other", endpoint, route_class_override=APIRoute)
    assert [type(route) for route in router.routes] == [Own, APIRoute]


def test_subclasses_see_every_operation():
    seen: list[str] = []

    class Router(APIRouter):
        def api_route(self, path: str, **options: Any) -> Any:
            seen.append(f"api_route {path}")
            return super().api_route(path, **options)

        def add_api_route(self, path: str, endpoint: Callable[..., Any], **options: Any) -> None:
            seen.append(f"add_api_route {path} {options['methods']}")
            super().add_api_route(path, endpoint, **options)

    Router().post("/x")(endpoint)
    assert seen == ["api_route /x", "add_api_route /x ['POST']"]
