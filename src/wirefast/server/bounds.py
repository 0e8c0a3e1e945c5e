"""What uvicorn's numeric settings may be: one table, for the command line and for the protocol.

uvicorn takes any number, and one that makes no sense shows late: no connection is accepted, every message is too large,
workers are killed as they start. A zero is allowed where uvicorn or wirefast gives it a meaning.
"""

from __future__ import annotations

import sys

__all__ = ["BOUNDS", "DRAIN_BATCH", "DRAIN_EVERY", "TIMEOUT_BODY", "WATCH_LOOP", "check"]

COUNT = sys.maxsize
#: Seconds that no timer overflows on.
LONG = 10**9

#: Seconds that the body of a request may take without progress, and a peer without reading the end of a response.
TIMEOUT_BODY = 60.0
#: Sockets that are closed together when a server drains, and seconds between two batches.
DRAIN_BATCH = 500
DRAIN_EVERY = 0.5
#: Seconds that the event loop may stand still before the log has the stack that blocks it.
WATCH_LOOP = 1.0

#: The least and the most, by the setting's name in uvicorn's Config. Where the least is a float, any number will do.
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
        value: what was given for it.
        label: what the user calls it; the setting's name by default.

    Raises:
        ValueError: with a line that names the setting, the value and what is allowed.
    """
    least, most = BOUNDS[setting]
    shown = f"{label or setting} {value:g}" if isinstance(value, float) else f"{label or setting} {value}"
    if not isinstance(value, (int, float) if isinstance(least, float) else int):
        raise ValueError(f"{shown} is not {'a number' if isinstance(least, float) else 'a whole number'}")
    if value > most:
        raise ValueError(f"{shown} is not between {least:g} and {most}")
    if not value >= least:  # nor is NaN
        raise ValueError(f"{shown} is not {least:g} or more")
