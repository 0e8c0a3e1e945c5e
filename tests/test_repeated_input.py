"""Whatever text a client sends, on every way in, can be repeated to it on every way out."""

import asyncio
import json
from collections.abc import AsyncIterator, Iterator
from typing import Annotated, Any

import pytest
from pydantic import BaseModel
from starlette.requests import Request

from exchanges import Answer, respond
from wirefast import App, Body, Cookie, File, Form, Header, HTTPException, Query, UploadFile, WebSocket
from wirefast._core.json import dumps, loads
from wirefast.responses import EventSourceResponse, HTMLResponse, PlainTextResponse, StreamingResponse
from wirefast.sse import ServerSentEvent
from wirefast.testclient import TestClient

app = App()


class Said(BaseModel):
    said: Any


class Number(BaseModel):
    number: int


JSON = {"content-type": "application/json"}
MULTIPART = b'--x\r\ncontent-disposition: form-data; name="said"%s\r\n\r\n%s\r\n--x--\r\n'


def _multipart(charset: str) -> dict[str, str]:
    return {"content-type": f"multipart/form-data; boundary=x; charset={charset}"}


# name: how the text comes in, and the text that arrives at least in part
WAYS_IN: dict[str, tuple[str, dict[str, str], bytes]] = {
    "json": ("body", JSON, rb'"half \ud83d"'),
    "json as bytes of a surrogate": ("body", JSON, b'"half \xed\xa0\xbd"'),
    "json in UTF-16": ("body", JSON, r'"half \ud83d"'.encode("utf-16")),
    "json key": ("body", JSON, rb'{"half \ud83d": "\ude00"}'),
    "json with NaN": ("body", JSON, rb'["half \ud83d", NaN, 1e999, 123456789012345678901234567890]'),
    "query": ("query?said=half%20%ED%A0%BD", {}, b""),
    "query of bad bytes": ("query?said=half%20%FF%FE", {}, b""),
    "path": ("path/half%20%ED%A0%BD", {}, b""),
    "header": ("header", {"said": "half \xed\xa0\xbd"}, b""),
    "cookie": ("cookie", {"cookie": "said=half \xed\xa0\xbd"}, b""),
    "form": ("form", {"content-type": "application/x-www-form-urlencoded"}, b"said=half+%ED%A0%BD"),
    "multipart": ("form", _multipart("utf-8"), MULTIPART % (b"", b"half \xed\xa0\xbd")),
    "multipart of an odd charset": ("form", _multipart("unicode_escape"), MULTIPART % (b"", rb"half \ud83d")),
    "multipart in UTF-7": ("form", _multipart("utf-7"), MULTIPART % (b"", b"half +2D0-")),
    "file name": ("file", _multipart("unicode_escape"), MULTIPART % (rb'; filename="half \ud83d"', b"x")),
}
READERS: dict[str, Any] = {
    "body": Annotated[Any, Body()],
    "query": Annotated[str, Query()],
    "header": Annotated[str, Header()],
    "cookie": Annotated[str, Cookie()],
    "form": Annotated[str, Form()],
}


def _path(kind: str) -> str:
    return f"/{kind}/{{said:path}}" if kind == "path" else f"/{kind}"


def _declare(name: str, answer: Any, **options: Any) -> None:
    """An operation for each way in, which gives what came to ``answer``."""
    stream = "stream" in name or "lines" in name or "event" in name
    asynchronous = "sync" not in name
    result = options.pop("result", None)
    for kind in [*READERS, "path", "file"]:
        said: Any = READERS.get(kind, str if kind == "path" else UploadFile)

        def text_of(said: Any) -> Any:
            return getattr(said, "filename", said)

        if stream and asynchronous:

            async def streaming(said) -> Any:  # type: ignore[no-untyped-def]
                for item in answer(text_of(said)):
                    yield item

            endpoint: Any = streaming
        elif stream:

            def streaming_in_threads(said) -> Any:  # type: ignore[no-untyped-def]
                yield from answer(text_of(said))

            endpoint = streaming_in_threads
        else:

            async def answering(said) -> Any:  # type: ignore[no-untyped-def]
                return answer(text_of(said))

            endpoint = answering
        annotation = Annotated[UploadFile, File()] if kind == "file" else said
        endpoint.__annotations__ = {"said": annotation}
        if result is not None:
            endpoint.__annotations__["return"] = result
        app.post(f"/{name}{_path(kind)}", **options)(endpoint)


