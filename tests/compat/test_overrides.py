"""Census 1I: app.dependency_overrides."""

import pytest

from compat.harness import compare, handshake
from compat.source import define, written

APP = """
app = App()
async def sub(q: str = "q"):
    trace("sub", q)
    return q
async def original(s=Depends(sub)):
    trace("original", s)
    return "original"
async def listed():
    trace("listed")
router = APIRouter(prefix="/r", dependencies=[Depends(listed)])
@router.websocket("/ws/{p}")
async def endpoint(websocket: WebSocket, p: str, d=Depends(original), again=Depends(original)):
    trace("endpoint", p, d, again)
    await websocket.accept()
app.include_router(router, dependencies=[Depends(listed)])
overrides = app.dependency_overrides
"""


def overridden(lines, *targets, **options):
    connections = [handshake(target) for target in targets or ("/r/ws/1?q=x",)]
    result = compare(written(APP + lines), *connections, **options)
    return result if isinstance(result, list) else [result]


@pytest.mark.census("I1", "I2")
@pytest.mark.parametrize(
    "lines, value",
    [
        ("overrides[original] = lambda: 'lambda'", "lambda"),
        ("async def new(n: int = 3): return n\noverrides[original] = new", 3),
        ("def new(p: str, s=Depends(sub)): return p, s\noverrides[original] = new", ("1", "x")),
        ("def new():\n    yield 'gen'\n    trace('exit')\noverrides[original] = new", "gen"),
        ("async def new():\n    yield 'gen'\n    trace('exit')\noverrides[original] = new", "gen"),
        ("overrides[original] = partial(lambda a, b: (a, b), 1, b=2)", (1, 2)),
        ("class New:\n    def __call__(self): return 'called'\noverrides[original] = New()", "called"),
        ("overrides[sub] = lambda: 'new sub'", "original"),
        ("overrides[listed] = lambda: trace('replaced')", "original"),
        ("overrides[endpoint] = lambda: trace('never')", "original"),
        ("async def new(websocket: WebSocket): return websocket.scope['path']\noverrides[original] = new", "/r/ws/1"),
        ("overrides[original] = original", "original"),
    ],
)
def test_replacements(lines, value):
    (result,) = overridden(lines)
    assert ("endpoint", "1", value, value) in result.calls


@pytest.mark.census("I1")
def test_overrides_reach_listed_dependencies_of_every_level():
    (result,) = overridden("overrides[listed] = lambda: trace('replaced')")
    assert [call for call in result.calls if call[0] in ("replaced", "listed")] == [("replaced",)]


@pytest.mark.census("I2")
def test_parameters_of_a_replacement_are_validated():
    lines = "def new(n: int, h: str = Header()): return n\noverrides[original] = new"
    bad, good = overridden(lines, "/r/ws/1?n=x", "/r/ws/1?n=1")
    assert [error["loc"] for error in bad.errors] == [["query", "n"], ["header", "h"]] * 2
    assert [error["loc"] for error in good.errors] == [["header", "h"]] * 2


@pytest.mark.census("I2")
@pytest.mark.parametrize("value", ["lambda body: 1", "lambda: undefined", "lambda *args: args"])
def test_odd_replacements(value):
    overridden(f"overrides[original] = {value}")


@pytest.mark.census("I3")
def test_overrides_are_not_chained():
    (result,) = overridden("def b(): return 'b'\noverrides[original] = b\noverrides[b] = lambda: 'c'")
    assert result.calls[-1] == ("endpoint", "1", "b", "b")


@pytest.mark.census("I3")
@pytest.mark.parametrize("value", ["None", "5", "dict"])
def test_a_replacement_must_be_callable_and_have_a_signature(value):
    (result,) = overridden(f"overrides[original] = {value}")
    assert isinstance(result.raised, (TypeError, ValueError)) and result.calls == [("listed",)]


