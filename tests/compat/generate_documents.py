"""Random applications that say much of themselves, as source text: every kind of what a document can hold, together."""

from __future__ import annotations

from hypothesis import strategies as st

#: Beside the models of ``documented.MODELS``: security schemes, dependencies that have them, callbacks.
BEFORE = """
from dataclasses import dataclass
password = security.OAuth2PasswordBearer(tokenUrl="token", scopes={"r": "read", "w": "write"}, description="D")
code = security.OAuth2AuthorizationCodeBearer("authorize", "token", auto_error=False)
basic, bearer = security.HTTPBasic(realm="x"), security.HTTPBearer(scheme_name="Own", bearerFormat="JWT")
key, cookie = security.APIKeyHeader(name="X-Key", description="D"), security.APIKeyCookie(name="k")
connect = security.OpenIdConnect(openIdConnectUrl="https://x.y")
class Event(BaseModel):
    at: datetime
    what: Union[Cat, Dog, int]
class Node(BaseModel):
    model_config = {"title": "A node"}
    next: Optional["Node"] = None
    priced: Priced | None = None
@dataclass
class Box:
    inside: list[Thing]
    open: bool = False
class Answer(BaseModel, Generic[TypeVar("T")]):
    model_config = {"json_schema_serialization_defaults_required": True}
    data: Any = None
class Lazy(BaseModel):
    a: int = Field(default_factory=int, validation_alias="in_a", serialization_alias="out_a")
    b: Annotated[bytes, Field(max_length=9)] = b"x"
    @computed_field
    @property
    def both(self) -> dict[str, Tag]: ...
async def plain(limit: int = 5, filters: Annotated[list[str], Query(alias="f")] = []): ...
async def with_body(extra: Annotated[Tag, Body()]): ...
async def with_form(field: Annotated[str, Form()] = ""): ...
def deep(a: Annotated[Any, Depends(plain)], token: Annotated[str, Security(password, scopes=["w"])]): ...
class Paging:
    def __init__(self, page: Annotated[int, Query(ge=1)] = 1, x_trace: Annotated[str | None, Header()] = None): ...
hooks = APIRouter()
@hooks.post("{$request.body#/url}/done", response_model=Tag, name="done")
def done(body: Event, n: int = 1): ...
@hooks.put("{$url}", tags=["hook"])
def put_back(file: UploadFile): ...
"""

PARAMETERS = """
a: int
a: Annotated[Colour, Query(description="D")] = Colour.RED
a: Annotated[list[Level], Query(min_length=1)]
a: Annotated[UUID | None, Query(deprecated=True)] = None
a: Annotated[int, Query(ge=1, le=5, openapi_examples={"x": {"value": 2}})] = 1
a: Annotated[Filters, Query()]
a: Annotated[Aliased | None, Query()] = None
b: Annotated[str, Header(title="T", pattern="^x")]
b: Annotated[list[str] | None, Header(convert_underscores=False)] = None
b: Annotated[ByName, Header()]
b: Annotated[timedelta, Header(alias="X-Wait")] = timedelta(1)
c: Annotated[str | None, Cookie(examples=["x", None])] = None
c: Annotated[Filters | None, Cookie()] = None
c: Annotated[Decimal, Query(max_digits=4, decimal_places=2, include_in_schema=False)] = Decimal(1)
d: Annotated[Any, Depends(plain)]
d: Annotated[Any, Depends(deep, use_cache=False)]
d: Annotated[Any, Depends(with_body)]
d: Annotated[Any, Depends(with_form)]
d: Annotated[Paging, Depends()]
e: Annotated[Any, Security(password, scopes=["r"])]
e: Annotated[Any, Security(code, scopes=["x", "x"])]
e: Annotated[Any, Depends(basic)]
e: Annotated[Any, Depends(bearer)]
e: Annotated[Any, Security(key)]
e: Annotated[Any, Depends(cookie)]
e: Annotated[Any, Depends(connect)]
g: Request
g: Response
g: BackgroundTasks
g: SecurityScopes
""".strip().splitlines()

BODIES = """
body: Thing
body: Annotated[Thing | None, Body(examples=[{"name": "x"}])] = None
body: Pet
body: list[Pet]
body: dict[str, Node]
body: Annotated[int, Body(gt=1)] = 3
body: Annotated[Lazy, Body(embed=True)]
body: Box
body: Answer
body: Annotated[Thing, Body(media_type="application/x")]
body: Tree, other: Annotated[Tag | None, Body()] = None
body: Annotated[bytes, Body(media_type="application/octet-stream")]
body: Annotated[str, Form(min_length=2)]
body: Annotated[Filters, Form()]
body: Annotated[Upload, Form()]
body: Annotated[Filters | None, Form()] = None
body: Annotated[Cat | Dog, Form()]
body: Annotated[Filters, Form()], other: Annotated[int, Form()] = 1
body: Annotated[list[Colour], Form(media_type="multipart/form-data")]
body: UploadFile
body: UploadFile | None = None
body: list[UploadFile]
body: Annotated[bytes, File(description="D")]
body: Annotated[list[bytes], File()], other: Annotated[str, Form()]
""".strip().splitlines()

#: A return annotation and the statement of the endpoint.
RESULTS = """
...
-> Thing: ...
-> list[Priced]: ...
-> Pet: ...
-> Lazy: ...
-> Box: ...
-> Node | None: ...
-> dict[str, Event]: ...
-> Answer: ...
-> responses.JSONResponse: ...
-> int: ...
-> AsyncIterable[Lazy]: yield
-> Iterable[Thing]: yield
-> AsyncIterator[dict[str, Any]]: yield
-> Iterator[bytes]: yield
""".strip().splitlines()

