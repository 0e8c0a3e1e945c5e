"""Hubs over real brokers to which somebody else publishes, too: what arrives passes the checks of local calls."""

from __future__ import annotations

import asyncio
import json
import time
from pathlib import Path
from typing import Any

import pytest
from broker_servers import Ear, NatsProcess, RedisProcess, until

from slower import SLOWER
from sockets import open_socket
from wirefast.rooms import Hub, Policy
from wirefast.rooms.brokers import make_broker
from wirefast.rooms.brokers.outgoing import NOTICES


def line(*head: Any, data: bytes = b"x") -> bytes:
    return json.dumps(head).encode() + b"\n" + data


MALFORMED = [
    b"", b"junk", b"\xff\x00", b"[" * 200_000, line("h", 2**63, 0, "t"), line("h", 0, 0, "t"), line("h", 1, 0, "x"),
    line("h", 1, 0, "t", data=b"\xff"), line("h", 1, 0, "t", [""]), line("h", 1, 0, "t", ["b"]),
    line("h", 1, 0, "t", [f"room {number}" for number in range(20_000)]),
    *(line("h", 1, 0, "c", data=code.to_bytes(2, "big")) for code in (0, 1005, 1006, 1015, 65535)),
    line("h", 1, 0, "c", data=b"\x03\xe8" + b"x" * 124), line("h", 1, 0, "c", data=b"\x03\xe8\xff"),
]  # fmt: skip


@pytest.mark.parametrize("process_class", [RedisProcess, NatsProcess], ids=["Redis", "NATS"])
@pytest.mark.parametrize("kind", ["ours", "Starlette's"])
def test_nothing_that_arrives_is_believed(process_class: Any, kind: str, short_path: Path) -> None:
    process = process_class(short_path)

    async def scene() -> None:
        true, hub = Hub(process.url), Hub(process.url, policy=Policy("close", max_bytes=1000))
        forger = await Ear(make_broker(process.url)).start()
        async with true, hub:
            socket = await open_socket(kind)
            await hub.join("a", socket.websocket)

            async def say(text: str) -> None:
                await true.publish("a", text)
                await until(lambda: socket.messages[-1:] == [text])

            await say("1")
            slowest = 0.0
            for payload in MALFORMED:
                forger.broker.publish("a", payload)
            forger.broker.publish("a", line("h", 1, 0, "t", data=b"x" * 5000))
            # The largest number in the name of the true hub, which goes on all the same.
            forger.broker.publish("a", line(true._sequences.id, 2**53, 1, "b", data=b"forged"))
            for _ in range(200):
                forger.broker.publish(NOTICES, b'{"from":"x","age":0,"rooms":null}')
            forger.broker.publish(NOTICES, b"junk")
            flushing = asyncio.ensure_future(forger.broker.flush())
            while not flushing.done() or hub.stats.malformed <= len(MALFORMED):
                start = time.perf_counter()
                await asyncio.sleep(0)
                slowest = max(slowest, time.perf_counter() - start)
            assert slowest < 0.5 * SLOWER
            await say("2")
            await say("3")
            assert socket.messages == ["1", b"forged", "2", "3"] and socket.closed is None
            stats = hub.stats
            assert (stats.malformed, stats.refused, stats.received) == (len(MALFORMED) + 1, 1, 4)
            # The one refused and the notices, which also forget all numbers; not one for each notice.
            assert 2 <= stats.gaps <= 5
        await forger.broker.stop()

    try:
        asyncio.run(asyncio.wait_for(scene(), 60 * SLOWER))
    finally:
        process.kill()
