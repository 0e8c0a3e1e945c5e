"""Census 1H: dependencies, their cache, their scopes and their clean-up."""
# ruff: noqa: B008 (Depends() as a default is what is tested)

import contextvars
import functools

import pytest

from compat.harness import compare, handshake, refusal
from compat.source import names, written


@pytest.mark.census("H1")
def test_depends_is_a_frozen_hashable_declaration():
    def build(f, trace):
        def dependency():
            pass

        depends = f.Depends(dependency)
        trace("equal", depends == f.Depends(dependency), len({depends, f.Depends(dependency)}), repr(f.Depends()))
        trace("fields", depends.dependency is dependency, depends.use_cache, depends.scope, depends.max_concurrency)
        trace("type", isinstance(depends, f.params.Depends), isinstance(f.Security(dependency), f.params.Depends))
        trace("security", f.Security(dependency, scopes=["a"]).scopes, f.Security(dependency).scopes)
        try:
            depends.use_cache = False
        except Exception as error:
            trace("frozen", type(error).__name__)
        return f.App()

    assert compare(build).calls[-1] == ("frozen", "FrozenInstanceError")


@pytest.mark.census("H1")
def test_depends_takes_the_annotation_as_the_callable():
    result = compare(
        written("""
app = App()
class Pager:
    def __init__(self, page: int = 1, size: int = 10):
        self.page, self.size = page, size
@app.websocket("/ws")
async def endpoint(websocket: WebSocket, a: Pager = Depends(), b: Annotated[Pager, Depends()] = None):
    trace("pager", a.page, a.size, a is b)
"""),
        handshake("/ws?page=3"),
    )
    assert result.calls == [("pager", 3, 10, True)]


@pytest.mark.census("H1")
def test_a_dependency_must_be_callable():
    def build(f, trace):
        app = f.App()

        @app.websocket("/ws")
        async def endpoint(websocket: f.WebSocket, d=f.Depends(5)):
            pass

    assert str(refusal(build)) == "5 is not a callable object"


@pytest.mark.census("H2")
def test_security_takes_no_scope():
    assert isinstance(refusal(lambda f, trace: f.Security(len, scope="function")), TypeError)


@pytest.mark.census("H4")
def test_where_dependencies_run():
    variable = contextvars.ContextVar("variable", default="unset")

    def build(f, trace):
        import threading

        main = threading.get_ident()
        app = f.App()

        async def awaited():
            variable.set("by an async dependency")
            trace("async", threading.get_ident() == main)

        def threaded():
            trace("sync", threading.get_ident() == main, variable.get())
            variable.set("by a sync dependency")

        def generator():
            trace("enter", threading.get_ident() == main)
            yield
            trace("exit", threading.get_ident() == main)

        async def async_generator():
            trace("enter async", threading.get_ident() == main)
            variable.set("by an async generator")
            yield
            trace("exit async", threading.get_ident() == main)

        class Klass:
            def __init__(self):
                trace("class", threading.get_ident() == main)

        dependencies = [f.Depends(d) for d in (awaited, threaded, generator, Klass)]

        @app.websocket("/ws", dependencies=dependencies)
        async def endpoint(websocket: f.WebSocket, g=f.Depends(async_generator)):
            trace("endpoint", threading.get_ident() == main, variable.get())

        return app

    result = compare(build)
    assert result.calls[1] == ("sync", False, "by an async dependency")
    assert ("endpoint", True, "by an async generator") in result.calls


@pytest.mark.census("H5")
def test_a_dependency_runs_once_and_scopes_make_separate_entries():
    source = """
app = App()
count = iter(range(1, 100))
async def f():
    return next(count)
async def other(a=Depends(f)):
    return a
@app.websocket("/ws", dependencies=[Depends(f)])
async def endpoint(websocket: WebSocket, a=Depends(f), b=Depends(f, scope="function"), c=Depends(f, scope="request"),
                   d=Depends(other), e=Depends(f, scope="function"), g: int = Depends(f)):
    trace("values", a, b, c, d, e, g)
"""
    first, second = compare(written(source), handshake(), handshake())
    assert first.calls == [("values", 1, 2, 3, 1, 2, 1)] and second.calls == [("values", 4, 5, 6, 4, 5, 4)]


@pytest.mark.census("H5")
def test_a_generator_shares_its_entry_with_its_default_scope():
    source = """
app = App()
count = iter(range(1, 100))
async def gen():
    n = next(count)
    trace("enter", n)
    yield n
    trace("exit", n)
@app.websocket("/ws")
async def endpoint(websocket: WebSocket, a=Depends(gen), b=Depends(gen, scope="request"), c=Depends(gen,
                   scope="function")):
    trace("values", a, b, c)
"""
    assert ("values", 1, 1, 2) in compare(written(source)).calls


