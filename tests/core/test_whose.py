"""Whose end an exception tells of."""

import asyncio
from collections import UserDict

import pytest
from starlette.websockets import WebSocket as StarletteWebSocket
from starlette.websockets import WebSocketDisconnect

from asgi import websocket_scope
from wirefast import WebSocket
from wirefast._core.whose import is_anothers, mark_of


def scope(extensions=True):
    made = websocket_scope("/")
    made["extensions"] = {"websocket.http.response": {}} if extensions else {}
    return made


def disconnect_of(kind, scope, depth=0):
    """What a receive on a socket raises whose peer has left; raised again because of it, ``depth`` times."""

    async def receive():
        return messages.pop(0)

    async def send(message): ...

    async def main():
        websocket = kind(scope, receive, send)
        await websocket.accept()
        try:
            await websocket.receive_text()
        except WebSocketDisconnect as exc:
            for _ in range(depth):
                wrapper = WebSocketDisconnect(1000)
                wrapper.__cause__, exc = exc, wrapper
            return exc

    messages = [{"type": "websocket.connect"}, {"type": "websocket.disconnect", "code": 1001}]
    return asyncio.run(main())


@pytest.mark.parametrize("kind", [WebSocket, StarletteWebSocket])
def test_the_mark_of_a_scope(kind):
    own, other = scope(), scope()
    # Equal marks are two; a copy of a scope, with other extensions beside, has the same.
    copied = {**own, "path": "/x", "extensions": {**own["extensions"], "more": {}}}
    for depth in (0, 1, 10):
        exc = disconnect_of(kind, copied, depth)
        assert not is_anothers(exc, mark_of(own)) and is_anothers(exc, mark_of(other))


@pytest.mark.parametrize("kind", [WebSocket, StarletteWebSocket])
def test_without_a_mark_nothing_is_anothers(kind):
    exc = disconnect_of(kind, scope(extensions=False))
    assert not is_anothers(exc, mark_of(scope())) and not is_anothers(disconnect_of(kind, scope()), None)
    assert mark_of({}) is None and mark_of({"extensions": None}) is None


def test_the_mark_in_a_mapping_that_is_no_dict():
    made = scope()
    assert mark_of(UserDict(made)) is made["extensions"]["websocket.http.response"]


def test_what_is_raised_by_hand_is_nobodys():
    class Endpoint:
        scope = {"type": "http"}

        def fail(self):
            raise WebSocketDisconnect(1000)

    for endpoint in (Endpoint(), type("Lifespan", (Endpoint,), {"scope": None})()):
        with pytest.raises(WebSocketDisconnect) as caught:
            endpoint.fail()
        assert not is_anothers(caught.value, mark_of(scope()))


def test_a_circle_of_causes_ends():
    first, second = WebSocketDisconnect(1000), WebSocketDisconnect(1000)
    first.__cause__, second.__cause__ = second, first
    assert not is_anothers(first, mark_of(scope()))
