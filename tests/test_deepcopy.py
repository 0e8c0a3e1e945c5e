"""``copy.deepcopy`` of routes, routers and applications, as packages do that declare in a class."""

import copy

import pytest

from asgi import connect
from exchanges import respond
from wirefast import APIRouter, App, Depends, Request, WebSocket
from wirefast.routing import APIRoute, APIWebSocketRoute


async def value():
    return "value"


async def speak(websocket: WebSocket, number: int, given: str = Depends(value)):  # noqa: B008
    await websocket.accept()
    await websocket.send_json([number, given])


def read(number: int, request: Request, given: str = Depends(value)) -> list[str]:  # noqa: B008
    return [str(number), given]


class Labelled(APIRoute):
    def __init__(self, *arguments, **options):
        super().__init__(*arguments, **options)
        self.labels = ["first"]


def router(served):
    """A router with a nested one, and whether it has served before."""
    inner = APIRouter(prefix="/in", route_class=Labelled)
    inner.websocket("/ws/{number}")(speak)
    inner.get("/{number}", tags=["a"])(read)
    outer = APIRouter(prefix="/out")
    outer.include_router(inner)
    if served:
        check(outer)
    return outer


def check(app, prefix=""):
    assert connect(app, f"{prefix}/out/in/ws/5").texts == ['[5,"value"]']
    assert respond(app, "GET", f"{prefix}/out/in/6").body == b'["6","value"]'


@pytest.mark.parametrize("served", [False, True])
def test_a_router_and_its_copy_serve_alike_and_apart(served):
    original = router(served)
    copied = copy.deepcopy(original)
    for each in (original, copied):
        check(each)
    inner, inner_copy = original.routes[0].original_router, copied.routes[0].original_router
    assert inner is not inner_copy
    inner_copy.get("/late/x")(lambda: "late")
    assert respond(copied, "GET", "/out/in/late/x").status == 200
    assert respond(original, "GET", "/out/in/late/x").status == 404
    app = App()
    app.include_router(copied, prefix="/app")
    check(app, "/app")


@pytest.mark.parametrize("kind", [APIRoute, APIWebSocketRoute, Labelled])
def test_a_route_is_copied_with_what_belongs_to_it(kind):
    endpoint = speak if kind is APIWebSocketRoute else read
    route = kind("/{number}", endpoint, dependencies=[Depends(value)])
    copied = copy.deepcopy(route)
    assert type(copied) is kind and copied.endpoint is endpoint and copied.path == "/{number}"
    assert copied.dependencies == route.dependencies and copied.dependencies is not route.dependencies
    assert copied.dependant is not route.dependant and copied.app is not route.app
    if kind is Labelled:
        copied.labels.append("second")
        copied.tags.append("more")
        assert route.labels == ["first"] and route.tags == []


def test_what_a_container_wrapped_stays_wrapped():
    route = APIRoute("/{number}", read)

    async def wrapped(**given):
        return ["wrapped"]

    route.dependant.call = wrapped
    copied = copy.deepcopy(route)
    assert copied.dependant.call is wrapped


@pytest.mark.parametrize("served", [False, True])
def test_an_application(served):
    app = App()
    app.include_router(router(served))
    if served:
        check(app)
    copied = copy.deepcopy(app)
    copied.dependency_overrides[value] = lambda: "other"
    check(app)
    assert connect(copied, "/out/in/ws/5").texts == ['[5,"other"]']
    assert copied.router.dependency_overrides_provider is copied
