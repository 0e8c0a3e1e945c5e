"""The bounds of uvicorn's numeric settings: one table, for the command line and for the protocol.

uvicorn accepts any number, and an unusable number has a late effect: no connection is accepted, every message is too
    large, workers are killed at their start. A zero is allowed if uvicorn or wirefast gives it a meaning.
"""

from __future__ import annotations

import sys
from typing import Literal

__all__ = ["BOUNDS", "DRAIN_BATCH", "DRAIN_EVERY", "TIMEOUT_BODY", "TRANSPORT", "WATCH_LOOP", "check"]

COUNT = sys.maxsize
#: The most seconds; a timer of so many does not overflow.
LONG = 10**9

#: Seconds that the body of a request may take without progress, and seconds that a peer may not read the end of a
#: response.
TIMEOUT_BODY = 60.0
#: Sockets that are closed together when a server drains, and seconds between two batches.
DRAIN_BATCH = 500
DRAIN_EVERY = 0.5
#: Seconds that the event loop may be blocked before the log has the blocking stack.
WATCH_LOOP = 1.0

#: Who reads and writes connections without TLS: the server's own sockets on Linux, where they were measured.
TRANSPORT: Literal["sockets", "loop"] = "sockets" if sys.platform == "linux" else "loop"

#: The least and the largest value, by the setting's name in uvicorn's Config. Where the least is a float, fractions are
#: allowed.
BOUNDS: dict[str, tuple[float, float]] = {
    "port": (0, 65535),
    "fd": (0, 2**31 - 1),
    "workers": (1, COUNT),
    "backlog": (1, 2**31 - 1),  # asyncio's loop accepts as many at a time: none with 0
    "limit_concurrency": (0, COUNT),  # 0: 503 for all
    "limit_max_requests": (1, COUNT),
    "limit_max_requests_jitter": (0, COUNT),
    "timeout_keep_alive": (0, LONG),  # 0: one request a connection
    "timeout_body": (0.001, LONG),
    "metrics_port": (0, 65535),  # 0: any
    "drain_batch": (1, COUNT),
    "drain_every": (0.0, 3600),  # 0: all at once
    "watch_loop": (0.0, 3600),  # 0: not watched
    "timeout_graceful_shutdown": (0, LONG),  # 0: cancelled at once
    "timeout_worker_healthcheck": (1, 10**6),  # 0: no worker answers in time
    "reload_delay": (0.0, LONG),
    "h11_max_incomplete_event_size": (0, COUNT),
    "ssl_cert_reqs": (0, 2),
    "ws_max_size": (1, COUNT // 2),
    "ws_max_queue": (0, COUNT),  # 0: as 1
    "ws_ping_interval": (0.0, float("inf")),  # 0: no pings
    "ws_ping_timeout": (0.0, float("inf")),
}


def check(setting: str, value: object, label: str | None = None) -> None:
    """Refuse a value that is out of bounds.

    Args:
        setting: a name of ``BOUNDS``.
        value: the given value.
        label: the user's name of the setting. Default: the setting's name.

    Raises:
        ValueError: with a line that names the setting, the value and what is allowed.
    """
    least, most = BOUNDS[setting]
    shown = f"{label or setting} {value:g}" if isinstance(value, float) else f"{label or setting} {value}"
    if not isinstance(value, (int, float) if isinstance(least, float) else int):
        raise ValueError(f"{shown} is not {'a number' if isinstance(least, float) else 'a whole number'}")
    if value > most:
        raise ValueError(f"{shown} is not between {least:g} and {most}")
    if not value >= least:  # false for NaN too
        raise ValueError(f"{shown} is not {least:g} or more")
