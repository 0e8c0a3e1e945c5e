"""Census 1H: dependencies with yield, their two scopes and their clean-up."""

import asyncio

import pytest

from compat.harness import Cancel, compare, handshake, refusal
from compat.source import names, written

RESOURCES = """
app = App()
def resource(name, sync=False, before=None, after=None, swallow=False, convert=None):
    async def asynchronous():
        trace("enter", name)
        if before: raise before
        try:
            yield name
        except BaseException as error:
            trace("thrown", name, type(error).__name__)
            if convert: raise convert
            if not swallow: raise
        finally:
            trace("exit", name)
        if after: raise after
    def synchronous():
        trace("enter", name)
        if before: raise before
        try:
            yield name
        except BaseException as error:
            trace("thrown", name, type(error).__name__)
            if convert: raise convert
            if not swallow: raise
        finally:
            trace("exit", name)
        if after: raise after
    return synchronous if sync else asynchronous
"""


@pytest.mark.census("H12")
def test_exit_order():
    source = (
        RESOURCES
        + """
@app.websocket("/ws")
async def endpoint(websocket: WebSocket, a=Depends(resource("a")), b=Depends(resource("b"), scope="function"),
                   c=Depends(resource("c", True), scope="request"), d=Depends(resource("d", True), scope="function")):
    await websocket.accept()
    trace("endpoint")
"""
    )
    assert names(compare(written(source)), "exit") == ["d", "b", "c", "a"]


@pytest.mark.census("H13")
@pytest.mark.parametrize("kind", ["async def", "def"])
@pytest.mark.parametrize("body", ["yield", "return"])
def test_a_request_scoped_generator_cannot_depend_on_function_scope(kind, body):
    source = (
        RESOURCES
        + f"""
{kind} outer(a=Depends(resource("a"), scope="function")):
    trace("outer", a)
    {body}
@app.websocket("/ws")
async def endpoint(websocket: WebSocket, o=Depends(outer)):
    trace("endpoint")
"""
    )
    if body == "yield":
        assert 'The dependency "outer" has a scope of "request"' in str(refusal(written(source)))
    else:
        assert names(compare(written(source)), "exit") == ["a"]


@pytest.mark.census("H13")
@pytest.mark.parametrize(
    "outer_scope, inner_scope", [("function", "function"), ("function", "request"), ("request", None)]
)
def test_other_combinations_of_scopes(outer_scope, inner_scope):
    source = (
        RESOURCES
        + f"""
async def outer(a=Depends(resource("a"), scope={inner_scope!r})):
    trace("enter", "outer")
    yield
    trace("exit", "outer")
@app.websocket("/ws")
async def endpoint(websocket: WebSocket, o=Depends(outer, scope={outer_scope!r})):
    trace("endpoint")
"""
    )
    assert names(compare(written(source)), "exit") == ["outer", "a"]


@pytest.mark.census("H13", "I2")
def test_an_override_can_break_the_rule_at_run_time():
    source = (
        RESOURCES
        + """
def plain():
    return 1
async def outer(a=Depends(resource("a"), scope="function")):
    yield a
app.dependency_overrides[plain] = outer
@app.websocket("/ws")
async def endpoint(websocket: WebSocket, p=Depends(plain)):
    trace("endpoint")
"""
    )
    assert type(compare(written(source)).raised).__name__ == "DependencyScopeError"


RAISED = [
    "ValueError('boom')",
    "HTTPException(403, 'no')",
    "WebSocketException(4000, 'bye')",
    "f.WebSocketDisconnect(1001)",
    "asyncio.CancelledError()",
]


@pytest.mark.census("H14", "H15", "H16")
@pytest.mark.parametrize("sync", [False, True])
@pytest.mark.parametrize("scope", ["function", "request"])
@pytest.mark.parametrize("error", RAISED)
@pytest.mark.parametrize("option", ["", "swallow=True", "convert=KeyError('x')", "after=WebSocketException(4001)"])
def test_exceptions_are_thrown_into_generators(sync, scope, error, option):
    source = (
        RESOURCES
        + f"""
import asyncio
@app.websocket("/ws")
async def endpoint(websocket: WebSocket, outer=Depends(resource("outer")),
                   inner=Depends(resource("inner", {sync}, {option}), scope={scope!r})):
    trace("endpoint")
    raise {error}
"""
    )
    result = compare(written(source))
    assert names(result, "exit") == ["inner", "outer"]
    swallowed = [("thrown", "outer")] if option != "swallow=True" else []
    assert [call[:2] for call in result.calls if call[0] == "thrown"] == [("thrown", "inner"), *swallowed]


@pytest.mark.census("H14")
@pytest.mark.parametrize("sync", [False, True])
def test_a_validation_error_is_thrown_into_generators(sync):
    source = (
        RESOURCES
        + f"""
@app.websocket("/ws")
async def endpoint(websocket: WebSocket, q: int, a=Depends(resource("a", {sync}))):
    trace("never")
"""
    )
    result = compare(written(source))
    assert ("thrown", "a", "WebSocketRequestValidationError") in result.calls and result.errors


