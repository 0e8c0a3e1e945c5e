"""What a stranger cannot do: sensors have a key, and everyone has limits."""

import hmac
import os
from typing import Annotated, Literal

from pydantic import BaseModel, Field

from wirefast import App, Cookie, Depends, Limits, Rate, Refuse, Response, Security, WebSocket
from wirefast.rooms import Hub, Room
from wirefast.security import APIKeyHeader

# A browser hides a refused handshake from its page, so the server accepts and closes with 4401.
app = App(
    hub=Hub(),
    explain_rejections="close",
    limits=Limits(per_ip=100, messages=Rate(10, per=1.0, burst=20), message_bytes=4096, idle=3600.0),
)
Sensor = Literal["load", "memory", "door"]


class Reading(BaseModel):
    type: Literal["reading"] = "reading"
    sensor: Sensor
    value: float


class Watch(BaseModel):
    type: Literal["watch"] = "watch"
    sensor: Sensor


class Watching(BaseModel):
    type: Literal["watching"] = "watching"
    sensor: Sensor


class Note(BaseModel):
    type: Literal["note"] = "note"
    text: Annotated[str, Field(min_length=1, max_length=500)]


class Noted(BaseModel):
    type: Literal["noted"] = "noted"
    by: str
    text: str


class Login(BaseModel):
    name: str
    password: str


SECRET = os.environ.get("BOARD_SECRET", "for trying out").encode()
PASSWORDS = {"ada": "lovelace", "grace": "hopper"}  # in a service: a database, and hashes


def sign(name: str) -> str:
    return f"{name}.{hmac.new(SECRET, name.encode(), 'sha256').hexdigest()}"


async def find_user(session: Annotated[str, Cookie()] = "") -> str:
    name = session.rpartition(".")[0]
    if not name or not hmac.compare_digest(session.encode(), sign(name).encode()):
        raise Refuse(401, "log in first", code=4401)
    return name


User = Annotated[str, Depends(find_user)]
SENSOR_KEY = os.environ.get("BOARD_SENSOR_KEY", "for trying out")


async def is_sensor(key: Annotated[str, Security(APIKeyHeader(name="X-Sensor-Key"))]) -> None:
    if not hmac.compare_digest(key.encode(), SENSOR_KEY.encode()):
        raise Refuse(403, "not a sensor of ours")


@app.post("/login", dependencies=[Depends(Rate(10, per=60.0))])
async def log_in(login: Login, response: Response) -> str:
    if not hmac.compare_digest(PASSWORDS.get(login.name, "").encode(), login.password.encode()):
        raise Refuse(401, "wrong name or password")
    response.set_cookie("session", sign(login.name), max_age=86400, httponly=True, samesite="strict")
    return login.name


readings = Room("readings:{sensor}", Reading)
notes = Room("notes", Noted)
live = app.messages("/live", sends=Watching | Reading | Noted)


@app.post("/readings", dependencies=[Depends(is_sensor)])
async def take(reading: Reading, hub: Hub) -> dict[str, int]:
    return {"told": await hub.publish(readings(sensor=reading.sensor), reading)}


@live.on_connect
async def come(websocket: WebSocket, user: User, hub: Hub) -> None:
    await websocket.accept()
    await hub.join(notes(), websocket)


@live.on
async def watch(message: Watch, websocket: WebSocket, hub: Hub) -> Watching:
    await hub.join(readings(sensor=message.sensor), websocket)
    return Watching(sensor=message.sensor)


@live.on
async def note(message: Note, user: User, hub: Hub) -> None:
    await hub.publish(notes(), Noted(by=user, text=message.text))
