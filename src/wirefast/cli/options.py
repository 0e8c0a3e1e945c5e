"""The options of ``wirefast run`` that are not uvicorn's."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import click

#: Those that become attributes of the server's Config, by their click names.
CONFIG_ATTRIBUTES = ("timeout_body", "drain_batch", "drain_every", "health_path", "ready_path")


def own_options() -> list[click.Parameter]:
    """Build the options; click is an extra's."""
    import click  # the command's packages, when it runs

    from wirefast.server.bounds import DRAIN_BATCH, DRAIN_EVERY, TIMEOUT_BODY  # the command's packages, when it runs

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
            help="Answer this path with 200 where new sockets are welcome, else 503. Default with --health: /readyz.",
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
        click.Option(["--pin"], is_flag=True, help="Keep each worker on a core of its own (Linux)."),
    ]
