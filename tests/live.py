"""How many objects of each compiled class are alive; counted in the debug build alone (tools/live_objects.h)."""

from __future__ import annotations

import ctypes
import gc
import sys
import time
import typing
from collections import Counter

from wirefast.dependencies import fields, models

#: What an application is made of: made when it is declared or first used, and alive as long as it is.
DECLARED = frozenset(
    """
    dispatch.Entry dispatch.Opaque gate.Gate dispatch.RouteTable matcher.Matcher matcher._Shape matcher._Fallback
    operation.Operation operation.RequestResponse plan.Op plan.FieldOp plan.ReadOp plan.BodyOp plan.ScopesOp
    plan.EnterOp plan.MemberOp plan.CallOp plan.Plan message_table.Replies message_table.MessageHandler
    message_table.Target message_table.MessageTable plan_cache.PlanCache session.WebSocketSession
    session.WebSocketPipeline
    """.split()
)

#: So many of a class may stay: the reactor of the last event loop is kept for the next connection, and a test may start
#: two servers.
KEPT = {"wirefast.server.reactor.Reactor": 2}


def is_counted() -> bool:
    """Whether this is the debug build."""
    import wirefast.server  # noqa: F401  # its classes are counted from their import on

    return hasattr(sys, "_wirefast_live")


def counts() -> dict[str, tuple[int, int]]:
    """Allocated and freed so far, by class."""
    addresses: dict[str, int] = sys._wirefast_live  # type: ignore[attr-defined]
    found = {}
    for name, address in addresses.items():
        allocated, freed = (ctypes.c_longlong * 2).from_address(address)
        found[name] = (allocated, freed)
    return found


def alive() -> Counter[str]:
    """Live objects by class, without the classes that applications are made of."""
    return Counter(
        {
            name: allocated - freed
            for name, (allocated, freed) in counts().items()
            if ".".join(name.split(".")[-2:]) not in DECLARED
        }
    )


def forget() -> None:
    """Empty what is bounded and kept: callables and annotations, ours and typing's, which hold their modules' globals;
    header lines for the next handshake that has the same ones, in a table that only the collector can reach."""
    for module in (fields, models):
        for value in vars(module).values():
            if hasattr(value, "cache_clear") and value.__module__ == module.__name__:
                value.cache_clear()
    for clear in typing._cleanups:  # type: ignore[attr-defined]
        clear()
    for table in gc.get_objects():
        if type(table) is dict and table and type(next(iter(table.values()))).__name__ == "HeaderLine":
            table.clear()


def left_since(before: Counter[str], patience: float = 0.0) -> dict[str, int]:
    """How many more objects of each class are alive, once the collector has run.

    ``patience``: seconds for a server in a thread that outlives the test to be done with what the test left.
    """
    deadline = time.monotonic() + patience
    rounds = 0
    while True:
        now = alive()
        left = {
            name: now[name] - before[name] for name in now if now[name] > before[name] and now[name] > KEPT.get(name, 0)
        }
        rounds += 1
        if not left or (rounds > 2 and time.monotonic() >= deadline):
            return left
        forget()
        gc.collect()
        if rounds > 2:
            time.sleep(0.05)
