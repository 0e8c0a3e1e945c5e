"""Mistakes at run time are told in the log with function, file, line and path."""

from __future__ import annotations

import gc
import sys
import traceback
import warnings
from collections.abc import Iterator
from typing import Any, Literal

import pytest
from peer import TEXT, close_frame, frame, request
from pydantic import BaseModel

from wirefast import App, WebSocket
from wirefast._core.source_location import describe
from wirefast.responses import StreamingResponse
from wirefast.rooms import Hub


def test_an_endpoint_that_does_not_answer_is_named(serve: Any) -> None:
    app = App()

    @app.websocket("/rooms/{room}")
    async def forgetful(websocket: WebSocket, room: str) -> None: ...

    server = serve(app)
    with server.peer() as peer:
        assert peer.send(request("/rooms/7?token=secret")).response()[0] == 500
    server.stop()
    (text,) = [record.getMessage() for record in server.records if record.levelname == "ERROR"]
    assert line_of_the_handshake(server) == '/rooms/7?token=***" 500 (no answer)'
    line = forgetful.__code__.co_firstlineno
    assert text == (
        "ASGI callable returned without completing handshake. test_an_endpoint_that_does_not_answer_is_named.<locals>."
        f"forgetful() in {__file__}, line {line} ended for the path '/rooms/7' "
        "without accept(), close() or an exception"
    )


def test_an_application_without_a_route_has_no_endpoint(serve: Any) -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        await receive()

    server = serve(app)
    with server.peer() as peer:
        peer.send(request("/x\x7f")).response()
    with server.peer() as peer:
        assert peer.send(request("/a%0ab")).response()[0] == 500
    server.stop()
    (text,) = [record.getMessage() for record in server.records if record.levelname == "ERROR"]
    assert text.endswith("The application ended for the path '/a\\nb' without accept(), close() or an exception")


def line_of_the_handshake(server: Any) -> str:
    """The end of the one line of the log that has the answer."""
    (text,) = [each.getMessage() for each in server.records if '"WebSocket ' in each.getMessage()]
    return text.partition('"WebSocket ')[2]


@pytest.mark.filterwarnings("ignore:.*coroutine function:wirefast.exceptions.DeclarationWarning")
def test_a_plain_function_is_named(serve: Any) -> None:
    app = App()

    @app.websocket("/rooms/{room}")
    def plain(websocket: WebSocket, room: str) -> None: ...

    server = serve(app)
    with server.peer() as peer:
        assert peer.send(request("/rooms/7?token=secret")).response()[0] == 500
    server.stop()
    (record,) = [record for record in server.records if record.levelname == "ERROR"]
    assert line_of_the_handshake(server) == '/rooms/7?token=***" 500 (TypeError)'
    said = f"{describe(plain)} for the path '/rooms/7' is no coroutine function: write async def."
    # Python 3.10 has no notes.
    assert getattr(record.exc_info[1], "__notes__", [said]) == [said]


def test_an_error_of_the_endpoints_own_is_no_plain_functions(serve: Any) -> None:
    app = App()

    @app.websocket("/")
    async def endpoint(websocket: WebSocket) -> None:
        raise TypeError("of the endpoint")

    server = serve(app)
    with server.peer() as peer:
        assert peer.send(request("/")).response()[0] == 500
    server.stop()
    (record,) = [record for record in server.records if record.levelname == "ERROR"]
    assert not getattr(record.exc_info[1], "__notes__", [])
    assert line_of_the_handshake(server) == '/" 500 (TypeError)'


def test_the_traceback_begins_in_the_application(serve: Any) -> None:
    app = App()

    async def helper() -> None:
        raise ValueError("no")

    @app.websocket("/")
    async def endpoint(websocket: WebSocket) -> None:
        await helper()

    server = serve(app)
    with server.peer() as peer:
        peer.send(request("/")).response()
    server.stop()
    (record,) = [record for record in server.records if record.levelname == "ERROR"]
    assert [each.name for each in traceback.extract_tb(record.exc_info[2])] == ["endpoint", "helper"]
    assert len(traceback.extract_tb(record.exc_info[1].__traceback__)) > 2


