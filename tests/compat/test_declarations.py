"""Census 1F: how parameters are declared."""

import inspect

import fastapi
import fastapi.params
import pytest

import wirefast
import wirefast.params
from compat.freezing import Raising, Saying
from compat.harness import Changed, compare, handshake, refusal
from compat.source import outcome, over, signature_app, written

PARAMETER_FUNCTIONS = "Path Query Header Cookie Body Form File Depends Security".split()
KEYWORDS = (
    "embed media_type annotation in_ convert_underscores default_factory alias use_cache scope scopes nonsense"
).split()


@pytest.mark.parametrize("name", PARAMETER_FUNCTIONS)
def test_every_parameter_function_takes_the_keywords_of_fastapis(name):
    for theirs, ours in ((fastapi, wirefast), (fastapi.params, wirefast.params)):
        their, our = getattr(theirs, name), getattr(ours, name)
        options = inspect.signature(their).parameters
        assert inspect.signature(our).parameters.keys() - {"max_concurrency"} == options.keys() - {"max_concurrency"}
        for keyword in {*KEYWORDS, *options} - {"default", "example", "regex"}:
            assert _takes(our, keyword) == _takes(their, keyword), f"{ours.__name__}.{name}({keyword}=...)"


def _takes(function, keyword):
    try:
        function(**{keyword: None})
    except TypeError as exc:
        assert "unexpected keyword argument" in str(exc) and repr(keyword) in str(exc)
        return False
    return True


@pytest.mark.census("F1")
@pytest.mark.parametrize(
    "signature",
    ["q: 'int'", "q: 'Annotated[int, Query(ge=2)]' = 3", "q: 'Optional[int]' = None", "q: 'int | None' = None"],
)
def test_quoted_annotations(signature):
    assert outcome(over(signature, "q=5", "q=x", "")[0]) == {"q": 5}


@pytest.mark.census("F1")
def test_postponed_annotations():
    source = """
from __future__ import annotations
app = App()
def dependency(n: int = 1) -> int:
    return n
@app.websocket("/ws/{x}")
async def endpoint(websocket: WebSocket, x: int, d: Annotated[int, Depends(dependency)], q: list[str] = Query([])):
    trace("endpoint", x, d, q)
"""
    result = compare(written(source), handshake("/ws/3?n=4&q=a"))
    assert result.calls == [("endpoint", 3, 4, ["a"])]


@pytest.mark.census("F1")
def test_names_for_type_checking_only():
    source = """
app = App()
@app.websocket("/ws")
async def endpoint(websocket: WebSocket, q: int = 1, other: "Unknown" = Query(None), a: "Annotated[int, Query()]" = 2):
    trace("endpoint", q, other, a)
"""
    compare(written(source), handshake("/ws?q=2&other=x&a=3"))


@pytest.mark.census("F1")
def test_a_return_annotation_and_none_annotations():
    source = """
app = App()
@app.websocket("/ws")
async def endpoint(websocket: WebSocket, n: "None" = None, m: None = None) -> "Unknown":
    trace("endpoint", n, m)
"""
    compare(written(source), handshake("/ws"), handshake("/ws?n=1"))


@pytest.mark.census("F2")
@pytest.mark.parametrize(
    "signature, target",
    [
        ("q: Annotated[int, Query(ge=5), Query(ge=1)]", "q=3"),
        ("q: Annotated[int, Query(), Header()]", "q=3"),
        ("q: Annotated[str, Field(min_length=3), Query()]", "q=ab"),
        ("q: Annotated[str, Query(), Field(min_length=3)]", "q=ab"),
        ("q: Annotated[int, Ge(3)]", "q=2"),
        ("q: Annotated[str, 'a note', AfterValidator(doubled)]", "q=ab"),
        ("q: Annotated[str, AfterValidator(short), Query(max_length=9)]", "q=abcd"),
        ("q: Annotated[str, BeforeValidator(doubled), Query()] = 'd'", "q=ab"),
        ("q: Annotated[Annotated[int, Ge(3)], Query(le=9)]", "q=10"),
        ("q: Annotated[int, Field(alias='x')]", "x=1"),
        ("q: Annotated[int, Field(default=4)]", ""),
        ("q: Annotated[int, Query(alias='x')] = 4", "x=5&q=6"),
    ],
)
def test_annotated_metadata(signature, target):
    over(signature, target, "")


@pytest.mark.census("F3")
def test_type_aliases():
    alias = "from typing_extensions import TypeAliasType\n"
    alias += "Ints = TypeAliasType('Ints', Annotated[int, Query(ge=2, alias='x')])"
    assert outcome(over("q: Ints", "x=3", "x=1", before=alias)[0]) == {"q": 3}
    plain = "from typing_extensions import TypeAliasType\nWords = TypeAliasType('Words', list[str])"
    over("q: Words = Query([])", "q=a&q=b", before=plain)


