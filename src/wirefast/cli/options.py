"""The options of ``wirefast run`` that are not uvicorn's."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import click

#: The defaults that differ from uvicorn's. Compression is off, because it costs some 50 KiB for each socket. A graceful
#: stop ends after a time: a handler that does not wait for its socket is cancelled then, which uvicorn never does.
OWN_DEFAULTS: dict[str, Any] = {"ws_per_message_deflate": False, "timeout_graceful_shutdown": 30}
PROTOCOLS = {"http": "HttpProtocol", "ws": "WebSocketProtocol"}

#: The limits that an operator may set: their names, their types, and what they bound.
LIMITS = (
    ("connections", int, "Open WebSockets at once, for each worker; then 503."),
    ("per_ip", int, "Open WebSockets of one address at once, for each worker; then 429."),
    ("handshakes", float, "WebSocket handshakes of one address a second; then 429."),
    ("messages", float, "Messages of one WebSocket a second; then close 1008."),
    ("bytes", float, "Bytes of messages of one WebSocket a second; then close 1008."),
    ("message_bytes", int, "Bytes of one message of a WebSocket; then close 1009."),
    ("first_message", float, "Seconds in which a WebSocket has to send its first message; then close 4408."),
    ("idle", float, "Seconds without a message from the client of a WebSocket; then close 4408."),
    ("lifetime", float, "Seconds that a WebSocket may last; then close 1012."),
)

#: The options that become attributes of the server's Config, by their click names.
CONFIG_ATTRIBUTES = (
    "timeout_body",
    "drain_batch",
    "drain_every",
    "health_path",
    "ready_path",
    "transport",
    "watch_loop",
)


def protocols() -> dict[str, str]:
    """Return the defaults of ``--http`` and ``--ws``: our classes."""
    ours = importlib.import_module("wirefast.server")
    return {option: f"wirefast.server:{name}" for option, name in PROTOCOLS.items() if hasattr(ours, name)}


def own_options() -> list[click.Parameter]:
    """Build the options. click is imported here, because it belongs to an extra."""
    import click  # the command's packages, when it runs

    from wirefast.server.bounds import (  # the command's packages, when it runs
        DRAIN_BATCH,
        DRAIN_EVERY,
        TIMEOUT_BODY,
        TRANSPORT,
        WATCH_LOOP,
    )

    return [
        click.Option(
            ["--timeout-body"],
            type=float,
            default=TIMEOUT_BODY,
            show_default=True,
            help="Seconds that the body of a request may take without progress before it is answered with 408.",
        ),
        click.Option(
            ["--drain-batch"],
            type=int,
            default=DRAIN_BATCH,
            show_default=True,
            help="Sockets that are closed together when the server stops or reloads.",
        ),
        click.Option(
            ["--drain-every"],
            type=float,
            default=DRAIN_EVERY,
            show_default=True,
            help="Seconds between two batches of sockets that are closed.",
        ),
        click.Option(
            ["--health", "health_path"],
            metavar="PATH",
            help="Answer this path with 200 before the application, as long as the process lives; with it, --ready.",
        ),
        click.Option(
            ["--ready", "ready_path"],
            metavar="PATH",
            help="Answer this path with 200 while new sockets are accepted, else 503. Default with --health: /readyz.",
        ),
        click.Option(
            ["--metrics-port"],
            type=int,
            help="Serve Prometheus's metrics, and probes, on this port of --host.",
        ),
        click.Option(
            ["--control/--no-control"],
            default=True,
            show_default=True,
            help="Open the local socket that `wirefast top` reads.",
        ),
        click.Option(
            ["--log-format"],
            type=click.Choice(["text", "json"]),
            default="text",
            show_default=True,
            help="How lines of the log look.",
        ),
        click.Option(
            ["--request-id"],
            is_flag=True,
            help="Give each request and socket an id: the client's X-Request-ID, or a new one. It is in the response, "
            "in scope['wirefast.request_id'] and in the log.",
        ),
        click.Option(
            ["--transport"],
            type=click.Choice(["sockets", "loop"]),
            default=TRANSPORT,
            show_default=True,
            help="Who reads and writes connections without TLS: wirefast's own sockets, or the loop's transports.",
        ),
        click.Option(
            ["--watch-loop"],
            type=float,
            default=WATCH_LOOP,
            show_default=True,
            help="Log the stack of code that blocks the event loop for so many seconds; 0 turns this off.",
        ),
        click.Option(["--pin"], is_flag=True, help="Keep each worker on a core of its own (Linux)."),
        click.Option(
            ["--as-fastapi"],
            is_flag=True,
            help="Serve a FastAPI application: wirefast stands in under the name `fastapi`, also for other packages.",
        ),
        *(
            click.Option(
                [f"--limit-{name.replace('_', '-')}", f"limit_{name}"], type=kind, help=f"{text} Default: none."
            )
            for name, kind, text in LIMITS
        ),
    ]
