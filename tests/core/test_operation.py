"""The compiled half of an HTTP operation: bodies, dependencies, the order of exits, responses sent, exceptions."""

import asyncio
import json
import threading
from collections.abc import AsyncIterator, Iterator
from typing import Annotated, Any

import pytest
from starlette._utils import is_async_callable
from starlette.background import BackgroundTask
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, PlainTextResponse, RedirectResponse, Response, StreamingResponse

from exchanges import Answer, ask, http_scope, respond
from wirefast import App, BackgroundTasks, Body, Depends, File, Form, HTTPException, UploadFile
from wirefast._core import operation as module
from wirefast.exceptions import FastAPIError, RequestValidationError
from wirefast.routes.http import APIRoute


def test_is_compiled():
    assert module.__file__.endswith((".so", ".pyd"))


# ---- Bodies ----


async def echo(value: Annotated[Any, Body()] = "absent") -> Any:
    return {"value": value.decode("latin-1") if isinstance(value, bytes) else value, "type": type(value).__name__}


ECHO = APIRoute("/", echo, methods=["POST"], response_model=None)
LENIENT = APIRoute("/", echo, methods=["POST"], response_model=None, strict_content_type=False)


@pytest.mark.parametrize(
    "content_type, parsed",
    [
        ("application/json", True),
        ("application/json; charset=utf-8", True),
        ("Application/JSON", True),
        ("application/problem+json", True),
        ("application/geo+json;v=1", True),
        ("application/jsonx", False),
        ("application/octet-stream", False),
        ("text/json", False),
        ("text/plain", False),
        ("json", False),
        ("", False),
        (None, False),
    ],
)
def test_content_type_decides(content_type: str | None, parsed: bool):
    headers = {} if content_type is None else {"content-type": content_type}
    answer = respond(ECHO, "POST", "/", body=b"[1]", headers=headers)
    assert answer.json == ({"value": [1], "type": "list"} if parsed else {"value": "[1]", "type": "bytes"})
    lenient = respond(LENIENT, "POST", "/", body=b"[1]", headers=headers)
    assert (lenient.json["type"] == "list") is (parsed or not content_type)


@pytest.mark.parametrize(
    "body",
    [
        b'{"a": [1, 2.5, -0, 1e3, true, null, "\\u00e9\\ud83d\\ude00"]}',
        b"18446744073709551616",
        b"-9223372036854775809",
        b"NaN",
        b"[Infinity, -Infinity]",
        b'"\\ud800"',
        b"1e999",
        "\ufeff[1]".encode("utf-8"),
        "[1, \"é\"]".encode("utf-16"),
        "[1]".encode("utf-32-le"),
        b'{"a": 1, "a": 2}',
        b"-0",
        b"  7  ",
    ],
)  # fmt: skip
def test_json_is_what_the_standard_library_reads(body: bytes):
    seen: list[Any] = []

    async def endpoint(value: Annotated[Any, Body()], request: Request) -> None:
        seen.append(value)
        assert await request.json() is value
        assert await request.body() == body

    answer = respond(
        APIRoute("/", endpoint, methods=["POST"]), "POST", "/", body=body, headers={"content-type": "application/json"}
    )
    assert answer.raised is None and answer.status == 200
    assert repr(seen[0]) == repr(json.loads(body))


@pytest.mark.parametrize(
    "body, status", [(b"{", 422), (b"", 200), (b'"\xff"', 400), (b"[" * 100_000, 400), (b"nul", 422), (b"1 2", 422)]
)
def test_malformed_json(body: bytes, status: int):
    app = App()
    app.post("/")(echo)
    answer = respond(app, "POST", "/", body=body, headers={"content-type": "application/json"})
    assert answer.status == status


def test_body_in_chunks():
    answer = respond(ECHO, "POST", "/", body=[b'{"a"', b"", b": 1}"], headers={"content-type": "application/json"})
    assert answer.json["value"] == {"a": 1}


