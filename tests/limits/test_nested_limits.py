"""Limits around each other: each counts a socket once, however the routes below are reached."""

from typing import Any

import pytest
from limited import echo
from starlette.applications import Starlette
from starlette.routing import Mount, WebSocketRoute
from starlette.testclient import WebSocketDenialResponse
from starlette.websockets import WebSocketDisconnect

from wirefast import APIRouter, App, Limits, Query, Rate, Refuse, WebSocket
from wirefast.limits.limits import OnExcess
from wirefast.metrics.catalogue import FAMILIES
from wirefast.testclient import TestClient


def denied(client: TestClient, path: str) -> WebSocketDenialResponse:
    with pytest.raises(WebSocketDenialResponse) as raised, client.websocket_connect(path):
        pass
    return raised.value


def closes(websocket: Any) -> tuple[int, str | None]:
    with pytest.raises(WebSocketDisconnect) as raised:
        while True:
            websocket.receive_text()
    return raised.value.code, raised.value.reason


def exchange(client: TestClient, texts: list[str], path: str) -> tuple[int, Any]:
    """How many of the messages came back, and how the socket was closed; None where it was not."""
    with client.websocket_connect(path) as websocket:
        for text in [*texts, "last"]:
            websocket.send_text(text)
        count = 0
        try:
            while websocket.receive_text() != "last":
                count += 1
        except WebSocketDisconnect as closed:
            return count, (closed.code, closed.reason)
    return count, None


class Opaque(APIRouter):
    """A router that decides by itself, so that its routes are not part of the table around it."""

    def matches(self, scope: Any) -> Any:
        return super().matches(scope)

    async def handle(self, scope: Any, receive: Any, send: Any) -> None:
        await super().handle(scope, receive, send)


class Plain(APIRouter):
    """One of the same kind that does not."""


def by_query(websocket: Any) -> str | None:
    found: str | None = websocket.query_params.get("user")
    return found


async def by_dependency(user: str | None = None) -> str | None:
    return user


@pytest.mark.parametrize("kind", [Plain, Opaque])
@pytest.mark.parametrize("user", [by_query, by_dependency])
@pytest.mark.parametrize("evict", ["newest", "oldest"])
def test_each_counts_once(kind: type[APIRouter], user: Any, evict: Any) -> None:
    around, of_router, of_route = (
        Limits(connections=9, per_ip=9, per_user=2, user=user, evict=evict, handshakes=Rate(9, per=10_000.0))
        for _ in range(3)
    )
    app = App(limits=around)
    router = kind(limits=of_router)
    router.websocket("/", limits=of_route)(echo)
    app.include_router(router, prefix="/r")
    client = TestClient(app)
    every = (around, of_router, of_route)
    with client.websocket_connect("/r/?user=ada") as one, client.websocket_connect("/r/?user=ada") as two:
        assert [limits.open for limits in every] == [2, 2, 2]
        assert [len(limits.ledger.by_user["ada"]) for limits in every] == [2, 2, 2]
        assert [list(limits.ledger.by_ip.values()) for limits in every] == [[2]] * 3
        if evict == "newest":
            assert denied(client, "/r/?user=ada").status_code == 429
        else:
            with client.websocket_connect("/r/?user=ada") as three:
                assert closes(one)[0] == 4409
                for websocket in (two, three):
                    websocket.send_text("x")
                    assert websocket.receive_text() == "x"
    assert [(limits.open, limits.ledger.by_ip, limits.ledger.by_user) for limits in every] == [(0, {}, {})] * 3
    for _ in range(6):
        with client.websocket_connect("/r/?user=bob"):
            pass
    assert denied(client, "/r/?user=bob").status_code == 429
    assert sum(limits.refused["handshakes"] for limits in every) == 1


@pytest.mark.parametrize("kind", [Plain, Opaque])
def test_of_a_socket_the_innermost_counts(kind: type[APIRouter]) -> None:
    app = App(limits=Limits(message_bytes=10, messages=Rate(3, per=10_000.0)))
    router = kind()
    router.websocket("/", limits=Limits(message_bytes=20))(echo)
    app.include_router(router, prefix="/r")
    client = TestClient(app)
    assert exchange(client, ["x" * 20], "/r/") == (1, None)
    assert exchange(client, ["x" * 21], "/r/") == (0, (1009, "message too big"))
    assert exchange(client, ["x"] * 5, "/r/") == (3, (1008, "too many messages"))


def test_opaque_routers_in_each_other() -> None:
    around = Limits(connections=2)
    app, outer, inner = App(limits=around), Opaque(), Opaque(limits=Limits(connections=5))
    inner.websocket("/")(echo)
    outer.include_router(inner, prefix="/inner")
    app.include_router(outer, prefix="/outer")
    client = TestClient(app)
    with client.websocket_connect("/outer/inner/"), client.websocket_connect("/outer/inner/"):
        assert around.open == 2 and inner.admission.limits[0].open == 2
        assert denied(client, "/outer/inner/").status_code == 503
    assert around.open == 0 and inner.admission.limits[0].open == 0


