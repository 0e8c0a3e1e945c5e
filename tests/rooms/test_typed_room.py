"""Typed rooms: names from patterns, messages of their types alone, each encoded once."""

import asyncio
from typing import Annotated, Any, Literal

import pytest
from pydantic import BaseModel, Field, field_serializer
from typing_extensions import TypedDict

from wirefast import App, WebSocket
from wirefast.rooms import Hub, Room
from wirefast.testing import Live

ENCODED: list[str] = []


class Said(BaseModel):
    type: Literal["said"] = "said"
    text: str = Field(serialization_alias="words")

    @field_serializer("text")
    def count(self, text: str) -> str:
        ENCODED.append(text)
        return text


class Joined(BaseModel):
    type: Literal["joined"] = "joined"


class Other(BaseModel): ...


class Plain(TypedDict):
    a: int


chat = Room("room:{room_id}", Annotated[Said | Joined, "more"])


@pytest.mark.live(app=lambda: App(hub=Hub()))
async def test_a_model_is_encoded_once_for_everybody(live: Live) -> None:
    hub = live.hub

    @live.app.websocket("/{room_id}")
    async def endpoint(websocket: WebSocket, room_id: int) -> None:
        await websocket.accept()
        async with hub.join(chat(room_id=room_id), websocket):
            async for _ in websocket.iter_text():
                pass

    peers = [await live.connect("/7", keep=True) for _ in range(50)]
    ENCODED.clear()
    assert await hub.publish(chat(room_id=7), Said(text="é")) == len(peers)
    assert await asyncio.to_thread(hub.publish_from_thread, chat(room_id=7), Said(text="thread")) == len(peers)
    assert ENCODED == ["é", "thread"]
    for peer in peers:
        await peer.expect_all('{"type":"said","words":"é"}', '{"type":"said","words":"thread"}')


def test_names_come_from_the_pattern() -> None:
    assert chat(room_id=7).name == "room:7"
    assert Room("{a}{{}}-{b}", Said)(b="{a}", a=1).name == "1{}-{a}"
    assert Room("lobby{{}}", Said).name == "lobby{}"
    assert repr(Room("lobby", Said)).startswith("Room('lobby', <class ")
    for fields in ({}, {"room": 1}, {"room_id": 1, "more": 2}):
        with pytest.raises(TypeError, match=r"the room 'room:\{room_id\}' has the fields \['room_id'\], not "):
            chat(**fields)


@pytest.mark.parametrize("pattern", ["{}", "{0}", "{a.b}", "{a[0]}", "{a!r}", "{a:>9}", "{", "}", "{a"])
def test_patterns_that_cannot_be(pattern: str) -> None:
    with pytest.raises(ValueError):
        Room(pattern, Said)


def test_a_name_is_a_str() -> None:
    with pytest.raises(TypeError, match="a room's name is a str, not bytes"):
        Room(b"room", Said)  # type: ignore[arg-type]


def test_another_message_is_refused() -> None:
    async def main() -> None:
        hub = Hub()
        lobby = Room("lobby", Said)
        for message in (Other(), {"type": "said"}, "said", b"said"):
            with pytest.raises(TypeError, match="the room 'room:1' sends Said | Joined, not "):
                await hub.publish(chat(room_id=1), message)  # type: ignore[call-overload]
            with pytest.raises(TypeError, match="the room 'lobby' sends Said, not "):
                await hub.publish(["other", lobby], message)
            with pytest.raises(TypeError, match="the room 'lobby' sends Said, not "):
                await asyncio.to_thread(hub.publish_from_thread, lobby, message)
        assert await hub.publish(["other", lobby, chat(room_id=2)], Said(text="x")) == 0
        assert await hub.publish((name for name in [lobby]), Said(text="x")) == 0
        for anything in (Any, dict[str, int], Plain):
            assert await hub.publish(Room("any", anything), {"a": 1}) == 0

    asyncio.run(main())


def test_a_kind_of_room_is_no_room() -> None:
    async def main() -> None:
        hub = Hub()
        for call in (hub.publish(chat, Said(text="x")), hub.close(chat)):
            with pytest.raises(
                ValueError, match=r"'room:\{room_id\}' stands for many rooms; .* room\(room_id=\.\.\.\)"
            ):
                await call
        for name in ("", "x" * 201, "\n"):
            with pytest.raises(ValueError, match="printable characters"):
                await hub.close(Room(name, Said))
        with pytest.raises(ValueError, match="printable characters"):
            await hub.close(chat(room_id="x" * 196))
        assert await hub.close(chat(room_id="x" * 195)) == 0

    asyncio.run(main())
