"""Census 1G (and the rest of 1F): how parameters are read and validated."""

import pytest

from compat.harness import Changed, compare, handshake, refusal
from compat.source import outcome, over, signature_app, written

HEADERS = [("X-Token", "one"), ("x-token", "two"), ("plain", "3"), ("X_Under", "u"), ("x-list", "a,b"), ("X-List", "c")]


@pytest.mark.census("F8", "G3", "G5")
@pytest.mark.parametrize(
    "signature, expected",
    [
        ("x_token: str = Header()", {"x_token": "one"}),
        ("x_token: Annotated[str, Header()] = 'd'", {"x_token": "one"}),
        ("X_TOKEN: str = Header()", {"X_TOKEN": "one"}),
        ("plain: int = Header(ge=4)", [(("header", "plain"), "greater_than_equal")]),
        ("x_under: str = Header()", [(("header", "x-under"), "missing")]),
        ("x_under: str = Header(convert_underscores=False)", {"x_under": "u"}),
        ("t: str = Header(alias='X-Token')", {"t": "one"}),
        ("t: str = Header(alias='x_token')", [(("header", "x_token"), "missing")]),
        ("x_list: list[str] = Header()", {"x_list": ["a,b", "c"]}),
        ("x_list: set[str] = Header()", {"x_list": {"a,b", "c"}}),
        ("x_list: Annotated[Optional[list[str]], Header()] = None", {"x_list": ["a,b", "c"]}),
        ("x_none: list[str] = Header(['d'])", {"x_none": ["d"]}),
        ("x_none: list[int] = Header()", [(("header", "x-none"), "missing")]),
        ("x_token: list[int] = Header()", [(("header", "x-token", i), "int_parsing") for i in (0, 1)]),
        ("x: str = Header(validation_alias=AliasChoices('y', 'x-token'))", {"x": "one"}),
        ("x_v: str = Header(validation_alias='plain')", {"x_v": "3"}),
    ],
)
def test_headers(signature, expected):
    assert outcome(over(signature, handshake("/ws", headers=HEADERS))[0]) == expected


@pytest.mark.census("G3")
def test_header_values_are_latin_1():
    connection = handshake("/ws", headers={"x-name": "caf\xe9 \xff", "X-EMPTY": ""})
    result = over("x_name: str = Header(), x_empty: str = Header('d')", connection)
    assert outcome(result[0]) == {"x_name": "caf\xe9 \xff", "x_empty": ""}


@pytest.mark.census("G4")
@pytest.mark.parametrize(
    "header, signature",
    [
        ("a=1; b_c=x", "a: int = Cookie(), b_c: str = Cookie()"),
        ("a=x", "a: int = Cookie()"),
        ("a=1", "a: list[int] = Cookie()"),
        ("b-c=x", "b_c: str = Cookie('d')"),
        ("a=1; a=2", "a: int = Cookie()"),
        ('a="quoted \\"value\\""; b= spaced ; c', "a: str = Cookie(), b: str = Cookie(), c: str = Cookie('d')"),
        ("a=%20x", "a: str = Cookie(min_length=4)"),
        ("", "a: Optional[str] = Cookie(None)"),
        ("A=1", "a: Annotated[int, Cookie()] = 7"),
        ("x-a=1", "a: int = Cookie(alias='x-a')"),
        ("=v; a==b;; x=", "a: str = Cookie(), x: str = Cookie('d')"),
        ("a=caf\xe9", "a: str = Cookie()"),
        ('a="\\303\\251"', "a: str = Cookie()"),
    ],
)
def test_cookies(header, signature):
    over(signature, handshake("/ws", headers={"cookie": header}))


@pytest.mark.census("G4")
def test_later_cookie_headers_win():
    connection = handshake("/ws", headers=[("cookie", "a=1; b=2"), ("cookie", "a=3")])
    assert outcome(over("a: int = Cookie(), b: int = Cookie()", connection)[0]) == {"a": 3, "b": 2}


@pytest.mark.census("G1")
def test_errors_of_all_groups_and_dependencies_are_aggregated_and_siblings_run():
    source = """
app = App()
async def bad(n: int = Query(), h: int = Header()):
    trace("never")
async def good(m: int = 1):
    trace("good", m)
async def outer(b=Depends(bad), g=Depends(good), c: int = Cookie()):
    trace("never either")
@app.websocket("/ws/{p}")
async def endpoint(websocket: WebSocket, p: int, o=Depends(outer), g=Depends(good), q: int = Query(),
                   c: int = Cookie(), x: int = Header()):
    trace("never")
"""
    result = compare(written(source), handshake("/ws/x?n=y"))
    assert result.calls == [("good", 1)]
    locs = [tuple(error["loc"]) for error in result.errors]
    assert locs == [
        ("query", "n"),
        ("header", "h"),
        ("cookie", "c"),
        ("path", "p"),
        ("query", "q"),
        ("header", "x"),
        ("cookie", "c"),
    ]


