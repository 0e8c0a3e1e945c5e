"""What an application declares for its operators: the metrics page, and whether the application is ready."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from wirefast._core.readiness import add_check
from wirefast.draining import DrainDeclarations
from wirefast.extras import how_to_install
from wirefast.metrics import counters
from wirefast.metrics.source import collected

__all__ = ["OperatingDeclarations", "metrics_route"]

Check = TypeVar("Check", bound=Callable[[], Any])


def metrics_route(path: str) -> Route:
    """Make the route of the metrics page, and have the servers of this process count.

    Args:
        path: such as ``/metrics``.

    Raises:
        TypeError, ValueError: the path is no text that begins with a slash.
        ImportError: ``prometheus-client`` is not installed: ``wirefast[metrics]``.
    """
    if not isinstance(path, str):
        raise TypeError(f'metrics takes the path of a page, such as "/metrics", not {path!r}')
    if not path.startswith("/"):
        raise ValueError(f"the path of the metrics page begins with a slash, not {path!r}")
    try:
        from wirefast.metrics.exposition import render  # needs an extra
    except ImportError as exc:
        raise ImportError(f"metrics need prometheus-client: {how_to_install('metrics')} ({exc})") from None

    async def metrics(request: Request) -> Response:
        body, content_type = render(await collected(), request.headers.get("accept"))
        return Response(body, headers={"content-type": content_type, "cache-control": "no-store"})

    counters.turn_on()
    return Route(path, metrics, include_in_schema=False)


class OperatingDeclarations(DrainDeclarations):
    """Decorators for the operation of an application."""

    def readiness(self, check: Check) -> Check:
        """Declare a check: whether this process may get connections, asked by ``wirefast run``'s probes.

        Args:
            check: a function without arguments, async or plain. The process is not ready if the function returns a
                false value other than None, raises, or takes more than 2 seconds. wirefast only.

        Raises:
            TypeError: the check cannot be called.
        """
        if not callable(check):
            raise TypeError(f"readiness takes a function, not {check!r}")
        add_check(check)
        return check
