"""Generator endpoints: one message an item, serialised, validated and kept alive; dependencies open until the last."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from typing import Annotated, Any

import pytest
from pydantic import BaseModel
from starlette.responses import Response, StreamingResponse

from exchanges import http_scope, respond
from wirefast import App, BackgroundTasks, Depends, routing, sse
from wirefast.exceptions import ResponseValidationError
from wirefast.sse import EventSourceResponse, ServerSentEvent


class Item(BaseModel):
    name: str
    price: float = 1.0


def chunks(answer: Any) -> list[bytes]:
    return [message["body"] for message in answer.messages[1:] if message["body"]]


def new_app(endpoint: Any, **options: Any) -> App:
    app = App()
    app.get("/", **options)(endpoint)
    return app


async def items() -> AsyncIterator[Item]:
    yield Item(name="a")
    yield Item(name="b", price=2)


def items_in_threads() -> Iterator[Item]:
    yield Item(name="a")
    yield Item(name="b", price=2)


@pytest.mark.parametrize("endpoint", [items, items_in_threads])
def test_json_lines(endpoint: Any):
    answer = respond(new_app(endpoint, response_model_exclude_unset=True, status_code=203), "GET", "/")
    assert (answer.status, answer.headers["content-type"]) == (203, "application/jsonl")
    assert chunks(answer) == [b'{"name":"a"}\n', b'{"name":"b","price":2.0}\n']


def test_json_lines_without_a_type():
    async def endpoint():
        yield {"a": float("nan"), "b": [float("inf"), {1}]}
        yield "é"

    assert chunks(respond(new_app(endpoint), "GET", "/")) == [b'{"a": null, "b": [null, [1]]}\n', b'"\\u00e9"\n']


def test_invalid_item():
    async def endpoint() -> AsyncIterator[Item]:
        yield Item(name="a")
        yield {"price": "dear"}  # type: ignore[misc]

    answer = respond(new_app(endpoint), "GET", "/")
    assert len(chunks(answer)) == 1
    raised = answer.raised
    while not isinstance(raised, ResponseValidationError):
        raised = raised.exceptions[0]
    assert [error["loc"] for error in raised.errors()] == [("response", "name"), ("response", "price")]


@pytest.mark.parametrize("kind", ["asynchronous", "in threads"])
def test_events(kind: str):
    async def endpoint():
        for event in sent:
            yield event

    def endpoint_in_threads():
        yield from sent

    sent = [
        {"a": 1},
        ServerSentEvent(data="text", event="e", id="1", retry=5, comment="c"),
        ServerSentEvent(raw_data="a\nb"),
        ServerSentEvent(data=Item(name="x")),
        ServerSentEvent(comment="only"),
    ]
    app = new_app(endpoint if kind == "asynchronous" else endpoint_in_threads, response_class=EventSourceResponse)
    answer = respond(app, "GET", "/")
    assert answer.headers["content-type"].startswith("text/event-stream")
    assert (answer.headers["cache-control"], answer.headers["x-accel-buffering"]) == ("no-cache", "no")
    assert chunks(answer) == [
        b'data: {"a": 1}\n\n',
        b': c\nevent: e\ndata: "text"\nid: 1\nretry: 5\n\n',
        b"data: a\ndata: b\n\n",
        b'data: {"name":"x","price":1.0}\n\n',
        b": only\n\n",
    ]


@pytest.mark.parametrize("module", [sse, routing])
def test_silence_is_filled_with_comments(monkeypatch: pytest.MonkeyPatch, module: Any):
    monkeypatch.setattr(module, "_PING_INTERVAL", 0.01)
    app = App()

    async def main() -> list[bytes]:
        sent: list[bytes] = []
        enough, left = asyncio.Event(), asyncio.Event()

        @app.get("/", response_class=EventSourceResponse)
        async def endpoint():
            yield 1
            await enough.wait()
            yield 2

        async def receive() -> Any:
            await left.wait()
            return {"type": "http.disconnect"}

        async def send(message: Any) -> None:
            sent.append(message.get("body", b""))
            if sent.count(sse.KEEPALIVE_COMMENT) == 2:
                enough.set()

        await app(http_scope("GET", "/"), receive, send)
        return [body for body in sent if body]

    sent = asyncio.run(main())
    # On a slow machine one may come before the first event.
    assert [body for body in sent if body != sse.KEEPALIVE_COMMENT] == [b"data: 1\n\n", b"data: 2\n\n"]
    assert sent.count(sse.KEEPALIVE_COMMENT) >= 2


def test_raw_stream_and_the_order_of_exits():
    events: list[str] = []

    async def dependency(response: Response) -> AsyncIterator[str]:
        response.headers["x-injected"] = "1"
        yield "value"
        events.append("exit")

    async def endpoint(tasks: BackgroundTasks, value: Annotated[str, Depends(dependency)]):
        tasks.add_task(events.append, "task")
        for character in value:
            events.append(character)
            yield character

    answer = respond(new_app(endpoint, response_class=StreamingResponse), "GET", "/")
    assert answer.body == b"value" and answer.headers["x-injected"] == "1"
    assert events == [*"value", "task", "exit"]


def test_client_that_leaves_stops_the_generator():
    events: list[str] = []
    app = App()

    @app.get("/")
    async def endpoint():
        try:
            while True:
                yield 1
        finally:
            events.append("closed")

    async def main() -> None:
        left = asyncio.Event()
        count = 0

        async def receive() -> Any:
            await left.wait()
            return {"type": "http.disconnect"}

        async def send(message: Any) -> None:
            nonlocal count
            count += 1
            if count == 5:
                left.set()
            await asyncio.sleep(0)

        # Servers from 2.4 on let send() raise instead.
        scope = http_scope("GET", "/", asgi={"version": "3.0", "spec_version": "2.3"})
        await asyncio.wait_for(app(scope, receive, send), 10)

    asyncio.run(main())
    assert events == ["closed"]


def test_a_stream_to_a_client_that_left_lets_others_run() -> None:
    """Under a server whose ``send`` neither waits nor raises once the client is gone, as uvicorn's."""
    app = App()
    yielded = 0

    @app.get("/")
    async def endpoint() -> StreamingResponse:
        async def endless() -> AsyncIterator[bytes]:
            nonlocal yielded
            while yielded < 100_000:
                yielded += 1
                yield b"x"

        return StreamingResponse(endless())

    messages = [{"type": "http.request"}, {"type": "http.disconnect"}]

    async def receive() -> Any:
        return messages.pop(0)

    async def send(message: Any) -> None:
        pass

    scope = {
        "type": "http",
        "asgi": {"spec_version": "2.3"},
        "method": "GET",
        "path": "/",
        "query_string": b"",
        "headers": [],
    }
    asyncio.run(app(scope, receive, send))
    assert yielded <= 64
