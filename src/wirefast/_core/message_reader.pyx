"""The frames of one socket, and its end, which is noticed even while a handler runs. See message_reader.pxd.

On our server the channel reports its end. Over ASGI only reading ahead shows the end, so a bounded number of messages
is read ahead while a handler runs, and only when the handler has to wait.
"""

from wirefast._core.asgi_socket cimport CONNECTED
from wirefast._core.channel cimport BINARY, CLOSED, NOTHING, TEXT, EventKind, payload_size
from wirefast._core.close cimport CLOSE_ABNORMAL, CLOSE_NO_CODE
from wirefast._core.meter cimport PASSES
from wirefast._core.metered cimport drops, exceeded
from wirefast._core.websocket cimport WebSocketCore

import asyncio
from collections import deque

from starlette.websockets import WebSocketDisconnect

from wirefast._core.errors import LimitExceeded

cdef enum:
    MAX_AHEAD = 8
    MAX_AHEAD_BYTES = 65536
    # Turns of the loop that a read under way has to give the end, if a failed write was what showed the end.
    END_TURNS = 3

#: How many messages, and bytes of messages, are read ahead over ASGI while a handler runs, to notice a disconnect.
AHEAD_MESSAGES, AHEAD_BYTES = MAX_AHEAD, MAX_AHEAD_BYTES

cdef object CancelledError = asyncio.CancelledError