INFERRED = {
    "q: int": ["q=1", "q=x", ""],
    "q": ["q=1", ""],
    "q: Any": ["q=1", ""],
    "q: Any = None": ["q=1", ""],
    "q: Optional[int] = None": ["q=", "q=3", ""],
    "q: Optional[int]": ["q=3", ""],
    "q: int | str = 'x'": ["q=3", "q=a", ""],
    "q: Union[int, float, None] = None": ["q=3", "q=3.5", "q=a"],
    "q=5": ["q=7", "q=x", ""],
    "q=None": ["q=7", ""],
    "q: bytes": ["q=%C3%A9", ""],
    "q: list[int] = Query()": ["q=1&q=2", "q=1&q=x", ""],
    "q: list = Query([1])": ["q=1&q=2", ""],
    "q: object = 3": ["q=1", ""],
}


@pytest.mark.census("F4")
@pytest.mark.parametrize("signature", INFERRED)
def test_inference(signature):
    over(signature, *INFERRED[signature])


REQUIRED_BODIES = [
    "q: list[int]",
    "q: Item",
    "q: dict",
    "q: dict[str, int]",
    "q: Point",
    "q: Item | None",
    "q: Annotated[int, Body()]",
    "q: int = Body()",
    "q: int = Body(embed=True)",
    "q: str = Form()",
    "q: bytes = File()",
    "q: UploadFile",
    "q: list[UploadFile]",
    "q: Annotated[Item, Body()], r: Annotated[int, Body()]",
    "q: Annotated[Item, Form()]",
]


@pytest.mark.census("F10", "3.6")
@pytest.mark.parametrize("signature", REQUIRED_BODIES)
def test_a_required_body_is_refused_when_declared(signature):
    differs = Changed(was=None, now=[("declaration", Raising("'q'", "Query"))])
    (result,) = over(signature, "q=1", differs=differs)
    assert all(error["loc"][0] == "body" for error in result.errors)


OPTIONAL_BODIES = {
    "q: list[int] = [1]": [1],
    "q: Optional[Item] = None": None,
    "q: int = Body(3)": 3,
    "q: str = Form('x')": "x",
    "q: Optional[UploadFile] = None": None,
    "q: dict = Body(default_factory=dict)": {},
}


@pytest.mark.census("F10")
@pytest.mark.parametrize("signature", OPTIONAL_BODIES)
def test_a_body_with_a_default_keeps_it(signature):
    differs = Changed(was=[], now=[("warning", Saying("Warning"))])
    result = over(signature, "", "q=5", differs=differs)
    assert [outcome(item)["q"] for item in result] == [OPTIONAL_BODIES[signature]] * 2


DECLARATIONS = {
    "a: Annotated[int, Path()] = 3": "Path parameters cannot have default values",
    "a: int = Path(5)": "Path parameters cannot have a default value",
    "a: Annotated[int, Path(5)]": "Path parameters cannot have a default value",
    "a: Annotated[int, Query()]": "Cannot use `Query` for path param 'a'",
    "a: int = Header()": "Cannot use `Header` for path param 'a'",
    "a: int = Cookie(3)": "Cannot use `Cookie` for path param 'a'",
    "a: list[int]": "Path params must be of one of the supported types",
    "a: Item": "Path params must be of one of the supported types",
    "a: dict = Path()": "Path params must be of one of the supported types",
    "a, z: Annotated[int, Query(3)]": "`Query` default value cannot be set in `Annotated` for 'z'. Set the "
    "default value with `=` instead.",
    "a, z: Annotated[int, Header(default=3)]": "`Header` default value cannot be set in `Annotated` for 'z'. Set the "
    "default value with `=` instead.",
    "a, z: dict = Query()": "Query parameter 'z' must be one of the supported types",
    "a, z: list[Item] = Query()": "Query parameter 'z' must be one of the supported types",
    "a, z: dict[str, int] = Query({})": "Query parameter 'z' must be one of the supported types",
    "a, z: Annotated[int, Query()] = Query(3)": "Cannot specify FastAPI annotations in `Annotated` and default value "
    "together for 'z'",
    "a, z: Annotated[int, Depends(doubled)] = Depends(doubled)": "Cannot specify `Depends` in `Annotated` and default "
    "value together for 'z'",
    "a, z: Annotated[int, Query()] = Depends(doubled)": "Cannot specify a FastAPI annotation in `Annotated` and "
    "`Depends` as a default value together for 'z'",
    "a, z: WebSocket = Query()": "Cannot specify FastAPI annotation for type",
    "a, z: Annotated[Request, Header()]": "Cannot specify FastAPI annotation for type",
    "a, z: Annotated[SecurityScopes, Query()]": "Cannot specify FastAPI annotation for type",
    "a, z: f.APIRouter": "Invalid args for response field! Hint: check that",
    "a, z: type('X', (), {}) = Query()": "Invalid args for response field! Hint: check that",
}


