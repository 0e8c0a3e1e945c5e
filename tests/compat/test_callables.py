"""Census 1H3: what can be a dependency, by how it is called."""

import pytest

from compat.harness import compare, handshake
from compat.source import written

KINDS = """
== async function
async def dep(n: int = 1):
    trace('call', n)
    return n
== function
def dep(n: int = 1):
    trace('call', n)
    return n
== generator
def dep(n: int = 1):
    trace('enter', n)
    yield n
    trace('exit', n)
== async generator
async def dep(n: int = 1):
    trace('enter', n)
    yield n
    trace('exit', n)
== class
class dep:
    def __init__(self, n: int = 1):
        trace('init', n)
    def __repr__(self):
        return 'dep'
== instance
class C:
    def __call__(self, n: int = 1):
        trace('call', n)
        return n
dep = C()
== async instance
class C:
    async def __call__(self, n: int = 1):
        trace('call', n)
        return n
dep = C()
== generator instance
class C:
    def __call__(self, n: int = 1):
        trace('enter')
        yield n
        trace('exit')
dep = C()
== async generator instance
class C:
    async def __call__(self, n: int = 1):
        trace('enter')
        yield n
        trace('exit')
dep = C()
== method
class C:
    def m(self, n: int = 1):
        return n
dep = C().m
== async method
class C:
    async def m(self, n: int = 1):
        return n
dep = C().m
== generator method
class C:
    def m(self, n: int = 1):
        yield n
        trace('exit')
dep = C().m
== async generator method
class C:
    async def m(self, n: int = 1):
        yield n
        trace('exit')
dep = C().m
== class method
class C:
    @classmethod
    async def m(cls, n: int = 1):
        return n
dep = C.m
== static method
class C:
    @staticmethod
    def m(n: int = 1):
        return n
dep = C.m
== lambda
dep = lambda n=1: n
== partial
def base(x, n: int = 1):
    return x, n
dep = partial(base, 9)
== async partial
async def base(x, n: int = 1):
    return x, n
dep = partial(base, 9)
== keyword partial
async def base(x: int, n: int = 1):
    return x, n
dep = partial(base, x=9)
== generator partial
def base(x, n: int = 1):
    yield x, n
    trace('exit')
dep = partial(base, 9)
== async generator partial
async def base(x, n: int = 1):
    yield x, n
    trace('exit')
dep = partial(base, 9)
== partial of a partial
async def base(x, y, n: int = 1):
    return x, y, n
dep = partial(partial(base, 9), 8)
== partial of an instance
class C:
    async def __call__(self, x, n: int = 1):
        return n
dep = partial(C(), 9)
== partial of a class
class C(list):
    def __init__(self, x, n: int = 1):
        super().__init__([x, n])
dep = partial(C, 9)
== wrapped async
async def base(n: int = 1):
    return n
@wraps(base)
def dep(*args, **kwargs):
    return base(*args, **kwargs)
== wrapped sync
def base(n: int = 1):
    return n
@wraps(base)
async def dep(*args, **kwargs):
    return base(*args, **kwargs)
== wrapped generator
def base(n: int = 1):
    yield n
    trace('exit')
@wraps(base)
def dep(*args, **kwargs):
    return base(*args, **kwargs)
== wrapped async generator
async def base(n: int = 1):
    yield n
    trace('exit')
@wraps(base)
def dep(*a, **k):
    return base(*a, **k)
== wrapped class
class base(dict):
    def __init__(self, n: int = 1):
        super().__init__(n=n)
@wraps(base, updated=())
def dep(*args, **kwargs):
    return base(*args, **kwargs)
== class with a call
class dep:
    def __init__(self, n: int = 1):
        trace('init', n)
    async def __call__(self):
        trace('never')
    def __repr__(self):
        return 'dep'
== class with new
class dep:
    def __new__(cls, n: int = 1):
        return ('new', n)
== context manager
from contextlib import contextmanager
@contextmanager
def dep(n: int = 1):
    yield n
== async context manager
from contextlib import asynccontextmanager
@asynccontextmanager
async def dep(n: int = 1):
    yield n
== generic alias
from typing import Generic, TypeVar
T = TypeVar('T')
class G(Generic[T]):
    def __init__(self, n: int = 1):
        trace('init', n)
    def __repr__(self):
        return 'G'
dep = G[int]
== model
class dep(BaseModel):
    n: int = 1
== dataclass
import dataclasses
@dataclasses.dataclass
class dep:
    n: int = 1
== builtin
dep = dict
== returns a coroutine
async def base(n):
    return n
def dep(n: int = 1):
    c = base(n)
    c.close()
    return type(c).__name__
"""
KINDS = dict(part.split("\n", 1) for part in KINDS.split("== ")[1:])


@pytest.mark.census("H3")
@pytest.mark.parametrize("kind", KINDS)
def test_kinds_of_dependency(kind):
    source = f"""
{KINDS[kind]}
app = App()
@app.websocket("/ws")
async def endpoint(websocket: WebSocket, d=Depends(dep)):
    trace("endpoint", d)
    await websocket.accept()
@app.websocket("/listed", dependencies=[Depends(dep)])
async def listed(websocket: WebSocket):
    trace("listed")
"""
    targets = ["/ws", "/ws?n=5", "/ws?n=x", "/listed?n=2", "/ws?args=1&kwargs=2"]
    compare(written(source), *(handshake(target) for target in targets), may_refuse=kind == "builtin")


WRAPPERS = """
import inspect
def plain(function):
    @wraps(function)
    def wrapper(*args, **kwargs):
        return function(*args, **kwargs)
    return wrapper
def asynchronous(function):
    if inspect.isgeneratorfunction(function) or inspect.isasyncgenfunction(function):
        @wraps(function)
        async def wrapper(*args, **kwargs):
            items = function(*args, **kwargs)
            if hasattr(items, "__aiter__"):
                async for item in items:
                    yield item
            else:
                for item in items:
                    yield item
        return wrapper
    @wraps(function)
    async def wrapper(*args, **kwargs):
        value = function(*args, **kwargs)
        return await value if inspect.isawaitable(value) else value
    return wrapper
"""


@pytest.mark.census("H3")
@pytest.mark.parametrize("keyword", ["def", "async def"])
@pytest.mark.parametrize("ending", ["return", "yield"])
@pytest.mark.parametrize("wrapper", ["plain", "asynchronous"])
@pytest.mark.parametrize("place", ["function", "instance", "method", "partial"])
def test_wrappers_around_every_kind(keyword, ending, wrapper, place):
    body = f"trace('call', n)\n        {ending} n"
    source = (
        WRAPPERS
        + {
            "function": f"@{wrapper}\n{keyword} dep(n: int = 1):\n        {body}",
            "partial": f"@{wrapper}\n{keyword} base(x, n: int = 1):\n        {body}\ndep = partial(base, 9)",
            "instance": f"class C:\n    {keyword} __call__(self, n: int = 1):\n        {body}\ndep = {wrapper}(C())"
            if wrapper == "plain"
            else f"class C:\n    {keyword} __call__(self, n: int = 1):\n        {body}\ndep = {wrapper}(C().__call__)",
            "method": f"class C:\n    @{wrapper}\n    {keyword} __call__(self, n: int = 1):\n        {body}\ndep = C()",
        }[place]
        + """
app = App()
@app.websocket("/ws")
async def endpoint(websocket: WebSocket, d=Depends(dep)):
    trace("endpoint", d)
"""
    )
    compare(written(source), handshake("/ws?n=4"))
