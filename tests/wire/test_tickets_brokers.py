"""Tickets across hubs that real brokers join."""

import asyncio
from pathlib import Path

import pytest
from broker_servers import BrokerProcess, NatsProcess, RedisProcess

from wirefast.rooms import Hub
from wirefast.security import Ticket, Tickets


@pytest.mark.parametrize("kind", [RedisProcess, NatsProcess])
def test_one_of_a_hundred_in_four_processes(kind: type[BrokerProcess], tmp_path: Path) -> None:
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

    broker = kind(tmp_path)
    try:
        asyncio.run(scene(broker.url))
    finally:
        broker.kill()
