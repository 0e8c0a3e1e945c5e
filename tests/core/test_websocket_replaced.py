"""WebSockets whose receive or send is replaced: by a subclass, on one object, on the class."""

import pytest

from asgi import websocket_scope
from wirefast.websockets import WebSocket

pytestmark = pytest.mark.anyio


class Shouting(WebSocket):
    async def receive(self):
        message = await super().receive()
        return {**message, "text": message["text"].upper()} if "text" in message else message

    async def send(self, message):
        await super().send({**message, "text": message["text"] + "!"} if "text" in message else message)


class Quiet(WebSocket):
    """A subclass that replaces nothing keeps the short way."""


async def run_each(serve, make):
    """Text, JSON and bytes through one connection whose WebSocket ``make`` made."""

    async def endpoint(websocket):
        websocket = make(websocket)
        await websocket.accept()
        await websocket.send_text(await websocket.receive_text())
        await websocket.send_json(await websocket.receive_json())
        await websocket.send_bytes(await websocket.receive_bytes())

    return await serve(endpoint, "a", '["b"]', b"c")


async def test_a_subclass_with_its_own_receive_and_send(serve):
    assert await run_each(serve, lambda ws: Shouting(ws.scope, ws._receive, ws._send)) == (
        ["A!", '["B"]!', b"c"],
        None,
    )
    assert await run_each(serve, lambda ws: Quiet(ws.scope, ws._receive, ws._send)) == (["a", '["b"]', b"c"], None)


async def test_receive_and_send_replaced_on_one_object(serve):
    def shouting(websocket):
        receive, send = websocket.receive, websocket.send

        async def loud_receive():
            message = await receive()
            return {**message, "text": message["text"].upper()} if "text" in message else message

        async def loud_send(message):
            await send({**message, "text": message["text"] + "!"} if "text" in message else message)

        websocket.receive = loud_receive
        websocket.send = loud_send
        return websocket

    assert await run_each(serve, shouting) == (["A!", '["B"]!', b"c"], None)
    assert await run_each(serve, lambda ws: ws) == (["a", '["b"]', b"c"], None)


@pytest.mark.parametrize("warm", [False, True])
async def test_receive_replaced_on_the_class(serve, warm, monkeypatch):
    """As monitoring tools do, also when connections were served before."""
    if warm:
        assert await run_each(serve, lambda ws: ws) == (["a", '["b"]', b"c"], None)

    async def receive(self):
        message = await super(WebSocket, self).receive()
        return {**message, "text": message["text"].upper()} if "text" in message else message

    monkeypatch.setattr(WebSocket, "receive", receive)
    assert await run_each(serve, lambda ws: ws) == (["A", '["B"]', b"c"], None)
    monkeypatch.undo()
    assert await run_each(serve, lambda ws: ws) == (["a", '["b"]', b"c"], None)


async def test_the_asgi_callables_can_be_replaced(serve):
    """``websocket._receive`` and ``_send``, which libraries set."""

    def counting(websocket):
        receive, send = websocket._receive, websocket._send

        async def counted_receive():
            events.append("receive")
            return await receive()

        async def counted_send(message):
            events.append(message["type"])
            await send(message)

        websocket._receive = counted_receive
        websocket._send = counted_send
        assert (websocket._receive, websocket._send) == (counted_receive, counted_send)
        return websocket

    events = []
    assert await run_each(serve, counting) == (["a", '["b"]', b"c"], None)
    assert events == ["receive", "websocket.accept", *["receive", "websocket.send"] * 3]


async def test_names_of_a_subclass_are_its_own(serve):
    """A subclass may use any name that Starlette's class does not have."""

    class Named(WebSocket):
        checked = payload = lost = closed = find_channel = before_receive = patched = channel = None

    assert await run_each(serve, lambda ws: Named(ws.scope, ws._receive, ws._send)) == (["a", '["b"]', b"c"], None)


def test_any_attribute_can_be_set():
    websocket = WebSocket(websocket_scope(), None, None)
    websocket.name = "me"
    websocket.state.thing = 1
    assert (websocket.name, websocket.state.thing) == ("me", 1)
    websocket.scope = {"type": "websocket", "path": "/other"}
    assert websocket["path"] == "/other"
    del websocket.name
    assert not hasattr(websocket, "name")
    with pytest.raises(AttributeError):
        del websocket.receive