@pytest.mark.census("H5")
def test_equal_callables_share_an_entry():
    def build(f, trace):
        class Service:
            def __init__(self, name):
                self.name = name

            def __eq__(self, other):
                return isinstance(other, Service) and self.name == other.name

            def __hash__(self):
                return hash(self.name)

            def __call__(self):
                trace("call", self.name)
                return self

        service = Service("s")
        app = f.App()

        @app.websocket("/ws")
        async def endpoint(
            websocket: f.WebSocket,
            a=f.Depends(Service("s")),
            b=f.Depends(service),
            c=f.Depends(Service("t")),
            d=f.Depends(functools.partial(service)),
            e=f.Depends(functools.partial(service)),
        ):
            trace("same", a is b, a is c, d is e)

        return app

    assert names(compare(build), "call") == ["s", "t", "s", "s"]


@pytest.mark.census("H6")
def test_use_cache_false_seeds_but_never_reads_the_cache():
    source = """
app = App()
count = iter(range(1, 100))
def v():
    return next(count)
@app.websocket("/seeds")
async def seeds(websocket: WebSocket, a=Depends(v, use_cache=False), b=Depends(v), c=Depends(v,
                use_cache=False), d=Depends(v)):
    trace("values", a, b, c, d)
@app.websocket("/listed", dependencies=[Depends(v), Depends(v, use_cache=False)])
async def listed(websocket: WebSocket, a=Depends(v)):
    trace("listed", a, next(count))
"""
    seeds, listed = compare(written(source), handshake("/seeds"), handshake("/listed"))
    assert seeds.calls == [("values", 1, 1, 2, 1)] and listed.calls == [("listed", 3, 4)]


@pytest.mark.census("H7")
def test_sub_dependencies_of_a_cached_dependency_are_solved_again():
    source = """
app = App()
count = iter(range(1, 100))
async def resource():
    n = next(count)
    trace("enter", n)
    yield n
    trace("exit", n)
async def service(r=Depends(resource, use_cache=False), q: int = 0):
    trace("service", r)
    return r
@app.websocket("/ws")
async def endpoint(websocket: WebSocket, a=Depends(service), b=Depends(service), c=Depends(service)):
    trace("values", a, b, c)
"""
    result = compare(written(source))
    assert names(result, "enter") == [1, 2, 3] and names(result, "exit") == [3, 2, 1]
    assert names(result, "service") == [1] and ("values", 1, 1, 1) in result.calls


@pytest.mark.census("H7", "G1")
def test_errors_of_a_shared_dependency_are_repeated():
    source = """
app = App()
async def sub(n: int):
    trace("never")
async def a(s=Depends(sub)):
    trace("never")
async def b(s=Depends(sub)):
    trace("never")
async def c():
    trace("c")
@app.websocket("/ws")
async def endpoint(websocket: WebSocket, a=Depends(a), b=Depends(b), c=Depends(c), s=Depends(sub)):
    trace("never")
"""
    result = compare(written(source), handshake("/ws?n=x"))
    assert len(result.errors) == 3 and result.calls == [("c",)]


@pytest.mark.census("H8")
def test_security_scopes_along_the_chain():
    source = """
app = App()
def note(name):
    async def dependency(scopes: SecurityScopes):
        trace(name, scopes.scopes, scopes.scope_str)
    return dependency
base = note("base")
async def middle(scopes: SecurityScopes, b=Security(base, scopes=["m", "x"])):
    trace("middle", scopes.scopes)
async def plain(b=Depends(base)):
    trace("plain")
@app.websocket("/ws", dependencies=[Security(note("listed"), scopes=["l", "l"])])
async def endpoint(websocket: WebSocket, scopes: SecurityScopes, m=Security(middle, scopes=["e", "x"]),
                   p=Security(plain, scopes=["p"]),
                   again=Security(middle, scopes=["x", "e"]), b=Depends(base)):
    trace("endpoint", scopes.scopes)
"""
    result = compare(written(source))
    assert result.calls[0] == ("listed", ["l"], "l")
    assert result.calls[1] == ("base", ["e", "x", "m"], "e x m")
    assert result.calls[-1] == ("endpoint", [])


@pytest.mark.census("H8")
def test_scopes_split_the_cache_only_where_they_are_used():
    source = """
app = App()
count = iter(range(1, 100))
async def unscoped():
    return next(count)
async def scoped(scopes: SecurityScopes, u=Depends(unscoped)):
    return next(count), u
async def user(s=Depends(scoped), u=Depends(unscoped)):
    return s, u, next(count)
@app.websocket("/ws")
async def endpoint(websocket: WebSocket, a=Security(user, scopes=["a"]), b=Security(user, scopes=["b"]),
                   c=Security(user, scopes=["a"]),
                   d=Security(unscoped, scopes=["z"]), e=Depends(unscoped), g=Depends(scoped)):
    trace("values", a, b, c, d, e, g)
"""
    compare(written(source))