@pytest.mark.census("G2")
@pytest.mark.parametrize(
    "query",
    "q=a&q=b|q=|q|q=a%20b+c|q=%C3%A9|Q=a|q=a=b|q=%zz|q=%E9|&&q=1&|q=a;q=b|q%20=1|q=%00|q=a%2Bb|x=1&q=2|=3&q=1|q=%F0%9F%98%80".split(
        "|"
    ),
)
def test_query_scalars(query):
    over("q: str = 'default'", query)


@pytest.mark.census("G2")
def test_the_last_query_value_wins_and_empty_is_not_missing():
    result = over("q: str", "q=a&q=b", "q=", "q", "")
    assert [outcome(item) for item in result] == [{"q": "b"}, {"q": ""}, {"q": ""}, [(("query", "q"), "missing")]]


@pytest.mark.census("G5")
@pytest.mark.parametrize(
    "annotation",
    "list[int] set[int] frozenset[int] tuple[int,...] tuple[int,str] deque[int] Optional[list[int]] list[str|int] "
    "Annotated[list[int],Len(1,2)] list[Annotated[int,Ge(2)]] Union[list[int],str] list[Colour]".split(),
)
def test_query_sequences(annotation):
    for default in ("", "None", "[7]"):
        over(f"q: {annotation} = Query({default})", "q=1&q=2", "q=1", "q=x&q=1&q=y", "", "q=", "q=red")


@pytest.mark.census("G5")
def test_an_error_in_a_sequence_shows_its_index():
    result = over("q: list[int] = Query()", "q=1&q=x", "")
    assert outcome(result[0]) == [(("query", "q", 1), "int_parsing")]
    assert outcome(result[1]) == [(("query", "q"), "missing")]


VALUES = {
    "bool": "1 0 true FALSE yes off t 2 maybe",
    "int": "1 -1 +1 1.0 1.5 1e3 007 1_000 9999999999999999999999 %201 x",
    "float": "1 1.5 1e5 nan inf -inf .5 x",
    "Decimal": "1 1.50 x 1e400",
    "date": "2024-02-29 2024-02-30 20240229 0 2024-02-29T00:00:00 x",
    "datetime": "2024-02-29T10:00:00 2024-02-29T10:00:00Z 0 1e11 x",
    "timedelta": "PT1H 3600 01:00:00 x",
    "UUID": "00000000-0000-0000-0000-000000000001 00000000000000000000000000000001 x",
    "Colour": "red RED green",
    "Level": "1 2 3 LOW",
    "Literal['a','b']": "a c",
    "Literal[1,2]": "1 3",
    "Json": "{} [1 1",
    "Annotated[Json[list[int]],Query()]": "[1] [%22x%22] nope",
    "Annotated[str,Query(min_length=2,max_length=3)]": "a ab abcd %C3%A9%C3%A9",
    "Annotated[str,Query(pattern='^[a-c]+$')]": "abc abd ab%0A",
    "Annotated[int,Query(gt=1,lt=5,multiple_of=2)]": "1 2 3 4 6",
    "Annotated[float,Query(ge=1,le=2,allow_inf_nan=False)]": "1 2.5 nan inf",
    "Annotated[Decimal,Query(max_digits=3,decimal_places=1)]": "1.5 1.55 1234",
    "Annotated[int,Query(strict=True)]": "1",
    "Annotated[Union[int,str],Query(union_mode='left_to_right')]": "1 a",
    "Annotated[list[int],Query(fail_fast=True)]": "a",
    "EmailLike": "x",
    "PositiveInt": "1 0 -1",
    "HttpUrl": "http://a.b nope",
    "IPvAnyAddress": "127.0.0.1 ::1 x",
    "SecretStr": "hidden",
    "constr(to_upper=True)": "abc",
    "conint(ge=3)": "3 2",
    "Annotated[str,AfterValidator(short)]": "abc abcd",
    "Annotated[int,BeforeValidator(doubled)]": "1 a",
}


@pytest.mark.census("G6", "G9")
@pytest.mark.parametrize("annotation", VALUES)
def test_values(annotation):
    before = "from pydantic import conint, constr\nEmailLike = Annotated[str, Query(pattern='.+@.+')]"
    over(f"q: {annotation}", *(f"q={value}" for value in VALUES[annotation].split()), before=before)


@pytest.mark.census("G7")
def test_defaults_are_copied_for_each_connection():
    source = """
app = App()
default = [1]
count = iter(range(100))
@app.websocket("/ws")
async def endpoint(websocket: WebSocket, q: list[int] = Query(default),
                   n: int = Query(default_factory=lambda: next(count)),
                   m: Annotated[int, Query()] = 5):
    trace("values", list(q), n, m, q is default)
    q.append(2)
"""
    first, second = compare(written(source), handshake(), handshake())
    assert first.calls == [("values", [1], 0, 5, False)] and second.calls == [("values", [1], 1, 5, False)]


