"""Messages to rooms take their trace to other processes, and no trace lasts as long as a socket."""

import asyncio

import pytest

from memory_broker import MemoryBroker, Network, until
from sockets import open_socket
from wirefast import App, WebSocket
from wirefast.rooms import Hub
from wirefast.rooms.envelope import decode, trace_of
from wirefast.telemetry.watching import room_traces
from wirefast.testclient import TestClient

PARENT = f"00-{'1' * 32}-{'2' * 16}-01"


def hub_on(network, traces):
    hub = Hub()
    hub._url, hub._broker, hub._traces = "memory://", MemoryBroker(network), traces
    return hub


def test_the_span_of_a_delivery_is_in_the_publishers_trace(kept):
    async def scene():
        network = Network()
        here, there = (hub_on(network, room_traces({"tracing": True, **kept.config})) for _ in range(2))
        tracer = kept.config["tracer_provider"].get_tracer("test")
        async with here, there:
            socket, own = await open_socket("ours"), await open_socket("ours")
            await there.join("lobby", socket.websocket)
            await here.join("lobby", own.websocket)
            with tracer.start_as_current_span("work") as work:
                await here.publish("lobby", "traced")
            await here.publish("lobby", "untraced")
            await until(lambda: socket.messages == ["traced", "untraced"])
        # `here` gets its own payloads as well, and records nothing for them.
        deliveries = [span for span in kept.every() if span.name == "room deliver"]
        assert [(span.parent.span_id, span.context.trace_id) for span in deliveries] == [
            (work.get_span_context().span_id, work.get_span_context().trace_id)
        ]
        assert deliveries[0].attributes["messaging.destination.name"] == "lobby"
        traced, untraced = (payload for room, payload in network.published if room == "lobby")
        assert trace_of(traced) == decode(traced).trace is not None
        assert trace_of(untraced) is decode(untraced).trace is None

    asyncio.run(asyncio.wait_for(scene(), 60))


def test_a_hub_without_telemetry_neither_says_nor_records(kept):
    async def scene():
        network = Network()
        here, there = hub_on(network, None), hub_on(network, room_traces({"tracing": True, **kept.config}))
        tracer = kept.config["tracer_provider"].get_tracer("test")
        async with here, there:
            socket = await open_socket("ours")
            await here.join("lobby", socket.websocket)
            with tracer.start_as_current_span("work"):
                await here.publish("lobby", "silent")
                await there.publish("lobby", "traced")
            await until(lambda: socket.messages == ["silent", "traced"])
        silent, traced = (payload for room, payload in network.published if room == "lobby")
        assert trace_of(silent) is None and trace_of(traced) is not None
        assert [span.name for span in kept.every()] == ["work"]

    asyncio.run(asyncio.wait_for(scene(), 60))


def test_what_is_not_sampled_is_not_carried():
    trace = pytest.importorskip("opentelemetry.sdk.trace")
    from opentelemetry.sdk.trace.sampling import ALWAYS_OFF

    provider = trace.TracerProvider(sampler=ALWAYS_OFF)
    with provider.get_tracer("test").start_as_current_span("work"):
        assert room_traces({"tracing": True, "tracer_provider": provider}).current() is None
    assert room_traces({"tracing": False, "tracer_provider": provider}) is None
    assert room_traces(None) is None


@pytest.mark.parametrize(("socket_spans", "expected"), [("connection", None), ("handshake", "1" * 32)])
def test_the_span_of_a_socket_is_not_carried_that_of_a_message_is(kept, socket_spans, expected):
    app = App(telemetry=kept.config | {"socket_spans": socket_spans, "message_share": 0.0})
    traces = room_traces(app._telemetry)
    told = []

    @app.websocket("/")
    async def endpoint(websocket: WebSocket):
        told.append(traces.current())
        await websocket.accept()
        async for text in websocket.iter_text():
            told.append(traces.current())
            await websocket.send_text(text)
            with kept.config["tracer_provider"].get_tracer("test").start_as_current_span("mine"):
                told.append(traces.current())

    @app.post("/say")
    async def say():
        told.append(traces.current())

    with TestClient(app) as client:
        with client.websocket_connect("/") as socket:
            for text in ("plain", f'{{"traceparent": "{PARENT}"}}'):
                socket.send_text(text)
                assert socket.receive_text() == text
        before, plain, mine, traced, within, *_ = told
        assert before is plain is None and mine is not None and within is not None
        assert (traced and traced[3:35]) == expected
        told.clear()
        client.post("/say", headers={"traceparent": PARENT})
        assert told[0][3:35] == "1" * 32  # a request is short


def test_one_started_by_an_application_carries(kept):
    hub = Hub()
    with TestClient(App(hub=hub, telemetry=kept.config)):
        assert hub._traces is not None
    with TestClient(App(hub=hub)):
        assert hub._traces is None


def test_a_broker_that_is_not_ours_says_anything():
    good = b'["h",1,0,"t",[],null,null,{"traceparent":"%s"}]\n' % PARENT.encode()
    assert decode(good).trace == trace_of(good) == PARENT
    for wrong in (
        b"1",
        b"{}",
        b'{"traceparent":5}',
        b'{"traceparent":"x"}',
        b'{"traceparent":"%s","a":1}' % PARENT.encode(),
    ):
        payload = b'["h",1,0,"t",[],null,null,%s]\n' % wrong
        assert trace_of(payload) is None
        with pytest.raises(ValueError, match="malformed trace"):
            decode(payload)
    key = b'["h",1,0,"t",[],null,"%s"]\n' % PARENT.encode()  # a key is no trace
    assert trace_of(key) is None and decode(key).key == PARENT
    assert trace_of(b"") is trace_of(b"\n") is trace_of(b"x" * 300_000) is None
