"""Census 1K: errors and exception handlers."""

import json
from urllib.parse import quote

import pytest

from compat.harness import Changed, compare, handshake, refusal
from compat.source import written


def endpoint(body, before="", signature="websocket: WebSocket"):
    return written(f"""
app = App()
{before}
@app.websocket("/ws")
async def endpoint({signature}):
    {body}
""")


@pytest.mark.census("K1", "3.4", "3.25")
def test_a_validation_error_before_accept_closes_1008_with_the_errors():
    build = endpoint("trace('never')", signature="websocket: WebSocket, q: int")
    result = compare(build, handshake("/ws?q=x"), record_errors=False)
    assert result.close["code"] == 1008 and result.errors[0]["loc"] == ["query", "q"] and result.calls == []


@pytest.mark.census("K1", "G1")
def test_a_reason_before_accept_is_whole_whatever_its_length():
    signature = "websocket: WebSocket, " + ", ".join(f"parameter_{i}: int" for i in range(40))
    result = compare(endpoint("trace('never')", signature=signature), record_errors=False)
    assert len(result.errors) == 40


ACCEPTING = """
async def accepting(websocket: WebSocket):
    await websocket.accept()
"""


@pytest.mark.census("K2", "3.4", "3.5")
@pytest.mark.parametrize("name", ["q", "é" * 50, "x" + "é" * 50])
def test_a_validation_error_after_accept_is_cut_to_123_bytes_on_a_character(name):
    signature = f"websocket: WebSocket, a=Depends(accepting), q: int = Query(alias={name!r}), r: int = 0"
    message = "Input should be a valid integer, unable to parse string as an integer"
    errors = [{"type": "int_parsing", "loc": ["query", alias], "msg": message} for alias in (name, "r")]
    text = json.dumps(errors, ensure_ascii=False, separators=(",", ":"))
    cut = text.encode()[:123].decode(errors="ignore")
    close = {"type": "websocket.close", "code": 1008}
    differs = Changed(
        was=[("sent", close | {"reason": [error | {"input": "x"} for error in errors]})],
        now=[("sent", close | {"reason": cut})],
    )
    connection = handshake(f"/ws?{quote(name)}=x&r=x")
    compare(endpoint("trace('never')", ACCEPTING, signature), connection, differs=differs, record_errors=False)


@pytest.mark.census("K3")
@pytest.mark.parametrize("status", [401, 403, 404, 418, 500, 204, 205, 304])
@pytest.mark.parametrize("where", ["endpoint", "dependency"])
def test_http_exception_before_accept_is_a_denial_response(status, where):
    before = f"async def failing():\n    raise HTTPException({status}, {{'why': [1]}}, headers={{'X-A': 'b'}})\n"
    signature = "websocket: WebSocket" + (", d=Depends(failing)" if where == "dependency" else "")
    result = compare(endpoint("await failing()", before, signature))
    assert result.sent[0]["status"] == status and (b"x-a", b"b") in result.sent[0]["headers"]


@pytest.mark.census("K3")
def test_starlettes_http_exception_and_default_detail():
    before = "from starlette.exceptions import HTTPException as Starlettes\n"
    result = compare(endpoint("raise Starlettes(404)", before))
    assert result.sent[1]["body"] == b'{"detail":"Not Found"}'


def denied(status, body):
    headers = [(b"content-length", str(len(body)).encode()), (b"content-type", b"application/json")]
    return [
        ("sent", {"type": "websocket.http.response.start", "status": status, "headers": headers}),
        ("sent", {"type": "websocket.http.response.body", "body": body}),
    ]


@pytest.mark.census("K4", "4.13")
def test_http_exception_after_accept_closes_1008_with_the_detail():
    build = endpoint("await websocket.accept()\n    raise HTTPException(403, 'not yours')")
    close = {"type": "websocket.close", "code": 1008, "reason": "not yours"}
    compare(build, differs=Changed(was=denied(403, b'{"detail":"not yours"}'), now=[("sent", close)]))