@pytest.mark.census("I3")
def test_overrides_can_change_between_connections():
    lines = """
outer = App()
@outer.websocket("/set/{n}")
async def setting(websocket: WebSocket, n: int):
    if n: app.dependency_overrides[original] = lambda: n
    else: app.dependency_overrides.clear()
@outer.websocket("/replace")
async def replacing(websocket: WebSocket):
    app.dependency_overrides = {sub: lambda: "replaced"}
outer.mount("/", app)
app, inner = outer, app
setting.__globals__["app"] = inner
"""
    source = APP + lines + "\nresult = outer"
    targets = "/r/ws/1 /set/1 /r/ws/1 /set/2 /r/ws/1 /set/0 /r/ws/1 /replace /r/ws/1".split()
    results = compare(lambda f, trace: define(f, trace, source)["result"], *(handshake(target) for target in targets))
    endpoints = [result.calls[-1] for result in results if result.calls]
    assert [call[2] for call in endpoints] == ["original", 1, 2, "original", "original"]
    assert ("original", "replaced") in results[-1].calls


@pytest.mark.census("I3")
@pytest.mark.parametrize("mapping", ["UserDict(found)", "ChainMap({}, found)", "MappingProxyType(found)"])
def test_the_mapping_may_be_any_mapping(mapping):
    lines = f"""
from collections import ChainMap, UserDict
from types import MappingProxyType
found = {{original: lambda: "found"}}
app.dependency_overrides = {mapping}
"""
    (result,) = overridden(lines)
    assert result.calls[-1] == ("endpoint", "1", "found", "found")


@pytest.mark.census("I4")
@pytest.mark.parametrize("declaration", ["use_cache=False", "scope='function'", "max_concurrency=1", "scope='request'"])
@pytest.mark.parametrize("kind", ["async def", "def"])
def test_cache_scope_and_limit_come_from_the_original_declaration(declaration, kind):
    source = f"""
app = App()
count = iter(range(9))
def original(): return "original"
{kind} new():
    n = next(count)
    trace("enter", n)
    yield n
    trace("exit", n)
async def other():
    yield
    trace("exit other")
app.dependency_overrides[original] = new
@app.websocket("/ws")
async def endpoint(websocket: WebSocket, a=Depends(original, {declaration}), o=Depends(other),
                   b=Depends(original), c=Depends(original)):
    trace("endpoint", a, b, c)
"""
    compare(written(source))


@pytest.mark.census("I4", "H8")
def test_security_scopes_reach_a_replacement():
    source = """
app = App()
async def user(): return "user"
async def new(scopes: SecurityScopes): return scopes.scopes
async def inner(u=Security(user, scopes=["inner"])): return u
app.dependency_overrides[user] = new
@app.websocket("/ws")
async def endpoint(websocket: WebSocket, a=Security(user, scopes=["a"]), b=Security(inner, scopes=["b"]),
                   c=Depends(user)):
    trace("endpoint", a, b, c)
"""
    result = compare(written(source))
    assert result.calls == [("endpoint", ["a"], ["b", "inner"], [])]


@pytest.mark.census("I1", "J1")
def test_security_instances_are_keys():
    source = """
app = App()
bearer = f.security.HTTPBearer()
app.dependency_overrides[bearer] = lambda: "overridden"
@app.websocket("/ws")
async def endpoint(websocket: WebSocket, token=Depends(bearer)):
    trace("endpoint", token)
"""
    assert compare(written(source)).calls == [("endpoint", "overridden")]


@pytest.mark.census("I5")
def test_a_router_alone_has_no_overrides():
    source = """
async def original(): return "original"
router = APIRouter()
router.dependency_overrides = {original: lambda: "never"}
provider = APIRouter(dependency_overrides_provider=router, prefix="/p")
for r in (router, provider):
    @r.websocket("/ws")
    async def endpoint(websocket: WebSocket, d=Depends(original)):
        trace("endpoint", d)
app = router
app.mount("/m", provider)
"""
    alone, provided = compare(written(source), handshake("/ws"), handshake("/m/p/ws"))
    assert alone.calls == [("endpoint", "original")] and provided.calls == [("endpoint", "never")]


