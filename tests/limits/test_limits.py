"""Limits of an application, a router and a route, each just under and just over, on any ASGI server. Those of messages
are in test_message_limits.py.
"""

import asyncio
from collections.abc import Callable
from contextlib import ExitStack
from typing import Annotated, Any

import pytest
from limited import MANY, client_of, closes, denied, echo, exchange

from wirefast import APIRouter, App, Depends, Header, Limits, Query, Rate, Refuse, WebSocket
from wirefast._core import meter
from wirefast.limits.counters import refusals
from wirefast.testclient import TestClient
from wirefast.testing import Live, Peer

# ---- Before accept ----


def test_connections() -> None:
    limits = Limits(connections=3)
    client = client_of(limits)
    for _ in range(2):
        with ExitStack() as stack:
            for _ in range(3):
                stack.enter_context(client.websocket_connect("/"))
            assert limits.open == 3
            refused = denied(client)
            assert (refused.status_code, refused.json()) == (503, {"detail": "too many connections"})
            assert int(refused.headers["retry-after"]) >= 1 and limits.open == 3
        assert limits.open == 0
    assert limits.refused == {"connections": 2}


def from_address(address: str) -> Any:
    """A client whose address is this one."""

    def wrapped(app: App) -> TestClient:
        return TestClient(app, client=(address, 1))

    return wrapped


def test_per_ip() -> None:
    app = App(limits=Limits(per_ip=2))
    app.websocket("/")(echo)
    one, same, other = (from_address(at)(app) for at in ("2001:db8:1:2::1", "2001:db8:1:2:ffff::9", "2001:db8:1:3::1"))
    with one.websocket_connect("/"), same.websocket_connect("/"):
        for client in (one, same):
            assert denied(client).status_code == 429
        with other.websocket_connect("/"):
            pass
    with one.websocket_connect("/"):
        pass


def test_a_forged_header_is_not_believed() -> None:
    """The address comes from the scope, which the server changes for proxies that it trusts alone."""
    client = client_of(Limits(per_ip=1))
    with client.websocket_connect("/", headers={"x-forwarded-for": "9.9.9.9"}):
        for forged in ("1.1.1.1", "2.2.2.2, 3.3.3.3"):
            assert denied(client, headers={"x-forwarded-for": forged, "forwarded": f"for={forged}"}).status_code == 429


def test_handshakes() -> None:
    limits = Limits(handshakes=Rate(2, per=1000.0, burst=3))
    client = client_of(limits)
    for _ in range(3):
        with client.websocket_connect("/"):
            pass
    refused = denied(client)
    assert (refused.status_code, refused.headers["retry-after"]) == (429, "500")
    with from_address("9.9.9.9")(client.app).websocket_connect("/"):
        pass


def test_for_browsers_a_refusal_is_a_close() -> None:
    client = client_of(Limits(connections=1), explain_rejections="close")
    with client.websocket_connect("/"), client.websocket_connect("/") as websocket:
        assert closes(websocket) == (1013, "too many connections")


def test_an_endpoint_that_fails_gives_its_place_back() -> None:
    limits = Limits(connections=1, per_ip=1)
    app = App(limits=limits)

    def fails() -> None:
        raise Refuse(403)

    async def leaves() -> Any:
        yield
        raise LookupError

    @app.websocket("/dependency", dependencies=[Depends(fails)])
    async def by_dependency(websocket: WebSocket) -> None: ...

    @app.websocket("/exit", dependencies=[Depends(leaves)])
    async def by_exit(websocket: WebSocket) -> None:
        await websocket.accept()
        await websocket.close()

    @app.websocket("/endpoint")
    async def by_endpoint(websocket: WebSocket) -> None:
        await websocket.accept()
        raise LookupError

    @app.websocket("/invalid")
    async def by_parameter(websocket: WebSocket, number: int) -> None: ...

    client = TestClient(app)
    for path in ("/dependency", "/exit", "/endpoint", "/invalid"):
        with pytest.raises(Exception), client.websocket_connect(path) as websocket:  # noqa: B017, PT011
            websocket.receive_text()
        assert limits.open == 0 and limits.ledger.by_ip == {}, path