@pytest.mark.census("K4", "K18")
def test_http_exception_after_a_refusal_sends_no_more():
    build = endpoint("await websocket.close(4000)\n    raise HTTPException(403, 'late')")
    compare(build, differs=Changed(was=denied(403, b'{"detail":"late"}'), now=[]))


@pytest.mark.census("K4")
def test_http_exception_after_accept_and_close():
    build = endpoint("await websocket.accept()\n    await websocket.close(4000)\n    raise HTTPException(403, 'late')")
    compare(build, differs=Changed(was=denied(403, b'{"detail":"late"}'), now=[]))


@pytest.mark.census("K5", "K6", "3.8")
@pytest.mark.parametrize("arguments", ["1008", "4000, 'why'", "code=4001, reason=None", "1008, ''"])
@pytest.mark.parametrize("accept", [True, False])
@pytest.mark.parametrize("where", ["endpoint", "dependency"])
def test_websocket_exception_closes_with_its_code(arguments, accept, where):
    before = f"""
async def failing(websocket: WebSocket):
    {"await websocket.accept()" if accept else ""}
    raise WebSocketException({arguments})
"""
    signature = "websocket: WebSocket" + (", d=Depends(failing)" if where == "dependency" else "")
    result = compare(endpoint("await failing(websocket)", before, signature))
    assert result.close["code"] in (1008, 4000, 4001) and isinstance(result.close["reason"], str)


@pytest.mark.census("K7")
def test_websocket_exception_after_close():
    result = compare(endpoint("await websocket.close()\n    raise WebSocketException(4000)"))
    assert type(result.raised).__name__ == "WebSocketDisconnected"


@pytest.mark.census("K8", "K9")
@pytest.mark.parametrize("accept", [True, False])
@pytest.mark.parametrize(
    "error", ["ValueError('boom')", "RuntimeError()", "ExceptionGroup('g', [ValueError(1)])", "Mine()"]
)
def test_other_exceptions_leave_the_application(accept, error):
    before = "import sys\nclass Mine(Exception): pass\n"
    before += "if sys.version_info < (3, 11): from exceptiongroup import ExceptionGroup\n"
    result = compare(endpoint(f"{'await websocket.accept()' if accept else ''}\n    raise {error}", before))
    assert type(result.raised).__name__ == error.partition("(")[0]


@pytest.mark.census("K10", "3.21")
def test_an_escaping_disconnect_leaves_the_application():
    result = compare(
        endpoint("await websocket.accept()\n    while True: trace(await websocket.receive_text())"),
        handshake("/ws", "a", "b", close=4003),
    )
    assert result.calls == [("a",), ("b",)] and result.raised.code == 4003


HANDLER = """
class Base(Exception): pass
class Derived(Base): pass
@app.exception_handler(Base)
async def base(websocket, error):
    trace("base", error, type(websocket).__name__)
    await websocket.close(4000)
"""


@pytest.mark.census("K11")
@pytest.mark.parametrize("accept", [True, False])
def test_handlers_are_found_by_mro(accept):
    result = compare(endpoint(f"{'await websocket.accept()' if accept else ''}\n    raise Derived('x')", HANDLER))
    assert result.close["code"] == 4000 and result.calls[0][2] == "WebSocket"


@pytest.mark.census("K11")
def test_the_most_specific_handler_wins_whatever_the_order():
    before = (
        HANDLER
        + """
@app.exception_handler(Derived)
async def derived(websocket, error):
    trace("derived")
    await websocket.close(4001)
"""
    )
    assert compare(endpoint("raise Derived('x')", before)).close["code"] == 4001


@pytest.mark.census("K11")
def test_sync_handlers_run_in_a_thread():
    before = """
import threading
main = threading.get_ident()
@app.exception_handler(ValueError)
def handler(websocket, error):
    trace("handler", threading.get_ident() == main, str(error))
"""
    result = compare(endpoint("await websocket.accept()\n    raise ValueError('boom')", before))
    assert result.calls == [("handler", False, "boom")]


