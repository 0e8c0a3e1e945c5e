"""The route of typed messages in the words of each peer: a message of 128 bytes is validated, handled with two path
parameters and a dependency that is solved once for the socket, and answered.

"by hand" is the loop that a careful user writes on our own socket with ``TypeAdapter.validate_json`` and ``dump_json``.
Chanx knows no dependencies, and its messages have the members ``action`` and ``payload``, so its consumer reads the
query when the socket comes and its message is another one of 128 bytes.
"""

import importlib.util
import json
import warnings
from collections.abc import AsyncIterator
from typing import Annotated, Any, Literal

from pydantic import BaseModel, Field, TypeAdapter

from wirefast import App, Depends, Query, WebSocket


class Say(BaseModel):
    type: Literal["say"]
    text: Annotated[str, Field(max_length=2000)]
    to: str


class Leave(BaseModel):
    type: Literal["leave"]


class Said(BaseModel):
    type: Literal["said"] = "said"
    by: str
    room: int
    text: str


async def find_user(name: Annotated[str, Query()] = "ada") -> str:
    return name


async def open_session() -> AsyncIterator[int]:
    yield 1


User = Annotated[str, Depends(find_user)]
INCOMING: TypeAdapter[Say | Leave] = TypeAdapter(Annotated[Say | Leave, Field(discriminator="type")])
OUTGOING = TypeAdapter(Said)
# The path of each way of ours below /h/3, and what it is sent.
MESSAGE = json.dumps({"type": "say", "text": "x" * 82, "to": "everybody"})
WITH_REF = json.dumps({"type": "say", "text": "x" * 72, "to": "everybody", "ref": 1})
IN_PAYLOAD = json.dumps({"action": "say", "payload": {"text": "x" * 67, "to": "everybody"}})
ANSWER = OUTGOING.dump_json(Said(by="ada", room=3, text="x" * 82))
ANSWER_IN_PAYLOAD = json.dumps({"action": "said", "payload": {"by": "ada", "room": 3, "text": "x" * 67}}).encode()
assert len(MESSAGE) == len(WITH_REF) == len(IN_PAYLOAD) == 128

# The packages of each peer: chanx can be installed without what its consumer imports.
PEERS = {
    "wirefast": ["wirefast"],
    "litestar": ["litestar"],
    "chanx": ["chanx", "fast_channels", "humps", "structlog"],
}
ABSENT = [peer for peer, names in PEERS.items() if any(importlib.util.find_spec(name) is None for name in names)]
INSTALLED = [peer for peer in PEERS if peer not in ABSENT]


async def answer(message: Say, house: str, room_id: int, user: User) -> Said:
    return Said(by=user, room=room_id, text=message.text)


async def leave(message: Leave) -> None: ...


def wirefast() -> App:
    """Return every way of ours: ``/many`` has 200 kinds of messages, ``/generator`` a generator for each message."""
    app = App()
    typed = app.messages("/typed/{house}/{room_id}", sends=Said)
    typed.on(answer)
    typed.on(leave)
    many = app.messages("/many/{house}/{room_id}", sends=Said)
    many.on(answer)
    for number in range(199):
        many.on(f"kind{number}")(leave)
    generator = app.messages("/generator/{house}/{room_id}", sends=Said)

    @generator.on
    async def answer_with_session(
        message: Say, house: str, room_id: int, user: User, held: Annotated[int, Depends(open_session, scope="message")]
    ) -> Said:
        return Said(by=user, room=room_id, text=message.text)

    @app.websocket("/hand/{house}/{room_id}")
    async def by_hand(websocket: WebSocket, house: str, room_id: int, user: User) -> None:
        await websocket.accept()
        async for text in websocket.iter_text():
            message = INCOMING.validate_json(text)
            if isinstance(message, Say):
                reply = await answer(message, house, room_id, user)
                await websocket.send_text(OUTGOING.dump_json(reply).decode())

    @app.websocket("/loop/{house}/{room_id}")
    async def loop(websocket: WebSocket[Said], house: str, room_id: int, user: User) -> None:
        await websocket.accept()
        async for message in websocket.iter_messages(Say | Leave):
            if isinstance(message, Say):
                await websocket.send_message(await answer(message, house, room_id, user))

    return app


def litestar() -> Any:
    """Return a ``websocket_listener`` with a DTO for the message and one for the reply."""
    from litestar import Litestar, websocket_listener
    from litestar.di import Provide
    from litestar.params import Parameter
    from litestar.plugins.pydantic import PydanticDTO

    async def user(name: Annotated[str, Parameter(query="name")] = "ada") -> str:
        return name

    @websocket_listener(
        "/typed/{house:str}/{room_id:int}",
        dto=PydanticDTO[Say],
        return_dto=PydanticDTO[Said],
        dependencies={"user": Provide(user)},
    )
    async def listener(data: Say, house: str, room_id: int, user: str) -> Said:
        return Said(by=user, room=room_id, text=data.text)

    return Litestar(route_handlers=[listener], openapi_config=None)


def chanx() -> Any:
    """Return a consumer with a handler for each action."""
    from urllib.parse import parse_qs

    from chanx.core.decorators import ws_handler
    from chanx.fast_channels.websocket import AsyncJsonWebsocketConsumer
    from chanx.messages.base import BaseMessage
    from starlette.applications import Starlette
    from starlette.routing import WebSocketRoute

    class SayPayload(BaseModel):
        text: Annotated[str, Field(max_length=2000)]
        to: str

    class SayAction(BaseMessage):
        action: Literal["say"] = "say"
        payload: SayPayload

    class LeaveAction(BaseMessage):
        action: Literal["leave"] = "leave"
        payload: None = None

    class SaidPayload(BaseModel):
        by: str
        room: int
        text: str

    class SaidAction(BaseMessage):
        action: Literal["said"] = "said"
        payload: SaidPayload

    class Consumer(AsyncJsonWebsocketConsumer):  # type: ignore[type-arg]
        async def post_authentication(self) -> None:
            parameters = self.scope["path_params"]
            self.house, self.room = parameters["house"], parameters["room_id"]
            self.user = parse_qs(self.scope["query_string"].decode()).get("name", ["ada"])[0]

        @ws_handler
        async def say(self, message: SayAction) -> SaidAction:
            return SaidAction(payload=SaidPayload(by=self.user, room=self.room, text=message.payload.text))

        @ws_handler
        async def leave(self, message: LeaveAction) -> None: ...

    return Starlette(routes=[WebSocketRoute("/typed/{house}/{room_id:int}", Consumer.as_asgi())])


def build(peer: str) -> Any:
    """Return the ASGI application of a peer."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        return {"wirefast": wirefast, "litestar": litestar, "chanx": chanx}[peer]()


def told(text: str) -> dict[str, Any]:
    """Return what an answer of any of the peers says."""
    found = json.loads(text)
    return found["payload"] if "payload" in found else {key: found[key] for key in found if key not in ("type", "ref")}
