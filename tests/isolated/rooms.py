"""Rooms and outboxes: sockets that join and leave, that stall and are lost with messages waiting; over our protocol."""

import asyncio

from leaks import COUNT, check

from memory import Memory, MemoryPeer
from wirefast import App, WebSocket
from wirefast.rooms import Hub, Policy

app, hub = App(), Hub()
LONG = b"x" * 300
#: Each leaves two of three messages for a socket that reads nothing.
POLICIES = [Policy(name, max_messages=2) for name in ("drop_new", "drop_old")]


@app.websocket("/echo")
async def echo(websocket: WebSocket) -> None:
    await websocket.accept()
    async for data in websocket.iter_bytes():
        await websocket.send_bytes(data)


@app.websocket("/in/{room}")
async def listen(websocket: WebSocket, room: str) -> None:
    await websocket.accept()
    async with hub.join(room, websocket):
        await websocket.receive()


async def member(room: str) -> MemoryPeer:
    peer = memory.open(f"/in/{room}")
    while not hub.count(room):
        assert peer.status in (None, 101)
        await asyncio.sleep(0)
    return peer


async def in_a_room(i: int) -> None:
    room = f"room-{i % 10}"
    peer = await member(room)
    assert await hub.publish(room, {"number": i, "text": "x" * 300}) == 1
    await asyncio.sleep(0)
    assert len(peer.messages) == 1
    if i % 2:
        peer.close()
    else:
        peer.lose()
    await memory.ended()
    assert not hub.count(room)


async def stalled(i: int) -> None:
    """Every second socket reads on; then each is lost, the others with what waits for them."""
    peer = await member("slow")
    (websocket,) = hub.members("slow")
    peer.transport.protocol.pause_writing()
    for number in range(3):
        await hub.publish("slow", f"{i} {number}", policy=POLICIES[i % 2])
        # A key of its own each time: nothing may be remembered for it.
        websocket.try_send({"number": number}, policy="conflate", key=i)
    assert websocket.buffered.messages == 2
    if i % 4 > 1:
        peer.transport.protocol.resume_writing()
        assert len(peer.messages) == 2
    peer.lose()
    await memory.ended()


async def long_messages(i: int) -> None:
    """Frames of our protocol, too long for what Python keeps of freed objects."""
    peer = memory.open("/echo")
    for _ in range(3):
        peer.send(LONG)
    for _ in range(8):
        await asyncio.sleep(0)
    assert peer.messages == [LONG] * 3
    peer.close()
    await memory.ended()


if __name__ == "__main__":
    memory = Memory(app)
    check(long_messages, COUNT // 50)
    for work in (in_a_room, stalled):
        check(work, COUNT // 50)