@pytest.mark.census("H9")
@pytest.mark.parametrize("value", [0, -1, True, "2", 1.5])
def test_max_concurrency_is_checked(value):
    error = refusal(lambda f, trace: f.Depends(len, max_concurrency=value))
    assert str(error) == "max_concurrency must be a positive integer or None"


LIMITED = """
import asyncio
inner = App()
inside = 0
{slot}
@inner.websocket("/ws")
async def endpoint(websocket: WebSocket, s=Depends(slot, max_concurrency=1)):
    global inside
    inside += 1
    {wait}
    inside -= 1
everyone = asyncio.Event()
async def app(scope, receive, send):
    await asyncio.gather(*(inner(dict(scope), receive, send) for _ in range(3)))
    trace("done")
"""


@pytest.mark.census("H9")
@pytest.mark.parametrize("keyword", ["async def", "def"])
def test_max_concurrency_holds_a_yield_dependency_for_the_whole_connection(keyword):
    slot = f"{keyword} slot():\n    trace('enter')\n    yield\n    trace('exit')"
    wait = "trace('inside', inside)\n    for _ in range(9): await asyncio.sleep(0)\n    trace('inside', inside)"
    calls = compare(written(LIMITED.format(slot=slot, wait=wait))).calls
    assert calls == [("enter",), ("inside", 1), ("inside", 1), ("exit",)] * 3 + [("done",)]


@pytest.mark.census("H9")
@pytest.mark.parametrize("keyword", ["async def", "def"])
def test_max_concurrency_holds_a_function_for_the_call_only(keyword):
    slot = f"{keyword} slot():\n    return 1"
    wait = "if inside == 3: everyone.set()\n    await everyone.wait()"
    assert compare(written(LIMITED.format(slot=slot, wait=wait))).calls == [("done",)]


@pytest.mark.census("H10")
def test_a_dependency_may_accept_and_receive():
    source = """
app = App()
async def greeting(websocket: WebSocket):
    await websocket.accept()
    return await websocket.receive_text()
@app.websocket("/ws")
async def endpoint(websocket: WebSocket, first=Depends(greeting)):
    await websocket.send_text(first + await websocket.receive_text())
"""
    assert compare(written(source), handshake("/ws", "a", "b")).texts == ["ab"]


@pytest.mark.census("H3")
def test_values_of_dependencies_are_not_validated():
    source = """
app = App()
async def text():
    return "not an int"
@app.websocket("/ws")
async def endpoint(websocket: WebSocket, n: Annotated[int, Depends(text)]):
    trace("value", n)
"""
    assert compare(written(source)).calls == [("value", "not an int")]


@pytest.mark.census("H1")
def test_a_deep_chain_with_parameters_at_each_level():
    levels = "\n".join(
        f"async def d{i}(q{i}: int = {i}, below=Depends(d{i - 1})):\n    trace('d', {i})\n    return [q{i}, *below]"
        for i in range(1, 30)
    )
    source = f"""
app = App()
async def d0(): return []
{levels}
@app.websocket("/ws")
async def endpoint(websocket: WebSocket, top=Depends(d29), mid=Depends(d15)):
    trace("endpoint", top, mid)
"""
    good, bad = compare(written(source), handshake("/ws?q7=70"), handshake("/ws?q7=x&q20=y"))
    assert good.calls[-1][1][-7] == 70 and len(bad.errors) == 3


@pytest.mark.census("H1", "G1")
def test_path_parameters_in_dependencies():
    source = """
app = App()
router = APIRouter(prefix="/{tenant}")
async def tenant(tenant: str, missing: Annotated[int, Path()] = ..., room: int = 0):
    trace("never")
async def good(tenant: str, room: int):
    return tenant, room
@router.websocket("/{room}")
async def endpoint(websocket: WebSocket, g=Depends(good)):
    trace("endpoint", g)
@router.websocket("/bad/{room}")
async def bad(websocket: WebSocket, t: Annotated[str, Depends(tenant)]):
    trace("never")
app.include_router(router)
"""
    compare(written(source), handshake("/t/5"), handshake("/t/bad/5"), handshake("/t/x"), may_refuse=True)


@pytest.mark.census("H5", "B13")
def test_router_and_parameter_dependencies_share_the_cache():
    source = """
app = App()
async def session(token: str = "none"):
    trace("session", token)
    return token
router = APIRouter(dependencies=[Depends(session)])
@router.websocket("/ws", dependencies=[Depends(session)])
async def endpoint(websocket: WebSocket, s: Annotated[str, Depends(session)]):
    trace("endpoint", s)
app.include_router(router, dependencies=[Depends(session)])
"""
    assert names(compare(written(source), handshake("/ws?token=t")), "session") == ["t"]
