"""What the scripts beside this file share: counting objects and memory, and the connections they make.

Each script runs in an interpreter of its own, does one thing N times after a warm-up, and fails when anything of ours
was kept: objects by gc, whatever else is allocated by Python's count of blocks, memory by the resident size, objects
that wait for the collector by running without it.

WIREFAST_LEAK_COUNT sets N. Default: 100,000.
"""

from __future__ import annotations

import asyncio
import gc
import os
import sys
from collections import Counter
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))

from measures import resident  # noqa: E402

COUNT = int(os.environ.get("WIREFAST_LEAK_COUNT", "100000"))
WARM_UP = max(200, COUNT // 20)

#: What a connection is made of besides our types.
OTHERS = ("coroutine", "async_generator", "Task", "frame")

#: KiB that the process may grow by while it does everything N times.
SLACK = 2048
#: Blocks that caches may take meanwhile; more, where it is not one block in 20 times.
BLOCKS = 200


def ours() -> Counter[str]:
    """Live objects of our types and of what a connection is made of, by type."""
    found: Counter[str] = Counter()
    for item in gc.get_objects():
        kind = type(item)
        if str(kind.__module__).startswith("wirefast") or kind.__name__ in OTHERS:
            found[f"{kind.__module__}.{kind.__name__}"] += 1
    return found


async def repeat(work: Callable[[int], Awaitable[Any]], first: int, count: int) -> None:
    for i in range(first, first + count):
        await work(i)


def check(
    work: Callable[[int], Awaitable[Any]],
    count: int = COUNT,
    *,
    warm_up: int = WARM_UP,
    cycles: bool = False,
    slack: int = SLACK,
) -> None:
    """Do ``work(i)`` ``count`` times; fail if anything was kept, with the collector on and then with it off.

    ``warm_up`` is how many times before that are not looked at. ``cycles`` says that what was made may lie in reference
    cycles, so that only the collector frees it. ``slack`` is how many KiB the process may grow by.
    """
    name = getattr(work, "__name__", repr(work))

    async def main() -> None:
        await repeat(work, 0, warm_up)
        gc.collect()
        before, memory, blocks = ours(), resident(), sys.getallocatedblocks()
        await repeat(work, warm_up, count)
        grown = (resident() - memory) // 1024
        gc.collect()
        more = sys.getallocatedblocks() - blocks
        assert ours() == before, f"{name}: left {dict(ours() - before)} after {count:,} times"
        assert grown < slack, f"{name}: {grown} KiB more after {count:,} times"
        assert more < max(BLOCKS, count // 20), f"{name}: {more:,} blocks more after {count:,} times"

        if not cycles:
            # Reference counting alone has to free everything.
            gc.disable()
            await repeat(work, 0, 100)
            left = ours() - before
            gc.enable()
            assert not left, f"{name}: {dict(left)} wait for the garbage collector after 100 times"
        print(f"{name}: {count:,} times, {grown:+} KiB, {more:+} blocks")

    asyncio.run(main())
