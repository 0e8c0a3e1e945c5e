"""The line between a peer and the application: our protocol over a wire, or only ASGI messages, which are faster.

wirefast only.
"""

from __future__ import annotations

import asyncio
import json
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

from wirefast._core.scope import EXTENSION
from wirefast._core.unicode import utf8
from wirefast.as_wire import end_of
from wirefast.testing.clock import Clock
from wirefast.testing.errors import NotOnTheWire
from wirefast.testing.frames import (
    BINARY,
    CLOSE,
    CONTINUATION,
    PING,
    PONG,
    TEXT,
    Broken,
    Frame,
    Reader,
    Response,
    close_body,
    encode,
)
from wirefast.testing.matching import ReceivedMessage
from wirefast.testing.transcript import shown
from wirefast.testing.wire import Wire

__all__ = ["AsgiLine", "Ended", "Line", "Owner", "WireLine"]

#: From so many unread bytes on, a slow peer does not read the network.
BACKLOG = 16384
#: Seconds between two reads of a slow peer.
PORTION_EVERY = 0.05

Note = Callable[[str, str, bool], None]


@dataclass(frozen=True, slots=True)
class Ended:
    """The end of a connection, as its client sees it.

    Attributes:
        code: the code of the close frame; 1005 for a close frame without a code, 1006 without a close frame.
        reason: the reason of the close frame.
    """

    code: int
    reason: str = ""

    def __str__(self) -> str:
        return f"{self.code} {self.reason}".rstrip()


class Owner(Protocol):
    """The receiver of a line's events: a peer."""

    def on_response(self) -> None: ...

    def on_message(self, message: ReceivedMessage) -> None: ...

    def on_ping(self, data: bytes) -> None: ...

    def on_pong(self, data: bytes) -> None: ...

    def on_end(self, end: Ended) -> None: ...


class Line(ABC):
    """One connection, in messages."""

    #: The client's port. A line without a wire has a number that no port has.
    port: int
    owner: Owner

    def __init__(self, note: Note) -> None:
        self.note = note
        self.response: Response | None = None
        #: Whether the connection is gone.
        self.over = False
        self.answers_pings = True

    @abstractmethod
    def send_message(self, is_text: bool, data: bytes) -> None:
        """Send a whole message."""

    @abstractmethod
    def send_frame(self, opcode: int, data: bytes, fin: bool, rsv: int, mask: bytes | None) -> None:
        """Send a frame. A frame that no ASGI message can express needs a wire."""

    @abstractmethod
    def release(self) -> None:
        """Read again, at full speed."""

    @abstractmethod
    def close(self) -> None:
        """Close the connection."""

    @abstractmethod
    def reset(self) -> None:
        """Break the connection."""

    def send_raw(self, data: bytes) -> None:
        """Send bytes."""
        raise self._needs_wire("send_raw")

    @property
    def unsent(self) -> int:
        """Bytes on the client's side; see `Wire.unsent`."""
        raise self._needs_wire("unsent")

    def stall(self) -> None:
        """Read nothing."""
        raise self._needs_wire("stall")

    def slow(self, rate: float) -> None:
        """Read so many bytes a second."""
        raise self._needs_wire("slow")

    def half_close(self) -> None:
        """End the client's side."""
        raise self._needs_wire("half_close")

    @staticmethod
    def _needs_wire(what: str) -> NotOnTheWire:
        return NotOnTheWire(f'{what} needs a wire, which mode="asgi" has not')


