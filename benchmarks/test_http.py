"""HTTP operations without a network: ASGI calls only, from the scope to the end of the application."""

import asyncio
import importlib
import json
from collections.abc import AsyncIterator
from typing import Annotated, Any

import pytest
from pydantic import BaseModel

from benchmarks import peers
from benchmarks.asgi import App, Message

UNITS = 50
FRAMEWORKS = peers.FRAMEWORKS

HEADERS = [
    (b"host", b"127.0.0.1:8000"),
    (b"user-agent", b"Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"),
    (b"accept", b"application/json"),
    (b"accept-encoding", b"gzip, deflate, br"),
    (b"content-type", b"application/json"),
    (b"x-token", b"secret"),
]


class Order(BaseModel):
    name: str
    price: float
    tags: list[str] = []


class Confirmation(BaseModel):
    order: Order
    user: str
    page: int


class Requesting:
    """Requests of one kind, one after the other.

    Args:
        loop: where the application runs.
        app: the ASGI application.
        method, path, query, body: of every request.
    """

    def __init__(
        self, loop: asyncio.AbstractEventLoop, app: App, method: str, path: str, query: bytes = b"", body: bytes = b""
    ) -> None:
        self.loop = loop
        self.app = app
        self.message = {"type": "http.request", "body": body, "more_body": False}
        self.scope = {
            "type": "http",
            "asgi": {"version": "3.0", "spec_version": "2.4"},
            "http_version": "1.1",
            "method": method,
            "scheme": "http",
            "server": ("127.0.0.1", 8000),
            "client": ("127.0.0.1", 50000),
            "root_path": "",
            "path": path,
            "raw_path": path.encode(),
            "query_string": query,
            "headers": [*HEADERS, (b"content-length", str(len(body)).encode())],
        }
        self.sent: list[Message] = []

    async def _requests(self, count: int) -> None:
        app, original, message = self.app, self.scope, self.message
        sent: list[Message] = []

        async def receive() -> Message:
            return message

        async def send(message: Message) -> None:
            sent.append(message)

        for _ in range(count):
            sent.clear()
            await app({**original, "state": {}}, receive, send)
        self.sent = sent

    def run(self, count: int) -> None:
        """Make ``count`` requests; ``sent`` is then what the application answered to the last."""
        self.loop.run_until_complete(self._requests(count))

    def answer(self) -> tuple[int, Any]:
        """Status and parsed body of one response."""
        self.run(1)
        start, body = self.sent
        return start["status"], json.loads(body["body"])


def new_app(framework: str) -> tuple[Any, Any]:
    package = importlib.import_module(framework)
    return package, package.App() if framework == "wirefast" else package.FastAPI()


@pytest.mark.parametrize("peer", FRAMEWORKS)
def test_operation(measure, loop, peer):
    """A JSON operation with four dependencies (one yields), a body model and a response model."""
    package, app = new_app(peer)

    async def settings() -> dict[str, int]:
        return {"limit": 10}

    async def session(given: Annotated[dict[str, int], package.Depends(settings)]) -> AsyncIterator[str]:
        yield "session"

    async def user(x_token: Annotated[str, package.Header()], session: Annotated[str, package.Depends(session)]) -> str:
        return x_token

    async def page(page: Annotated[int, package.Query(ge=1)] = 1) -> int:
        return page

    async def create(
        shop_id: int,
        order: Order,
        user: Annotated[str, package.Depends(user)],
        page: Annotated[int, package.Depends(page)],
    ) -> Confirmation:
        return Confirmation(order=order, user=user, page=page)

    app.post("/shops/{shop_id}/orders")(create)
    body = {"name": "lamp", "price": 12.5, "tags": ["light", "home"]}
    requesting = Requesting(loop, app, "POST", "/shops/7/orders", b"page=3", json.dumps(body).encode())
    assert requesting.answer() == (200, {"order": body, "user": "secret", "page": 3})
    measure(lambda: requesting.run(UNITS), UNITS, step="http", case="4 dependencies, 2 models", peer=peer)


@pytest.mark.parametrize("peer", FRAMEWORKS)
def test_plain(measure, loop, peer):
    """The least: a dict from a coroutine without parameters."""
    _, app = new_app(peer)

    @app.get("/")
    async def endpoint():
        return {"message": "hello"}

    requesting = Requesting(loop, app, "GET", "/")
    assert requesting.answer() == (200, {"message": "hello"})
    measure(lambda: requesting.run(UNITS), UNITS, step="http", case="no parameters, a dict", peer=peer)


@pytest.mark.parametrize("peer", FRAMEWORKS)
def test_list_of_dicts(measure, loop, peer):
    """A result without a model: 100 rows of a table."""
    _, app = new_app(peer)
    rows = [{"id": number, "name": f"row {number}", "price": number / 4, "tags": ["a", "b"]} for number in range(100)]

    @app.get("/")
    async def endpoint():
        return rows

    requesting = Requesting(loop, app, "GET", "/")
    assert requesting.answer() == (200, rows)
    measure(lambda: requesting.run(10), 10, step="http", case="no model, 100 rows", peer=peer)


@pytest.mark.parametrize("peer", FRAMEWORKS)
def test_refused(measure, loop, peer):
    """A body that is invalid: 422 with its list of errors."""
    _, app = new_app(peer)

    @app.post("/")
    async def endpoint(order: Order):
        raise AssertionError("not reached")

    requesting = Requesting(loop, app, "POST", "/", body=b'{"price": "dear"}')
    status, detail = requesting.answer()
    assert status == 422 and [error["loc"] for error in detail["detail"]] == [["body", "name"], ["body", "price"]]
    measure(lambda: requesting.run(UNITS), UNITS, step="http", case="422", peer=peer)


@pytest.mark.parametrize("peer", FRAMEWORKS)
def test_plain_function(measure, loop, peer):
    """An endpoint that is run in a worker thread, with a response model."""
    _, app = new_app(peer)

    def endpoint():
        return {"name": "lamp", "price": 1}

    app.get("/", response_model=Order)(endpoint)
    requesting = Requesting(loop, app, "GET", "/")
    assert requesting.answer() == (200, {"name": "lamp", "price": 1.0, "tags": []})
    measure(lambda: requesting.run(10), 10, step="http", case="a function in a thread, response model", peer=peer)
