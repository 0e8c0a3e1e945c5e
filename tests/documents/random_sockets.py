"""Applications of random sockets: paths, parameters, security, models and handlers of every kind."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from datetime import datetime
from decimal import Decimal
from enum import Enum
from typing import Annotated, Any, Literal
from uuid import UUID

from hypothesis import strategies as st
from pydantic import BaseModel, ConfigDict, Field, create_model

from wirefast import APIRouter, App, Cookie, Depends, Header, Query, Security, WebSocket
from wirefast.security import APIKeyHeader, HTTPBasic, HTTPBearer, OAuth2PasswordBearer


class Color(Enum):
    RED = "red"
    BLUE = 2


class Inner(BaseModel):
    """Inside another."""

    n: int = 3
    more: list[Inner] = []


TYPES: list[Any] = [
    int, float, bool, str, bytes, None, Any, datetime, UUID, Decimal, Color, Inner, list[int], set[str],
    dict[str, Inner], tuple[int, str], tuple[int, ...], Literal["a", 1, None], int | str | None,
    Annotated[int, Field(gt=1, le=9)],
    Annotated[str, Field(pattern="^a+$", min_length=1)], Inner | int, list[Color] | None,
]  # fmt: skip
SIMPLE: list[Any] = [int, str, float, bool, Color, UUID, Literal["a", "b"], int | None]
NAMES = ["a", "b_c", "type", "ref", "class_", "schema_", "x1", "Ä"]
WORDS = st.text(st.characters(codec="utf-8", exclude_characters="\x0c{}:/?#"), max_size=12)
SCHEMES: list[Callable[[], Any]] = [
    HTTPBearer, HTTPBasic, lambda: APIKeyHeader(name="X-Key"),
    lambda: OAuth2PasswordBearer("token", scopes={"r": "Read"}),
]  # fmt: skip


@st.composite
def models(draw: st.DrawFn, tag: str | None = None, values: list[str] | None = None) -> Any:
    """A model of random members, with a tag."""
    members: dict[str, Any] = {}
    for name in draw(st.lists(st.sampled_from(NAMES), unique=True, max_size=4)):
        annotation = draw(st.sampled_from(TYPES))
        members[name] = (annotation, draw(st.sampled_from([..., None])) if name != tag else ...)
    if tag is not None:
        members[tag] = (Literal[tuple(values or ["x"])], ... if draw(st.booleans()) else (values or ["x"])[0])
    config = ConfigDict(extra=draw(st.sampled_from(["ignore", "forbid", "allow"])), title=draw(st.none() | WORDS))
    return create_model(draw(st.sampled_from(["Same", "Other", "Third"])), __config__=config, **members)


@st.composite
def applications(draw: st.DrawFn) -> App:
    """An application of up to six sockets on two routers."""
    app = App(
        title=draw(WORDS) or "T", description=draw(WORDS), servers=draw(st.sampled_from([[], [{"url": "https://h/p"}]]))
    )
    router = APIRouter(prefix="/r", tags=[draw(WORDS)])
    for number in range(draw(st.integers(0, 6))):
        owner: Any = draw(st.sampled_from([app, router]))
        kind = draw(st.sampled_from(["messages", "listener", "stream", "plain", "starlette"]))
        convertor = draw(st.sampled_from(["", ":int", ":path", ":uuid", ":float"]))
        path = draw(st.sampled_from(["/s", f"/s/{number}/{{room_id{convertor}}}", f"/{{a}}/x/{{b{convertor}}}"]))
        options: dict[str, Any] = {}
        if draw(st.booleans()):
            scopes = draw(st.lists(st.sampled_from(["r", "w"]), unique=True))
            options["dependencies"] = [
                Security(draw(st.sampled_from(SCHEMES))(), scopes=scopes),
                Depends(draw(needs())),
            ]
        if kind != "starlette":
            options["tags"] = draw(st.lists(WORDS, max_size=2))
            options["summary"], options["description"] = draw(st.none() | WORDS), draw(st.none() | WORDS)
        draw(declarations(owner, kind, path, options))
    app.include_router(router, prefix=draw(st.sampled_from(["", "/v1"])), tags=["inc"])
    return app


@st.composite
def needs(draw: st.DrawFn) -> Any:
    """A dependency with parameters of the handshake."""
    one, two, three = (draw(st.sampled_from(SIMPLE)) for _ in range(3))

    async def need(
        q: Annotated[one, Query(description="d", examples=["e"])],  # type: ignore[valid-type]
        h: Annotated[two, Header(deprecated=True)] = None,  # type: ignore[valid-type]
        c: Annotated[three, Cookie()] = None,  # type: ignore[valid-type]
    ) -> None: ...

    need.__annotations__.update(
        q=Annotated[one, Query(description="d", examples=["e"])],
        h=Annotated[two, Header(deprecated=True)],
        c=Annotated[three, Cookie()],
    )
    return need


@st.composite
def declarations(draw: st.DrawFn, owner: Any, kind: str, path: str, options: dict[str, Any]) -> None:
    async def plain(websocket: WebSocket) -> None: ...

    if kind == "starlette":
        owner.websocket_route(path)(plain)
    elif kind == "plain":
        types = st.none() | st.sampled_from(TYPES) | models("type", ["m"])
        owner.websocket(path, receives=draw(types), sends=draw(types), **options)(plain)
    elif kind == "stream":

        async def stream() -> AsyncIterator[Any]:
            yield None

        stream.__annotations__["return"] = AsyncIterator[draw(st.sampled_from(TYPES) | models("type"))]  # type: ignore[misc]
        owner.websocket_stream(path, **options)(stream)
    elif kind == "listener":
        owner.websocket_listener(path, **options)(handler(draw(st.sampled_from(TYPES[:5] + TYPES[7:])), draw(models())))
    else:
        tag = draw(st.sampled_from(["type", "action"]))
        room = owner.messages(path, tag=tag, **options)
        room.on_connect(handler(None, draw(st.sampled_from(TYPES))))
        for index in range(draw(st.integers(0, 4))):
            replies = draw(st.sampled_from(TYPES) | models(tag, ["r"]))
            function = handler(draw(models(tag, [f"{index}", f"{index}b"])), replies)
            room.on(function)
        plain_tags = [f"p{index}" for index in range(draw(st.integers(1, 2)))]
        room.on(*plain_tags, summary=draw(st.none() | WORDS))(handler(draw(models()), None))


def handler(message: Any, replies: Any) -> Any:
    """A handler with these annotations."""
    if message is None:

        async def without() -> None: ...

        without.__annotations__["return"] = replies
        return without

    async def with_message(message: Any) -> None: ...

    with_message.__annotations__.update({"message": message, "return": replies})
    return with_message
