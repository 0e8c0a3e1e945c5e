"""A typed message, no network: 128 bytes validated, handled with two path parameters and a dependency, answered.

typed_peers.py has the routes, ours and the others'.
"""

import json

import pytest

from benchmarks import typed_peers
from benchmarks.asgi import Exchange, scope_of

CASES = {
    "typed": ("typed", typed_peers.MESSAGE),
    "typed, by hand": ("hand", typed_peers.MESSAGE),
    "typed, iter_messages": ("loop", typed_peers.MESSAGE),
    "typed, with a ref": ("typed", typed_peers.WITH_REF),
    "typed, 200 kinds": ("many", typed_peers.MESSAGE),
    "typed, a generator for each": ("generator", typed_peers.MESSAGE),
}


def check(text: str, message: str) -> None:
    said = json.loads(message)
    said = said.get("payload", said)
    assert typed_peers.told(text) == {"by": "ada", "room": 3, "text": said["text"]}


@pytest.mark.parametrize("case", CASES)
def test_typed(measure, loop, case):
    path, text = CASES[case]
    app = typed_peers.build("wirefast")
    exchange = Exchange(loop, app, scope_of(f"/{path}/h/3"), {"type": "websocket.receive", "text": text})
    answer = exchange.run(1)["text"]
    check(answer, text)
    assert json.loads(answer).get("ref") == (1 if "ref" in case else None)
    measure(lambda: exchange.run(500), 500, step="message", case=case, peer="wirefast")
    exchange.close()


@pytest.mark.parametrize("peer", [name for name in typed_peers.INSTALLED if name != "wirefast"])
def test_typed_elsewhere(measure, loop, peer):
    text, expected = typed_peers.MESSAGE, typed_peers.ANSWER
    if peer == "chanx":
        text, expected = typed_peers.IN_PAYLOAD, typed_peers.ANSWER_IN_PAYLOAD
    event = {"type": "websocket.receive", "text": text}
    exchange = Exchange(loop, typed_peers.build(peer), scope_of("/typed/h/3"), event)
    answer = exchange.run(1)
    assert (answer.get("text") or answer["bytes"].decode()).encode() == expected  # as benchmarks.wire compares it
    check(expected.decode(), text)
    measure(lambda: exchange.run(500), 500, step="message", case="typed", peer=peer)
    exchange.close()
