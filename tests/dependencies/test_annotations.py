"""An annotation whose names cannot be found is refused, or put off while its module runs; its meaning never changes."""

import functools
import sys
from typing import Annotated, ForwardRef, Optional

import pytest

from asgi import connect
from exchanges import respond
from wirefast import APIRouter, App, Depends, Query, WebSocket
from wirefast.dependencies.analysis import get_dependant
from wirefast.dependencies.annotations import UnresolvedAnnotation, is_unresolved, namespace_of
from wirefast.testclient import TestClient

calls = []


def f():
    calls.append("f")
    return "from f"


# ---- Refused when it is declared ----

UNKNOWN = {
    "string": "Annotated[Nowhere, Depends(f)]",
    "bare": "Nowhere",
    "dependency": "Annotated[str, Depends(nowhere)]",
    "inside": Annotated["Nowhere", Depends(f)],  # noqa: F821
    "optional": Optional["Nowhere"],  # noqa: F821, UP045
    "list": list["Nowhere"],  # noqa: F821
    "union": "Nowhere | None",
    "attribute": "sys.Nowhere",
    "reference": ForwardRef("Nowhere"),
    "nested": "dict[str, list[Nowhere]]",
    "class": "Annotated[Nowhere, Depends()]",
}


def asking(annotation, default=...):
    def call(websocket: WebSocket, value): ...

    call.__annotations__ = {"websocket": WebSocket, "value": annotation}
    if default is not ...:
        call.__defaults__ = (default,)
    return call


class Asking:
    def __call__(self, value): ...


def shapes(annotation):
    """The callables that ask for ``value``, in each form that one can have."""
    plain = asking(annotation)
    yield "function", plain
    yield "partial", functools.partial(plain)
    yield "wrapped", functools.wraps(plain)(lambda *given, **options: None)

    class Class:
        def __init__(self, value): ...

        def method(self, value): ...

    Class.__init__.__annotations__ = Class.method.__annotations__ = {"value": annotation}
    yield "class", Class
    yield "method", Class.method.__get__(object())

    class Called:
        def __call__(self, value): ...

    Called.__call__.__annotations__ = {"value": annotation}
    yield "object", Called()


@pytest.mark.parametrize("form", [name for name, _ in shapes(int)])
@pytest.mark.parametrize("kind", UNKNOWN)
def test_unknown_names_are_refused_by_the_name_of_the_parameter(kind, form):
    call = dict(shapes(UNKNOWN[kind]))[form]
    with pytest.raises(UnresolvedAnnotation, match=r"parameter 'value' of .* is unknown: "):
        get_dependant(path="/", call=call)

    async def endpoint(websocket: WebSocket, given=Depends(call)): ...  # noqa: B008

    app = App()
    for declare in (app.websocket("/ws"), app.get("/http"), APIRouter().websocket("/ws", dependencies=[Depends(call)])):
        with pytest.raises(UnresolvedAnnotation, match="'value'"):
            declare(endpoint if form != "function" else call) if form == "function" else declare(endpoint)


def test_the_error_says_what_is_missing():
    with pytest.raises(UnresolvedAnnotation) as raised:
        App().websocket("/")(asking("Annotated[Nowhere, Depends(f)]"))
    assert str(raised.value) == (
        "The annotation 'Nowhere' of parameter 'value' of asking.<locals>.call is unknown: 'Nowhere' cannot be found. "
        "Define or import each name where the module sees it when it runs: names of a surrounding function, and "
        "imports under TYPE_CHECKING, are not seen."
    ).replace("'Nowhere' of parameter", "'Annotated[Nowhere, Depends(f)]' of parameter")


def test_an_unknown_result_is_refused_where_it_is_the_model():
    def read(): ...

    read.__annotations__ = {"return": "Nowhere"}
    with pytest.raises(UnresolvedAnnotation, match="the result of .*read is unknown: 'Nowhere' cannot be found"):
        App().get("/")(read)
    App().get("/", response_model=None)(read)
    App().get("/")(lambda value=Depends(read): value)  # noqa: B008


