"""Limits of an application, a router and a route, each just under and just over, on any ASGI server. Those of messages
are in test_message_limits.py.
"""

import asyncio
from collections.abc import Callable
from typing import Annotated, Any

import pytest
from limited import MANY, echo, echoing, exchange

from ways import OURS
from wirefast import APIRouter, App, Depends, Header, Limits, Query, Rate, Refuse, WebSocket
from wirefast._core import meter
from wirefast.limits.counters import refusals
from wirefast.testclient import TestClient
from wirefast.testing import Client, Live

# ---- Before accept ----


async def test_connections(live: Live) -> None:
    limits = Limits(connections=3)
    await live.start(echoing(limits))
    for _ in range(2):
        peers = [await live.connect("/") for _ in range(3)]
        assert limits.open == 3
        refused = await live.expect_refused(503, "/")
        assert refused.json() == {"detail": "too many connections"}
        assert int(refused.header("retry-after")) >= 1 and limits.open == 3
        for peer in peers:
            await peer.close()
        assert limits.open == 0
    assert limits.refused == {"connections": 2}


def at(live: Live, address: str) -> Client:
    """A client whose address is this one, as a proxy says it."""
    return live.client(headers={"x-forwarded-for": address})


@pytest.mark.parametrize("live", OURS, indirect=True)
async def test_per_ip(live: Live) -> None:
    await live.start(echoing(Limits(per_ip=2)))
    one, same, other = (at(live, text) for text in ("2001:db8:1:2::1", "2001:db8:1:2:ffff::9", "2001:db8:1:3::1"))
    async with one.connect("/"), same.connect("/"):
        for client in (one, same):
            await client.expect_refused(429, "/")
        async with other.connect("/"):
            pass
    async with one.connect("/"):
        pass


@pytest.mark.live(forwarded_allow_ips="192.0.2.1")
async def test_a_forged_header_is_not_believed(live: Live) -> None:
    """The address comes from the scope, which the server changes for proxies that it trusts alone."""
    await live.start(echoing(Limits(per_ip=1)))
    async with live.connect("/", headers={"x-forwarded-for": "9.9.9.9"}):
        for forged in ("1.1.1.1", "2.2.2.2, 3.3.3.3"):
            await live.expect_refused(429, "/", headers={"x-forwarded-for": forged, "forwarded": f"for={forged}"})


@pytest.mark.parametrize("live", OURS, indirect=True)
async def test_handshakes(live: Live) -> None:
    await live.start(echoing(Limits(handshakes=Rate(2, per=1000.0, burst=3))))
    for _ in range(3):
        async with live.connect("/"):
            pass
    assert (await live.expect_refused(429, "/")).header("retry-after") == "500"
    async with at(live, "9.9.9.9").connect("/"):
        pass


async def test_for_browsers_a_refusal_is_a_close(live: Live) -> None:
    await live.start(echoing(Limits(connections=1), explain_rejections="close"))
    async with live.connect("/"), live.connect("/") as peer:
        await peer.expect_close(1013, "too many connections")


async def test_an_endpoint_that_fails_gives_its_place_back(live: Live) -> None:
    limits = Limits(connections=1, per_ip=1)
    app = await live.start(App(limits=limits))

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

    for path, status in (("/dependency", 403), ("/invalid", 403)):
        await live.expect_refused(status, path)
        assert limits.open == 0 and limits.ledger.by_ip == {}, path
    with live.expect_exception(LookupError, times=2):
        for path in ("/exit", "/endpoint"):
            peer = await live.connect(path)
            await peer.expect_close()
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
async def test_per_user_the_newest_gives_way(live: Live, user: Callable[..., Any]) -> None:
    limits = Limits(per_user=2, user=user)
    await live.start(echoing(limits))
    async with live.connect("/?user=ada") as one, live.connect("/?user=ada"):
        await live.expect_refused(429, "/?user=ada")
        async with live.connect("/?user=bob"), live.connect("/"), live.connect("/"):
            await one.close()
    async with live.connect("/?user=ada"):
        assert len(limits.ledger.by_user["ada"]) == 1
    assert limits.ledger.by_user == {} and limits.refused == {"per_user": 1}