@pytest.mark.census("I2", "H17")
def test_overriding_every_dependency_at_once():
    lines = "\n".join(f"overrides[{name}] = lambda: {name!r}" for name in ("sub", "original", "listed"))
    (result,) = overridden(lines)
    assert result.calls == [("endpoint", "1", "original", "original")]


CONFIGURED = """
app = App()
{definitions}
async def configure():
    trace("configure")
    {change}
@app.websocket("/ws")
async def endpoint(websocket: WebSocket, {before}c=Depends(configure), d=Depends(original), e=Depends(outer)):
    trace("endpoint", d, e)
"""
DEFINITIONS = """
async def leaf(q: str = "q"):
    trace("leaf", q)
    return q
async def original(l=Depends(leaf)):
    trace("original", l)
    return "original"
async def outer(o=Depends(original), l=Depends(leaf)):
    trace("outer", o, l)
    return "outer", o, l
def plain(): return "plain"
async def reading(n: int, l=Depends(leaf)): return n, l
def generator():
    yield "generator"
    trace("exit generator")
async def asynchronous(l=Depends(leaf)):
    try:
        yield "asynchronous", l
    finally:
        trace("exit asynchronous")
async def again(l=Depends(leaf, use_cache=False)): return "again", l
def failing(): raise WebSocketException(code=3001)
def closing():
    yield
    trace("exit closing")
async def configuring():
    trace("configuring")
    overrides[leaf] = plain
    return "configuring"
async def nested(c=Depends(configuring), l=Depends(leaf)): return c, l
overrides = app.dependency_overrides
"""
REPLACEMENTS = ["plain", "reading", "generator", "asynchronous", "again", "failing", "nested", "5", "lambda body: 1"]


def configured(change, before="", *targets, definitions=""):
    source = CONFIGURED.format(definitions=DEFINITIONS + definitions, change=change, before=before)
    connections = [handshake(target) for target in targets or ("/ws?n=1", "/ws?n=1", "/ws?n=x")]
    return compare(written(source), *connections)


@pytest.mark.census("I2", "I3")
@pytest.mark.parametrize("before", ["", "z=Depends(closing), l=Depends(leaf), ", "o=Depends(original), "])
@pytest.mark.parametrize("value", REPLACEMENTS)
def test_an_override_set_by_a_dependency_applies_to_those_after_it(value, before):
    first, *_ = configured(f"overrides[original] = {value}", before)
    if value == "plain" and not before:
        assert first.calls[-1] == ("endpoint", "plain", ("outer", "plain", "q"))


@pytest.mark.census("I2", "I3")
@pytest.mark.parametrize(
    "change",
    [
        "overrides[leaf] = plain",
        "overrides[outer] = reading",
        "overrides[outer] = nested",
        "app.dependency_overrides = {original: plain}",
        "overrides.clear()",
        "overrides.pop(leaf, None)",
        "overrides[original], overrides[outer] = plain, original",
    ],
)
@pytest.mark.parametrize("definitions", ["", "overrides[leaf] = lambda: 'at first'"])
def test_any_change_of_the_overrides_on_the_way(change, definitions):
    configured(change, "l=Depends(leaf), ", definitions=definitions)


@pytest.mark.census("I2", "I4")
@pytest.mark.parametrize("declaration", ["use_cache=False", "scope='function'", "max_concurrency=1"])
@pytest.mark.parametrize("value", ["generator", "asynchronous", "nested"])
def test_an_override_on_the_way_keeps_the_original_declaration(declaration, value):
    configured(f"overrides[original] = {value}", f"a=Depends(original, {declaration}), z=Depends(closing), ")