@pytest.mark.census("F5", "F7")
@pytest.mark.parametrize("signature", DECLARATIONS)
def test_declaration_errors(signature):
    error = refusal(lambda f, trace: signature_app(f, trace, signature, "/ws/{a}"))
    assert DECLARATIONS[signature] in str(error)


@pytest.mark.census("F5")
@pytest.mark.parametrize(
    "signature",
    [
        "z: Annotated[int, Depends()]",
        "z: int = Depends(5)",
        "z=Depends()",
        "z: Annotated[int, Depends(doubled), Query()]",
        "z: Annotated[int, Query(), Depends(doubled)]",
        "z: list[dict] = Query()",
        "z: tuple[int, str] = Query()",
        "z: Literal['a'] = Query(regex='a')",
        "z: str = Query(pattern='(')",
        "z: int = Query(min_length=3)",
        "z: Annotated[int, Path()]",
        "z: int = Path()",
        "z: int = Query",
        "z: Callable = None",
        "z: int = Field(4, ge=3)",
    ],
)
def test_odd_declarations_fare_alike(signature):
    compare(
        lambda f, trace: signature_app(f, trace, signature, before="from typing import Callable"),
        handshake("/ws?z=a&value=2"),
        handshake("/ws"),
        may_refuse=True,
    )


@pytest.mark.census("F6")
def test_a_default_on_an_inferred_path_parameter_is_ignored():
    result = over("a: int = 5", handshake("/ws/7"), handshake("/ws/x"), path="/ws/{a}")
    assert outcome(result[0]) == {"a": 7} and outcome(result[1]) == [(("path", "a"), "int_parsing")]


@pytest.mark.census("F8")
@pytest.mark.parametrize(
    "signature, targets",
    [
        ("q: int = Query(alias='x-y')", ["x-y=1", "q=1", "x-y=a"]),
        ("q: int = Query(validation_alias='v')", ["v=1", "q=1"]),
        ("q: int = Query(alias='a', validation_alias='v')", ["v=1", "a=1", "q=1"]),
        ("q: int = Query(serialization_alias='s')", ["q=1", "s=1"]),
        ("q: int = Query(validation_alias=AliasChoices('a', 'b'))", ["a=1", "b=2", "a=1&b=2", "q=3", "b=x"]),
        ("q: int = Query(validation_alias=AliasPath('a', 'b'))", ["a=1", "q=3", ""]),
        ("q: int = Query(validation_alias=AliasChoices(AliasPath('a', 0), 'b'))", ["a=1", "b=3", ""]),
        ("q: list[int] = Query(alias='q[]')", ["q%5B%5D=1&q%5B%5D=2", "q=1"]),
        ("q: list[int] = Query(validation_alias=AliasChoices('a', 'b'))", ["a=1&b=2", "b=2&b=3"]),
        ("q: ByName = Query()", ["alias-a=1", "a=2", "a=1&alias-a=2", ""]),
    ],
)
def test_query_aliases(signature, targets):
    over(signature, *targets)


@pytest.mark.census("F8")
@pytest.mark.parametrize(
    "signature, path",
    [
        ("a: int = Path(alias='b')", "/ws/{b}"),
        ("a: Annotated[int, Path(alias='b', ge=3)]", "/ws/{a}"),
        ("a: int = Path(validation_alias=AliasChoices('x', 'b'))", "/ws/{b}"),
        ("a: int = Path(validation_alias=AliasChoices('x', 'a'))", "/ws/{a}"),
        ("a: int = Path(gt=2, lt=9)", "/ws/{a}"),
        ("a: Annotated[str, Path(pattern='^[0-9]$')]", "/ws/{a}"),
        ("a: Annotated[int, Ge(3)] = 4", "/ws/{a}"),
        ("a: Literal['5', 'x']", "/ws/{a:path}"),
        ("a: Level", "/ws/{a}"),
        ("a: Optional[int]", "/ws/{a}"),
    ],
)
def test_path_parameters(signature, path):
    over(signature, handshake("/ws/5"), handshake("/ws/1"), handshake("/ws/x"), path=path)