class WireLine(Line):
    """A connection over a wire.

    Args:
        clock: the loop's clock, which sets the speed of a slow peer.
        note: called with each event of the line, for the transcript.
    """

    wire: Wire

    def __init__(self, clock: Clock, note: Note) -> None:
        super().__init__(note)
        self.clock = clock
        self.reader = Reader()
        self.message = bytearray()
        self.opcode = 0
        self.close_sent = self.close_seen = False
        self.rate: float | None = None
        self.portion: asyncio.TimerHandle | None = None
        self.backlog = bytearray()
        self.ended_behind: bool | None = None

    @property
    def port(self) -> int:  # type: ignore[override]
        """The client's port."""
        return self.wire.port

    # ---- Out ----

    def send_message(self, is_text: bool, data: bytes) -> None:
        self.send_frame(TEXT if is_text else BINARY, data, True, 0, b"\x01\x02\x03\x04")

    def send_frame(self, opcode: int, data: bytes, fin: bool, rsv: int, mask: bytes | None) -> None:
        text = shown(opcode, data, fin) + (f" rsv {rsv:#x}" if rsv else "") + ("" if mask else " unmasked")
        self.note(">", text, False)
        self.close_sent = self.close_sent or opcode == CLOSE
        self.wire.write(encode(opcode, data, fin=fin, rsv=rsv, mask=mask))

    def send_raw(self, data: bytes) -> None:
        self.note(">", f"raw {data.hex()}", False)
        self.wire.write(data)

    @property
    def unsent(self) -> int:
        return self.wire.unsent

    # ---- Faults ----

    def stall(self) -> None:
        self.stop_portions()
        self.wire.hold()
        self.wire.fill()

    def slow(self, rate: float) -> None:
        self.rate = rate

    def release(self) -> None:
        self.stop_portions()
        backlog, self.backlog = bytes(self.backlog), bytearray()
        if backlog:
            self.read(backlog)
        self.wire.release()
        if self.ended_behind is not None:
            self.finish(self.ended_behind)

    def stop_portions(self) -> None:
        self.rate = None
        if self.portion is not None:
            self.portion.cancel()
            self.portion = None

    def half_close(self) -> None:
        self.wire.half_close()

    def reset(self) -> None:
        self.wire.reset()

    def close(self) -> None:
        self.stop_portions()
        self.wire.close()

    # ---- In ----

    def received(self, data: bytes) -> None:
        """Take bytes of the server."""
        if self.rate is None:
            self.read(data)
            return
        self.backlog += data
        if len(self.backlog) > BACKLOG:
            self.wire.hold()
        if self.portion is None:
            self.portion = self.clock.call_later(PORTION_EVERY, self.read_portion)

    def read_portion(self) -> None:
        self.portion = None
        if self.rate is None:
            raise AssertionError
        size = max(1, int(self.rate * PORTION_EVERY))
        data = bytes(self.backlog[:size])
        del self.backlog[:size]
        if self.backlog:
            self.portion = self.clock.call_later(PORTION_EVERY, self.read_portion)
        self.read(data)
        if len(self.backlog) <= BACKLOG and not self.over:
            self.wire.release()
        if not self.backlog and self.ended_behind is not None:
            self.finish(self.ended_behind)

    def ended(self, lost: bool) -> None:
        """Note that the stream has ended. A slow peer first reads the bytes before the end."""
        if self.backlog and not lost:
            self.ended_behind = lost
        else:
            self.finish(lost)

    def finish(self, lost: bool) -> None:
        self.ended_behind = None
        self.stop_portions()
        self.reader.end()
        if self.over:
            return
        self.over = True
        if self.response is None and self.reader.response is not None:
            self.on_response()
        elif not self.close_seen and (self.response is None or self.response.status == 101):
            self.note("<", "lost", False)
        self.wire.close()
        self.owner.on_end(Ended(1006))

    def read(self, data: bytes) -> None:
        try:
            frames = self.reader.feed(data)
            if self.response is None and self.reader.response is not None:
                self.on_response()
            for frame in frames:
                self.on_frame(frame)
        except Broken as exc:
            self.note("<", f"broken: {exc}", False)
            self.wire.reset()

    def on_response(self) -> None:
        response = self.response = self.reader.response
        if response is None:
            raise AssertionError
        chosen = response.header("sec-websocket-protocol")
        body = response.body.decode("utf-8", "replace")
        self.note("<", f"{response.status} {chosen or body}".rstrip(), False)
        self.owner.on_response()

    def on_frame(self, frame: Frame) -> None:
        opcode, data = frame.opcode, frame.data
        if self.close_seen:
            raise Broken("a frame behind the close frame (RFC 6455, section 5.5.1)")
        if opcode == PING:
            self.note("<", shown(opcode, data), True)
            self.owner.on_ping(data)
            if self.answers_pings:
                self.note(">", shown(PONG, data), True)
                self.wire.write(encode(PONG, data))
        elif opcode == PONG:
            self.note("<", shown(opcode, data), False)
            self.owner.on_pong(data)
        elif opcode == CLOSE:
            self.on_close(data)
        elif opcode in (TEXT, BINARY, CONTINUATION):
            self.on_data(frame)
        else:
            raise Broken(f"a frame of the opcode {opcode}")

    def on_data(self, frame: Frame) -> None:
        if (frame.opcode == CONTINUATION) != bool(self.opcode):
            raise Broken("a fragment that belongs to no message, or a message within another one")
        self.opcode = self.opcode or frame.opcode
        self.message += frame.data
        if not frame.fin:
            return
        data, opcode = bytes(self.message), self.opcode
        self.message.clear()
        self.opcode = 0
        self.note("<", shown(opcode, data), False)
        try:
            self.owner.on_message(ReceivedMessage(data.decode("utf-8") if opcode == TEXT else data))
        except UnicodeDecodeError as exc:
            raise Broken(f"a text message that is no UTF-8: {exc}") from None

    def on_close(self, data: bytes) -> None:
        self.close_seen = True
        self.note("<", shown(CLOSE, data), False)
        if not self.close_sent:
            self.close_sent = True
            self.note(">", shown(CLOSE, data[:2]), False)
            self.wire.write(encode(CLOSE, data[:2]))
        code = int.from_bytes(data[:2], "big") if data else 1005
        self.owner.on_end(Ended(code, data[2:].decode("utf-8", "replace")))


