"""The WebSocket's states in any order of calls and of what the peer does, with Starlette's WebSocket as the oracle.

Two pairs go through the same steps: both classes over a scripted ASGI server, where every message is compared, and both
on our protocol, where the bytes on the wire are: there ours speaks to the protocol directly, Starlette's by ASGI.

By default a fixed set of examples; ``WIREFAST_COMPAT_EXAMPLES=20000`` draws that many fresh ones.
"""

from __future__ import annotations

import asyncio
import json
import logging
import os
import re
from collections.abc import Callable
from typing import Any

import pytest
import starlette.websockets
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)
from starlette.responses import PlainTextResponse, StreamingResponse
from starlette.websockets import WebSocketDisconnect, WebSocketState

import wirefast
from asgi import websocket_scope
from memory import Memory
from wirefast._core.errors import PeerGone

EXAMPLES = os.environ.get("WIREFAST_COMPAT_EXAMPLES")


async def turns() -> None:
    for _ in range(8):
        await asyncio.sleep(0)


class Oracle(starlette.websockets.WebSocket):
    """Starlette's, but for the difference that docs/compatibility.md names: a send that finds the peer gone closes the
    socket for its own task alone. Here each call has a task of its own."""

    lost = False

    async def send(self, message: Any) -> None:
        if self.lost:
            raise PeerGone
        before = self.application_state
        try:
            await super().send(message)
        except WebSocketDisconnect:
            self.lost = before is WebSocketState.CONNECTED and message["type"] == "websocket.send"
            raise

    async def receive_text(self) -> str:
        return str(await self.heard("text") if self.lost else await super().receive_text())

    async def receive_bytes(self) -> bytes:
        return bytes(await self.heard("bytes") if self.lost else await super().receive_bytes())

    async def receive_json(self, mode: str = "text") -> Any:
        if self.lost and mode in ("text", "binary"):
            return json.loads(await self.heard("text" if mode == "text" else "bytes"))
        return await super().receive_json(mode)

    async def heard(self, key: str) -> Any:
        message = await self.receive()
        self._raise_on_disconnect(message)
        return message[key]


class OnAsgi:
    """A server that gives what it is told to, also what none should."""

    def __init__(self, websocket_class: Any, extensions: dict[str, Any]) -> None:
        self.inbox: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        self.sent: list[dict[str, Any]] = []
        self.fails = False
        self.websocket = websocket_class(websocket_scope(extensions=extensions), self.inbox.get, self.send)

    async def send(self, message: dict[str, Any]) -> None:
        await asyncio.sleep(0)
        if self.fails:
            raise ConnectionResetError("gone")
        self.sent.append(message)

    def peer(self, what: str, data: Any) -> None:
        if what == "lose":
            self.fails = True
            self.inbox.put_nowait({"type": "websocket.disconnect", "code": 1006})
        elif what == "close":
            self.inbox.put_nowait({"type": "websocket.disconnect", "code": data, "reason": "bye"})
        elif what == "send":
            self.inbox.put_nowait({"type": "websocket.receive", "text" if isinstance(data, str) else "bytes": data})
        else:
            self.inbox.put_nowait({"type": data})

    def seen(self) -> Any:
        return self.sent

    async def end(self) -> None:
        pass


class OnOurs:
    """Our protocol, and a handler that ends at the end."""

    def __init__(self, websocket_class: Any, extensions: dict[str, Any]) -> None:
        self.websocket_class = websocket_class
        self.ends = asyncio.Event()
        self.memory = Memory(self.app)
        self.connection = self.memory.open()
        self.written = self.connection.transport.written

    async def app(self, scope: Any, receive: Any, send: Any) -> None:
        self.websocket = self.websocket_class(scope, receive, send)
        await self.ends.wait()

    def peer(self, what: str, data: Any) -> None:
        if self.connection.transport.protocol is None or (self.connection.status or 101) != 101:
            return
        if what == "lose":
            self.connection.lose()
        elif what == "close":
            self.connection.close(data)
        elif what == "send" and self.connection.status == 101:
            self.connection.send(data)

    def seen(self) -> Any:
        return re.sub(rb"(?i)\r\ndate: [^\r]*", b"", self.written)

    async def end(self) -> None:
        self.ends.set()
        await turns()
        self.peer("lose", None)
        await self.memory.ended()


def outcome(task: asyncio.Task[Any]) -> Any:
    """What a call gave or raised, as it is compared."""
    if not task.done():
        return "waits"
    if task.cancelled():
        return "cancelled"
    exc = task.exception()
    if exc is None:
        return "gave", task.result()
    if isinstance(exc, json.JSONDecodeError):
        # The sentences are those of two parsers.
        return json.JSONDecodeError
    if isinstance(exc, KeyError):
        # Ours has a name for it and says what to use instead.
        return KeyError, exc.args
    return type(exc), str(exc), getattr(exc, "code", None), getattr(exc, "reason", None)


Call = Callable[[Any], Any]

MODES = st.sampled_from(["text", "binary", "other"])
RAW = [
    {"type": "websocket.accept"},
    {"type": "websocket.close", "code": 4000, "reason": "raw"},
    {"type": "websocket.send", "text": "raw"},
    {"type": "websocket.http.response.start", "status": 400, "headers": []},
    {"type": "websocket.http.response.body", "body": b"some", "more_body": True},
    {"type": "websocket.http.response.body", "body": b"all"},
    {"type": "websocket.other"},
]


