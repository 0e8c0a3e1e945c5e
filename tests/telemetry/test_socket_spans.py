"""Spans of sockets that live long: the handshake's ends with it, those of messages link to it and are no children."""

import json

import pytest

from wirefast import App, WebSocket
from wirefast.testclient import TestClient

PARENT = f"00-{'1' * 32}-{'2' * 16}-01"


def service(kept, share):
    app = App(telemetry=kept.config | {"socket_spans": "handshake", "message_share": share})

    @app.websocket("/rooms/{room}")
    async def room(websocket: WebSocket, room: int):
        await websocket.accept()
        async for text in websocket.iter_text():
            if text == "fail":
                raise LookupError("broken")
            await websocket.send_text(text)

    return app


def test_messages_link_to_the_handshake(kept):
    from opentelemetry.trace import SpanKind

    with TestClient(service(kept, 1.0)).websocket_connect("/rooms/7", headers={"traceparent": PARENT}) as socket:
        socket.send_text("one")
        assert socket.receive_text() == "one"
        handshake = kept.spans()["WS /rooms/{room}"]  # ended, while the socket is open
        socket.send_text("two")
        assert socket.receive_text() == "two"
    assert f"{handshake.context.trace_id:032x}" == "1" * 32
    messages = [span for span in kept.every() if span.name == "WS message /rooms/{room}"]
    assert len(messages) == 2
    for span in messages:
        assert span.parent is None and span.kind is SpanKind.CONSUMER
        assert span.context.trace_id != handshake.context.trace_id
        assert [link.context.span_id for link in span.links] == [handshake.context.span_id]
        assert span.attributes["messaging.message.body.size"] == 3
        assert span.attributes["http.route"] == "/rooms/{room}"
    assert len({span.context.trace_id for span in messages}) == 2


def test_a_message_with_a_trace_of_its_own_is_always_recorded(kept):
    with TestClient(service(kept, 0.0)).websocket_connect("/rooms/7") as socket:
        for sent in ("plain", json.dumps({"traceparent": PARENT}), '"traceparent"', '{"traceparent": 5}', "[" * 5000):
            socket.send_text(sent)
            assert socket.receive_text() == sent
    (span,) = [span for span in kept.every() if span.name.startswith("WS message")]
    assert (f"{span.parent.span_id:016x}", f"{span.context.trace_id:032x}") == ("2" * 16, "1" * 32)
    assert len(span.links) == 1


def test_a_span_is_current_while_its_message_is_handled(kept):
    from opentelemetry import trace

    app = App(telemetry=kept.config | {"socket_spans": "handshake", "message_share": 1})
    seen = []

    @app.websocket("/")
    async def endpoint(websocket: WebSocket):
        await websocket.accept()
        await websocket.receive_text()
        seen.append(trace.get_current_span().get_span_context().span_id)
        await websocket.send_text("done")

    with TestClient(app).websocket_connect("/") as socket:
        socket.send_text("x")
        socket.receive_text()
    (span,) = [span for span in kept.every() if span.name.startswith("WS message")]
    assert seen == [span.context.span_id]


def test_what_fails_is_said_of_the_message(kept):
    from opentelemetry.trace import StatusCode

    with pytest.raises(LookupError):
        with TestClient(service(kept, 1.0)).websocket_connect("/rooms/7") as socket:
            socket.send_text("fail")
            socket.receive_text()
    spans = kept.spans()
    assert spans["WS message /rooms/{room}"].status.status_code is StatusCode.ERROR
    assert spans["WS message /rooms/{room}"].attributes["error.type"] == "LookupError"
    assert spans["WS /rooms/{room}"].status.status_code is not StatusCode.ERROR


def test_the_default_is_fastapis(kept):
    app = App(telemetry=kept.config)

    @app.websocket("/")
    async def endpoint(websocket: WebSocket):
        await websocket.accept()
        async for text in websocket.iter_text():
            await websocket.send_text(text)

    with TestClient(app).websocket_connect("/") as socket:
        socket.send_text("x")
        socket.receive_text()
        assert "WS /" not in kept.spans()
    assert not [span for span in kept.every() if span.name.startswith("WS message")]


@pytest.mark.parametrize("wrong", [{"socket_spans": "messages"}, {"message_share": 1.1}, {"message_share": True}])
def test_settings_that_make_no_sense(wrong):
    with pytest.raises(ValueError, match="socket_spans takes|message_share takes"):
        App(telemetry=wrong)