@pytest.mark.skipif(sys.version_info < (3, 11), reason="exceptions have no notes before Python 3.11")
@pytest.mark.parametrize("call", ["send_text", "send_json", "send_bytes"])
def test_a_send_before_accept_says_what_to_call(serve: Any, call: str) -> None:
    app = App()

    @app.websocket("/")
    async def eager(websocket: WebSocket) -> None:
        await getattr(websocket, call)(b"x" if call == "send_bytes" else "x")

    server = serve(app)
    with server.peer() as peer:
        peer.send(request("/")).response()
    server.stop()
    (record,) = [record for record in server.records if record.levelname == "ERROR"]
    text = "".join(traceback.format_exception(*record.exc_info))
    assert "Nothing can be sent before the handshake is answered: call await websocket.accept() first." in text
    assert f'{__file__}", line {eager.__code__.co_firstlineno + 2}, in eager' in text
    assert line_of_the_handshake(server) == '/" 500 (RuntimeError)'


@pytest.mark.parametrize("call", ["receive_text", "receive_json", "receive_bytes"])
@pytest.mark.filterwarnings("ignore:coroutine")
def test_a_forgotten_await_is_called_a_coroutine(serve: Any, call: str) -> None:
    app = App()

    @app.websocket("/")
    async def hasty(websocket: WebSocket) -> None:
        await websocket.accept()
        getattr(websocket, call)()["name"]

    server = serve(app)
    with server.opened("/") as peer:
        assert peer.frame().code == 1011
    server.stop()
    (record,) = [record for record in server.records if record.levelname == "ERROR"]
    assert record.exc_info is not None
    said = f"'coroutine' object is not subscriptable; write: await websocket.{call}(...)"
    assert str(record.exc_info[1]) == said
    assert "in hasty" in "".join(traceback.format_exception(*record.exc_info))


def test_a_coroutine_that_nobody_awaits_is_named(serve: Any) -> None:
    app = App()

    @app.websocket("/")
    async def forgetful(websocket: WebSocket) -> None:
        await websocket.accept()
        websocket.send_text("lost")
        websocket.receive_json()
        await websocket.close()

    server = serve(app)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        with server.opened("/") as peer:
            assert peer.frame().code == 1000
        server.stop()
    line = forgetful.__code__.co_firstlineno
    said = [(str(each.message), each.lineno - line) for each in caught if each.category is RuntimeWarning]
    assert said == [
        ("coroutine 'WebSocket.send_text' was never awaited", 3),
        ("coroutine 'WebSocket.receive_json' was never awaited", 4),
    ]
    assert {each.filename for each in caught if each.category is RuntimeWarning} == {__file__}


@pytest.mark.parametrize(
    ("call", "text"),
    [
        (lambda ws: ws.send_text(ws.receive_text()), "send_text() takes a str, not coroutine; {}receive_text()`"),
        (lambda ws: ws.send_bytes(ws.receive_bytes()), "send_bytes() takes bytes, not coroutine; {}receive_bytes()`"),
        (
            lambda ws: ws.send_json({"said": ws.receive_json()}),
            "Object of type coroutine is not JSON serializable; {}receive_json()`",
        ),
    ],
)
def test_each_send_says_which_await_is_missing(serve: Any, call: Any, text: str) -> None:
    app = App()
    said = []

    @app.websocket("/")
    async def echo(websocket: WebSocket) -> None:
        await websocket.accept()
        try:
            await call(websocket)
        except TypeError as exc:
            said.append(str(exc))

    server = serve(app)
    with server.opened("/") as peer:
        assert peer.frame().code == 1000
    server.stop()
    assert said == [text.format("await is missing: `await websocket.")]


def test_a_message_that_was_not_awaited_and_is_sent_is_told_once(serve: Any) -> None:
    app = App()

    @app.websocket("/")
    async def echo(websocket: WebSocket) -> None:
        await websocket.accept()
        text = websocket.receive_text()
        await websocket.send_text(text)  # type: ignore[arg-type]

    @app.websocket("/own")
    async def own(websocket: WebSocket) -> None:
        async def find_name() -> str:
            return "ada"

        await websocket.accept()
        name = find_name()
        try:
            await websocket.send_text(name)  # type: ignore[arg-type]
        finally:
            name.close()

    server = serve(app)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        for path in ("/", "/own"):
            with server.opened(path) as peer:
                assert peer.frame().code == 1011
        server.stop()
        gc.collect()
    # The line of Python's own warning would be where the traceback was freed.
    assert [str(each.message) for each in caught if each.category is RuntimeWarning] == []
    failed = [record for record in server.records if record.exc_info]
    text = "".join("".join(traceback.format_exception(*record.exc_info)) for record in failed)
    said = "TypeError: send_text() takes a str, not coroutine; await is missing: "
    assert f"{said}`await websocket.receive_text()`" in text and f"{said}`await find_name()`" in text
    assert f'File "{__file__}", line {echo.__code__.co_firstlineno + 4}, in echo' in text


