"""`wirefast.testclient` hands on Starlette's client and what a WebSocket session of it gives and raises."""

import asyncio

import pytest
import starlette.testclient

from wirefast import App, WebSocket, WebSocketDisconnect
from wirefast.responses import PlainTextResponse
from wirefast.testclient import TestClient, WebSocketDenialResponse, WebSocketTestSession
from wirefast.testing import Refused, live


def test_the_names_are_starlettes() -> None:
    assert issubclass(TestClient, starlette.testclient.TestClient)
    assert WebSocketTestSession is starlette.testclient.WebSocketTestSession


def test_a_denial_response_is_raised() -> None:
    app = App()

    @app.websocket("/")
    async def refuse(websocket: WebSocket) -> None:
        await websocket.send_denial_response(PlainTextResponse("not today", status_code=429))

    with pytest.raises(WebSocketDenialResponse) as raised, TestClient(app).websocket_connect("/"):
        pass
    assert (raised.value.status_code, raised.value.text) == (429, "not today")


def made() -> App:
    app = App()

    @app.websocket("/refuses")
    async def refuses(websocket: WebSocket, number: int = 0) -> None:
        await websocket.close(4001, "not today")

    @app.websocket("/closes")
    async def closes(websocket: WebSocket, code: int, reason: str = "") -> None:
        await websocket.accept()
        await websocket.close(code, reason)

    @app.websocket("/returns")
    async def returns(websocket: WebSocket, accepts: bool = True) -> None:
        if accepts:
            await websocket.accept()

    @app.websocket("/raises")
    async def raises(websocket: WebSocket, accepts: bool = True) -> None:
        if accepts:
            await websocket.accept()
        raise LookupError("a mistake")

    return app


def seen_by(client: TestClient, path: str) -> tuple[object, ...]:
    """What a client sees of the end: the code and the reason, and of a refusal status and body."""
    try:
        with client.websocket_connect(path) as websocket:
            websocket.receive_text()
    except WebSocketDenialResponse as exc:
        return exc.code, exc.reason, exc.status_code, exc.content
    except WebSocketDisconnect as exc:
        return exc.code, exc.reason
    raise AssertionError("it has not ended")


PATHS = [
    "/refuses",
    "/refuses?number=x",
    "/closes?code=4000&reason=bye",
    f"/closes?code=1013&reason={'%E2%82%AC' * 60}",
    "/returns",
    "/returns?accepts=false",
    "/nowhere",
]


@pytest.mark.parametrize("path", PATHS)
def test_with_wire_it_tells_what_our_server_does(path: str) -> None:
    async def on_the_wire() -> tuple[object, ...]:
        async with live(made(), raises=False) as served:
            try:
                async with served.connect(path) as peer:
                    return await peer.expect_close()
            except Refused as exc:
                return 1006, "", exc.status, exc.body

    assert seen_by(TestClient(made(), wire=True), path) == asyncio.run(on_the_wire())


def test_without_wire_it_is_starlettes() -> None:
    ours, theirs = TestClient(made()), starlette.testclient.TestClient(made())
    for path in ("/refuses", "/refuses?number=x", "/closes?code=4000&reason=bye", "/nowhere"):
        assert seen_by(ours, path) == seen_by(theirs, path)  # type: ignore[arg-type]
    assert seen_by(ours, "/refuses") == (4001, "not today")


@pytest.mark.parametrize("accepts", [True, False])
def test_with_wire_an_exception_comes_out_and_the_client_sees_1011_or_500(accepts: bool) -> None:
    client = TestClient(made(), wire=True)
    with pytest.raises(LookupError, match="a mistake"):
        with client.websocket_connect(f"/raises?accepts={accepts}") as websocket:
            with pytest.raises(WebSocketDisconnect) as closed:
                websocket.receive_text()
            assert closed.value.code == 1011


def test_with_wire_a_code_that_no_frame_carries_is_an_error() -> None:
    with pytest.raises(ValueError, match="1006 is not a close code that may be sent"):
        with TestClient(made(), wire=True).websocket_connect("/closes?code=1006") as websocket:
            with pytest.raises(WebSocketDisconnect):
                websocket.receive_text()


def test_with_wire_the_lifespan_and_http_are_as_ever() -> None:
    app = made()

    @app.get("/")
    async def page() -> str:
        return "a page"

    client = TestClient(app, wire=True)
    assert client.app is app
    with client:
        assert client.get("/").json() == "a page"
