"""One endpoint served over ASGI messages, and directly over a server's channel."""

import asyncio

from asgi import Client, websocket_scope
from memory import Memory
from wirefast.websockets import WebSocket


async def over_asgi(endpoint, *messages):
    """What a client gets from an endpoint, and the exception that the endpoint raised."""
    client = Client(*messages, waits=True)
    failure = None
    try:
        await endpoint(WebSocket(websocket_scope(), client.receive, client.send))
    except Exception as exc:
        failure = exc
    payloads = [message for message in client.sent if message["type"] == "websocket.send"]
    return [message.get("text", message.get("bytes")) for message in payloads], failure


async def over_channel(endpoint, *messages):
    failures = [None]

    async def app(scope, receive, send):
        websocket = WebSocket(scope, receive, send)
        try:
            await endpoint(websocket)
        except Exception as exc:
            failures[0] = exc

    server = Memory(app)
    peer = server.open()
    await asyncio.sleep(0)
    for message in messages:
        peer.send(message)
    # Nobody answers a peer that said goodbye, so first let the endpoint read all.
    for _ in range(50):
        await asyncio.sleep(0)
    peer.close()
    await server.ended()
    return peer.messages, failures[0]
