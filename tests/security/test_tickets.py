"""Tickets: used once whatever races for them, unguessable, bound to a subject, across processes by the hub's broker."""

import asyncio
import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated, Any

import pytest
from starlette.testclient import WebSocketDenialResponse

from memory_broker import MemoryBroker, Network, run
from wirefast import App, Depends, Refuse, Security, WebSocket
from wirefast.metrics.catalogue import FAMILIES
from wirefast.rooms import Hub
from wirefast.security import Ticket, Tickets, tickets
from wirefast.testclient import TestClient


def test_a_ticket_is_redeemed_once() -> None:
    async def scene() -> None:
        door = Tickets()
        text = await door.issue("user-7", scopes=["rooms"])
        assert re.fullmatch(r"[A-Za-z0-9_.-]{62}", text)
        assert await door.redeem(text) == Ticket("user-7", ("rooms",))
        assert await door.redeem(text) is None

    run(scene())


def test_a_race_of_a_hundred() -> None:
    async def scene() -> None:
        door = Tickets()
        for _ in range(20):
            text = await door.issue("user-7")
            found = await asyncio.gather(*(door.redeem(text) for _ in range(100)))
            assert sum(one is not None for one in found) == 1

    run(scene())


def test_what_is_no_ticket() -> None:
    async def scene() -> None:
        door, other = Tickets(), Tickets()
        text = await door.issue("user-7")
        issuer, key, secret = text.split(".")
        swapped = ("A" if secret[0] != "A" else "B") + secret[1:]
        for wrong in (
            *("", ".", "..", text[:-1], text + "A", f" {text}", f"{text}\n", text.upper(), text.swapcase()),
            *(
                f"{issuer}.{key}.{swapped}",
                f"{issuer}.{key[::-1]}.{secret}",
                f"{'0' * 16}.{key}.{secret}",
                "x" * 100_000,
            ),
            *(f"{issuer}.{key}", f"{issuer}.{secret}.{key}", text.replace(".", "%2e")),
        ):
            assert await door.redeem(wrong) is None
        assert await other.redeem(text) is None
        assert await door.redeem(text) == Ticket("user-7")

    run(scene())


def test_tickets_are_not_alike_and_nothing_kept_shows_them() -> None:
    async def scene() -> None:
        door = Tickets()
        texts = [await door.issue("user-7") for _ in range(1000)]
        assert len({text.split(".")[2] for text in texts}) == len({text.split(".")[1] for text in texts}) == 1000
        kept = repr(door._kept)
        assert not any(text.split(".")[2] in kept for text in texts)

    run(scene())


def test_the_end_of_a_ticket(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 1000.0
    monkeypatch.setattr(tickets, "monotonic", lambda: now)

    async def scene() -> None:
        nonlocal now
        door = Tickets(ttl=30)
        early, late = await door.issue("early"), await door.issue("late")
        now += 29.9
        assert await door.redeem(early) == Ticket("early")
        now += 0.1
        assert await door.redeem(late) is None
        for _ in range(10):
            await door.issue("user")
        now += 30
        await door.issue("user")
        assert len(door._kept) == 1

    run(scene())


def test_a_clock_that_jumps(monkeypatch: pytest.MonkeyPatch) -> None:
    """A ticket's end is no time of the day."""

    async def scene() -> None:
        door = Tickets()
        text = await door.issue("user-7")
        monkeypatch.setattr("time.time", lambda: 4e9)
        assert await door.redeem(text) == Ticket("user-7")

    run(scene())


def test_the_number_of_tickets_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tickets, "MAX_TICKETS", 3)

    async def scene() -> None:
        door = Tickets()
        text = [await door.issue("user") for _ in range(3)][0]
        with pytest.raises(Refuse) as refused:
            await door.issue("user")
        assert (refused.value.status_code, refused.value.headers) == (503, {"Retry-After": "30"})
        await door.redeem(text)
        await door.issue("user")

    run(scene())


@pytest.mark.parametrize(
    ("subject", "scopes", "error"),
    [
        ("", [], ValueError),
        ("x" * 1025, [], ValueError),
        (7, [], TypeError),
        (None, [], TypeError),
        ("user", [7], TypeError),
        ("user", [""], ValueError),
        ("user", ["x"] * 65, ValueError),
    ],
)
def test_subjects_and_scopes(subject: Any, scopes: Any, error: type[Exception]) -> None:
    with pytest.raises(error):
        asyncio.run(Tickets().issue(subject, scopes))
    assert asyncio.run(Tickets().issue("x" * 1024, ["x" * 1024] * 64))


@pytest.mark.parametrize("options", [{"ttl": 0}, {"ttl": -1}, {"ttl": float("inf")}, {"ttl": float("nan")}])
def test_settings_that_cannot_be(options: Any) -> None:
    with pytest.raises(ValueError, match="ttl takes a positive number"):
        Tickets(**options)
    with pytest.raises(TypeError, match="store takes a Hub, not type"):
        Tickets(store=Hub)  # type: ignore[arg-type]


# ---- As a dependency ----


def application(**options: Any) -> tuple[App, Tickets]:
    door = Tickets(**options)
    app = App(openapi_websockets=True)

    @app.post("/tickets/{user}")
    async def issue(user: str) -> str:
        return await door.issue(user, scopes=["rooms"])

    @app.websocket("/rooms")
    async def rooms(websocket: WebSocket, ticket: Annotated[Ticket | None, Security(door, scopes=["rooms"])]) -> None:
        await websocket.accept()
        await websocket.send_text("nobody" if ticket is None else ticket.subject)

    @app.websocket("/admin")
    async def admin(websocket: WebSocket, ticket: Annotated[Ticket, Security(door, scopes=["rooms", "admin"])]) -> None:
        raise AssertionError("entered")

    @app.websocket("/any")
    async def everyone(websocket: WebSocket, ticket: Annotated[Ticket, Depends(door)]) -> None:
        await websocket.accept()
        await websocket.send_text(f"{ticket.subject} {ticket.scopes}")

    return app, door