@pytest.mark.census("H15")
@pytest.mark.parametrize("sync", [False, True])
def test_a_swallowed_validation_error_ends_silently(sync):
    source = (
        RESOURCES
        + f"""
@app.websocket("/ws")
async def endpoint(websocket: WebSocket, q: int, a=Depends(resource("a", {sync}, swallow=True))):
    trace("never")
"""
    )
    result = compare(written(source))
    assert result.sent == [] and result.raised is None


@pytest.mark.census("H16")
@pytest.mark.parametrize("closed", [False, True])
def test_raising_after_yield(closed):
    source = (
        RESOURCES
        + f"""
@app.websocket("/ws")
async def endpoint(websocket: WebSocket, a=Depends(resource("a", after=WebSocketException(4002, "late")))):
    await websocket.accept()
    if {closed}: await websocket.close()
"""
    )
    result = compare(written(source))
    if closed:
        assert type(result.raised).__name__ == "WebSocketDisconnected"
    else:
        assert result.close == {"type": "websocket.close", "code": 4002, "reason": "late"}


@pytest.mark.census("H14")
@pytest.mark.parametrize("position", [0, 1, 2])
@pytest.mark.parametrize("error", RAISED[:4])
def test_a_failing_dependency_unwinds_those_before_it(position, error):
    names_of = ["a", "b", "c"]
    arguments = [f"{n}=Depends(resource({n!r}, {bool(i % 2)}" for i, n in enumerate(names_of)]
    arguments[position] += f", before={error}"
    source = (
        RESOURCES
        + f"""
@app.websocket("/ws")
async def endpoint(websocket: WebSocket, {", ".join(argument + "))" for argument in arguments)}):
    trace("never")
"""
    )
    result = compare(written(source))
    assert names(result, "enter") == names_of[: position + 1]
    assert names(result, "exit") == names_of[:position][::-1]


@pytest.mark.census("H17")
@pytest.mark.parametrize("kind", ["async def", "def"])
@pytest.mark.parametrize(
    "body",
    [
        "if False: yield",
        "yield 1; yield 2",
        "\n    try: yield\n    except ValueError: yield 2",
        "\n    yield\n    return",
    ],
)
@pytest.mark.parametrize("raises", [False, True])
def test_misbehaving_generators(kind, body, raises):
    source = f"""
app = App()
{kind} dep():
    {body}
@app.websocket("/ws")
async def endpoint(websocket: WebSocket, d=Depends(dep)):
    trace("endpoint", d)
    if {raises}: raise ValueError("boom")
"""
    compare(written(source))


@pytest.mark.census("H18")
@pytest.mark.parametrize("kind", ["async def", "def"])
def test_clean_up_is_shielded_from_cancellation(kind):
    pause = "await asyncio.sleep(0)" if kind == "async def" else "time.sleep(0)"
    source = f"""
import asyncio, time
app = App()
{kind} dep():
    try:
        yield
    finally:
        trace("cleaning")
        {pause}
        {pause}
        trace("clean")
@app.websocket("/ws")
async def endpoint(websocket: WebSocket, d=Depends(dep)):
    await websocket.accept()
    await websocket.receive_text()
"""
    result = compare(written(source), handshake("/ws", Cancel()))
    assert [call[0] for call in result.calls] == ["cleaning", "clean"]
    assert isinstance(result.raised, asyncio.CancelledError)


@pytest.mark.census("H18")
def test_clean_up_is_shielded_within_a_cancelled_anyio_scope():
    source = """
import anyio
inner = App()
async def dep():
    try:
        yield
    finally:
        await anyio.sleep(0)
        trace("clean")
@inner.websocket("/ws")
async def endpoint(websocket: WebSocket, d=Depends(dep)):
    await websocket.accept()
    trace("waiting")
    cancelled.cancel()
    await anyio.sleep_forever()
async def app(scope, receive, send):
    global cancelled
    with anyio.CancelScope() as cancelled:
        await inner(scope, receive, send)
    trace("cancelled", cancelled.cancelled_caught)
"""
    assert compare(written(source)).calls == [("waiting",), ("clean",), ("cancelled", True)]


@pytest.mark.census("H18")
def test_a_task_group_in_a_generator():
    source = """
import anyio
app = App()
async def group():
    async with anyio.create_task_group() as tasks:
        yield tasks
        tasks.cancel_scope.cancel()
@app.websocket("/ws")
async def endpoint(websocket: WebSocket, tasks=Depends(group)):
    await websocket.accept()
    async def background():
        trace("started")
        try:
            await anyio.sleep_forever()
        finally:
            trace("stopped")
    tasks.start_soon(background)
    await anyio.sleep(0)
    await anyio.sleep(0)
    trace("done")
"""
    assert compare(written(source)).calls == [("started",), ("done",), ("stopped",)]


@pytest.mark.census("H4", "H12")
def test_context_variables_around_a_yield():
    source = """
import contextvars
variable = contextvars.ContextVar("variable", default="unset")
app = App()
async def dep():
    token = variable.set("set")
    yield
    trace("exit", variable.get())
    variable.reset(token)
@app.websocket("/ws")
async def endpoint(websocket: WebSocket, d=Depends(dep)):
    trace("endpoint", variable.get())
    variable.set("changed")
"""
    assert compare(written(source)).calls == [("endpoint", "set"), ("exit", "changed")]