@pytest.mark.census("K11")
@pytest.mark.parametrize("kind", ["async def", "def"])
@pytest.mark.parametrize("response", ["Response('text', 409)", "JSONResponse({'a': 1}, 409, {'x-a': 'b'})"])
def test_a_returned_response_is_a_denial(kind, response):
    before = f"""
JSONResponse = f.load("responses").JSONResponse
@app.exception_handler(ValueError)
{kind} handler(websocket, error):
    return {response}
"""
    assert compare(endpoint("raise ValueError('boom')", before)).sent[0]["status"] == 409


@pytest.mark.census("K11")
def test_a_handler_that_raises():
    before = (
        HANDLER
        + """
@app.exception_handler(ValueError)
async def handler(websocket, error):
    trace("handler")
    raise Derived("from the handler")
"""
    )
    compare(endpoint("raise ValueError('boom')", before))


@pytest.mark.census("K11")
def test_the_handled_traceback_is_cleared():
    before = """
kept = []
@app.exception_handler(ValueError)
async def handler(websocket, error):
    kept.append(error)
@app.websocket("/kept")
async def show(websocket: WebSocket):
    trace("kept", [error.__traceback__ is None for error in kept])
"""
    _, show = compare(endpoint("raise ValueError('boom')", before), handshake("/ws"), handshake("/kept"))
    assert show.calls == [("kept", [True])]


@pytest.mark.census("K12")
def test_status_handlers():
    before = """
@app.exception_handler(403)
async def handler(websocket, error):
    trace("handler", type(websocket).__name__, error.status_code)
    await websocket.close(4003)
@app.exception_handler(HTTPException)
async def other(websocket, error):
    trace("other", error.status_code)
    await websocket.close(4004)
"""
    body = "raise HTTPException(int(websocket.query_params['status']))"
    results = compare(endpoint(body, before), handshake("/ws?status=403"), handshake("/ws?status=404"))
    assert [result.close["code"] for result in results] == [4003, 4004]


@pytest.mark.census("K13")
@pytest.mark.parametrize("key", ["Exception", "500"])
def test_handlers_for_everything_are_not_called(key):
    before = f"@app.exception_handler({key})\nasync def handler(websocket, error):\n    trace('never')\n"
    result = compare(endpoint("raise ValueError('boom')", before))
    assert result.calls == [] and isinstance(result.raised, ValueError)


@pytest.mark.census("K14", "1D")
def test_validation_handlers_are_replaceable():
    before = """
@app.exception_handler(f.exceptions.WebSocketRequestValidationError)
async def handler(websocket, error):
    trace("handler", error.errors(), isinstance(error, f.exceptions.ValidationException))
    await websocket.accept()
    await websocket.send_json({"errors": len(error.errors())})
    await websocket.close(4422)
"""
    result = compare(endpoint("pass", before, "websocket: WebSocket, q: int, r: int"))
    assert result.texts == ['{"errors":2}'] and result.close["code"] == 4422


@pytest.mark.census("K14")
@pytest.mark.parametrize("base", ["ValidationException", "Exception", "ValueError"])
def test_validation_errors_by_base_class(base):
    name = base if base != "ValidationException" else "f.exceptions.ValidationException"
    before = f"@app.exception_handler({name})\nasync def handler(websocket, error):\n    trace('handler')\n"
    compare(endpoint("pass", before, "websocket: WebSocket, q: int"))


@pytest.mark.census("A5", "3.4")
def test_the_default_validation_handler_can_be_called():
    before = """
handlers = f.load("exception_handlers")
@app.exception_handler(f.exceptions.WebSocketRequestValidationError)
async def handler(websocket, error):
    trace("handler")
    await handlers.websocket_request_validation_exception_handler(websocket, error)
"""
    assert compare(endpoint("pass", before, "websocket: WebSocket, q: int")).close["code"] == 1008


