"""The list of all metrics: names, kinds, labels and meanings. The formats, the page and the board are made of it.

Names follow Prometheus's rules: seconds and bytes, ``_total`` for counters. Clients choose no labels: routes are the
application's, codes are those of the registry, with two words for all others.
"""

from __future__ import annotations

from typing import Literal, NamedTuple

from wirefast._core.close import CODES
from wirefast.metrics.counters import Family

__all__ = ["BY_NAME", "FAMILIES", "METRICS", "Metric", "code_label"]

SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)


class Metric(NamedTuple):
    """One metric.

    Attributes:
        name: as Prometheus shows it.
        kind: counters are summed over workers and kept when one ends; gauges are those of live workers.
        labels: their names.
        text: its meaning.
        unit: for the board, as Grafana names it.
        group: the group of the board.
        merge: how a gauge is made of the numbers of several workers.
    """

    name: str
    kind: Literal["counter", "gauge", "histogram"]
    labels: tuple[str, ...]
    text: str
    unit: str
    group: str
    merge: Literal["sum", "max"] = "sum"


METRICS = (
    Metric("wirefast_sockets_open", "gauge", ("route",), "Open WebSockets.", "short", "Sockets"),
    Metric(
        "wirefast_handshakes_total",
        "counter",
        ("outcome",),
        "Answered handshakes: accepted, refused by the application, invalid, unavailable (503), failed (500).",
        "ops",
        "Sockets",
    ),
    Metric(
        "wirefast_closes_total",
        "counter",
        ("code", "side"),
        "Sockets that ended, by close code and by who began: client or server.",
        "ops",
        "Sockets",
    ),
    Metric(
        "wirefast_messages_total", "counter", ("direction", "route"), "Messages received and sent.", "ops", "Messages"
    ),
    Metric(
        "wirefast_message_bytes_total",
        "counter",
        ("direction", "route"),
        "Bytes of the messages received and sent: payloads, before compression.",
        "Bps",
        "Messages",
    ),
    Metric(
        "wirefast_handler_seconds",
        "histogram",
        ("route", "type"),
        "Seconds that the handlers of typed messages took.",
        "s",
        "Messages",
    ),
    Metric("wirefast_outbox_bytes", "gauge", (), "Bytes that wait for slow clients.", "bytes", "Slow clients"),
    Metric(
        "wirefast_outbox_age_seconds",
        "gauge",
        (),
        "Seconds that the oldest message has waited for a slow client.",
        "s",
        "Slow clients",
        "max",
    ),
    Metric(
        "wirefast_dropped_messages_total",
        "counter",
        ("policy",),
        "Messages of rooms that a policy has dropped for slow members.",
        "ops",
        "Slow clients",
    ),
    Metric("wirefast_ping_seconds", "histogram", (), "Seconds from a ping to its pong.", "s", "Slow clients"),
    Metric("wirefast_rooms", "gauge", (), "Rooms with members, added up over the workers.", "short", "Rooms"),
    Metric("wirefast_room_members", "gauge", (), "Sockets that are in rooms.", "short", "Rooms"),
    Metric("wirefast_publishes_total", "counter", (), "Messages published to rooms.", "ops", "Rooms"),
    Metric("wirefast_room_deliveries_total", "counter", (), "Messages sent to members of rooms.", "ops", "Rooms"),
    Metric("wirefast_broker_connected", "gauge", (), "Workers whose broker is connected.", "short", "Rooms"),
    Metric(
        "wirefast_broker_lag_seconds",
        "gauge",
        (),
        "Seconds that the broker took for the last batch of messages.",
        "s",
        "Rooms",
        "max",
    ),
    Metric("wirefast_broker_reconnects_total", "counter", (), "Connections to the broker made again.", "ops", "Rooms"),
    Metric("wirefast_broker_dropped_total", "counter", (), "Messages that did not reach the broker.", "ops", "Rooms"),
    Metric(
        "wirefast_gaps_total",
        "counter",
        (),
        "Times that messages of a room may have been lost between processes.",
        "ops",
        "Rooms",
    ),
    Metric("wirefast_limits_hit_total", "counter", ("limit",), "What a limit has refused.", "ops", "Limits"),
    Metric("wirefast_refusals_total", "counter", ("status",), "Sockets ended by Refuse.", "ops", "Limits"),
    Metric("wirefast_tickets_total", "counter", ("outcome",), "Tickets: issued, redeemed, refused.", "ops", "Limits"),
    Metric("wirefast_expiries_total", "counter", (), "Sockets closed as their permission ended.", "ops", "Limits"),
    Metric("wirefast_drain_left", "gauge", (), "Sockets that a drain has still to close.", "short", "Process"),
    Metric(
        "wirefast_loop_lag_seconds",
        "gauge",
        ("worker",),
        "Seconds that the event loop was late at most in the last second.",
        "s",
        "Process",
        "max",
    ),
    Metric(
        "wirefast_loop_busy_ratio",
        "gauge",
        ("worker",),
        "Share of the last second in which the event loop was busy.",
        "percentunit",
        "Process",
        "max",
    ),
    Metric("wirefast_resident_memory_bytes", "gauge", ("worker",), "Resident memory.", "bytes", "Process", "max"),
    Metric("wirefast_workers", "gauge", (), "Worker processes that answer.", "short", "Process"),
    Metric(
        "wirefast_worker_deaths_total", "counter", (), "Worker processes that ended unasked, or hung.", "ops", "Process"
    ),
)

BY_NAME = {metric.name: metric for metric in METRICS}

#: The family of each counter and histogram, made once; modules write to them.
FAMILIES = {
    metric.name: Family(metric.name, metric.labels, SECONDS if metric.kind == "histogram" else None)
    for metric in METRICS
    if metric.kind != "gauge"
}


def code_label(code: int) -> str:
    """Return a close code as a label: one word stands for all codes that a client may choose freely."""
    if code < 3000:
        return str(code) if code in CODES else "other"
    return "library" if code < 4000 else "private"
