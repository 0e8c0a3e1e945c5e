"""Whether an application is ready, for the probes of its server."""

from __future__ import annotations

import asyncio
import inspect
import logging
from collections.abc import Callable
from typing import Any

__all__ = ["CHECK_SECONDS", "add_check", "passes_checks"]

#: Seconds that all checks together have for one probe.
CHECK_SECONDS = 2.0

logger = logging.getLogger("uvicorn.error")
_checks: list[Callable[[], Any]] = []


def add_check(check: Callable[[], Any]) -> None:
    """Add a check. The process is not ready if it returns a false value other than None, or raises."""
    _checks.append(check)


async def passes_checks() -> bool:
    """Call all checks. The process is not ready if a check raises or takes too long."""
    try:
        return await asyncio.wait_for(_ask(), CHECK_SECONDS)
    except asyncio.TimeoutError:
        logger.warning("The readiness checks took more than %g seconds", CHECK_SECONDS)
    except Exception as exc:
        logger.warning("A readiness check failed: %s: %s", type(exc).__name__, exc)
    return False


async def _ask() -> bool:
    for check in _checks:
        answer = check()
        if inspect.isawaitable(answer):
            answer = await answer
        if answer is not None and not answer:
            return False
    return True
