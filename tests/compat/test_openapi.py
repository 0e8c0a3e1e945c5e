"""OpenAPI documents, made by both frameworks of the same source and compared key for key.

A table has a case for each feature; random applications put them together. By default 100 of a fixed set;
``WIREFAST_COMPAT_EXAMPLES=5000`` draws that many fresh ones.
"""

from __future__ import annotations

import json
import os
import re
import warnings
from typing import Any

import pytest
from hypothesis import HealthCheck, given, note, settings
from hypothesis import strategies as st

from compat.documented import CASES, MODELS, REFUSED
from compat.generate import cases
from compat.generate_documents import documented_sources
from compat.harness import Framework, Trace, frameworks
from compat.source import define

EXAMPLES = os.environ.get("WIREFAST_COMPAT_EXAMPLES")


def document(f: Framework, source: str, mixed: bool) -> Any:
    """The document of the ``app`` in a source, through JSON; or the kind of error that there was."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Duplicate Operation ID|.*deprecated")
        try:
            app = define(f, Trace(), MODELS + source, mixed)["app"]
            return json.loads(json.dumps(app.openapi(), sort_keys=True))
        except Exception as error:
            return type(error).__name__, str(error)


def compare(source: str, may_refuse: bool = False, mixed: bool = False) -> Any:
    theirs, ours = [document(f, source, mixed) for f in frameworks()]
    if may_refuse and isinstance(theirs, tuple):
        assert isinstance(ours, tuple), theirs
        return None
    assert isinstance(theirs, dict), theirs
    assert ours == theirs
    return ours


@pytest.mark.parametrize("mixed", [False, True], ids=["", "FastAPI's markers"])
@pytest.mark.parametrize("name", CASES)
def test_cases(name: str, mixed: bool) -> None:
    made = compare(CASES[name], may_refuse=name in REFUSED, mixed=mixed)
    assert (made is None) is (name in REFUSED)


def test_a_router_of_fastapi_included() -> None:
    source = """
import fastapi
router = fastapi.APIRouter(prefix="/x", tags=["t"], responses={404: {"model": Tag}},
                           dependencies=[fastapi.Depends(fastapi.security.HTTPBearer())])
@router.post("/a", response_model=Priced, summary="S")
def a(item: Thing, q: int = fastapi.Query(1, ge=1, openapi_examples={"a": {"value": 2}}), h=fastapi.Header("x")): ...
@router.post("/b")
def b(f: Annotated[Thing, fastapi.Form()], u: fastapi.UploadFile): ...
@router.get("/c", response_class=fastapi.responses.HTMLResponse)
def c() -> str: ...
@router.get("/d", include_in_schema=False)
def d(): ...
app = App()
app.include_router(router, prefix="/v")
"""
    assert list(compare(source)["paths"]) == ["/v/x/a", "/v/x/b", "/v/x/c"]


@pytest.mark.census("B23")
def test_sockets_are_not_in_it() -> None:
    source = """
app, router = App(), APIRouter(prefix="/in")
@app.websocket("/a")
async def a(websocket: WebSocket, q: int): ...
@router.websocket("/b")
async def b(websocket: WebSocket, item: Annotated[Filters, Query()]): ...
app.include_router(router)
"""
    assert compare(source)["paths"] == {}


def test_the_document_follows_the_routes() -> None:
    source = """
app = App()
r = APIRouter()
app.include_router(r)
paths = [list(app.openapi()["paths"])]
app.get("/a")(lambda: None)
paths.append(list(app.openapi()["paths"]))
r.get("/b")(lambda: None)
paths.append(list(app.openapi()["paths"]))
same = app.openapi() is app.openapi() is app.openapi_schema
app.openapi_schema = {"own": 1}
own = app.openapi()
app.get("/c")(lambda: None)
paths.append(list(app.openapi()["paths"]))
"""
    results = [define(f, Trace(), source) for f in frameworks()]
    theirs, ours = [[names["paths"], names["same"], names["own"]] for names in results]
    assert ours == theirs == [[[], ["/a"], ["/b", "/a"], ["/b", "/a", "/c"]], True, {"own": 1}]


# ---- Random applications: the sockets of the generator become HTTP operations ----

BODIES = ["Thing", "Thing | None", "list[Tag]", "Annotated[Thing, Body(embed=True)]", "Annotated[Thing, Form()]", "Pet"]
BODIES += [
    "Annotated[str, Form()]",
    "UploadFile",
    "Annotated[Filters | None, Form()]",
    "dict[str, Item]",
    "Tree",
    "Priced",
]
OPTIONS = ["response_model=Priced", "response_model=list[Thing]", "response_model=Pet", "response_model=Item | None"]
OPTIONS += [
    "status_code=201",
    "status_code=204, response_model=None",
    "tags=['t', 'u']",
    "summary='S'",
    "deprecated=True",
]
OPTIONS += ["responses={404: {'model': Tag}, 'default': {}}", "responses={200: {'content': {'image/png': {}}}}"]
OPTIONS += ["include_in_schema=False", "openapi_extra={'x-a': {'b': [1]}}", "response_class=responses.HTMLResponse"]
OPTIONS += ["operation_id='fixed'", "name='named'", "description='D'", "response_description='R'"]
APP_OPTIONS = ["separate_input_output_schemas=False", "servers=[{'url': '/v1'}]", "responses={418: {'model': Tag}}"]
ROUTER_OPTIONS = ["tags=['r']", "deprecated=True", "include_in_schema=False", "responses={409: {'model': Tree}}"]
METHODS = ["get", "get", "post", "post", "put", "delete", "patch"]


@st.composite
def sources(draw: st.DrawFn) -> str:
    """An application of `cases` with its sockets as HTTP operations, which have bodies, responses and options."""

    def some(options: list[str], most: int) -> str:
        chosen = draw(st.lists(st.sampled_from(options), max_size=most, unique_by=lambda text: text.split("=")[0]))
        return "".join(f"{option}, " for option in chosen)

    def decorator(found: re.Match[str]) -> str:
        return f"{found[1]}.{draw(st.sampled_from(METHODS))}({found[2]}, {some(OPTIONS, 3)}"

    def socket(found: re.Match[str]) -> str:
        body = draw(st.sampled_from(["", *BODIES]))
        return f"body: {body}" if body else "request: Request"

    source = draw(cases()).source
    source = re.sub(r"(@\w+)\.websocket\(('[^']*'), ", decorator, source)
    source = re.sub(r"\bwebsocket: WebSocket\b", socket, source)
    source = re.sub(r"App\(", lambda found: f"App({some(APP_OPTIONS, 2)}", source)
    return re.sub(r"APIRouter\(|(?<=include_router\(r\d, )", lambda found: found[0] + some(ROUTER_OPTIONS, 2), source)


@settings(
    max_examples=int(EXAMPLES or 100),
    derandomize=EXAMPLES is None,
    database=None,
    deadline=None,
    suppress_health_check=list(HealthCheck),
)
@given(sources())
def test_random_applications(source: str) -> None:
    note(source)
    compare(source, may_refuse=True)


@settings(
    max_examples=int(EXAMPLES or 60),
    derandomize=EXAMPLES is None,
    database=None,
    deadline=None,
    suppress_health_check=list(HealthCheck),
)
@given(documented_sources(), st.booleans())
def test_random_documents(source: str, mixed: bool) -> None:
    note(source)
    compare(source, may_refuse=True, mixed=mixed)
