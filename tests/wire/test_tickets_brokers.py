"""Tickets across hubs that real brokers join, and across the workers of one machine."""

import asyncio
import json
import time
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from broker_servers import BrokerProcess, LocalProcess, NatsProcess, RedisProcess
from peer import Peer, request

from processes import running
from slower import SLOWER
from wirefast.rooms import Hub
from wirefast.security import Ticket, Tickets

SERVICE = """
import os
from typing import Annotated
from wirefast import App, Security, WebSocket
from wirefast.rooms import Hub
from wirefast.security import Ticket, Tickets

hub = Hub()
app = App(hub=hub)
tickets = Tickets(store=hub)

@app.post("/tickets")
async def issue():
    return {"ticket": await tickets.issue("ada", ["rooms"]), "pid": os.getpid()}

@app.websocket("/")
async def come_in(websocket: WebSocket, ticket: Annotated[Ticket, Security(tickets, scopes=["rooms"])]):
    await websocket.accept()
    await websocket.send_json({"subject": ticket.subject, "pid": os.getpid()})
    await websocket.receive()
"""


@pytest.mark.parametrize("kind", [LocalProcess, RedisProcess, NatsProcess])
def test_one_of_a_hundred_in_four_processes(kind: type[BrokerProcess], short_path: Path) -> None:
    async def scene(url: str) -> None:
        hubs = [Hub(url) for _ in range(4)]
        for hub in hubs:
            await hub.start()
        try:
            doors = [Tickets(store=hub) for hub in hubs]
            for _ in range(5):
                text = await doors[0].issue("user-7", ["rooms"])
                found = await asyncio.gather(*(doors[number % 4].redeem(text) for number in range(100)))
                assert [one for one in found if one is not None] == [Ticket("user-7", ("rooms",))]
            text = await doors[3].issue("user-8")
            assert await doors[1].redeem(text) == Ticket("user-8")
        finally:
            for hub in hubs:
                await hub.stop()

    broker = kind(short_path)
    try:
        asyncio.run(scene(broker.url))
    finally:
        broker.end()


def test_one_of_a_hundred_at_four_workers_without_a_broker(
    short_path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WIREFAST_RUN_DIR", str(short_path / "run"))
    (tmp_path / "service.py").write_text(SERVICE)
    with running("service", "--port", "0", "--workers", "4", "--no-access-log", cwd=tmp_path) as server:
        port = server.wait_for_port()
        for _ in range(4):
            server.wait_for("Application startup complete")
        issued: dict[str, int] = {}

        def enter(ticket: str) -> dict[str, object] | None:
            with Peer(("127.0.0.1", port), timeout=20.0 * SLOWER) as peer:
                peer.send(request(f"/?ticket={ticket}"))
                status = peer.response().status
                assert status in (101, 401), status
                return json.loads(peer.frame().data) if status == 101 else None

        def issue() -> str:
            asked = urllib.request.Request(f"http://127.0.0.1:{port}/tickets", method="POST")
            with urllib.request.urlopen(asked, timeout=20 * SLOWER) as response:
                found = json.load(response)
            issued[found["ticket"]] = found["pid"]
            return str(found["ticket"])

        with ThreadPoolExecutor(25) as pool:
            ticket = issue()
            entered = [one for one in pool.map(enter, [ticket] * 100) if one is not None]
            assert [one["subject"] for one in entered] == ["ada"]
        deadline = time.monotonic() + 60 * SLOWER
        while (entered_at := enter(ticket := issue())) is None or entered_at["pid"] == issued[ticket]:
            assert entered_at is not None, "a ticket that nobody has used was refused"
            assert time.monotonic() < deadline, "no ticket was redeemed at another worker"