OPTIONS = """
response_model=Priced
response_model=list[Lazy] | None
response_model=None
response_model=Annotated[int, Field(gt=1, description="D")]
response_model_exclude={"size"}
status_code=201
status_code=204, response_model=None
tags=["t", "u"]
tags=[Colour.RED]
summary="S"
description="D\\fhidden"
response_description="R"
deprecated=True
include_in_schema=False
operation_id="fixed"
name="named thing"
responses={404: {"model": Tag}, "default": {"description": "Else"}}
responses={"4XX": {"model": Node, "description": "Bad"}, 200: {"content": {"image/png": {}}}}
responses={201: {"model": Union[Cat, Lazy], "headers": {"X": {"schema": {"type": "string"}}}}}
response_class=responses.HTMLResponse
response_class=responses.StreamingResponse
response_class=responses.RedirectResponse
response_class=sse.EventSourceResponse
callbacks=hooks.routes
openapi_extra={"x-a": {"b": [1, None]}, "parameters": [{"in": "query", "name": "own", "schema": {}}]}
openapi_extra={"requestBody": {"content": {"application/x-own": {"schema": {"type": "object"}}}}}
generate_unique_id_function=lambda route: f"own_{route.name}"
dependencies=[Depends(plain)]
dependencies=[Depends(deep), Security(key)]
""".strip().splitlines()

ROUTER_OPTIONS = """
tags=["router"]
deprecated=True
include_in_schema=False
responses={409: {"model": Tree}, 418: {}}
dependencies=[Security(password, scopes=["w", "r"])]
dependencies=[Depends(with_form)]
default_response_class=responses.PlainTextResponse
callbacks=hooks.routes
generate_unique_id_function=lambda route: f"router_{route.name}"
""".strip().splitlines()

APP_OPTIONS = [
    ROUTER_OPTIONS[1],
    *ROUTER_OPTIONS[3:],
    "separate_input_output_schemas=False",
    'servers=[{"url": "/v1", "description": "D"}]',
    'openapi_tags=[{"name": "t", "description": "D"}]',
    'openapi_external_docs={"url": "https://x.y"}',
    'summary="S", contact={"name": "N"}',
]
METHODS = ["get", "get", "post", "post", "put", "delete", "patch", "head", "options", "trace"]
PATHS = ["/{n}", "/{n}/{{p}}", "/{n}/{{p:int}}", "/{n}/{{p:path}}", "/same"]


@st.composite
def documented_sources(draw: st.DrawFn, most: int = 12) -> str:
    """An application of up to ``most`` operations on itself, on routers, on webhooks and on what it mounts."""

    def some(options: list[str], at_most: int) -> str:
        chosen = draw(st.lists(st.sampled_from(options), max_size=at_most, unique_by=lambda text: text.split("=")[0]))
        names = [name for option in chosen for name in ("response_model=", "status_code=") if name in option]
        if len(names) != len(set(names)):
            chosen = chosen[:1]
        return "".join(f"{option}, " for option in chosen)

    parts = [BEFORE, f"app = App({some(APP_OPTIONS, 3)})", "mounted = App()"]
    routers = ["app", "app"]
    for number in range(draw(st.integers(0, 3))):
        prefix = draw(st.sampled_from(["", "/v1", f"/{{r{number}}}"]))
        parts.append(f"r{number} = APIRouter(prefix={prefix!r}, {some(ROUTER_OPTIONS, 2)})")
        routers.append(f"r{number}")
    for number in range(draw(st.integers(1, most))):
        owner = draw(st.sampled_from([*routers, "app.webhooks", "mounted"]))
        method, path = draw(st.sampled_from(METHODS)), draw(st.sampled_from(PATHS)).format(n=number)
        arguments = draw(st.lists(st.sampled_from(PARAMETERS), max_size=5, unique_by=lambda text: text[0]))
        if draw(st.integers(0, 2)):
            arguments.append(draw(st.sampled_from(BODIES)))
        if "{p" in path and draw(st.booleans()):
            arguments.append(draw(st.sampled_from(["p: int", "p: Annotated[str, Path(max_length=3)]", "p"])))
        result = draw(st.sampled_from(RESULTS))
        head, _, statement = (f": {result}" if result == "..." else f" {result}").rpartition(": ")
        kind = draw(st.sampled_from(["def", "async def"]))
        if result.startswith(("-> AsyncI", "-> Iterable", "-> Iterator")):
            kind = "async def" if "Async" in result else "def"
        name = draw(st.sampled_from([f"make_{number}", "make"]))
        parts.append(
            f"@{owner}.{method}({path!r}, {some(OPTIONS, 4)})\n{kind} {name}(*, {', '.join(arguments)}){head}:\n"
            if arguments
            else f"@{owner}.{method}({path!r}, {some(OPTIONS, 4)})\n{kind} {name}(){head}:\n"
        )
        parts[-1] += draw(st.sampled_from(["", '    """What it does.\n\n    More.\fHidden."""\n'])) + f"    {statement}"
    for index in range(len(routers) - 1, 1, -1):
        parent = draw(st.sampled_from(["app", *routers[2:index]]))
        for prefix in draw(st.sampled_from([["/in"], ["/one", "/{q}/two"]])):
            parts.append(f"{parent}.include_router({routers[index]}, prefix={prefix!r}, {some(ROUTER_OPTIONS, 2)})")
    parts.append("app.mount('/mounted', mounted)")
    return "\n".join(parts)
