"""An HTTP service with its documents: items of a store, a login, photos, an export that streams.

    wirefast run examples/store.py

Open http://127.0.0.1:8000/docs, log in as ``ada`` with the password ``lovelace``, and try the operations. The same is
what schemathesis attacks; docs/openapi.md has the commands.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from itertools import count
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from wirefast import APIRouter, App, Body, Depends, Form, HTTPException, Path, Query, Response
from wirefast.security import OAuth2PasswordBearer

USERS = {"ada": "lovelace"}
MOST_ITEMS, MOST_TOKENS, PHOTO_BYTES = 1000, 1000, 65_536


class Problem(BaseModel):
    """Why a request was refused."""

    detail: str


def to_whole(value: Any) -> Any:
    """Return 2.0 as 2, which JSON Schema calls an integer too."""
    return int(value) if isinstance(value, float) and value.is_integer() else value


class NewItem(BaseModel):
    """An item as it is sent."""

    model_config = ConfigDict(extra="forbid", strict=True)
    name: Annotated[str, Field(min_length=1, max_length=100, examples=["lamp"])]
    price: Annotated[int, Field(ge=0, le=10**9, description="In cents."), BeforeValidator(to_whole)]
    tags: Annotated[list[Annotated[str, Field(max_length=20)]], Field(max_length=8)] = []


class Item(NewItem):
    """An item of the store."""

    id: int


class Login(BaseModel):
    """A login by name and password (RFC 6749, 4.3.2)."""

    username: Annotated[str, Field(min_length=1)]
    password: Annotated[str, Field(min_length=1)]
    grant_type: Literal["password"] = "password"


class Token(BaseModel):
    """What a login gives."""

    access_token: str
    token_type: str = "bearer"


items: dict[int, Item] = {}
photos: dict[int, bytes] = {}
tokens: dict[str, str] = {}
numbers = count(1)
login = OAuth2PasswordBearer(tokenUrl="token")


def problem(status: int, description: str) -> dict[int | str, dict[str, Any]]:
    """Describe one refusal for the document."""
    return {status: {"model": Problem, "description": description}}


def find_user(token: Annotated[str, Depends(login)]) -> str:
    """Return whose token a request has."""
    if token not in tokens:
        raise HTTPException(401, "Log in first", headers={"WWW-Authenticate": "Bearer"})
    return tokens[token]


def find_item(item_id: Annotated[int, Path(ge=1, le=2**53, description="As the item has it.")]) -> Item:
    """Return the item that a path names."""
    if item_id not in items:
        raise HTTPException(404, f"There is no item {item_id}")
    return items[item_id]


Photo = Annotated[bytes, Body(media_type="application/octet-stream", min_length=1)]
Found = Annotated[Item, Depends(find_item)]
NOT_FOUND = problem(404, "There is no such item")
UNREADABLE = problem(400, "A body that is no JSON, or no form")
app = App(title="Store", version="1.0", description="Items, photos and a login.")
reading = APIRouter(tags=["read"])
writing = APIRouter(tags=["write"], dependencies=[Depends(find_user)], responses=problem(401, "Not logged in"))


@app.post("/token", tags=["login"], responses=problem(401, "Wrong name or password") | UNREADABLE)
def log_in(form: Annotated[Login, Form()]) -> Token:
    """Give a token for a name and a password."""
    known = USERS.get(form.username, "")
    if not secrets.compare_digest(known.encode(), form.password.encode("utf-8", "replace")):
        raise HTTPException(401, "Wrong name or password", headers={"WWW-Authenticate": "Bearer"})
    token = secrets.token_urlsafe(16)
    while len(tokens) >= MOST_TOKENS:
        del tokens[next(iter(tokens))]
    tokens[token] = form.username
    return Token(access_token=token)


@reading.get("/items")
def list_items(
    skip: Annotated[int, Query(ge=0, le=MOST_ITEMS)] = 0, limit: Annotated[int, Query(ge=1, le=100)] = 10
) -> list[Item]:
    """List items in the order of their numbers."""
    return list(items.values())[skip : skip + limit]


@reading.get("/export")
def export() -> Iterator[Item]:
    """Stream every item as a line of JSON."""
    yield from list(items.values())


@reading.get("/items/{item_id}", responses=NOT_FOUND)
def read(item: Found) -> Item:
    """Read one item."""
    return item


@reading.get(
    "/items/{item_id}/photo",
    response_class=Response,
    responses={200: {"content": {"application/octet-stream": {}}}, 204: {"description": "No photo yet"}, **NOT_FOUND},
)
def read_photo(item: Found) -> Response:
    """Read the photo of an item."""
    if item.id not in photos:
        return Response(status_code=204)
    return Response(photos[item.id], media_type="application/octet-stream")


@writing.post("/items", status_code=201, responses=problem(409, "The store is full") | UNREADABLE)
def add(item: NewItem) -> Item:
    """Add an item."""
    if len(items) >= MOST_ITEMS:
        raise HTTPException(409, "The store is full")
    added = Item(id=next(numbers), **item.model_dump())
    items[added.id] = added
    return added


@writing.put("/items/{item_id}", responses=NOT_FOUND | UNREADABLE)
def replace(item: Found, new: Annotated[NewItem, Body()]) -> Item:
    """Replace an item."""
    items[item.id] = Item(id=item.id, **new.model_dump())
    return items[item.id]


@writing.put(
    "/items/{item_id}/photo",
    status_code=204,
    max_body_size=PHOTO_BYTES,
    responses=NOT_FOUND | UNREADABLE | problem(413, "A photo of more than 64 KiB"),
)
def replace_photo(
    item: Found, photo: Annotated[bytes, Body(media_type="application/octet-stream", min_length=1)]
) -> None:
    """Replace the photo of an item."""
    photos[item.id] = photo


@writing.delete("/items/{item_id}", status_code=204, responses=NOT_FOUND)
def delete(item: Found) -> None:
    """Delete an item and its photo."""
    items.pop(item.id, None)
    photos.pop(item.id, None)


app.include_router(reading)
app.include_router(writing)
