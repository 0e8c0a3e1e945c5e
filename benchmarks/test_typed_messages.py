"""A typed message, no network: 128 bytes validated, handled with two path parameters and a dependency, answered.

"by hand" is the loop that a careful user writes on our own socket with ``TypeAdapter.validate_json`` and
``dump_json``.
"""

import json
from collections.abc import AsyncIterator
from typing import Annotated, Literal

import pytest
from pydantic import BaseModel, Field, TypeAdapter

from benchmarks.asgi import Exchange, scope_of
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
SMALL = json.dumps({"type": "say", "text": "x" * 82, "to": "everybody"})
WITH_REF = json.dumps({"type": "say", "text": "x" * 72, "to": "everybody", "ref": 1})
assert len(SMALL) == len(WITH_REF) == 128


async def answer(message: Say, house: str, room_id: int, user: User) -> Said:
    return Said(by=user, room=room_id, text=message.text)


async def leave(message: Leave) -> None: ...


def build() -> App:
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

    return app


CASES = {
    "typed, by hand": ("hand", SMALL),
    "typed": ("typed", SMALL),
    "typed, with a ref": ("typed", WITH_REF),
    "typed, 200 kinds": ("many", SMALL),
    "typed, a generator for each": ("generator", SMALL),
}


@pytest.mark.parametrize("case", CASES)
def test_typed(measure, loop, case):
    path, text = CASES[case]
    exchange = Exchange(loop, build(), scope_of(f"/{path}/h/3"), {"type": "websocket.receive", "text": text})
    sent = json.loads(exchange.run(1)["text"])
    ref = {"ref": 1} if "ref" in case else {}
    assert sent == {**ref, "type": "said", "by": "ada", "room": 3, "text": json.loads(text)["text"]}
    measure(lambda: exchange.run(500), 500, step="message", case=case, peer="wirefast")
    exchange.close()