def _raise(said: Any) -> Any:
    raise HTTPException(400, said)


def _raise_with_headers(said: Any) -> Any:
    raise HTTPException(400, "no", headers={"x-said": str(said)})


def _refuse(said: Any) -> Any:
    raise HTTPException(400, {"said": [said]})


class Problem(PlainTextResponse):
    media_type = "application/problem+json"


WAYS_OUT: dict[str, tuple[Any, dict[str, Any]]] = {
    "json": (lambda said: said, {}),
    "json-typed": (lambda said: said, {"response_model": Any}),
    "json-model": (lambda said: {"said": said}, {"response_model": Said}),
    "json-list": (lambda said: [said], {"response_model": list[Any]}),
    "plain": (str, {"response_class": PlainTextResponse}),
    "html": (str, {"response_class": HTMLResponse}),
    "problem": (str, {"response_class": Problem}),
    "http-exception": (_raise, {}),
    "http-exception-json": (_refuse, {}),
    "http-exception-headers": (_raise_with_headers, {}),
    "stream": (lambda said: [str(said)], {"response_class": StreamingResponse}),
    "stream-sync": (lambda said: [str(said)], {"response_class": StreamingResponse}),
    "lines": (lambda said: [said], {"result": AsyncIterator[Any]}),
    "lines-sync": (lambda said: [said], {"result": Iterator[Any]}),
    "lines-typed": (lambda said: [Said(said=said)], {"result": AsyncIterator[Said]}),
    "lines-typed-sync": (lambda said: [{"said": said}], {"result": Iterator[Said]}),
    "events": (lambda said: [said], {"response_class": EventSourceResponse}),
    "events-typed": (
        lambda said: [Said(said=said)],
        {"response_class": EventSourceResponse, "result": AsyncIterator[Said]},
    ),
    "event-of-data": (lambda said: [ServerSentEvent(data=said)], {"response_class": EventSourceResponse}),
    "event-of-a-model": (
        lambda said: [ServerSentEvent(data=Said(said=said))],
        {"response_class": EventSourceResponse},
    ),
    "event-raw": (
        lambda said: [ServerSentEvent(raw_data=str(said), comment=str(said))],
        {"response_class": EventSourceResponse},
    ),
}  # fmt: skip
for _name, (_answer, _options) in WAYS_OUT.items():
    _declare(_name, _answer, **_options)


def ask(way_out: str, way_in: str) -> Answer:
    place, headers, body = WAYS_IN[way_in]
    answer = respond(app, "POST", f"/{way_out}/{place}", body=body, headers=headers)
    if answer.raised is not None:
        raise answer.raised
    return answer


@pytest.mark.parametrize("way_in", WAYS_IN)
@pytest.mark.parametrize("way_out", WAYS_OUT)
def test_http(way_out: str, way_in: str):
    answer = ask(way_out, way_in)
    assert answer.status == (400 if "exception" in way_out else 200)
    text = answer.body.decode("utf-8")
    if "headers" in way_out:
        text = dict(answer.messages[0]["headers"])[b"x-said"].decode("utf-8", "replace")
    assert "half" in text
    for line in [] if "headers" in way_out else text.splitlines():
        # Where it is JSON it is strict JSON without half a pair.
        line = line.removeprefix("data: ")
        if "application/json" in answer.headers.get("content-type", "") or line.startswith('{"'):
            value = json.dumps(json.loads(line, parse_constant=pytest.fail), ensure_ascii=False)
            value.encode("utf-8")


