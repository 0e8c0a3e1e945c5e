"""The numbers of several workers as one service's."""

from __future__ import annotations

from wirefast.metrics.merging import lasting, merged

ONE = {
    "wirefast_handshakes_total": {"accepted": 3},
    "wirefast_sockets_open": {"/": 2},
    "wirefast_loop_lag_seconds": {"0": 0.5},
    "wirefast_outbox_age_seconds": {"": 1.0},
    "wirefast_ping_seconds": {"": [1, 0, 2, 0.5]},
}
OTHER = {
    "wirefast_handshakes_total": {"accepted": 4, "refused": 1},
    "wirefast_sockets_open": {"/": 5, "/b": 1},
    "wirefast_loop_lag_seconds": {"1": 0.1},
    "wirefast_outbox_age_seconds": {"": 4.0},
    "wirefast_ping_seconds": {"": [0, 1, 1, 0.25]},
}


def test_counters_histograms_and_gauges() -> None:
    assert merged([ONE, OTHER]) == {
        "wirefast_handshakes_total": {"accepted": 7, "refused": 1},
        "wirefast_sockets_open": {"/": 7, "/b": 1},
        "wirefast_loop_lag_seconds": {"0": 0.5, "1": 0.1},
        "wirefast_outbox_age_seconds": {"": 4.0},
        "wirefast_ping_seconds": {"": [1, 1, 3, 0.75]},
    }
    assert ONE["wirefast_ping_seconds"][""] == [1, 0, 2, 0.5]  # nothing was changed


def test_what_was_counted_stays() -> None:
    assert set(lasting(ONE)) == {"wirefast_handshakes_total", "wirefast_ping_seconds"}
