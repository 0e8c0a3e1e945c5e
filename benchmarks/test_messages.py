"""Messages in and out of an accepted WebSocket inside the application, no network: receive one, send it back."""

import json

import pytest

from benchmarks import peers
from benchmarks.asgi import Exchange, scope_of
from benchmarks.scene import LARGE, SMALL, compact

assert len(compact(SMALL)) == 128
MESSAGES = {
    "text, 128 B": ("/text", "text", "x" * 128, 500),
    "text, 16 KiB": ("/text", "text", "x" * 16_384, 500),
    "bytes, 128 B": ("/bytes", "bytes", b"x" * 128, 500),
    "bytes, 16 KiB": ("/bytes", "bytes", b"x" * 16_384, 500),
    "JSON, 128 B": ("/json", "text", compact(SMALL), 500),
    "JSON, 18 KiB": ("/json", "text", compact(LARGE), 10),
}


@pytest.mark.parametrize("peer", peers.INSTALLED)
@pytest.mark.parametrize("case", MESSAGES)
def test_echo(measure, loop, case, peer):
    path, key, payload, units = MESSAGES[case]
    exchange = Exchange(loop, peers.build(peer), scope_of(path), {"type": "websocket.receive", key: payload})
    answer = exchange.run(1)
    assert answer["type"] == "websocket.send"
    sent = answer.get(key) or answer.get("bytes")  # Litestar sends text and JSON its own way
    assert (json.loads(sent) if path == "/json" else sent) == (json.loads(payload) if path == "/json" else payload)
    measure(lambda: exchange.run(units), units, step="message", case=case, peer=peer)
    exchange.close()