@pytest.mark.parametrize("way_in", WAYS_IN)
def test_a_validation_error_repeats_it(way_in: str):
    """422, with the input in it, whatever the input."""
    place, headers, body = WAYS_IN[way_in]
    strict = App()
    kind = place.partition("?")[0].partition("/")[0]
    markers = {"body": Body, "query": Query, "header": Header, "cookie": Cookie, "form": Form, "file": Form}

    async def endpoint(said) -> None:  # type: ignore[no-untyped-def]
        pass

    endpoint.__annotations__ = {"said": int if kind == "path" else Annotated[int, markers[kind]()]}
    strict.post(_path(kind))(endpoint)
    answer = respond(strict, "POST", "/" + place, body=body, headers=headers)
    assert answer.raised is None and answer.status == 422
    json.loads(answer.body.decode("utf-8"), parse_constant=pytest.fail)


@pytest.mark.parametrize("way_out", ["text", "json", "close", "exception", "invalid", "subprotocol"])
@pytest.mark.parametrize("accepted", [True, False])
def test_sockets(way_out: str, accepted: bool):
    """A socket's query repeated in frames and reasons."""
    from asgi import Client, websocket_scope

    socket_app = App()

    @socket_app.websocket("/{said:path}")
    async def endpoint(websocket: WebSocket, said: str, number: str | int = 1) -> None:
        said += "\ud83d"
        if accepted or way_out in ("text", "json"):
            await websocket.accept()
        if way_out == "text":
            await websocket.send_text(said)
        elif way_out == "json":
            await websocket.send_json({said: said})
        elif way_out == "close":
            await websocket.close(4000, said)
        elif way_out == "exception":
            raise HTTPException(400, said, headers={"x-said": said})
        elif way_out == "invalid":
            raise HTTPException(422, [{"input": said}])
        else:
            raise HTTPException(400, {said: float("nan")})

    client = Client()
    scope = websocket_scope("/half\ufffd")
    scope["extensions"] = {"websocket.http.response": {}}
    asyncio.run(socket_app(scope, client.receive, client.send))
    said = json.dumps([str(message) for message in client.sent], ensure_ascii=False)
    if way_out != "close":  # the server's part
        said.encode("utf-8")
    assert "half" in said


def test_request_urls_and_clients_do_not_matter():
    """A raw path that is no UTF-8 in a redirect."""
    slashes = App()

    @slashes.get("/x/{said}/")
    async def endpoint(said: str, request: Request) -> str:
        return str(request.url)

    client = TestClient(slashes)
    answer = client.get("/x/%FF", follow_redirects=False)
    assert answer.status_code == 307 and "%EF%BF%BD" in answer.headers["location"]


@pytest.mark.parametrize("accepted", [True, False])
@pytest.mark.parametrize("text", ['{"a": [NaN, -Infinity, 1e999]}', "[" * 1000 + "]" * 1000, '{"\\ud83d": "\\ud83d"}'])
def test_a_detail_becomes_the_reason_of_a_close(text: str, accepted: bool):
    """Strict JSON, cut where it has to fit into a frame."""
    from asgi import Client, websocket_scope

    socket_app = App()

    @socket_app.websocket("/")
    async def endpoint(websocket: WebSocket) -> None:
        if accepted:
            await websocket.accept()
        raise HTTPException(400, detail=loads(text))

    client = Client()
    asyncio.run(socket_app(websocket_scope("/", extensions={}), client.receive, client.send))
    closing = client.sent[-1]
    assert closing["type"] == "websocket.close" and closing["code"] == 1008
    whole = dumps(loads(text)).decode("utf-8")
    assert "NaN" not in whole and "Infinity" not in whole
    reason = closing["reason"]
    assert (
        whole.startswith(reason) and len(reason.encode()) == min(123, len(whole.encode()))
        if accepted
        else reason == whole
    )