class Say(BaseModel):
    type: Literal["say"] = "say"
    text: str = ""


class Said(BaseModel):
    type: Literal["said"] = "said"
    text: str


def test_a_handler_of_messages_that_fails_is_named(serve: Any, caplog: Any) -> None:
    app = App()
    chat = app.messages("/chat/{room}", sends=Said)

    @chat.on
    async def say(message: Say) -> Said:
        return {"m": message.text}  # type: ignore[return-value]

    @chat.on("spread")
    async def spread(text: str) -> None:
        raise ValueError("of the handler")

    @app.websocket_listener("/listener")
    async def listener(message: Say) -> Said:
        return {"m": 1}  # type: ignore[return-value]

    @chat.on_disconnect
    async def left() -> None:
        raise ValueError("of the end")

    server = serve(app)
    for path, sent in (("/chat/7", "say"), ("/chat/7", "spread"), ("/listener", "say")):
        with server.opened(path) as peer:
            peer.send(frame(TEXT, b'{"type": "%s", "text": "a"}' % sent.encode()))
            assert b'"internal"' in peer.frame().data
            peer.send(close_frame(1000))
            peer.frame()
    server.stop()
    failed = {record.getMessage(): record for record in caplog.records if record.name == "wirefast.messages"}
    assert failed.keys() == {
        f"A message handler failed: {describe(say)}, path '/chat/7'",
        f"A message handler failed: {describe(spread)}, path '/chat/7'",
        f"A message handler failed: {describe(listener)}, path '/listener'",
        f"{describe(left)} failed",
    }
    begins = {record.exc_info[2].tb_frame.f_code for record in failed.values() if record.exc_info}
    assert {left.__code__, spread.__code__} < begins and len(begins) == 3, "the third is pydantic's"


def test_a_failed_request_begins_in_the_application(serve: Any) -> None:
    app = App()

    @app.get("/raises")
    async def raises() -> None:
        raise ValueError("of the endpoint")

    @app.get("/returns")
    async def returns() -> int:
        return "x"  # type: ignore[return-value]

    server = serve(app)
    for path in ("/raises", "/returns"):
        with server.peer() as peer:
            peer.send(b"GET %s HTTP/1.1\r\nhost: x\r\n\r\n" % path.encode())
            assert peer.response().status == 500
    server.stop()
    raised, returned = (record.exc_info for record in server.records if record.exc_info)
    assert raised[2].tb_frame.f_code is raises.__code__
    assert returned[2] is None
    text = "".join(traceback.format_exception(*returned))
    assert f'File "{__file__}", line {returns.__code__.co_firstlineno}, in ' in text and text.endswith("GET /returns\n")


def test_a_failed_thread_or_stream_begins_in_the_application(serve: Any) -> None:
    """Frames of anyio and contextlib lead to them."""
    app = App()

    @app.get("/thread")
    def in_a_thread() -> None:
        raise ValueError("of the thread")

    def parts() -> Iterator[bytes]:
        yield b"x"
        raise ValueError("of the stream")

    @app.get("/stream")
    async def stream() -> StreamingResponse:
        return StreamingResponse(parts())

    server = serve(app)
    for path in ("/thread", "/stream"):
        with server.peer() as peer:
            peer.send(b"GET %s HTTP/1.1\r\nhost: x\r\n\r\n" % path.encode())
            peer.response()
            peer.ended()
    server.stop()
    begins = [record.exc_info[2].tb_frame.f_code for record in server.records if record.exc_info]
    assert begins == [in_a_thread.__code__, parts.__code__]


@pytest.mark.filterwarnings("ignore:.*coroutine function:wirefast.exceptions.DeclarationWarning")
@pytest.mark.skipif(sys.version_info < (3, 11), reason="exceptions have notes from 3.11 on")
def test_who_asks_for_a_hub_that_is_not_there_is_named(serve: Any) -> None:
    app = App()

    @app.websocket("/{name}")
    def room(websocket: WebSocket, hub: Hub) -> None: ...

    server = serve(app)
    with server.peer() as peer:
        assert peer.send(request("/ada")).response().status == 500
    server.stop()
    (failed,) = [record.exc_info for record in server.records if record.exc_info]
    assert "".join(traceback.format_exception(*failed)) == (
        f"RuntimeError: {room.__qualname__} asks for a Hub, but the application has none; "
        f"give it one: App(hub=Hub())\nDeclared by {describe(room)} for the path '/ada'.\n"
    )
