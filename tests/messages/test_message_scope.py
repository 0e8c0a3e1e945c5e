"""``async with websocket.message_scope()`` in endpoints that read their messages themselves."""

import asyncio
import contextvars
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Annotated, Any, Literal

import pytest
from pydantic import BaseModel

from asgi import Client, connect
from wirefast import APIRouter, App, Depends, Header, Query, WebSocket, WebSocketException
from wirefast.exceptions import DependencyScopeError, FastAPIError
from wirefast.param_functions import Message
from wirefast.security import SecurityScopes
from wirefast.testing import Live


class Say(BaseModel):
    type: Literal["say"] = "say"
    text: str


class Session:
    """What a database session looks like from outside."""

    def __init__(self, log: list[Any], number: int) -> None:
        self.log, self.number, self.rows = log, number, [1, 2]

    def execute(self, what: str) -> str:
        self.log.append(f"{self.number}: {what}")
        return what.upper()

    def __len__(self) -> int:
        return len(self.rows)


class Service:
    """An application whose socket has a connection-scoped user and a message-scoped session, and its log."""

    def __init__(self, app: App) -> None:
        log = self.log = []
        numbers = iter(range(100))

        async def find_user(name: Annotated[str, Query()] = "ada") -> str:
            log.append("user")
            return name

        async def open_session(user: Annotated[str, Depends(find_user)]) -> AsyncIterator[Session]:
            number = next(numbers)
            log.append(f"open {number} for {user}")
            try:
                yield Session(log, number)
            except BaseException as exc:
                log.append(f"failed {type(exc).__name__}")
                raise
            finally:
                log.append(f"close {number}")

        def repository(db: Annotated[Session, Depends(open_session, scope="message")]) -> str:
            return f"repository of {db.number}"

        self.open_session = open_session

        @app.websocket("/{room}")
        async def endpoint(
            websocket: WebSocket,
            room: int,
            user: Annotated[str, Depends(find_user)],
            db: Annotated[Session, Depends(open_session, scope="message")],
            repo: Annotated[str, Depends(repository, scope="message")],
        ) -> None:
            await websocket.accept()
            async for message in websocket.iter_messages(Say):
                try:
                    async with websocket.message_scope() as values:
                        assert isinstance(db, Session) and values.db is not db and values.db.rows is db.rows
                        if message.text == "fail":
                            raise ZeroDivisionError
                        reply = f"{room} {user} {db.execute(message.text)} {repo} {values.repo} {len(db)}"
                except ZeroDivisionError:
                    reply = "failed"
                await websocket.send_text(reply)


async def test_each_message_has_its_own(app: App, live: Live) -> None:
    service = Service(app)
    async with live.connect("/7?name=bob") as socket:
        await socket.ask(Say(text="x"), "7 bob X repository of 0 repository of 0 2")
        await socket.ask(Say(text="fail"), "failed")
        await socket.ask(Say(text="y"), "7 bob Y repository of 2 repository of 2 2")
    assert service.log == [
        "user", "open 0 for bob", "0: x", "close 0",
        "open 1 for bob", "failed ZeroDivisionError", "close 1",
        "open 2 for bob", "2: y", "close 2",
    ]  # fmt: skip


async def test_overrides_apply(app: App, live: Live) -> None:
    service = Service(app)

    async def fake() -> Session:
        return Session(service.log, 99)

    app.dependency_overrides[service.open_session] = fake
    assert await live.ask("/1", Say(text="x")) == "1 ada X repository of 99 repository of 99 2"


def serve(endpoint: Callable[..., Any], *messages: str, **route: Any) -> Client:
    app = App()
    app.websocket("/", **route)(endpoint)
    return connect(app, "/", *messages)


async def number() -> AsyncIterator[int]:
    yield 5


Number = Annotated[int, Depends(number, scope="message")]


def test_outside_there_is_nothing() -> None:
    seen = []

    async def endpoint(websocket: WebSocket, value: Number) -> None:
        await websocket.accept()
        text = "'value' has the scope \"message\": use it inside `async with websocket.message_scope"
        with pytest.raises(RuntimeError, match=text):
            value.bit_length()
        assert repr(value) == "<value of each message>"
        scope = websocket.message_scope()
        async with scope:
            seen.append((value + 1, 1 + value, value == 5, repr(value), f"{value:03}", [1] * 9, value.bit_length()))
            with pytest.raises(RuntimeError, match="a message scope is entered once"):
                await scope.__aenter__()
        with pytest.raises(RuntimeError, match=text):
            str(value)

    serve(endpoint)
    assert seen == [(6, 6, True, "5", "005", [1] * 9, 3)]


def test_a_socket_without_any() -> None:
    async def endpoint(websocket: WebSocket) -> None:
        with pytest.raises(RuntimeError, match="no dependency of this endpoint is declared with Depends"):
            websocket.message_scope()
        await websocket.accept()

    serve(endpoint)