class AsgiLine(Line):
    """A connection of only ASGI messages: no handshake, frames, limits, compression, keepalive or flow control."""

    def __init__(self, app: Any, scope: dict[str, Any], note: Note) -> None:
        super().__init__(note)
        self.app = app
        self.scope = scope
        self.port = scope["client"][1]
        self.events: deque[dict[str, Any]] = deque([{"type": "websocket.connect"}])
        self.waiting: asyncio.Future[None] | None = None
        self.accepted = False
        self.said: dict[str, Any] | None = None
        self.body = b""
        self.task: asyncio.Task[None] | None = None

    def begin(self) -> None:
        """Start the application."""
        self.task = asyncio.get_running_loop().create_task(self.run())

    async def run(self) -> None:
        code, reason = 1000, ""
        try:
            await self.app(self.scope, self.receive, self.send)
        except BaseException as exc:
            code, reason = (1012, "") if isinstance(exc, asyncio.CancelledError) else end_of(exc)
            if isinstance(exc, asyncio.CancelledError):
                raise
        finally:
            if not self.over:
                if self.response is None:
                    self.answer(Response(500, [], b"Internal Server Error"))
                else:
                    self.end(code, reason)

    async def receive(self) -> dict[str, Any]:
        while not self.events:
            self.waiting = asyncio.get_running_loop().create_future()
            await self.waiting
        return self.events.popleft()

    async def send(self, message: dict[str, Any]) -> None:
        await asyncio.sleep(0)
        kind = message["type"]
        if self.over:
            raise OSError("the peer is gone")
        if kind == "websocket.accept":
            chosen = message.get("subprotocol")
            headers = [(name.decode().lower(), value.decode()) for name, value in message.get("headers") or ()]
            if chosen is not None:
                headers.append(("sec-websocket-protocol", chosen))
            self.answer(Response(101, headers))
        elif kind == "websocket.send":
            text = message.get("text")
            data: bytes = message["bytes"] if text is None else utf8(text)
            self.note("<", shown(BINARY if text is None else TEXT, data), False)
            self.owner.on_message(ReceivedMessage(data if text is None else text))
        elif kind == "websocket.close":
            code, reason = message.get("code", 1000), message.get("reason") or ""
            if self.response is None:
                status, said = self.scope["extensions"][EXTENSION].answer(code, reason, self.scope)
                body = utf8(json.dumps(said, ensure_ascii=False))
                self.answer(Response(status, [("content-type", "application/json")], body))
            else:
                self.end(code, reason)
        elif kind == "websocket.http.response.start":
            self.said = message
        elif kind == "websocket.http.response.body":
            if self.said is None:
                raise AssertionError
            self.body += message.get("body", b"")
            if not message.get("more_body", False):
                headers = [(name.decode().lower(), value.decode()) for name, value in self.said.get("headers") or ()]
                self.answer(Response(self.said["status"], headers, self.body))

    def answer(self, response: Response) -> None:
        self.response = response
        chosen = response.header("sec-websocket-protocol")
        self.note("<", f"{response.status} {chosen or response.body.decode('utf-8', 'replace')}".rstrip(), False)
        if response.status != 101:
            self.over = True
        self.owner.on_response()

    def end(self, code: int, reason: str) -> None:
        self.over = True
        body = close_body(code, reason.encode()[:123].decode("utf-8", "ignore"))
        self.note("<", shown(CLOSE, body), False)
        self.note(">", shown(CLOSE, body[:2]), False)
        self.owner.on_end(Ended(code, body[2:].decode("utf-8", "replace")))
        self.put({"type": "websocket.disconnect", "code": code, "reason": reason})

    def put(self, event: dict[str, Any]) -> None:
        self.events.append(event)
        if self.waiting is not None and not self.waiting.done():
            self.waiting.set_result(None)

    def send_message(self, is_text: bool, data: bytes) -> None:
        self.note(">", shown(TEXT if is_text else BINARY, data), False)
        self.put({"type": "websocket.receive", **({"text": data.decode()} if is_text else {"bytes": data})})

    def send_frame(self, opcode: int, data: bytes, fin: bool, rsv: int, mask: bytes | None) -> None:
        if opcode != CLOSE:
            raise self._needs_wire("a frame")
        self.note(">", shown(CLOSE, data), False)
        code = int.from_bytes(data[:2], "big") if data else 1005
        self.over = True
        self.note("<", shown(CLOSE, data[:2]), False)
        self.put({"type": "websocket.disconnect", "code": code, "reason": data[2:].decode()})
        self.owner.on_end(Ended(code))

    def release(self) -> None:
        pass

    def close(self) -> None:
        if not self.over:
            self.reset()

    def reset(self) -> None:
        if not self.over:
            self.over = True
            self.note("<", "lost", False)
            self.put({"type": "websocket.disconnect", "code": 1006, "reason": ""})
            self.owner.on_end(Ended(1006))
