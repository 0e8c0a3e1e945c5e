"""A WebSocket client of a test, which can send anything and check every message that comes. wirefast only."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar, overload

from wirefast.testing.errors import ConnectionLost, NotExpected, Refused, TimedOut
from wirefast.testing.faults import Faults
from wirefast.testing.frames import CLOSE, PING, Response, close_body
from wirefast.testing.lines import Ended, Line
from wirefast.testing.matching import Mismatch, ReceivedMessage, cut, described, match, matches
from wirefast.testing.sending import Sending
from wirefast.testing.transcript import Transcript

if TYPE_CHECKING:
    from wirefast.testing.running import Live

__all__ = ["Peer", "WITHIN"]

T = TypeVar("T")

#: The seconds that a peer waits for an expected event.
WITHIN = 2.0
#: Pings of the server that are kept for a test; older ones are forgotten.
MOST_PINGS = 1000


class Peer(Sending, Faults):
    """One client of a `Live` server; ``live.connect`` makes it.

    The peer reads all messages of the server at once, as clients do, and keeps them until a test asks for them. It
    answers pings and a close frame. Every wait has a limit in real seconds, which does not depend on the clock. A wait
    that fails shows the transcripts of all peers.

    Args:
        live: the server.
        line: the connection.
        name: the peer's name in transcripts.
        path: the path of the handshake.
        within: the limit of each wait, in real seconds.
    """

    def __init__(self, live: Live, line: Line, name: str, path: str, within: float) -> None:
        super().__init__()
        self._live = live
        self._line = line
        self.name = name
        self.path = path
        self.within = within
        self._unread: deque[ReceivedMessage] = deque()
        self._pongs: deque[bytes] = deque()
        self._pings: deque[bytes] = deque(maxlen=MOST_PINGS)
        self._waiting: asyncio.Future[None] | None = None

    def __repr__(self) -> str:
        return f"<Peer {self.name!r} {self.path}, {self._state()}>"

    def _state(self) -> str:
        return "open" if self._end is None else f"ended {self._end.code}"

    # ---- What has come ----

    @property
    def transcript(self) -> Transcript:
        """The transcript of this connection."""
        return self._live.transcript.of(self.name)

    @property
    def response(self) -> Response:
        """The answer to the handshake."""
        if self._line.response is None:
            raise AssertionError
        return self._line.response

    @property
    def subprotocol(self) -> str | None:
        """The subprotocol that the server chose."""
        return self.response.header("sec-websocket-protocol")

    @property
    def unread(self) -> list[str | bytes]:
        """The messages that no test has asked for yet."""
        return [message.data for message in self._unread]

    @property
    def closed(self) -> tuple[int, str] | None:
        """Return code (1005: none, 1006: no frame) and reason of the end; None while the connection is open."""
        return None if self._end is None else (self._end.code, self._end.reason)

    # ---- The line's side ----

    def on_message(self, message: ReceivedMessage) -> None:
        """Take a whole message that has come."""
        self._unread.append(message)
        self._wake()

    def on_ping(self, data: bytes) -> None:
        """Note that a ping has come, with its ``data``."""
        self._pings.append(data)
        self._wake()

    def on_pong(self, data: bytes) -> None:
        """Note that a pong has come, with its ``data``."""
        self._pongs.append(data)
        self._wake()

    def on_end(self, end: Ended) -> None:
        """Note the ``end``: the server's close frame has come, or the connection has ended without one."""
        if self._end is None:
            self._end = end
        self._wake()

    def _wake(self) -> None:
        if self._waiting is not None and not self._waiting.done():
            self._waiting.set_result(None)

    # ---- Expecting ----

    async def ping(self, data: bytes = b"") -> None:
        """Send a ping with ``data``, and wait for its pong."""
        await self.send_frame(PING, data)
        what = f"the pong of {data!r}"
        await self._until(lambda: data in self._pongs or self._end is not None, what)
        if data not in self._pongs:
            raise self._ended(what)
        self._pongs.remove(data)

    @overload
    async def ask(self, value: Any, wanted: type[T], *, within: float | None = None) -> T: ...

    @overload
    async def ask(self, value: Any, wanted: Any = ..., *, within: float | None = None) -> Any: ...

    async def ask(self, value: Any, wanted: Any = Any, *, within: float | None = None) -> Any:
        """Send a message and expect the next one. `send` and `expect` have the same arguments, result and errors."""
        __tracebackhide__ = True
        await self.send(value)
        return await self.expect(wanted, within=within)

    async def expect_all(self, *wanted: Any, within: float | None = None) -> list[Any]:
        """Wait for the next messages, which have to be these, in this order; see `expect`."""
        __tracebackhide__ = True
        return [await self.expect(each, within=within) for each in wanted]

    @overload
    async def expect(self, wanted: type[T], *, skip: Any = False, within: float | None = None) -> T: ...

    @overload
    async def expect(self, wanted: Any, *, skip: Any = False, within: float | None = None) -> Any: ...

    async def expect(self, wanted: Any, *, skip: Any = False, within: float | None = None) -> Any:
        """Wait for the next message, and check that it is the expected one.

        Args:
            wanted: a type, a value, a predicate or a matcher; see `wirefast.testing.matching.match`.
            skip: messages that may come before the expected one: True for any, or an expectation for each of them.
            within: real seconds. Default: those of ``live.connect``, 2.

        Returns:
            The message: a value of the type, if ``wanted`` is a type; else the JSON value, or the text or bytes.

        Raises:
            NotExpected: another message came, or the connection ended.
            TimedOut: no message came in time.
        """
        __tracebackhide__ = True
        what = described(wanted)
        while True:
            await self._until(lambda: bool(self._unread) or self._end is not None, what, within)
            if not self._unread:
                raise self._ended(what)
            message = self._unread.popleft()
            try:
                return match(wanted, message)
            except Mismatch as exc:
                if skip is True or (skip is not False and matches(skip, message)):
                    continue
                raise self._failed(f"expected {what}, but {exc}: {cut(message.data)}") from None

    async def receive(self, *, within: float | None = None) -> str | bytes:
        """Wait for the next message, at most ``within`` real seconds, and return it unchecked."""
        __tracebackhide__ = True
        await self._until(lambda: bool(self._unread) or self._end is not None, "a message", within)
        if not self._unread:
            raise self._ended("a message")
        return self._unread.popleft().data

    async def expect_ping(self, *, within: float | None = None) -> bytes:
        """Wait for a ping of the server, at most ``within`` real seconds. The peer has answered it, unless it is mute.

        Returns:
            The data of the ping. A test can send its own pong with it: ``send_frame(0xA, data)``.

        Raises:
            NotExpected, TimedOut: the connection ended, or no ping came.
        """
        __tracebackhide__ = True
        await self._until(lambda: bool(self._pings) or self._end is not None, "a ping", within)
        if not self._pings:
            raise self._ended("a ping")
        return self._pings.popleft()

    async def expect_nothing(self, for_: float = 0.05) -> None:
        """Check that no message is unread, and that neither a message nor the end comes in ``for_`` real seconds.

        Raises:
            NotExpected: a message or the end came.
        """
        __tracebackhide__ = True
        await self._live.clock.arrived()
        await self._live.clock.settle()
        if not self._unread and self._end is None and for_ > 0:
            await self._wait(lambda: bool(self._unread) or self._end is not None, for_)
        if self._unread:
            raise self._failed(f"expected nothing, but a message came: {cut(self._unread[0].data)}")
        if self._end is not None:
            raise self._failed(f"expected nothing, but the connection ended with {self._end}")

    @overload
    async def expect_reply(self, ref: Any, wanted: type[T], *, within: float | None = None) -> T: ...

    @overload
    async def expect_reply(self, ref: Any, wanted: Any = ..., *, within: float | None = None) -> Any: ...

    async def expect_reply(self, ref: Any, wanted: Any = None, *, within: float | None = None) -> Any:
        """Wait for the message that has a ref. Messages before it stay unread.

        Args:
            ref: the ref of the message that is answered.
            wanted: an expectation for the reply. Default: any reply that is no error.
            within: real seconds. Default: those of ``live.connect``, 2.

        Raises:
            NotExpected: the reply is not as expected, or is an error that is not expected.
            TimedOut: the reply has not come in time.
        """
        __tracebackhide__ = True
        what = f"a reply to {ref!r}"
        await self._until(lambda: self._reply(ref) is not None or self._end is not None, what, within)
        message = self._reply(ref)
        if message is None:
            raise self._ended(what)
        self._unread.remove(message)
        if wanted is None:
            value = message.json
            if value.get("type") == "error":
                raise self._failed(f"expected {what}, but it is an error: {cut(message.data)}")
            return value
        try:
            return match(wanted, message)
        except Mismatch as exc:
            raise self._failed(f"expected {what} that is {described(wanted)}, but {exc}: {cut(message.data)}") from None

    def _reply(self, ref: Any) -> ReceivedMessage | None:
        for message in self._unread:
            value = message.json
            if isinstance(value, dict) and "ref" in value and value["ref"] == ref:
                return message
        return None

    async def expect_error(self, code: str, *, ref: Any = None, within: float | None = None) -> Any:
        """Wait for the next message, which has to be an error of typed messages.

        If the code is ``internal``, the exception behind the error counts as expected.

        Args:
            code: ``invalid``, ``unknown_type``, ``malformed``, ``internal``, or the code of a ``MessageError``.
            ref: the ref of the message that caused the error. With a ref, messages before the error stay unread.
            within: real seconds. Default: those of ``live.connect``, 2.

        Returns:
            The error as a dict.
        """
        __tracebackhide__ = True

        def is_error(value: Any) -> bool:
            return isinstance(value, dict) and value.get("type") == "error" and value.get("code") == code

        if ref is None:
            what = f"the error {code!r}"
            await self._until(lambda: bool(self._unread) or self._end is not None, what, within)
            if not self._unread:
                raise self._ended(what)
            message = self._unread.popleft()
            if not is_error(message.json):
                raise self._failed(f"expected {what}, but it is another message: {cut(message.data)}")
            value = message.json
        else:
            value = await self.expect_reply(ref, is_error, within=within)
        if code == "internal":
            self._live.exceptions.know(self._line.port)
        return value

    async def expect_close(
        self,
        code: int | None = None,
        reason: str | Any = None,
        *,
        skip: bool = True,
        within: float | None = None,
    ) -> tuple[int, str]:
        """Wait for the end of the connection. A stalled peer reads again.

        Args:
            code: the code; 1005 for a close frame without a code, 1006 for an end without a close frame. Default: any.
            reason: a str, or an object that is compared with the reason. Default: any.
            skip: False if no message may be unread before the end.
            within: real seconds. Default: those of ``live.connect``, 2.

        Returns:
            Code and reason.

        Raises:
            NotExpected: the connection ended in another way, or messages were unread.
            TimedOut: the connection is still open.
        """
        __tracebackhide__ = True
        await self._live.clock.arrived()
        self._line.release()
        what = "the end of the connection" if code is None else f"the close code {code}"
        await self._until(lambda: self._end is not None or (not skip and bool(self._unread)), what, within)
        if not skip and self._unread:
            raise self._failed(f"expected {what}, but a message came before it: {cut(self._unread[0].data)}")
        if self._end is None:
            raise AssertionError
        self._unread.clear()
        if code is not None and self._end.code != code:
            raise self._failed(f"expected {what}, but it is {self._end}")
        if reason is not None and not (reason == self._end.reason):
            raise self._failed(f"expected the reason {reason!r}, but it is {self._end.reason!r}")
        if self._end.code == 1011 and code == 1011:
            self._live.exceptions.know(self._line.port)
        await self._finish(within)
        return self._end.code, self._end.reason

    # ---- The end ----

    async def close(self, code: int | None = 1000, reason: str = "", *, within: float | None = None) -> tuple[int, str]:
        """Close with ``code`` and ``reason``. Wait ``within`` real seconds for the answer and the handler's end.

        Returns:
            Code and reason of the end, from the server's answer or from an earlier close frame of the server.
        """
        await self._live.clock.arrived()
        self._line.release()
        if self._end is None:
            self._line.send_frame(CLOSE, close_body(code, reason), True, 0, b"\x01\x02\x03\x04")
            await self._until(lambda: self._end is not None, "the answer to the close frame", within)
        await self._finish(within)
        if self._end is None:
            raise AssertionError
        return self._end.code, self._end.reason

    async def _finish(self, within: float | None = None) -> None:
        """Wait for the end of the connection and of its handler."""
        await self._wait(lambda: self._line.over, self.within if within is None else within)
        self._line.close()
        await self._live.served(self._line.port, self.within if within is None else within)

    async def leave(self, failed: bool) -> None:
        """Close at the end of ``async with``. After a failed test, break the connection without a close frame."""
        if not failed and self._end is None and not self._line.over:
            await self.close()
            return
        self._line.release()
        if not self._line.over:
            if failed:
                self._line.reset()
            else:
                await self._wait(lambda: self._line.over, self.within)
        self._line.close()
        await self._live.served(self._line.port, self.within)

    def let_go(self) -> None:
        """Leave the line, so that this peer and its objects are freed without the garbage collector."""
        del self._line.owner

    @property
    def is_open(self) -> bool:
        """Whether the connection still exists. It may be closing."""
        return not self._line.over

    # ---- Waiting ----

    async def handshake(self, within: float | None = None) -> None:
        """Wait for the answer to the handshake, at most ``within`` real seconds.

        Raises:
            Refused: the answer is not 101.
            ConnectionLost: the connection ended before the answer.
        """
        within = self.within if within is None else within
        await self._until(
            lambda: self._line.response is not None or self._line.over, "the answer to the handshake", within
        )
        if self._line.response is None:
            raise ConnectionLost(f"{self.name}: the connection ended before the handshake was answered")
        if self._line.response.status != 101:
            if self._line.response.header("connection") is None:
                self._line.close()  # after an answer of plain HTTP the server waits for another request
            await self._finish(within)
            raise Refused(self._line.response) from self._live.exceptions.cause(self._line.port)

    def on_response(self) -> None:
        """Note that the answer to the handshake has come."""
        self._wake()

    async def _until(self, condition: Callable[[], bool], what: str, within: float | None = None) -> None:
        __tracebackhide__ = True
        await self._live.clock.arrived()
        within = self.within if within is None else within
        if not await self._wait(condition, within):
            raise self._failed(f"expected {what} within {within:g} s, but nothing came", TimedOut)

    async def _wait(self, condition: Callable[[], bool], within: float) -> bool:
        """Wait real seconds for a condition. The condition is checked after each event of the line."""
        if condition():
            return True
        clock = self._live.clock
        until = clock.real_time() + within
        while not condition():
            left = until - clock.real_time()
            if left <= 0:
                return False
            if self._waiting is not None:
                raise RuntimeError(f"two tasks wait for {self.name}")
            self._waiting = asyncio.get_running_loop().create_future()
            timer = clock.real_call_later(left, self._wake)
            try:
                await self._waiting
            finally:
                timer.cancel()
                self._waiting = None
        return True

    def _ended(self, what: str) -> NotExpected:
        return self._failed(f"expected {what}, but the connection ended with {self._end}")

    def _failed(self, text: str, kind: type[NotExpected] = NotExpected) -> NotExpected:
        failure = kind(f"{self.name} {text}\n\n{self._live.told(self.name)}")
        failure.__cause__ = self._live.exceptions.cause(self._line.port)
        return failure
