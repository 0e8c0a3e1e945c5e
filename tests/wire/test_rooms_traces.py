"""The trace of a message to a room goes with it: over each broker, and to the other workers of one machine."""

from __future__ import annotations

import json
import time
from pathlib import Path

import pytest
from broker_servers import BrokerProcess, LocalProcess, NatsProcess, RedisProcess
from peer import TEXT, Peer, frame

from processes import running
from slower import SLOWER
from wirefast import App, WebSocket
from wirefast.rooms import Hub
from wirefast.testclient import TestClient

pytest.importorskip("opentelemetry.sdk")

TRACE = "1" * 32
PARENT = f"00-{TRACE}-{'2' * 16}-01"
SERVICE = """
import os
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from wirefast import App, WebSocket
from wirefast.rooms import Hub

spans = InMemorySpanExporter()
provider = TracerProvider()
provider.add_span_processor(SimpleSpanProcessor(spans))
hub = Hub()
app = App(hub=hub, telemetry={"tracer_provider": provider, "socket_spans": "handshake", "message_share": 0.0})

@app.websocket("/")
async def member(websocket: WebSocket):
    await websocket.accept()
    async with hub.join("lobby", websocket):
        await websocket.send_json(os.getpid())
        async for text in websocket.iter_text():
            if text == "spans":
                found = [one for one in spans.get_finished_spans() if one.name == "room deliver"]
                await websocket.send_json([f"{one.context.trace_id:032x}" for one in found])
            else:
                await hub.publish("lobby", text, exclude=websocket)
"""


@pytest.mark.parametrize("kind", [LocalProcess, RedisProcess, NatsProcess])
def test_over_a_broker(kind: type[BrokerProcess], short_path: Path) -> None:
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import SimpleSpanProcessor
    from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

    def service(url: str) -> tuple[App, InMemorySpanExporter]:
        spans, provider = InMemorySpanExporter(), TracerProvider()
        provider.add_span_processor(SimpleSpanProcessor(spans))
        hub = Hub(url)
        app = App(hub=hub, telemetry={"tracer_provider": provider})

        @app.websocket("/")
        async def member(websocket: WebSocket) -> None:
            await websocket.accept()
            async with hub.join("lobby", websocket):
                await websocket.send_text("joined")
                await websocket.receive()

        @app.post("/say")
        async def say(text: str) -> None:
            await hub.publish("lobby", text)

        return app, spans

    broker = kind(short_path)
    try:
        (here, said), (there, heard) = service(broker.url), service(broker.url)
        with TestClient(here) as client, TestClient(there) as other, other.websocket_connect("/") as member:
            assert member.receive_text() == "joined"
            client.post("/say?text=hello", headers={"traceparent": PARENT})
            assert member.receive_text() == "hello"
    finally:
        broker.end()
    (delivery,) = [span for span in heard.get_finished_spans() if span.name == "room deliver"]
    publisher = {span.context.span_id for span in said.get_finished_spans()}
    assert f"{delivery.context.trace_id:032x}" == TRACE and delivery.parent.span_id in publisher


def test_to_another_worker(short_path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WIREFAST_RUN_DIR", str(short_path / "run"))
    (tmp_path / "service.py").write_text(SERVICE)
    with running("service", "--port", "0", "--workers", "2", cwd=tmp_path) as server:
        port = server.wait_for_port()
        members: dict[int, Peer] = {}
        deadline = time.monotonic() + 60 * SLOWER
        try:
            while len(members) < 2:
                assert time.monotonic() < deadline
                peer = Peer(("127.0.0.1", port), timeout=20.0 * SLOWER)
                peer.open("/")
                members.setdefault(json.loads(peer.frame().data), peer)
                if peer not in members.values():
                    peer.sock.close()
            here, there = members.values()
            said = json.dumps({"traceparent": PARENT}).encode()
            here.send(frame(TEXT, said))
            assert there.frame().data == said
            there.send(frame(TEXT, b"spans"))
            assert json.loads(there.frame().data) == [TRACE]
        finally:
            for peer in members.values():
                peer.sock.close()