@pytest.mark.census("G7")
@pytest.mark.parametrize(
    "signature",
    [
        "q: int = 'not an int'",
        "q: int = Query('not an int', validate_default=True)",
        "q: int = Query('7', validate_default=True)",
        "q: Annotated[int, Query(validate_default=True)] = 'x'",
        "q: list[int] = Query(default_factory=list)",
        "q: Annotated[list[int], Query(default_factory=lambda: [3])]",
        "q: int = Query(...)",
        "q: int = ...",
        "q: Annotated[int, Query()] = ...",
        "q: Optional[int] = Query(default=None, ge=3)",
        "q: int = Header(default_factory=lambda: 4)",
        "q: int = Cookie(default_factory=lambda: 4)",
        "q: int = Query(default_factory=lambda data: 4)",
    ],
)
def test_defaults(signature):
    over(signature, "", "q=2")


@pytest.mark.census("G8")
@pytest.mark.parametrize(
    "signature",
    [
        "q: Item = Query()",
        "q: Annotated[Item, Query()]",
        "q: Strict = Query()",
        "q: Open = Query()",
        "q: Aliased = Query()",
        "q: Item | None = Query(None)",
        "q: Annotated[Item | None, Query()] = None",
        "q: Item = Query(Item(name='d'))",
        "q: Item = Query(), size: int = 5",
        "q: Strict = Query(), other: int = 5",
        "q: Item = Query(), r: Strict = Query()",
        "q: Json[Item] = Query()",
        "q: Item = Query(alias='x')",
    ],
)
def test_query_models(signature):
    queries = ["", "name=a", "name=a&size=3", "size=x", "a=1", "a=1&b_c=y", "a=1&z=2&z=3", "x-a=1&tags=a&tags=b", "a=x"]
    over(signature, *queries, "q=%7B%22name%22%3A%22j%22%7D", "name=n&other=6&a=4")


@pytest.mark.census("G8")
@pytest.mark.parametrize("model", ["Strict", "Open", "Aliased", "ByName", "Item"])
@pytest.mark.parametrize("marker", ["Header()", "Header(convert_underscores=False)", "Cookie()"])
def test_header_and_cookie_models(model, marker):
    pairs = [{"a": "1"}, {"a": "x"}, {}, {"a": "1", "b-c": "y"}, {"a": "1", "b_c": "y"}, {"x-a": "3", "tags": "t"}]
    pairs += [{"name": "n", "size": "2"}, {"alias-a": "5"}, {"A": "2", "other": "z"}]
    key = "cookies" if marker.startswith("Cookie") else "headers"
    over(f"h: {model} = {marker}", *(handshake("/ws", **{key: pair}) for pair in pairs))


@pytest.mark.census("G9")
def test_the_shape_of_an_error():
    (result,) = over("q: int, r: int = Query(ge=3)", "r=1")
    assert result.errors == [
        {"type": "missing", "loc": ["query", "q"], "msg": "Field required", "input": None},
        {
            "type": "greater_than_equal",
            "loc": ["query", "r"],
            "msg": "Input should be greater than or equal to 3",
            "input": "1",
            "ctx": {"ge": 3},
        },
    ]


@pytest.mark.census("G9")
def test_errors_keep_tuples_and_the_validators_exception():
    source = """
app = App()
@app.exception_handler(f.exceptions.WebSocketRequestValidationError)
async def handler(websocket, error):
    (item,) = error.errors()
    trace("error", item["loc"], item["type"], item["ctx"]["error"], "url" in item)
    await websocket.close(4000)
@app.websocket("/ws")
async def endpoint(websocket: WebSocket, q: Annotated[str, AfterValidator(short)]):
    trace("never")
"""
    result = compare(written(source), handshake("/ws?q=abcd"))
    assert result.calls[0][1:3] == (("query", "q"), "value_error")
    assert isinstance(result.calls[0][3], ValueError)


@pytest.mark.census("G10", "3.3")
def test_special_parameters():
    source = """
app = App()
async def dependency(response: Response, tasks: BackgroundTasks, scopes: SecurityScopes):
    response.headers["x-a"] = "1"
    tasks.add_task(trace, "a task")
    return response, tasks
@app.websocket("/ws")
async def endpoint(anything: HTTPConnection, websocket: WebSocket, response: Response, tasks: BackgroundTasks,
                   scopes: SecurityScopes, d=Depends(dependency), request: Request = None):
    trace("same", anything is websocket, response is d[0], tasks is d[1], request, len(tasks.tasks))
    trace("response", response.status_code, dict(response.headers), scopes.scopes, scopes.scope_str)
    await websocket.accept()
"""
    result = compare(written(source))
    assert result.calls == [("same", True, True, True, None, 1), ("response", None, {"x-a": "1"}, [], "")]


