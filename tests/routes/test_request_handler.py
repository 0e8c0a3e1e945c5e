"""What tools put in the place of ``routing.solve_dependencies``: seen by every route, whoever came first."""

from typing import Annotated

import pytest
from pydantic import BaseModel

from wirefast import APIRouter, App, BackgroundTasks, Depends, Form, Response, WebSocket, routing
from wirefast.exceptions import WebSocketRequestValidationError
from wirefast.testclient import TestClient
from wirefast.websockets import WebSocketDisconnect


class Item(BaseModel):
    name: str


def declare(app, log):
    router = APIRouter()

    async def opened():
        log.append("open")
        yield 5
        log.append("close")

    @router.post("/items/{number}", status_code=201)
    async def make(
        number: int, item: Item, found: Annotated[int, Depends(opened)], response: Response, tasks: BackgroundTasks
    ) -> Item:
        response.headers["x-found"] = str(found)
        tasks.add_task(log.append, "task")
        log.append("made")
        return item

    @router.post("/form")
    def form(name: Annotated[str, Form()]):
        return name

    @router.websocket("/ws/{number}")
    async def talk(websocket: WebSocket, number: int):
        await websocket.accept()
        await websocket.send_json(number)

    app.include_router(router, prefix="/in")


@pytest.mark.parametrize("late", [False, True])
def test_a_tool_sees_the_values_and_errors_of_every_route(monkeypatch, late):
    original, seen, log = routing.solve_dependencies, [], []

    class Marked(dict):
        """A mapping that the tool knows again."""

    async def watching(*, request, **options):
        solved = await original(request=request, **options)
        seen.append((request.url.path, dict(solved.values), solved.errors))
        solved.values = Marked(solved.values)
        return solved

    original_run = routing.run_endpoint_function

    async def running(*, dependant, values, **options):
        assert isinstance(values, Marked)
        return await original_run(dependant=dependant, values=values, **options)

    app = App()
    if late:
        declare(app, log)
    monkeypatch.setattr(routing, "solve_dependencies", watching)
    monkeypatch.setattr(routing, "run_endpoint_function", running)
    if not late:
        declare(app, log)
    client = TestClient(app)
    answer = client.post("/in/items/7", json={"name": "x"})
    assert (answer.status_code, answer.json(), answer.headers["x-found"]) == (201, {"name": "x"}, "5")
    # The generator is left after the response, as FastAPI's are; background tasks are part of it.
    assert log == ["open", "made", "task", "close"]
    assert seen[0][1]["number"] == 7 and seen[0][1]["item"] == Item(name="x") and seen[0][1]["found"] == 5
    refused = client.post("/in/items/x", json={"name": 1})
    assert refused.status_code == 422 and [error["loc"] for error in refused.json()["detail"]] == [
        ["path", "number"],
        ["body", "name"],
    ]
    assert len(seen[1][2]) == 2 and seen[1][1] == {}
    assert client.post("/in/form", data={"name": "f"}).json() == "f"
    with client.websocket_connect("/in/ws/3") as websocket:
        assert websocket.receive_json() == 3
    with pytest.raises((WebSocketRequestValidationError, WebSocketDisconnect)), client.websocket_connect("/in/ws/x"):
        pass
    assert [path for path, _, _ in seen] == ["/in/items/7", "/in/items/x", "/in/form", "/in/ws/3", "/in/ws/x"]


def test_a_tool_that_goes_is_gone_when_the_routes_change(monkeypatch):
    app, calls = App(), []
    original = routing.solve_dependencies

    async def counting(**options):
        calls.append(options["request"].url.path)
        return await original(**options)

    app.get("/a")(lambda: "a")
    with monkeypatch.context() as patch:
        patch.setattr(routing, "solve_dependencies", counting)
        client = TestClient(app)
        assert client.get("/a").json() == "a"
    app.get("/b")(lambda: "b")
    assert client.get("/a").json() == "a" and client.get("/b").json() == "b"
    assert calls == ["/a"]