@pytest.mark.parametrize("step", range(6))
def test_cancellation_at_every_await(step: int) -> None:
    limits = Limits(connections=9, per_ip=9, per_user=9, user=lambda websocket: "ada", lifetime=100.0)
    app = App(limits=limits)

    async def waits() -> Any:
        await asyncio.sleep(0)
        yield
        await asyncio.sleep(0)

    @app.websocket("/", dependencies=[Depends(waits)])
    async def socket(websocket: WebSocket) -> None:
        await websocket.accept()
        await websocket.receive_text()

    async def scene() -> None:
        async def receive() -> Any:
            await asyncio.sleep(0)
            return {"type": "websocket.connect"}

        async def send(message: Any) -> None:
            await asyncio.sleep(0)

        scope = {"type": "websocket", "path": "/", "headers": [], "query_string": b"", "client": ("1.2.3.4", 5)}
        task = asyncio.create_task(app(scope, receive, send))  # type: ignore[arg-type]
        for _ in range(step):
            await asyncio.sleep(0)
        task.cancel()
        await asyncio.wait([task])
        assert limits.open == 0 and limits.ledger.by_ip == {} and limits.ledger.by_user == {}

    asyncio.run(scene())


# ---- Users ----


def by_query(websocket: Any) -> str | None:
    return websocket.query_params.get("user")


async def by_dependency(
    x_user: Annotated[str | None, Header()] = None, user: Annotated[str | None, Query()] = None
) -> Any:
    await asyncio.sleep(0)
    return x_user or user


async def slowly(websocket: WebSocket) -> str | None:
    await asyncio.sleep(0)
    return websocket.query_params.get("user")


USERS: list[Callable[..., Any]] = [
    by_query,
    by_dependency,
    slowly,
    lambda websocket: websocket.query_params.get("user"),
]


@pytest.mark.parametrize("user", USERS)
def test_per_user_the_newest_gives_way(user: Callable[..., Any]) -> None:
    limits = Limits(per_user=2, user=user)
    client = client_of(limits)
    with client.websocket_connect("/?user=ada") as one, client.websocket_connect("/?user=ada"):
        assert denied(client, "/?user=ada").status_code == 429
        with client.websocket_connect("/?user=bob"), client.websocket_connect("/"), client.websocket_connect("/"):
            one.close()
    with client.websocket_connect("/?user=ada"):
        assert len(limits.ledger.by_user["ada"]) == 1
    assert limits.ledger.by_user == {} and limits.refused == {"per_user": 1}


def test_per_user_the_oldest_gives_way() -> None:
    limits = Limits(per_user=2, user=by_query, evict="oldest")
    client = client_of(limits)
    with client.websocket_connect("/?user=ada") as one, client.websocket_connect("/?user=ada") as two:
        with client.websocket_connect("/?user=ada") as three:
            assert closes(one) == (4409, "too many sockets of this user")
            for websocket in (two, three):
                websocket.send_text("x")
                assert websocket.receive_text() == "x"
            assert len(limits.ledger.by_user["ada"]) == 2


def test_a_user_of_typed_messages() -> None:
    app = App(limits=Limits(per_user=1, user=by_query))
    messages = app.messages("/")

    @messages.on("say")
    def say(text: str) -> None: ...

    client = TestClient(app)
    with client.websocket_connect("/?user=ada"):
        assert denied(client, "/?user=ada").status_code == 429


# ---- Time ----


def timed(**limits: float) -> tuple[App, Limits]:
    app = App(limits=(found := Limits(**limits)))
    app.websocket("/")(echo)
    return app, found


async def says(peer: Peer, text: str) -> None:
    await peer.send(text)
    await peer.expect(text)


@pytest.mark.live(timed(first_message=20)[0])
async def test_first_message(live: Live) -> None:
    async with live.connect("/") as silent, live.connect("/") as peer:
        await live.clock.advance(18)
        await says(peer, "x")
        await live.clock.advance(4)
        await silent.expect_close(4408, "no first message in time")
        await live.clock.advance(3600)
        await says(peer, "y")


@pytest.mark.live(timed(idle=300)[0])
async def test_idle(live: Live) -> None:
    async with live.connect("/") as peer:
        for _ in range(4):
            await live.clock.advance(280)
            await says(peer, "x")
        await live.clock.advance(310)
        await peer.expect_close(4408, "no message for too long")


LIVES, ITS_LIMITS = timed(lifetime=3600)


@pytest.mark.live(LIVES)
async def test_lifetime(live: Live) -> None:
    async with live.connect("/") as peer:
        await live.clock.advance(3600 * 0.89)
        await says(peer, "x")
        await live.clock.advance(3600 * 0.22)
        await peer.expect_close(1012, "lifetime over")
    assert ITS_LIMITS.refused == {"lifetime": 1} and meter.LIFETIME_JITTER == 0.1