def test_client_that_leaves_before_its_body_is_complete():
    async def main() -> Answer:
        messages = [{"type": "http.request", "body": b"{", "more_body": True}, {"type": "http.disconnect"}]

        async def receive() -> Any:
            return messages.pop(0)

        answer = Answer()
        try:
            await ECHO.app(http_scope("POST", "/", {"content-type": "application/json"}), receive, None)
        except Exception as exc:
            answer.raised = exc
        return answer

    raised = asyncio.run(main()).raised
    assert isinstance(raised, HTTPException.__mro__[1]) and raised.status_code == 400
    assert isinstance(raised.__cause__, ClientDisconnect)


def test_replaced_json_functions_are_called(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(json, "loads", lambda text: {"loaded": len(text)})
    answer = respond(ECHO, "POST", "/", body=b"[]", headers={"content-type": "application/json"})
    monkeypatch.undo()
    assert answer.json["value"] == {"loaded": 2}
    monkeypatch.setattr(json, "dumps", lambda value, **options: "dumped")
    answer = respond(ECHO, "POST", "/", body=b"[]", headers={"content-type": "application/json"})
    assert answer.body == b"dumped"


def test_files_of_a_form_are_closed_after_the_response():
    seen: list[Any] = []

    async def endpoint(file: UploadFile, name: Annotated[str, Form()], raw: Annotated[bytes, File()]) -> Any:
        seen.append(file)
        return StreamingResponse(content(file))

    async def content(file: UploadFile) -> AsyncIterator[bytes]:
        assert not file.file.closed
        yield await file.read()

    parts = [("file", b"text"), ("raw", b"bytes")]
    body = b"".join(
        b'--x\r\ncontent-disposition: form-data; name="%s"; filename="f"\r\n\r\n%s\r\n' % (name.encode(), data)
        for name, data in parts
    )
    body += b'--x\r\ncontent-disposition: form-data; name="name"\r\n\r\nN\r\n--x--\r\n'
    route = APIRoute("/", endpoint, methods=["POST"])
    answer = respond(route, "POST", "/", body=body, headers={"content-type": "multipart/form-data; boundary=x"})
    assert answer.raised is None and answer.body == b"text"
    assert seen[0].file.closed


# ---- Responses ----


@pytest.mark.parametrize(
    "value, body",
    [
        ({"a": 1}, b'{"a":1}'),
        (None, b"null"),
        ("é", '"é"'.encode()),
        ([1.0, 1e16, 1e-7, 10**30], b"[1.0,1e+16,1e-07,1000000000000000000000000000000]"),
        ({"_sa_instance_state": 1, "b": {3}}, b'{"b":[3]}'),
    ],
)
@pytest.mark.parametrize("in_thread", [False, True])
def test_plain_results(value: Any, body: bytes, in_thread: bool):
    async def coroutine():
        return value

    answer = respond(APIRoute("/", (lambda: value) if in_thread else coroutine), "GET", "/")
    assert answer.body == body
    assert answer.headers == {"content-length": str(len(body)), "content-type": "application/json"}


def test_results_that_json_cannot_hold():
    async def endpoint():
        return object()

    assert isinstance(respond(APIRoute("/", endpoint), "GET", "/").raised, ValueError)


@pytest.mark.parametrize("status", [200, 201, 204, 205, 304])
@pytest.mark.parametrize("model", [None, list[int]])
def test_status_without_a_body(status: int, model: Any):
    async def endpoint(response: Response):
        response.status_code = status
        return [1]

    answer = respond(APIRoute("/", endpoint, response_model=model), "GET", "/")
    assert answer.status == status
    assert answer.body == (b"" if status in (204, 205, 304) else b"[1]")
    # A 205 says the length that it leaves out, as FastAPI's does.
    assert ("content-length" in answer.headers) is (status not in (204, 304))


def test_injected_response():
    async def dependency(response: Response):
        response.headers["x-dependency"] = "1"
        response.set_cookie("a", "b")
        response.status_code = 202

    async def endpoint(response: Response, _: Annotated[None, Depends(dependency)], own: bool = False):
        response.headers["x-endpoint"] = "2"
        return PlainTextResponse("own") if own else {}

    route = APIRoute("/", endpoint, status_code=201)
    answer = respond(route, "GET", "/")
    assert answer.status == 202
    assert (answer.headers["x-dependency"], answer.headers["x-endpoint"]) == ("1", "2")
    assert answer.headers["set-cookie"].startswith("a=b")
    own = respond(route, "GET", "/?own=1")
    assert own.status == 200 and "x-endpoint" not in own.headers


def test_response_classes():
    async def endpoint():
        return "/there"

    redirect = respond(APIRoute("/", endpoint, response_class=RedirectResponse), "GET", "/")
    assert (redirect.status, redirect.headers["location"]) == (307, "/there")

    class Rendered(JSONResponse):
        def render(self, content: Any) -> bytes:
            return b"rendered " + super().render(content)

    rendered = respond(APIRoute("/", endpoint, response_class=Rendered, status_code=203), "GET", "/")
    assert (rendered.status, rendered.body) == (203, b'rendered "/there"')


def test_background_of_a_returned_response():
    events: list[str] = []

    async def endpoint(tasks: BackgroundTasks, own: bool = False):
        tasks.add_task(events.append, "injected")
        task = BackgroundTask(events.append, "own") if own else None
        return PlainTextResponse("", background=task)

    route = APIRoute("/", endpoint)
    respond(route, "GET", "/")
    respond(route, "GET", "/?own=1")
    assert events == ["injected", "own"]


def test_plain_functions_run_in_a_thread_with_their_validation():
    threads: list[int] = []

    class Noting(int):
        @classmethod
        def __get_pydantic_core_schema__(cls, source: Any, handler: Any) -> Any:
            from pydantic_core import core_schema

            return core_schema.no_info_after_validator_function(
                lambda value: threads.append(threading.get_ident()) or value, core_schema.int_schema()
            )

    def endpoint() -> Noting:
        threads.append(threading.get_ident())
        return 1  # type: ignore[return-value]

    assert respond(APIRoute("/", endpoint), "GET", "/").body == b"1"
    assert len(set(threads)) == 1 and threads[0] != threading.get_ident()


# ---- Exits and exceptions ----


class Scene:
    """An endpoint with a generator of each scope, which notes what happens."""

    def __init__(self, *, fail: str = "", swallow: str = "", handled: bool = True) -> None:
        self.events: list[str] = []
        self.fail = fail
        self.swallow = swallow
        app = self.app = App()
        if handled:
            app.exception_handler(KeyError)(self.handle)

        @app.get("/")
        async def endpoint(
            tasks: BackgroundTasks,
            outer: Annotated[None, Depends(self.request_scope)],
            inner: Annotated[None, Depends(self.function_scope, scope="function")],
        ) -> str:
            self.note("endpoint")
            tasks.add_task(self.note, "task")
            return "done"

    def note(self, event: str) -> None:
        self.events.append(event)
        if event == self.fail:
            raise KeyError(event)

    async def request_scope(self) -> AsyncIterator[None]:
        self.note("enter request")
        try:
            yield
        except BaseException as exc:
            self.events.append(f"request saw {type(exc).__name__}")
            if self.swallow != "request":
                raise
        self.note("exit request")

    def function_scope(self) -> Iterator[None]:
        self.note("enter function")
        try:
            yield
        except BaseException as exc:
            self.events.append(f"function saw {type(exc).__name__}")
            if self.swallow != "function":
                raise
        self.note("exit function")

    async def handle(self, request: Request, exc: KeyError) -> Response:
        self.events.append("handled")
        return PlainTextResponse("handled", status_code=418)

    def run(self) -> Answer:
        async def main() -> Answer:
            answer = Answer()

            async def send(message: Any) -> None:
                answer.messages.append(message)
                if message["type"] == "http.response.start":
                    self.events.append(f"start {message['status']}")

            try:
                await self.app(http_scope("GET", "/"), None, send)
            except Exception as exc:
                answer.raised = exc
            return answer

        return asyncio.run(main())


ENTER = ["enter request", "enter function"]


def test_order():
    scene = Scene()
    assert scene.run().body == b'"done"'
    assert scene.events == [*ENTER, "endpoint", "exit function", "start 200", "task", "exit request"]


def test_exception_of_the_endpoint():
    scene = Scene(fail="endpoint")
    assert scene.run().status == 418
    assert scene.events == [
        *ENTER, "endpoint", "function saw KeyError", "request saw KeyError", "handled", "start 418",
    ]  # fmt: skip


def test_exception_between_two_dependencies():
    scene = Scene(fail="enter function")
    assert scene.run().status == 418
    assert scene.events == [*ENTER, "request saw KeyError", "handled", "start 418"]


def test_exception_of_a_function_scoped_exit():
    scene = Scene(fail="exit function")
    assert scene.run().status == 418
    assert scene.events == [*ENTER, "endpoint", "exit function", "request saw KeyError", "handled", "start 418"]


@pytest.mark.parametrize("fail", ["task", "exit request"])
def test_exception_after_the_response_has_begun(fail: str):
    scene = Scene(fail=fail)
    answer = scene.run()
    assert answer.status == 200 and answer.body == b'"done"'
    assert isinstance(answer.raised, RuntimeError)
    assert str(answer.raised) == "Caught handled exception, but response already started."
    assert isinstance(answer.raised.__cause__, KeyError)
    assert "handled" not in scene.events
    unhandled = Scene(fail=fail, handled=False).run()
    assert isinstance(unhandled.raised, KeyError) and unhandled.status == 200


@pytest.mark.parametrize("swallow", ["request", "function"])
def test_swallowed_exception(swallow: str):
    scene = Scene(fail="endpoint", swallow=swallow)
    answer = scene.run()
    assert isinstance(answer.raised, FastAPIError) and answer.status == 500
    assert str(answer.raised).startswith("Response not awaited.")
    assert scene.events[-2:] == [f"exit {swallow}", "start 500"] or swallow == "function"


def test_handler_that_is_called_twice_leaves_everything_it_entered():
    events: list[str] = []

    async def dependency() -> AsyncIterator[None]:
        events.append("enter")
        yield
        events.append("exit")

    async def endpoint(_: Annotated[None, Depends(dependency)]) -> int:
        if len(events) == 1:
            raise KeyError
        return 1

    class Retrying(APIRoute):
        def get_route_handler(self) -> Any:
            handler = super().get_route_handler()

            async def twice(request: Request) -> Response:
                try:
                    return await handler(request)
                except KeyError:
                    return await handler(request)

            return twice

    assert respond(Retrying("/", endpoint), "GET", "/").body == b"1"
    assert events == ["enter", "enter", "exit", "exit"]


def test_plain_function_as_handler_runs_in_a_thread():
    class Route(APIRoute):
        def get_route_handler(self) -> Any:
            return lambda request: PlainTextResponse(str(threading.get_ident()))

    async def endpoint() -> None: ...

    assert respond(Route("/", endpoint), "GET", "/").body != str(threading.get_ident()).encode()


def test_handler_without_its_route():
    async def endpoint() -> None: ...

    handler = APIRoute("/", endpoint).get_route_handler()
    assert is_async_callable(handler)
    with pytest.raises(AssertionError, match="can only be called by its route"):
        asyncio.run(handler(Request(http_scope("GET", "/"))))


def test_nothing_is_left_in_the_scope():
    async def endpoint() -> None: ...

    async def main() -> dict[str, Any]:
        scope = http_scope("GET", "/")

        async def send(message: Any) -> None: ...

        await APIRoute("/", endpoint).app(scope, None, send)
        return scope

    assert asyncio.run(main()).keys() == http_scope("GET", "/").keys()


def test_validation_handler_that_takes_its_time():
    """An interpreter crash once: the exception loses its traceback while a compiled coroutine waits on it."""
    app = App()

    @app.get("/")
    async def endpoint(number: int) -> None: ...

    @app.exception_handler(RequestValidationError)
    async def refuse(request: Request, exc: RequestValidationError) -> Response:
        await asyncio.sleep(0)
        exc.__traceback__ = None
        await asyncio.sleep(0)
        return PlainTextResponse("", status_code=400)

    async def main() -> list[int]:
        return [answer.status for answer in await asyncio.gather(*(ask(app, "GET", "/?number=x") for _ in range(9)))]

    assert asyncio.run(main()) == [400] * 9