@pytest.mark.census("K15")
def test_the_websocket_exception_handler_is_replaceable():
    before = """
@app.exception_handler(WebSocketException)
async def handler(websocket, error):
    await websocket.close(4100, f"{error.code} {error.reason}")
"""
    assert compare(endpoint("raise WebSocketException(4000, 'r')", before)).close["reason"] == "4000 r"


@pytest.mark.census("K17")
def test_three_ways_of_registering():
    source = """
class A(Exception): pass
class B(Exception): pass
class C(Exception): pass
def handler(name):
    async def handle(websocket, error):
        trace("handler", name)
    return handle
app = App(exception_handlers={A: handler("constructor")})
app.add_exception_handler(B, handler("method"))
returned = app.exception_handler(C)(handler("decorator"))
trace("returned", callable(returned))
@app.websocket("/{name}")
async def endpoint(websocket: WebSocket, name: str):
    raise {"a": A, "b": B, "c": C}[name]()
"""
    results = compare(written(source), *(handshake(f"/{name}") for name in "abc"))
    assert [result.calls[-1][1] for result in results] == ["constructor", "method", "decorator"]


@pytest.mark.census("K17")
def test_a_handler_added_after_the_first_connection_is_ignored():
    source = """
app = App()
@app.websocket("/add")
async def add(websocket: WebSocket):
    @app.exception_handler(ValueError)
    async def handler(websocket, error):
        trace("never")
@app.websocket("/ws")
async def endpoint(websocket: WebSocket):
    raise ValueError("boom")
"""
    _, result = compare(written(source), handshake("/add"), handshake("/ws"))
    assert isinstance(result.raised, ValueError) and result.calls == []


@pytest.mark.census("K17")
def test_defaults_can_be_replaced_in_the_constructor():
    source = """
async def handler(websocket, error):
    await websocket.close(4000, type(error).__name__)
app = App(exception_handlers={HTTPException: handler, f.exceptions.WebSocketRequestValidationError: handler})
trace("handlers", sorted(getattr(key, "__name__", key) for key in app.exception_handlers))
@app.websocket("/ws")
async def endpoint(websocket: WebSocket, q: int):
    raise HTTPException(400)
"""
    invalid, denied = compare(written(source), handshake("/ws"), handshake("/ws?q=1"))
    assert invalid.close["reason"] == "WebSocketRequestValidationError" and denied.close["reason"] == "HTTPException"


@pytest.mark.census("A4")
def test_exception_classes():
    def build(f, trace):
        e = f.exceptions
        http = f.HTTPException(404, "detail", {"a": "b"})
        trace("http", str(http), repr(http), http.headers, f.HTTPException(404).detail)
        websocket = f.WebSocketException(1008, "reason")
        trace("websocket", str(websocket), repr(websocket), f.WebSocketException(1008).reason)
        error = e.WebSocketRequestValidationError([{"type": "missing", "loc": ("query", "q")}])
        trace("validation", error.errors(), str(error), error.endpoint_function, error.endpoint_path)
        full = e.RequestValidationError(
            [], body={"a": 1}, endpoint_ctx={"function": "f", "path": "GET /", "file": "x.py", "line": 3}
        )
        trace("request", str(full), full.body, full.endpoint_line, full.endpoint_file)
        two = e.ResponseValidationError([1, 2], body=3)
        trace("response", str(two), two.body)
        for name in (
            "FastAPIError",
            "DependencyScopeError",
            "FastAPIDeprecationWarning",
            "PydanticV1NotSupportedError",
        ):
            trace("mro", name, [base.__name__ for base in getattr(e, name).__mro__])
        trace("same", e.HTTPException is f.HTTPException, e.WebSocketException is f.WebSocketException)
        return f.App()

    compare(build)


@pytest.mark.census("K15")
def test_websocket_exception_needs_a_code():
    assert isinstance(refusal(lambda f, trace: f.WebSocketException()), TypeError)
