"""What a type checker makes of typed messages; read by mypy and pyright (tests/project/test_typing.py), never run."""

from typing import Annotated, Literal, assert_type

from pydantic import BaseModel

from wirefast import App, Depends, WebSocket
from wirefast.messages import InvalidMessage
from wirefast.rooms import Hub, Room

app = App()


class Say(BaseModel):
    type: Literal["say"]


class Typing(BaseModel):
    type: Literal["typing"]


class Said(BaseModel):
    type: Literal["said"] = "said"


class Joined(BaseModel):
    type: Literal["joined"] = "joined"


class Other(BaseModel): ...


room = Room("room:{room_id}", Said | Joined)
assert_type(room, Room[Said | Joined])
lobby: Room[Said] = Room("lobby", Said)


def names(websocket: WebSocket[Said]) -> str:
    return "name"


@app.websocket("/rooms/{room_id}")
async def endpoint(
    websocket: WebSocket[Said | Joined], room_id: int, name: Annotated[str, Depends(names)], hub: Hub
) -> None:
    async for message in websocket.iter_messages(Say | Typing, on_invalid="ignore", max_invalid=3):
        assert_type(message, Say | Typing)
        assert_type(await websocket.send_message(Said()), None)
    assert_type(await websocket.receive_message(Say), Say)
    assert_type(await websocket.receive_message(list[int]), list[int])
    assert_type(await websocket.receive_message(Say | None), Say | None)
    await only_said(websocket)  # which sends less than this one may
    await anything(websocket)
    assert_type(await hub.publish(room(room_id=room_id), Said()), int)
    await hub.publish(lobby, Said())
    await hub.join(room(room_id=room_id), websocket)
    async with websocket.message_scope():
        pass


async def only_said(websocket: WebSocket[Said]) -> None:
    await websocket.send_message(Said())


async def anything(websocket: WebSocket) -> None:
    await websocket.send_message(Other())
    await websocket.send_json({"a": 1})


def told(exc: InvalidMessage) -> None:
    assert_type(exc.code, int)
    assert_type(exc.ref, bytes | None)


# ---- What a type checker has to refuse: an ignore that nothing needs is itself an error ----


async def refused(websocket: WebSocket[Said | Joined], only: WebSocket[Said], hub: Hub) -> None:
    await websocket.send_message(Other())  # type: ignore[arg-type]
    await only.send_message(Joined())  # type: ignore[arg-type]
    await joins(only)  # type: ignore[arg-type]
    await hub.publish(room(room_id=1), Other())  # type: ignore[misc]
    websocket.iter_messages(Say, on_invalid="close")  # type: ignore[arg-type]
    message: Typing = await websocket.receive_message(Say)  # type: ignore[arg-type]
    print(message)


async def joins(websocket: WebSocket[Joined]) -> None: ...