def test_tasks_have_scopes_of_their_own() -> None:
    numbers = iter(range(10))
    seen = []

    async def counted() -> AsyncIterator[int]:
        yield next(numbers)

    async def endpoint(websocket: WebSocket, value: Annotated[int, Depends(counted, scope="message")]) -> None:
        await websocket.accept()
        left: list[asyncio.Task[None]] = []

        async def inherited() -> None:
            await asyncio.sleep(0)
            await asyncio.sleep(0)
            with pytest.raises(RuntimeError, match="use it inside"):
                str(value)
            seen.append("over")

        async def one() -> None:
            async with websocket.message_scope():
                before = int(value)
                left.append(asyncio.create_task(inherited()))
                await asyncio.sleep(0)
                seen.append(before == value)

        await asyncio.gather(one(), one(), one())
        await asyncio.gather(*left)
        async with websocket.message_scope():
            async with websocket.message_scope():
                seen.append(int(value))
            seen.append(int(value))

    serve(endpoint)
    assert seen == [True] * 3 + ["over"] * 3 + [4, 3]


def test_generators_are_left_where_another_fails() -> None:
    log: list[str] = []

    async def first() -> AsyncIterator[None]:
        try:
            yield
        except ValueError:
            log.append("first")
            raise

    def second(value: Annotated[None, Depends(first, scope="message")]) -> Iterator[None]:
        raise ValueError("no second")
        yield

    async def endpoint(websocket: WebSocket, value: Annotated[None, Depends(second, scope="message")]) -> None:
        await websocket.accept()
        with pytest.raises(ValueError, match="no second"):
            async with websocket.message_scope():
                log.append("inside")

    serve(endpoint)
    assert log == ["first"]


def test_a_generator_may_swallow() -> None:
    async def swallowing() -> AsyncIterator[None]:
        try:
            yield
        except ValueError:
            pass

    seen = []

    async def endpoint(websocket: WebSocket, value: Annotated[None, Depends(swallowing, scope="message")]) -> None:
        await websocket.accept()
        async with websocket.message_scope():
            raise ValueError
        seen.append("on")

    serve(endpoint)
    assert seen == ["on"]


def test_left_in_another_context() -> None:
    async def endpoint(websocket: WebSocket, value: Number) -> None:
        await websocket.accept()
        scope = websocket.message_scope()
        await asyncio.create_task(scope.__aenter__())
        assert await scope.__aexit__(None, None, None) is False
        with pytest.raises(RuntimeError, match="use it inside"):
            str(value)
        assert contextvars.copy_context() is not None

    serve(endpoint)


def test_parameters_and_lists_of_the_route() -> None:
    log: list[Any] = []

    async def read(
        websocket: WebSocket,
        scopes: SecurityScopes,
        agent: Annotated[str, Header()],
        limit: Annotated[int, Query()] = 3,
    ) -> None:
        log.append((agent, limit, scopes.scopes, websocket.url.path))

    inner = APIRouter(dependencies=[Depends(read, scope="message")])
    app = App()

    @inner.websocket("/in")
    async def endpoint(websocket: WebSocket) -> None:
        await websocket.accept()
        for _ in range(2):
            async with websocket.message_scope() as values:
                assert vars(values) == {}

    app.include_router(inner, prefix="/p")
    connect(app, "/p/in?limit=4", headers=[("agent", "x")])
    assert log == [("x", 4, [], "/p/in")] * 2
    log.clear()
    # What is read from the handshake is refused with it, as anywhere.
    client = connect(app, "/p/in?limit=x", headers=[("agent", "x")])
    assert client.sent[0]["code"] == 1008 and log == []


def test_what_cannot_be_is_refused_when_declared() -> None:
    app = App()

    async def once(value: Number) -> int:
        return value

    async def of_message(text: Annotated[str, Message()]) -> str:
        return text

    with pytest.raises(DependencyScopeError, match="'.*once' of the route '/a' lives as long as the socket"):

        @app.websocket("/a")
        async def a(websocket: WebSocket, value: Annotated[int, Depends(once)]) -> None: ...

    with pytest.raises(FastAPIError, match="'text' of .*of_message' is read from a message, but its handler gets none"):

        @app.websocket("/b")
        async def b(websocket: WebSocket, value: Annotated[str, Depends(of_message, scope="message")]) -> None: ...

    assert not [route for route in app.routes if getattr(route, "path", "") in ("/a", "/b")]


def test_a_refusal_ends_the_socket() -> None:
    async def refuse() -> None:
        raise WebSocketException(4000, "enough")

    async def endpoint(websocket: WebSocket, value: Annotated[None, Depends(refuse, scope="message")]) -> None:
        await websocket.accept()
        async with websocket.message_scope():
            raise AssertionError

    assert serve(endpoint).sent[-1] == {"type": "websocket.close", "code": 4000, "reason": "enough"}