def says(client: TestClient, path: str) -> str:
    with client.websocket_connect(path) as websocket:
        return websocket.receive_text()


def denied(client: TestClient, path: str) -> WebSocketDenialResponse:
    with pytest.raises(WebSocketDenialResponse) as raised:
        says(client, path)
    return raised.value


def test_from_http_to_the_socket() -> None:
    with TestClient(application()[0]) as client:
        text = client.post("/tickets/ada").json()
        assert says(client, f"/rooms?ticket={text}") == "ada"
        again = denied(client, f"/rooms?ticket={text}")
        assert (again.status_code, again.headers["www-authenticate"]) == (401, "Bearer")
        assert denied(client, "/rooms").status_code == 401
        assert says(client, f"/any?ticket={client.post('/tickets/ada').json()}") == "ada ('rooms',)"


def test_scopes() -> None:
    with TestClient(application()[0]) as client:
        lacking = denied(client, f"/admin?ticket={client.post('/tickets/ada').json()}")
        assert (lacking.status_code, lacking.json()) == (403, {"detail": "the ticket lacks the scope admin"})


def test_without_an_error() -> None:
    with TestClient(application(auto_error=False)[0]) as client:
        assert says(client, "/rooms") == says(client, "/rooms?ticket=x") == "nobody"


def test_the_document() -> None:
    document = application(name="t", scheme_name="door")[0].openapi()
    scheme = document["components"]["securitySchemes"]["door"]
    assert (scheme["type"], scheme["in"], scheme["name"]) == ("apiKey", "query", "t")
    assert document["paths"]["/rooms"]["get"]["security"] == [{"door": ["rooms"]}]


# ---- Several processes ----


class Process:
    """A hub and its tickets, as another process has them."""

    def __init__(self, network: Network) -> None:
        self.hub = Hub("redis://127.0.0.1:1")
        self.broker = self.hub._broker = MemoryBroker(network)
        self.tickets = Tickets(store=self.hub)


@contextmanager
def quick() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(tickets, "REDEEM_WITHIN", 0.1)
        yield


def test_another_process_redeems() -> None:
    async def scene() -> None:
        network = Network()
        one, two, three = (Process(network) for _ in range(3))
        async with one.hub, two.hub, three.hub:
            text = await one.tickets.issue("user-7", ["rooms"])
            assert await two.tickets.redeem(text) == Ticket("user-7", ("rooms",))
            assert await two.tickets.redeem(text) is None and await one.tickets.redeem(text) is None
            for _ in range(5):
                text = await one.tickets.issue("user-7")
                doors = [one.tickets, two.tickets, three.tickets]
                found = await asyncio.gather(*(doors[number % 3].redeem(text) for number in range(100)))
                assert sum(answer is not None for answer in found) == 1
            assert one.hub.stats.malformed == two.hub.stats.malformed == 0
            assert not two.tickets._asked

    run(scene())


def test_a_process_that_does_not_answer() -> None:
    async def scene() -> None:
        network = Network()
        one, two = Process(network), Process(network)
        async with two.hub:
            async with one.hub:
                text = await one.tickets.issue("user-7")
            assert await two.tickets.redeem(text) is None
            one.hub._broker = MemoryBroker(network)
            async with one.hub:
                assert await one.tickets.redeem(text) == Ticket("user-7")
                text = await one.tickets.issue("user-8")
                assert await two.tickets.redeem(text) == Ticket("user-8")

    with quick():
        run(scene())


def test_what_the_broker_delivers_is_not_believed() -> None:
    async def scene() -> None:
        network = Network()
        one, two = Process(network), Process(network)
        async with one.hub, two.hub:
            text = await one.tickets.issue("user-7")
            room = tickets._room(one.tickets._id)
            for payload in (
                *(b"", b"x", b"1", b"[]", b"null", b"{}", b'{"ask": 1}', b'{"answer": []}', b"[" * 100, b"\xff" * 9),
                b'{"ask": "x", "from": "y", "key": "z", "digest": "q"}',
                b'{"ask": "%s", "from": "%s", "key": "z", "digest": "q"}' % (b"0" * 32, b"0" * 16),
                b'{"answer": "0", "subject": "root", "scopes": []}',
                b" " * (tickets.MAX_PAYLOAD + 1),
            ):
                network.send(room, payload)
            assert one.hub.stats.malformed == 13
            assert await two.tickets.redeem(text) == Ticket("user-7")

    run(scene())


def test_a_hub_that_is_not_started() -> None:
    async def scene() -> None:
        process = Process(Network())
        with pytest.raises(RuntimeError, match="this hub is not started"):
            await process.tickets.issue("user-7")
        assert await Tickets(store=Hub()).issue("user-7")

    run(scene())


def test_what_became_of_tickets_is_counted() -> None:
    family = FAMILIES["wirefast_tickets_total"]
    before = [family.of(outcome).value for outcome in ("issued", "redeemed", "refused")]

    async def scene() -> None:
        tickets = Tickets()
        text = await tickets.issue("ada")
        assert await tickets.redeem(text) is not None
        assert await tickets.redeem(text) is None
        assert await tickets.redeem("no ticket") is None

    asyncio.run(scene())
    after = [family.of(outcome).value for outcome in ("issued", "redeemed", "refused")]
    assert [new - old for new, old in zip(after, before, strict=True)] == [1, 1, 2]