@pytest.mark.parametrize("default", [Query(None), Depends(f)])
def test_a_marker_as_the_default_says_the_meaning(default):
    calls.clear()
    app = App()

    async def endpoint(websocket: WebSocket, value):
        await websocket.accept()
        await websocket.send_json(value)

    endpoint.__annotations__ = {"websocket": WebSocket, "value": "Nowhere"}
    endpoint.__defaults__ = (default,)
    app.websocket("/")(endpoint)
    assert connect(app, "/").texts == ['"from f"' if calls else "null"]


# ---- Seen where they are ----


@pytest.mark.parametrize("annotation", [Optional["int"], list["int"], "Optional[int]", Annotated["int", Query()]])  # noqa: UP045
def test_strings_inside_are_evaluated(annotation):
    dependant = get_dependant(path="/", call=asking(annotation, None))
    (field,) = dependant.query_params + dependant.body_params
    assert not is_unresolved(field.field_info.annotation) and "int" in repr(field.field_info.annotation)


def test_a_closure_is_seen():
    Local = Annotated[str, Depends(f)]

    def make():
        def call(value: "Local"):
            return Local

        return call

    (child,) = get_dependant(path="/", call=make()).dependencies
    assert child.call is f and namespace_of(make())["Local"] is Local


# ---- Put off while the module runs ----

SOURCE = """
from __future__ import annotations
from typing import Annotated
from wirefast import APIRouter, App, Depends, WebSocket
app, router = App(), APIRouter()

@app.websocket("/ws")
async def endpoint(websocket: WebSocket, value: Annotated[Later, Depends(later)]):
    await websocket.accept()
    await websocket.send_text(value)

@app.get("/http")
def read(value: Annotated[Later, Depends(later)]) -> Result:
    return Result(value=value)

router.websocket("/ws")(endpoint)
router.get("/http")(read)
app.include_router(router, prefix="/in")
"""
DEFINITIONS = """
from pydantic import BaseModel
def later() -> Later:
    return "from later"
Later = str
class Result(BaseModel):
    value: str
"""


def module_of(source):
    namespace = {"__name__": "late"}
    exec(compile(source, "late.py", "exec"), namespace)
    return namespace["app"]


def test_names_that_come_later_in_the_module_are_found():
    app = module_of(SOURCE + DEFINITIONS)
    for prefix in ("", "/in"):
        for _ in range(2):
            assert connect(app, f"{prefix}/ws").texts == ["from later"]
            assert respond(app, "GET", f"{prefix}/http").body == b'{"value":"from later"}'


def test_names_are_found_when_the_application_starts():
    app = module_of(SOURCE + DEFINITIONS)
    assert app.router.routes[-2].unresolved is not None
    with TestClient(app) as client:
        assert app.router.routes[-2].unresolved is None
        assert client.get("/http").json() == {"value": "from later"}


def test_names_that_no_line_defines_are_refused_at_once():
    with pytest.raises(UnresolvedAnnotation, match="parameter 'value' of endpoint is unknown: 'Later', 'later' cannot"):
        module_of(SOURCE)


def test_names_that_never_came_are_an_error_at_the_start_and_of_each_use():
    unseen = SOURCE.replace(
        "from wirefast", "TYPE_CHECKING = False\nif TYPE_CHECKING:\n    import Later, later, Result\nfrom wirefast", 1
    )
    app = module_of(unseen)
    with pytest.raises(UnresolvedAnnotation, match="'Later', 'later' cannot be found"), TestClient(app):
        pass
    for _ in range(2):
        with pytest.raises(UnresolvedAnnotation, match="'Later', 'later' cannot be found"):
            TestClient(app).get("/http")


def test_a_star_import_may_bring_a_name(tmp_path, monkeypatch):
    (tmp_path / "star_of_late.py").write_text(DEFINITIONS.replace("-> Later", ""))
    monkeypatch.syspath_prepend(tmp_path)
    app = module_of(SOURCE + "from star_of_late import *")
    assert connect(app, "/ws").texts == ["from later"]
    sys.modules.pop("star_of_late")