@pytest.mark.census("G10")
def test_a_request_is_not_provided():
    (result,) = over("r: Request", "")
    assert isinstance(result.raised, TypeError) and "'r'" in str(result.raised)


@pytest.mark.census("G10")
def test_special_types_marked_as_dependencies_are_called():
    source = """
app = App()
@app.websocket("/ws")
async def endpoint(websocket: WebSocket, scopes: Annotated[SecurityScopes, Depends()]):
    trace("scopes", type(scopes).__name__, scopes.scopes)
"""
    # Its own "scopes: list[str] | None = None" is a body with a default.
    differs = Changed(was=[], now=[("warning", "UserWarning")])
    result = compare(written(source), handshake("/ws?scopes=a"), differs=differs)
    assert result.calls == [("scopes", "SecurityScopes", [])]


@pytest.mark.census("G10")
def test_special_types_by_subclass():
    source = """
class MyResponse(Response): pass
class MyTasks(BackgroundTasks): pass
class MyConnection(HTTPConnection): pass
app = App()
@app.websocket("/ws")
async def endpoint(websocket: WebSocket, r: MyResponse, t: MyTasks, c: MyConnection):
    trace("types", type(r).__name__, type(t).__name__, c is websocket)
"""
    assert compare(written(source)).calls == [("types", "Response", "BackgroundTasks", True)]


@pytest.mark.census("F9")
@pytest.mark.parametrize("name", ["Query", "Header", "Cookie", "Path", "Body", "Form", "File"])
def test_constructors_reprs_and_deprecated_arguments(name):
    def build(f, trace):
        function = getattr(f, name)
        default = () if name == "Path" else (3,)
        info = function(*default, title="t", description="d", ge=1, examples=[1], json_schema_extra={"x": 1})
        trace("repr", repr(info), info.title, info.description, info.alias, info.metadata, info.default)
        trace("class", type(info).__name__, isinstance(info, getattr(f.params, name)), info.json_schema_extra)
        for arguments in ({"regex": "a"}, {"example": 1}, {"pattern": "b"}, {"unknown": 1}, {"deprecated": True}):
            try:
                trace(
                    "arguments",
                    repr(function(*default, **arguments)),
                    getattr(function(*default, **arguments), "regex", 0),
                )
            except TypeError:
                trace("type error", sorted(arguments))
        return f.App()

    compare(build)


@pytest.mark.census("F9")
def test_signatures_of_the_public_functions():
    import inspect

    from wirefast.routes.websocket_options import WebSocketOptions

    def build(f, trace):
        for name in ("Query", "Header", "Cookie", "Path", "Body", "Form", "File", "Depends", "Security"):
            parameters = inspect.signature(getattr(f, name)).parameters.values()
            trace(name, sorted((str(parameter.kind), parameter.name) for parameter in parameters))
        for owner, names in {f.App: ("websocket",), f.APIRouter: ("websocket", "add_api_websocket_route")}.items():
            for name in names:
                parameters = dict(inspect.signature(getattr(owner, name)).parameters)
                if f.name == "wirefast":  # the additions, by keyword and with a default
                    options = inspect.signature(WebSocketOptions).parameters
                    for added in map(parameters.pop, options):
                        assert (added.kind, added.default) == (added.KEYWORD_ONLY, None)
                trace(name, [(each.name, str(each.kind), each.default) for each in parameters.values()])
        return f.App()

    compare(build)


@pytest.mark.census("G6")
def test_many_parameters_of_every_kind_in_signature_order():
    source = """
app = App()
@app.websocket("/ws/{p}/{r:int}")
async def endpoint(c: Annotated[str, Cookie()], websocket: WebSocket, p: str, h: Annotated[str, Header()], r: int, *,
                   q: Annotated[int, Query()], d: Annotated[str, Depends(lambda q, h=Header(): (q, h))]):
    trace("values", c, p, h, r, q, d)
    await websocket.accept()
"""
    connection = handshake("/ws/x/7?q=4", headers={"h": "hh"}, cookies={"c": "cc"})
    result = compare(written(source), connection)
    assert result.calls == [("values", "cc", "x", "hh", 7, 4, ("4", "hh"))]


@pytest.mark.census("F4")
def test_a_typed_dict_as_a_query_parameter():
    before = "from typing_extensions import TypedDict\nclass Row(TypedDict):\n    a: int\n"
    error = refusal(lambda f, trace: signature_app(f, trace, "q: Row = Query()", before=before))
    assert str(error) == "Query parameter 'q' must be one of the supported types"
