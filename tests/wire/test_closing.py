"""The closing machine as server/closing.py writes it down, against the real one."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from typing import Any

import pytest
import uvicorn
from conversations import JumpingLoop, Wire
from hypothesis import given
from hypothesis import strategies as st
from uvicorn.server import ServerState

from memory import CLOSE, TEXT, client_frame
from wirefast._core.fanout import RoomMember
from wirefast.server import WebSocketProtocol
from wirefast.server.closing import TRANSITIONS, Event, WireState

pytestmark = pytest.mark.both_transports

REQUEST = (
    b"GET / HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\nSec-WebSocket-Version: 13\r\n\r\n"
)
PING, RESERVED = 9, 3
MAX_SIZE = 1000


class Loop(JumpingLoop):
    """Looks at the machine after each iteration, on a clock that does not wait."""

    after: Callable[[], None]

    def _run_once(self) -> None:
        super()._run_once()  # type: ignore[misc]
        self.after()


class FailingWire(Wire):
    failing = False

    def write(self, data: Any) -> None:
        if self.failing:
            raise OSError("no route to host")
        super().write(data)

    def is_closing(self) -> bool:
        if self.failing:
            raise OSError("no route to host")
        return super().is_closing()


class Machine:
    """One connection, what happens to it, and every change of its state with what caused it."""

    def __init__(self) -> None:
        self.loop = Loop()
        self.loop.after = lambda: None
        self.seen: list[tuple[WireState, Event, WireState]] = []
        self.release: asyncio.Future[None] = self.loop.create_future()
        self.listener: asyncio.Task[None] | None = None
        self.wire = FailingWire(self.loop)
        config = uvicorn.Config(
            self.app, log_config=None, lifespan="off", ws_ping_interval=1, ws_ping_timeout=1, ws_max_size=MAX_SIZE
        )
        config.load()
        config.loaded_app = self.app
        self.cause = Event.TIME
        self.loop.run_until_complete(self.begin(config))
        self.state = self.protocol.state
        self.loop.after = self.observe

    async def begin(self, config: Any) -> None:
        self.protocol = WebSocketProtocol(config=config, server_state=ServerState(), app_state={})
        self.protocol.close_timeout = 0.5
        self.wire.protocol = self.protocol
        self.protocol.connection_made(self.wire)
        self.protocol.data_received(REQUEST)
        await asyncio.sleep(0)

    async def app(self, scope: Any, receive: Any, send: Any) -> None:
        self.receive, self.send, self.task = receive, send, asyncio.current_task()
        await self.release

    def observe(self) -> None:
        before, self.state = self.state, self.protocol.state
        if before is self.state:
            return
        cause = self.cause
        if self.state is WireState.LOST:
            cause = Event.TRANSPORT_FAILS if self.wire.failing else Event.TRANSPORT_LOST
        self.seen.append((before, cause, self.state))

    def happens(self, event: Event, act: Callable[[], object], seconds: float = 0.0) -> None:
        self.cause = event
        try:
            act()
        except (OSError, RuntimeError):
            pass  # what the application is told of a socket that has ended; the peer's side raises nothing
        self.observe()
        self.loop.run_until_complete(asyncio.sleep(seconds) if seconds else self.turns())
        self.observe()

    @staticmethod
    async def turns() -> None:
        for _ in range(5):
            await asyncio.sleep(0)

    def end(self) -> None:
        self.loop.after = lambda: None
        self.wire.failing = False
        for task in (self.task, self.listener):
            if task is not None:
                task.cancel()
        self.loop.run_until_complete(self.turns())
        self.wire.lose(None)
        self.loop.run_until_complete(self.turns())
        self.loop.close()

    # ---- What may happen ----

    def say(self, message: dict[str, Any]) -> None:
        sending = self.send(message)
        try:
            drained = sending.send(None)
        except StopIteration:
            return
        drained.add_done_callback(lambda future: future.cancelled() or future.exception())
        sending.close()

    def app_accepts(self) -> None:
        self.happens(Event.APP_ACCEPTS, lambda: self.say({"type": "websocket.accept"}))

    def app_closes(self) -> None:
        event = Event.APP_REFUSES if self.state is WireState.CONNECTING else Event.APP_CLOSES
        self.happens(event, lambda: self.say({"type": "websocket.close", "code": 4000, "reason": "done"}))

    def app_answers(self) -> None:
        self.happens(
            Event.APP_REFUSES,
            lambda: [
                self.say({"type": "websocket.http.response.start", "status": 404, "headers": []}),
                self.say({"type": "websocket.http.response.body", "body": b""}),
            ],
        )

    def app_sends(self) -> None:
        self.happens(Event.APP_SENDS, lambda: self.say({"type": "websocket.send", "text": "x"}))

    def app_sends_much(self) -> None:
        def act() -> None:
            self.protocol.pause_writing()
            for _ in range(3):
                self.say({"type": "websocket.send", "bytes": bytes(1 << 20)})

        self.happens(Event.APP_SENDS, act)

    def app_listens(self) -> None:
        async def listen() -> None:
            while (await self.receive())["type"] != "websocket.disconnect":
                pass

        if self.listener is None:
            self.listener = self.loop.create_task(listen())
        self.happens(Event.TIME, lambda: None)

    def app_returns(self) -> None:
        self.happens(Event.APP_ENDS, lambda: self.release.done() or self.release.set_result(None))

    def app_raises(self) -> None:
        self.happens(Event.APP_ENDS, lambda: self.release.done() or self.release.set_exception(ValueError("a fault")))

    def app_cancelled(self) -> None:
        self.happens(Event.APP_CANCELLED, self.task.cancel)

    def dismissed(self) -> None:
        self.happens(Event.DISMISSED, lambda: RoomMember(None, self.protocol).dismiss(1013, "too slow"))  # type: ignore[arg-type]

    def arrives(self, event: Event, data: bytes) -> None:
        self.happens(event, lambda: self.wire.protocol and self.wire.protocol.data_received(data))

    def peer_sends(self) -> None:
        self.arrives(Event.TIME, client_frame(TEXT, b"hello"))

    def peer_pings(self) -> None:
        self.arrives(Event.TIME, client_frame(PING, b""))

    def peer_closes(self) -> None:
        self.arrives(Event.PEER_CLOSES, client_frame(CLOSE, b"\x03\xe8"))

    def breaks(self, data: bytes) -> None:
        idle = self.listener is not None and not self.listener.done()
        behind = self.state is WireState.OPEN and not idle
        self.arrives(Event.PEER_FAULT_BEHIND if behind else Event.PEER_FAULT, data)

    def peer_breaks_the_protocol(self) -> None:
        self.breaks(client_frame(RESERVED, b""))

    def peer_sends_too_much(self) -> None:
        self.breaks(client_frame(TEXT, bytes(2 * MAX_SIZE)))

    def shutdown(self) -> None:
        self.happens(Event.SHUTDOWN, self.protocol.shutdown)

    def a_moment_passes(self) -> None:
        self.happens(Event.TIME, lambda: None, 0.3)

    def time_passes(self) -> None:
        self.happens(Event.TIME, lambda: None, 4.0)

    def transport_is_lost(self) -> None:
        self.happens(Event.TRANSPORT_LOST, lambda: self.wire.lose(ConnectionResetError()))

    def transport_fails(self) -> None:
        self.wire.failing = True
        self.happens(Event.TRANSPORT_FAILS, lambda: None)


ACTIONS = [
    name for name, value in vars(Machine).items()
    if not name.startswith("_") and callable(value)
    and name not in ("begin", "app", "observe", "happens", "turns", "end", "say", "arrives", "breaks")
]  # fmt: skip
Seen = tuple[WireState, Event, WireState]
KNOWN = {(state, event, after) for (state, event), follow in TRANSITIONS.items() for after in follow if after != state}


def run(actions: Iterable[str]) -> list[Seen]:
    machine = Machine()
    try:
        for name in actions:
            getattr(machine, name)()
        return machine.seen
    finally:
        machine.end()


@pytest.fixture(autouse=True)
def no_log(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("CRITICAL", "uvicorn.error")


@given(st.lists(st.sampled_from(ACTIONS), max_size=12).map(lambda rest: ["app_accepts", *rest]))
def test_an_accepted_connection_knows_no_other_transition(actions: list[str]) -> None:
    assert set(run(actions)) <= KNOWN


@given(st.lists(st.sampled_from(ACTIONS), max_size=6))
def test_no_connection_knows_another_transition(actions: list[str]) -> None:
    assert set(run(actions)) <= KNOWN


#: What leads into each state, and into the corners of it: a fault that waits, a reader that waits.
BEGINNINGS = [
    [],
    ["peer_closes"],
    ["app_accepts"],
    ["app_accepts", "app_listens"],
    ["app_accepts", "peer_sends", "peer_breaks_the_protocol"],
    ["app_accepts", "app_closes"],
    ["app_accepts", "app_closes", "app_listens"],
    # Their transports stay open for the peer to read why.
    ["app_accepts", "app_listens", "peer_breaks_the_protocol"],
    ["app_accepts", "app_listens", "peer_sends_too_much"],
]


def test_every_transition_is_made() -> None:
    made = {
        transition
        for beginning in BEGINNINGS
        for first in ACTIONS
        for second in ("peer_pings", "peer_closes", "app_closes")
        for transition in run([*beginning, first, second])
    }
    assert KNOWN - made == set()
    assert made - KNOWN == set()


def test_states_only_go_forward() -> None:
    for (state, _), follow in TRANSITIONS.items():
        assert follow and min(follow) >= state
    # Whatever is open ends: each state but the last has a way on, and LOST has none.
    assert {state for state, _ in TRANSITIONS} == set(WireState) - {WireState.LOST}