# ---- Where they are set ----


def test_each_counts_what_it_stands_around() -> None:
    around, of_router, of_route = Limits(connections=3), Limits(connections=2), Limits(connections=1)
    app = App(limits=around)
    app.websocket("/")(echo)
    router = APIRouter(limits=of_router, prefix="/r")
    router.websocket("/a")(echo)
    router.websocket("/b", limits=of_route)(echo)
    app.include_router(router)
    client = TestClient(app)
    with client.websocket_connect("/r/b"):
        assert (around.open, of_router.open, of_route.open) == (1, 1, 1)
        assert denied(client, "/r/b").status_code == 503
        assert (around.open, of_router.open, of_route.open) == (1, 1, 1)
        with client.websocket_connect("/r/a"):
            assert denied(client, "/r/a").status_code == 503
            with client.websocket_connect("/"):
                assert denied(client, "/").status_code == 503
    assert (around.open, of_router.open, of_route.open) == (0, 0, 0)
    assert (around.refused["connections"], of_router.refused["connections"], of_route.refused["connections"]) == (
        1,
        1,
        1,
    )


def test_of_a_socket_the_innermost_counts() -> None:
    app = App(limits=Limits(message_bytes=10, messages=MANY))
    app.websocket("/", limits=Limits(message_bytes=20))(echo)
    client = TestClient(app)
    assert exchange(client, ["x" * 20]) == (1, None)
    assert exchange(client, ["x" * 21]) == (0, (1009, "message too big"))
    assert exchange(client, ["x"] * 9) == (6, (1008, "too many messages"))
    included = App()
    router = APIRouter()
    router.websocket("/")(echo)
    included.include_router(router, limits=Limits(message_bytes=5))
    assert exchange(TestClient(included), ["x" * 6]) == (0, (1009, "message too big"))


def test_refusals_are_counted() -> None:
    before = refusals().get("per_ip", 0)
    client = client_of(Limits(per_ip=1))
    with client.websocket_connect("/"):
        denied(client)
    assert refusals()["per_ip"] == before + 1


# ---- Rates as dependencies ----


def test_a_rate_on_a_router_of_http() -> None:
    router = APIRouter(dependencies=[Depends(Rate(2, per=1000.0))])

    @router.get("/a")
    def page() -> str:
        return "page"

    router.get("/b")(page)
    app = App()
    app.include_router(router)
    client = TestClient(app)
    assert [client.get(path).status_code for path in ("/a", "/b")] == [200, 200]
    refused = client.get("/a", headers={"x-forwarded-for": "9.9.9.9"})
    assert (refused.status_code, refused.headers["retry-after"]) == (429, "500")
    assert refused.json() == {"detail": "too many requests from this address"}
    assert TestClient(app, client=("9.9.9.9", 1)).get("/a").status_code == 200


@pytest.mark.parametrize(
    ("settings", "error", "says"),
    [
        ({"connections": 0}, ValueError, "connections of Limits is a positive number, not 0"),
        ({"per_ip": 1.5}, TypeError, "per_ip of Limits takes an int"),
        ({"idle": "5"}, TypeError, "idle of Limits takes seconds"),
        ({"lifetime": float("inf")}, ValueError, "lifetime of Limits is a positive number"),
        ({"messages": 100}, TypeError, r"takes a Rate, such as Rate\(100, per=1.0\), not 100"),
        ({"evict": "all"}, ValueError, "evict is"),
        ({"on_excess": "wait"}, ValueError, "on_excess is"),
        ({"per_user": 1}, ValueError, "per_user needs user="),
        ({"user": 1}, TypeError, "user of Limits takes a function"),
        ({"message_bytes": True}, TypeError, "message_bytes of Limits takes an int"),
    ],
)
def test_settings_that_cannot_be(settings: Any, error: type[Exception], says: str) -> None:
    with pytest.raises(error, match=says):
        Limits(**settings)


@pytest.mark.parametrize("arguments", [(0,), (-1,), (1, 0), (1, 1, 0.5), (0.5,), (float("nan"),), (float("inf"),)])
def test_rates_that_cannot_be(arguments: Any) -> None:
    with pytest.raises(ValueError, match="Rate"):
        Rate(*arguments)


def test_other_types() -> None:
    with pytest.raises(TypeError, match="limits takes Limits"):
        App(limits={"connections": 1})  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="count of a Rate takes a number, not '5'"):
        Rate("5")  # type: ignore[arg-type]
