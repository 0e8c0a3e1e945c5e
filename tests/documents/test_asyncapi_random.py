"""Documents of random applications are AsyncAPI, and large ones are made fast."""

from __future__ import annotations

import gc
import json
import os
import time
from typing import Any, Literal

from asyncapi_checks import check
from hypothesis import HealthCheck, given, settings
from pydantic import create_model
from random_sockets import applications, handler

from slower import SHARED, SLOWER
from wirefast import App


@given(applications())
@settings(
    max_examples=int(os.environ.get("WIREFAST_ASYNCAPI_EXAMPLES", "40")),
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
def test_random_applications(app: App) -> None:
    document = app.asyncapi()
    check(document)
    assert json.dumps(document) == json.dumps(app._make_asyncapi()), "the document is stable"


def large(sockets: int, messages: int) -> App:
    """An application of many sockets, with as many types of messages on each as make the number."""
    app = App()
    each = messages // sockets
    for number in range(sockets):
        room = app.messages(f"/s{number}/{{room_id}}")
        for index in range(each // 2):
            tag = f"m{index}"
            received: Any = create_model(f"In{number}x{index}", type=(Literal[tag], ...), text=(str, ...), n=(int, 1))  # type: ignore[valid-type]
            sent: Any = create_model(f"Out{number}x{index}", type=(Literal[tag], tag), text=(str, ...), n=(int, 1))  # type: ignore[valid-type]
            room.on(handler(received, sent))
    return app


def test_a_large_application() -> None:
    times = []
    # A busy machine, and what other tests have left to collect, make CPU time longer, never shorter.
    while len(times) < 5 and min(times, default=9.0) >= SLOWER * SHARED:
        app = large(500, 2000)
        gc.collect()
        gc.freeze()
        start = time.process_time()
        document = app.asyncapi()
        times.append(time.process_time() - start)
        gc.unfreeze()
    assert len(document["channels"]) == 500
    assert sum(len(channel["messages"]) - 1 for channel in document["channels"].values()) == 2000
    assert min(times) < SLOWER * SHARED, times