cdef class MessageReader:
    def __init__(self):
        raise TypeError("sessions are made by serve_messages()")

    # ---- Frames ----

    cdef object next_frame(self, EventKind* kind):
        """Return the next message, or None without one. Raises the exception that ends the socket."""
        cdef WebSocketCore websocket = self.websocket
        cdef object event
        if self.ahead:
            event = self.ahead.popleft()
            if isinstance(event, BaseException):
                raise event
            event = self.payload(event, kind)
            self.ahead_bytes -= len(event)
            return event
        if websocket.channel is None:
            return None
        event = websocket.channel.next_event(kind)
        if kind[0] == CLOSED:
            raise websocket.closed(event)
        if websocket.meter is not None and event is not None:
            return self.counted(event)
        return event

    async def pace(self):
        """Wait for the time of the next message, if a limit delays messages."""
        cdef double wait
        if self.websocket.meter.allowance is None:
            return
        wait = self.websocket.meter.must_wait()
        while wait > 0.0 and self.websocket.application == CONNECTED:
            await asyncio.sleep(min(wait, 1.0))
            wait = self.websocket.meter.must_wait()

    cdef object counted(self, object event):
        """Count a message where messages are counted. Return the message, or None if a limit drops it."""
        cdef WebSocketCore websocket = self.websocket
        cdef object refusal
        cdef int verdict
        if websocket.meter.allowance is None:
            return event
        verdict = websocket.meter.take(payload_size(event))
        if verdict == PASSES:
            return event
        if drops(websocket, verdict):
            return None
        refusal = exceeded(websocket, verdict)
        if isinstance(refusal, LimitExceeded):
            self.too_many += 1
            return None
        raise refusal

    cdef object payload(self, object message, EventKind* kind):
        """Return the payload of an ASGI message."""
        cdef object value
        if message["type"] == "websocket.receive":
            value = message.get("text")
            if value is not None:
                kind[0] = TEXT
                return value
            kind[0] = BINARY
            return message["bytes"]
        message = self.websocket.checked(message)
        raise self.websocket.own(WebSocketDisconnect(message.get("code", CLOSE_NO_CODE), message.get("reason")))

    async def let_read(self):
        """Let the read that is under way give what the server has: the end of the socket, or nothing yet."""
        cdef int turns = 0
        while self.reading is not None and turns < END_TURNS:
            turns += 1
            await asyncio.sleep(0)

    cdef object known_end(self, object failure):
        """How the peer ended the socket, after a failed write; never waits."""
        cdef WebSocketCore websocket = self.websocket
        cdef EventKind kind = NOTHING
        cdef object event
        if self.ahead and isinstance(self.ahead[len(self.ahead) - 1], WebSocketDisconnect):
            return self.ahead.pop()
        if self.reading is not None:
            return failure
        try:
            while True:
                if websocket.channel is not None:
                    event = websocket.channel.next_event(&kind)
                    if kind == CLOSED:
                        return websocket.closed(event)
                    if kind == NOTHING:
                        return failure
                else:
                    event = websocket.receive()
                    try:
                        event.send(None)
                    except StopIteration as stop:
                        self.payload(stop.value, &kind)
                    else:
                        event.close()
                        return failure
        except WebSocketDisconnect as exc:
            return exc
        except RuntimeError:  # the application has received the end already
            return failure

    # ---- The end while a handler runs ----

    cdef int watch(self) except -1:
        """Have the end of the socket cancel the session's task from now on."""
        cdef WebSocketCore websocket = self.websocket
        if self.task is None:
            try:
                self.task = asyncio.current_task()
            except RuntimeError:  # another event loop than asyncio's, where no task can be cancelled from outside
                return 0
        self.watching = True
        if websocket.channel is None:
            return self.read_ahead()
        if not self.told:
            self.told = True
            websocket.channel.own_outbox().watch(self.noticed)
        elif not websocket.channel.is_open():
            self.noticed()
        return 0

    def noticed(self):
        """Cancel the running handler, since the channel has ended. Messages of the peer that still wait are dropped."""
        cdef WebSocketCore websocket = self.websocket
        cdef EventKind kind = NOTHING
        cdef object event
        if not self.watching or self.failure is not None or websocket.application != CONNECTED:
            return
        if asyncio.current_task() is self.task:
            # Cancel in the next turn: a task that cancels itself would be interrupted at a later await, outside of the
            # handler.
            self.task.get_loop().call_soon(self.noticed)
            return
        while websocket.channel is not None:
            event = websocket.channel.next_event(&kind)
            if kind == CLOSED:
                self.interrupt(websocket.closed(event))
                return
            if kind == NOTHING:
                break
        self.interrupt(WebSocketDisconnect(CLOSE_ABNORMAL))

    cdef int read_ahead(self) except -1:
        """Over ASGI: read one more message ahead, unless enough messages wait."""
        if self.ahead is None:
            self.ahead = deque()
        if self.ahead and isinstance(self.ahead[len(self.ahead) - 1], BaseException):
            # The end was read while no handler was watched. Cancel in the next turn, as in noticed().
            self.task.get_loop().call_soon(self.meet_end)
            return 0
        if self.reading is None and len(self.ahead) < MAX_AHEAD and self.ahead_bytes < MAX_AHEAD_BYTES:
            self.reading = asyncio.create_task(self.websocket.receive())
            self.reading.add_done_callback(self.have_read)
        return 0

    def meet_end(self):
        """Cancel the running handler after the end was read ahead."""
        if self.watching and self.failure is None and self.ahead:
            if isinstance(self.ahead[len(self.ahead) - 1], BaseException):
                self.interrupt(self.ahead.pop())

    def have_read(self, task):
        """Note that a message, or the end, was read ahead."""
        cdef object message
        cdef object failure
        self.reading = None
        if task.cancelled():
            return
        failure = task.exception()
        if isinstance(failure, LimitExceeded):
            self.too_many += 1
            if self.watching:
                self.read_ahead()
            return
        if failure is None:
            message = task.result()
            if message["type"] != "websocket.disconnect":
                self.ahead.append(message)
                self.ahead_bytes += len(message.get("text") or message.get("bytes") or "")
                if self.watching:
                    self.read_ahead()
                return
            failure = self.websocket.own(WebSocketDisconnect(message.get("code", CLOSE_NO_CODE), message.get("reason")))
        if self.watching:
            self.interrupt(failure)
        else:
            self.ahead.append(failure)

    cdef int interrupt(self, object failure) except -1:
        """End the socket with this exception, even while the session's task waits."""
        if self.failure is None:
            self.failure = failure
            if (self.watching or self.idle) and self.task is not None:
                self.interrupted = True
                self.task.cancel()
        return 0

    cdef bint settle(self, object failure) except -1:
        """Undo the reader's cancellation. Return whether it was the only one."""
        if not self.interrupted:
            return False
        self.interrupted = False
        if hasattr(self.task, "uncancel") and self.task.uncancel() > 0:
            return False
        return isinstance(failure, CancelledError)