async def test_per_user_the_oldest_gives_way(live: Live) -> None:
    limits = Limits(per_user=2, user=by_query, evict="oldest")
    await live.start(echoing(limits))
    async with live.connect("/?user=ada") as one, live.connect("/?user=ada") as two:
        async with live.connect("/?user=ada") as three:
            await one.expect_close(4409, "too many sockets of this user")
            for peer in (two, three):
                await peer.ask("x", "x")
            assert len(limits.ledger.by_user["ada"]) == 2


async def test_a_user_of_typed_messages(live: Live) -> None:
    app = await live.start(App(limits=Limits(per_user=1, user=by_query)))

    @app.messages("/").on("say")
    def say(text: str) -> None: ...

    async with live.connect("/?user=ada"):
        await live.expect_refused(429, "/?user=ada")


# ---- Time ----


async def test_first_message(live: Live) -> None:
    await live.start(echoing(Limits(first_message=20)))
    async with live.connect("/") as silent, live.connect("/") as peer:
        await live.clock.advance(18)
        await peer.ask("x", "x")
        await live.clock.advance(4)
        await silent.expect_close(4408, "no first message in time")
        await live.clock.advance(3600)
        await peer.ask("y", "y")


async def test_idle(live: Live) -> None:
    await live.start(echoing(Limits(idle=300)))
    async with live.connect("/") as peer:
        for _ in range(4):
            await live.clock.advance(280)
            await peer.ask("x", "x")
        await live.clock.advance(310)
        await peer.expect_close(4408, "no message for too long")


async def test_lifetime(live: Live) -> None:
    limits = Limits(lifetime=3600)
    await live.start(echoing(limits))
    async with live.connect("/") as peer:
        await live.clock.advance(3600 * 0.89)
        await peer.ask("x", "x")
        await live.clock.advance(3600 * 0.22)
        await peer.expect_close(1012, "lifetime over")
    assert limits.refused == {"lifetime": 1} and meter.LIFETIME_JITTER == 0.1


# ---- Where they are set ----


async def test_each_counts_what_it_stands_around(live: Live) -> None:
    around, of_router, of_route = all_ = Limits(connections=3), Limits(connections=2), Limits(connections=1)
    app = await live.start(echoing(around))
    router = APIRouter(limits=of_router, prefix="/r")
    router.websocket("/a")(echo)
    router.websocket("/b", limits=of_route)(echo)
    app.include_router(router)
    async with live.connect("/r/b"):
        assert [limits.open for limits in all_] == [1, 1, 1]
        await live.expect_refused(503, "/r/b")
        assert [limits.open for limits in all_] == [1, 1, 1]
        async with live.connect("/r/a"):
            await live.expect_refused(503, "/r/a")
            async with live.connect("/"):
                await live.expect_refused(503, "/")
    assert [limits.open for limits in all_] == [0, 0, 0]
    assert [limits.refused["connections"] for limits in all_] == [1, 1, 1]


async def test_of_a_socket_the_innermost_counts(live: Live) -> None:
    app = await live.start(App(limits=Limits(message_bytes=10, messages=MANY)))
    app.websocket("/", limits=Limits(message_bytes=20))(echo)
    assert await exchange(live, ["x" * 20]) == (1, None)
    assert await exchange(live, ["x" * 21]) == (0, (1009, "message too big"))
    assert await exchange(live, ["x"] * 9) == (6, (1008, "too many messages"))
    router = APIRouter()
    router.websocket("/in")(echo)
    app.include_router(router, limits=Limits(message_bytes=5))
    assert await exchange(live, ["x" * 6], "/in") == (0, (1009, "message too big"))


async def test_refusals_are_counted(live: Live) -> None:
    before = refusals().get("per_ip", 0)
    await live.start(echoing(Limits(per_ip=1)))
    async with live.connect("/"):
        await live.expect_refused(429, "/")
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
