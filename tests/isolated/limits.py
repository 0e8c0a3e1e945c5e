"""Limits, tickets and expiries: sockets that come and go under every limit leave nothing, addresses are bounded.

In the test suite a rate meets 131,072 more addresses once its memory is full. A million::

    WIREFAST_ADDRESSES=1048576 python tests/isolated/limits.py
"""

import asyncio
import logging
import os
import time

from leaks import COUNT, check

from memory import Memory
from wirefast import App, Limits, Rate, WebSocket
from wirefast._core.ledger import MAX_ADDRESSES
from wirefast.limits.sockets import route_limits
from wirefast.security import Tickets

#: In each of them the memory of a rate has the same two halves, one full and one empty.
HALF = MAX_ADDRESSES // 2
ADDRESSES = max(HALF, int(os.environ.get("WIREFAST_ADDRESSES", str(2 * HALF))) // HALF * HALF)

MANY = Rate(10**9)


def name_of(websocket: WebSocket) -> str | None:
    return websocket.query_params.get("user")


limits = Limits(
    connections=10,
    per_ip=10,
    per_user=1,
    user=name_of,
    evict="oldest",
    handshakes=MANY,
    messages=MANY,
    bytes=MANY,
    message_bytes=1000,
    # Long ones share a bucket of deadlines; a new bucket each 50 ms would count as a block that is left.
    first_message=7200.0,
    idle=7200.0,
    lifetime=86400.0,
)
app = App(limits=limits)
tickets, short_tickets = Tickets(), Tickets(ttl=1e-6)


@app.websocket("/")
async def echo(websocket: WebSocket) -> None:
    await websocket.accept()
    async for text in websocket.iter_text():
        await websocket.send_text(text)


@app.websocket("/expires")
async def expires(websocket: WebSocket, left: float) -> None:
    await websocket.accept()
    websocket.warn_before_expiry(1.0, {"type": "expiring"})
    websocket.expires_at = time.time() + 7200
    websocket.expires_at = time.time() + left
    async for _ in websocket.iter_text():
        websocket.expires_at = None


async def limited(i: int) -> None:
    """A socket that says something, and leaves in one of three ways; the last is that its user has another one."""
    peer = memory.open(f"/?user=user-{i}")
    peer.send("x" * 300)
    for _ in range(4):
        await asyncio.sleep(0)
    assert limits.open == 1 and len(peer.messages) == 1
    if i % 3 == 0:
        peer.close()
    elif i % 3 == 1:
        peer.lose()
    else:
        other = memory.open(f"/?user=user-{i}")
        while peer.close_code is None:
            await asyncio.sleep(0)
        peer.close(peer.close_code)
        other.lose()
    await memory.ended()
    assert limits.open == 0 and limits.ledger.by_ip == {} and limits.ledger.by_user == {}


async def refused(i: int) -> None:
    """A message that is too big, so that the socket is closed."""
    peer = memory.open()
    peer.send("x" * 1001)
    while peer.close_code is None:
        await asyncio.sleep(0)
    peer.close(peer.close_code)
    await memory.ended()


async def expiring(i: int) -> None:
    """A socket that leaves before its permission ends, or whose permission has ended."""
    peer = memory.open(f"/expires?left={7200 if i % 2 else -1}")
    if i % 2:
        for _ in range(4):
            await asyncio.sleep(0)
        if i % 4 == 1:
            peer.send("renew")
            await asyncio.sleep(0)
        peer.close()
    else:
        while peer.close_code is None:
            await asyncio.sleep(0)
        assert peer.close_code == 4401
        peer.close(peer.close_code)
    await memory.ended()


async def issued(i: int) -> None:
    """A ticket that is redeemed, and one that is not until its time is over."""
    ticket = await tickets.issue(f"user-{i}", ["rooms"])
    found = await tickets.redeem(ticket)
    assert found is not None and await tickets.redeem(ticket) is None
    await short_tickets.issue(f"user-{i}")
    assert len(short_tickets._kept) <= 2


def address(i: int) -> str:
    """An address of an own network each, of IPv4 and IPv6."""
    return f"10.{i >> 16 & 255}.{i >> 8 & 255}.{i & 255}" if i % 2 else f"2001:db8:{i >> 16:x}:{i & 65535:x}::1"


by_address = Limits(per_ip=1, handshakes=Rate(1, per=3600.0))
route = route_limits((by_address,), None)


async def addresses(i: int) -> None:
    """A handshake of an address that never came before; its socket ends."""
    lease = route.admit({"type": "websocket", "client": (address(i), 50000)})
    lease.release()


if __name__ == "__main__":
    logging.disable(logging.WARNING)  # a line for each socket that is closed for a limit
    memory = Memory(app)
    for work in (limited, refused, expiring):
        check(work, COUNT // 100)
    check(issued, COUNT // 20)
    # Kept, these would be at least 20 MiB; what is freed of the halves is not all used again.
    check(addresses, ADDRESSES, warm_up=2 * HALF, slack=8192)