class States(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.loop = asyncio.new_event_loop()
        self.pending: list[asyncio.Task[Any]] = []

    def do(self, work: Any) -> Any:
        return self.loop.run_until_complete(asyncio.wait_for(work, 20))

    @initialize(connects=st.sampled_from([True, True, False]), denials=st.booleans(), accepts=st.booleans())
    def open(self, connects: bool, denials: bool, accepts: bool) -> None:
        async def make() -> None:
            extensions: dict[str, Any] = {"websocket.http.response": {}} if denials else {}
            classes = (Oracle, wirefast.WebSocket)
            self.servers = [server(cls, extensions) for server in (OnAsgi, OnOurs) for cls in classes]
            await turns()
            if connects:
                for server in self.servers:
                    server.peer("message", "websocket.connect")

        self.do(make())
        if accepts:
            self.accept(None, None)

    def call(self, call: Call) -> None:
        """The same call on each of them."""

        async def work() -> None:
            self.pending = [asyncio.create_task(call(server.websocket)) for server in self.servers]
            await turns()

        self.do(work())
        self.compare()

    def compare(self) -> None:
        outcomes = [outcome(task) for task in self.pending]
        if outcomes:
            assert outcomes[0] == outcomes[1], "over ASGI"
            assert outcomes[2] == outcomes[3], "on our protocol"
        if all(task.done() for task in self.pending):
            self.pending = []

    def idle(self) -> bool:
        return not self.pending

    @precondition(idle)
    @rule(subprotocol=st.sampled_from([None, "chat"]), headers=st.sampled_from([None, [], [(b"x-a", b"b")]]))
    def accept(self, subprotocol: Any, headers: Any) -> None:
        self.call(lambda websocket: websocket.accept(subprotocol, headers))

    @precondition(idle)
    @rule(code=st.sampled_from([1000, 4000]), reason=st.sampled_from([None, "", "why"]))
    def close(self, code: int, reason: Any) -> None:
        self.call(lambda websocket: websocket.close(code, reason))

    @precondition(idle)
    @rule(name=st.sampled_from(["receive", "receive_text", "receive_bytes"]))
    def receive(self, name: str) -> None:
        self.call(lambda websocket: getattr(websocket, name)())

    @precondition(idle)
    @rule(mode=MODES)
    def receive_json(self, mode: str) -> None:
        self.call(lambda websocket: websocket.receive_json(mode))

    @precondition(idle)
    @rule(name=st.sampled_from(["iter_text", "iter_bytes", "iter_json"]))
    def iterate(self, name: str) -> None:
        async def first(websocket: Any) -> Any:
            async for message in getattr(websocket, name)():
                return message
            return "the end"

        self.call(first)

    @precondition(idle)
    @rule(data=st.sampled_from(["é", b"bytes"]))
    def send_data(self, data: str | bytes) -> None:
        self.call(lambda websocket: (websocket.send_text if isinstance(data, str) else websocket.send_bytes)(data))

    @precondition(idle)
    @rule(mode=MODES)
    def send_json(self, mode: str) -> None:
        self.call(lambda websocket: websocket.send_json({"é": [1, None]}, mode))

    @precondition(idle)
    @rule(message=st.sampled_from(RAW))
    def send(self, message: dict[str, Any]) -> None:
        self.call(lambda websocket: websocket.send(dict(message)))

    @precondition(idle)
    @rule(streams=st.booleans())
    def deny(self, streams: bool) -> None:
        async def parts() -> Any:
            yield "n"
            yield "o"

        def response() -> Any:
            return StreamingResponse(parts()) if streams else PlainTextResponse("no", 418)

        self.call(lambda websocket: websocket.send_denial_response(response()))

    @precondition(lambda self: self.pending)
    @rule()
    def cancel(self) -> None:
        async def work() -> None:
            for task in self.pending:
                task.cancel()
            await turns()

        self.do(work())
        self.compare()

    # ---- The peer, at any time ----

    @rule(data=st.sampled_from(["text", '{"a": [1]}', "{", b"bytes", b'"\xc3\xa9"']))
    def peer_sends(self, data: str | bytes) -> None:
        self.by_peer("send", data)

    @rule(way=st.sampled_from(["close", "lose"]))
    def peer_ends(self, way: str) -> None:
        self.by_peer(way, 1001)

    @rule(kind=st.sampled_from(["websocket.connect", "websocket.other"]))
    def server_errs(self, kind: str) -> None:
        self.by_peer("message", kind)

    def by_peer(self, what: str, data: Any) -> None:
        async def work() -> None:
            for server in self.servers:
                server.peer(what, data)
            await turns()

        self.do(work())
        self.compare()

    @invariant()
    def same_state_and_messages(self) -> None:
        servers = getattr(self, "servers", [])
        for oracle, ours in zip(servers[::2], servers[1::2], strict=True):
            assert oracle.seen() == ours.seen(), (type(oracle).__name__, oracle.seen(), ours.seen())
            states = [(s.websocket.client_state, s.websocket.application_state) for s in (oracle, ours)]
            assert states[0] == states[1], type(oracle).__name__

    def teardown(self) -> None:
        async def work() -> None:
            for task in self.pending:
                task.cancel()
            await asyncio.gather(*self.pending, return_exceptions=True)
            for server in self.servers:
                await server.end()

        try:
            self.do(work())
        finally:
            self.loop.close()


def test_any_order_of_calls_and_events(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.CRITICAL, "uvicorn.error")
    run_state_machine_as_test(
        States,
        settings=settings(
            max_examples=int(EXAMPLES or 200),
            stateful_step_count=25,
            derandomize=EXAMPLES is None,
            database=None,
            deadline=None,
            report_multiple_bugs=False,
            suppress_health_check=list(HealthCheck),
        ),
    )