def mounted(kind: str, limits: Limits) -> App:
    """An application with the same Limits around it and around what is mounted."""
    app = App(limits=limits)
    below: Any = App(limits=limits)
    below.websocket("/")(echo)
    if kind == "foreign between":
        below = Starlette(routes=[Mount("/", below)])
    app.mount("/below", below)
    return app


@pytest.mark.parametrize("kind", ["ours", "foreign between"])
@pytest.mark.parametrize("evict", ["newest", "oldest"])
def test_the_same_limits_around_a_mount_and_in_it(kind: str, evict: Any) -> None:
    limits = Limits(connections=3, per_user=1, user=by_query, evict=evict)
    client = TestClient(mounted(kind, limits))
    with client.websocket_connect("/below/?user=ada") as one:
        assert limits.open == 1 and len(limits.ledger.by_user["ada"]) == 1
        if evict == "newest":
            assert denied(client, "/below/?user=ada").status_code == 429
        else:
            with client.websocket_connect("/below/?user=ada"):
                assert closes(one)[0] == 4409
    assert limits.open == 0 and limits.ledger.by_user == {}


def test_two_limits_with_the_same_settings_are_two() -> None:
    one, two = Limits(connections=1), Limits(connections=1)
    app = App(limits=one)
    app.websocket("/a", limits=two)(echo)
    app.websocket("/b")(echo)
    client = TestClient(app)
    with client.websocket_connect("/a"):
        assert (one.open, two.open) == (1, 1)
        assert denied(client, "/b").status_code == 503
    assert (one.refused, two.refused) == ({"connections": 1}, {})


# ---- What happens to excess, on each kind of route ----


async def by_starlette(websocket: Any) -> None:
    await websocket.accept()
    async for text in websocket.iter_text():
        await websocket.send_text(text)


def route(kind: str, on_excess: OnExcess) -> App:
    # Only what is delayed needs a rate that fills within the test.
    rate = Rate(50, per=1.0, burst=2) if on_excess == "delay" else Rate(2, per=10_000.0)
    app = App(limits=Limits(messages=rate, on_excess=on_excess))
    if kind == "plain":
        app.websocket("/")(echo)
    elif kind == "foreign":
        app.router.routes.append(WebSocketRoute("/", by_starlette))
    else:
        messages = app.messages("/")

        @messages.on("say")
        async def say(text: str) -> dict[str, str]:
            return {"said": text}

    return app


@pytest.mark.parametrize("kind", ["plain", "foreign", "typed"])
@pytest.mark.parametrize("on_excess", ["close", "error", "delay", "drop"])
def test_on_excess(kind: str, on_excess: OnExcess) -> None:
    app = route(kind, on_excess)
    typed = kind == "typed"
    with TestClient(app).websocket_connect("/") as websocket:
        for number in range(4):
            websocket.send_json({"type": "say", "text": str(number)}) if typed else websocket.send_text(str(number))
        found = [websocket.receive_json()["said"] if typed else websocket.receive_text() for _ in range(2)]
        assert found == ["0", "1"]
        if on_excess == "close" or (on_excess == "error" and not typed):
            assert closes(websocket) == (1008, "too many messages")
        elif on_excess == "error":
            for _ in range(2):
                assert websocket.receive_json() == {"type": "error", "code": "too_many"}
        elif on_excess == "delay":
            found = [websocket.receive_json()["said"] if typed else websocket.receive_text() for _ in range(2)]
            assert found == ["2", "3"]
        else:
            websocket.close()
            assert app.router.admission.limits[0].refused["messages"] >= 1


def test_refusals_are_counted_by_status() -> None:
    family = FAMILIES["wirefast_refusals_total"]
    before = {status: family.of(status).value for status in ("401", "418", "503")}
    app = App(limits=Limits(connections=1))

    @app.websocket("/before")
    async def refuses(websocket: WebSocket) -> None:
        raise Refuse(401)

    @app.websocket("/after")
    async def closes_after(websocket: WebSocket, status: int = Query()) -> None:
        await websocket.accept()
        raise Refuse(status, code=4418)

    app.websocket("/")(echo)
    client = TestClient(app)
    assert denied(client, "/before").status_code == 401
    with client.websocket_connect("/after?status=418") as websocket:
        assert closes(websocket)[0] == 4418
    with client.websocket_connect("/"):
        assert denied(client, "/").status_code == 503
    assert {status: family.of(status).value - before[status] for status in before} == dict.fromkeys(before, 1)
