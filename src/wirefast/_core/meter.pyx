"""The limits of one socket: two token buckets, the size of messages, the first message, idleness, lifetime.

Compiled because each message is counted here: one read of the clock and a few additions. The times of a socket are one
    deadline. The deadline checks, when it is due, whether messages have come meanwhile, so that a message moves no
    timer.
"""

import asyncio
import random


from wirefast._core.deadlines cimport deadlines_of
from wirefast._core.instant cimport monotonic

from wirefast._core import clock, close

from starlette.websockets import WebSocketState

#: The share of a lifetime over which the ends of sockets are spread that came together.
LIFETIME_JITTER = 0.1
# The content of a bucket without a limit: more than all messages and bytes of a socket.
cdef double ENDLESS = 1e300
#: Seconds after which a socket that is not accepted yet is checked again.
cdef double NOT_YET = 0.25

cdef object get_running_loop = asyncio.get_running_loop
cdef object random_share = random.random

cdef dict EXCESSES = {"close": CLOSE, "error": ERROR, "delay": DELAY, "drop": DROP}
KINDS = ("", "messages", "bytes", "message_bytes")
REASONS = ("", close.TOO_MANY_MESSAGES, close.TOO_MANY_BYTES, close.MESSAGE_TOO_BIG)
CODES = (0, close.POLICY_VIOLATION, close.POLICY_VIOLATION, close.TOO_BIG)


cdef class Allowance:
    def __init__(
        self, *, dismiss, count, messages=None, bytes=None, message_bytes=None, first_message=None, idle=None,
        lifetime=None, rooms=None, in_flight=None, on_excess="close",
    ):
        self.dismiss, self.count = dismiss, count
        self.message_burst = self.byte_burst = ENDLESS
        if messages is not None:
            self.message_rate, self.message_burst = messages
        if bytes is not None:
            self.byte_rate, self.byte_burst = bytes
        self.message_bytes = message_bytes or 0
        self.first_message = first_message or 0.0
        self.idle = idle or 0.0
        self.lifetime = lifetime or 0.0
        self.rooms = rooms or 0
        self.in_flight = in_flight or 0
        self.on_excess = EXCESSES[on_excess]
        # Where messages are counted, the first message and idleness are noticed too.
        self.per_message = bool(messages or bytes or message_bytes or first_message or idle)


cdef class Meter(Deadline):
    def __init__(self, websocket, Allowance allowance=None):
        self.websocket = websocket
        self.allowance = allowance
        if allowance is not None:
            self.messages, self.bytes = allowance.message_burst, allowance.byte_burst
            self.last = monotonic()

    cdef int take(self, Py_ssize_t size) except -1:
        """Count one message of so many bytes. Returns a Verdict. A refused message takes nothing from the buckets."""
        cdef double now = monotonic()
        cdef double passed = now - self.last
        cdef double messages, bytes
        self.last = now
        self.spoke = True
        # The allowance has no local name: a reference would be counted up and down with each message.
        if self.allowance.message_bytes and size > self.allowance.message_bytes:
            return TOO_LARGE
        # Without a rate the bucket is endless.
        messages = min(self.messages + passed * self.allowance.message_rate, self.allowance.message_burst)
        bytes = min(self.bytes + passed * self.allowance.byte_rate, self.allowance.byte_burst)
        if self.allowance.on_excess != DELAY and (messages < 1.0 or bytes < size):
            self.messages, self.bytes = messages, bytes
            return MESSAGES if messages < 1.0 else BYTES
        self.messages, self.bytes = messages - 1.0, bytes - size
        return PASSES

    cdef double must_wait(self):
        """Seconds until the next message may be received, if excess messages are delayed."""
        cdef Allowance allowance = self.allowance
        cdef double passed, wait = 0.0, found
        if allowance.on_excess != DELAY:
            return 0.0
        passed = monotonic() - self.last
        if allowance.message_rate:
            found = min(allowance.message_burst, self.messages + passed * allowance.message_rate)
            if found < 1.0:
                wait = (1.0 - found) / allowance.message_rate
        if allowance.byte_rate:
            found = min(allowance.byte_burst, self.bytes + passed * allowance.byte_rate)
            if found < 0.0:
                wait = max(wait, -found / allowance.byte_rate)
        return wait

    def refused(self, int verdict):
        """Count a refused message. Returns the code and the reason of a close for it."""
        self.allowance.count(KINDS[verdict])
        return CODES[verdict], REASONS[verdict]

    # ---- Times ----

    cdef int begun(self) noexcept:
        """Note that a handler works on a message and waits. The client is not idle until done()."""
        self.handled += 1
        return 0

    cdef int done(self) noexcept:
        self.handled -= 1
        self.rested = monotonic()
        return 0

    cdef int asks(self) noexcept:
        """Note that an endpoint which was at work on a message asks for the next one: from now on the client may be idle."""
        self.at_work = False
        if self.allowance.idle:
            self.rested = monotonic()
        return 0

    cdef int sends(self) noexcept:
        """Note that an ASGI send waits, perhaps for the client, until sent()."""
        self.sending += 1
        return 0

    cdef int sent(self) noexcept:
        self.sending -= 1
        self.has_sent = True
        return 0

    cdef double awaited_until(self) noexcept:
        """Until when the client has waited for the application: now, if a handler or an endpoint is at work on a message
        or a message was not received yet; 0 if not.

        A client that does not take what it is sent does not wait for more.
        """
        if self.has_sent:
            # Sends do not read the clock: the next check stands for their time.
            self.has_sent = False
            self.taken = monotonic()
        if self.handled == 0 and not self.at_work and (self.channel is None or not self.channel.has_unread()):
            return 0.0
        if self.channel is None:
            return self.taken if self.sending > 0 else monotonic()
        return self.channel.taken_until()

    cdef double quiet(self) noexcept:
        """Seconds since the client was last known to be active."""
        return monotonic() - max(self.last, self.rested)

    cdef int accepted(self) except -1:
        """Start the times of the socket, which is accepted."""
        cdef Allowance allowance = self.allowance
        cdef double early
        if self.accepted_at or allowance is None:
            return 0
        if self.evicted:
            allowance.dismiss(self.websocket, close.REPLACED, close.EVICTED)
            return 0
        if not (allowance.first_message or allowance.idle or allowance.lifetime):
            return 0
        self.wheel = deadlines_of(get_running_loop(), False)
        self.accepted_at = self.wheel.now()
        self.last = self.accepted_at if self.wheel.is_monotonic else monotonic()
        if allowance.lifetime:
            early = <double> LIFETIME_JITTER * <double> random_share()
            self.ends_at = self.accepted_at + allowance.lifetime * (1.0 - early)
        return self.plan(self.accepted_at, 0.0)

    cdef int plan(self, double now, double quiet) except -1:
        """Set the deadline to the first time at which a limit may be reached. `quiet` is what `quiet()` returns now."""
        cdef Allowance allowance = self.allowance
        cdef double when = 1e300
        if allowance.lifetime:
            when = self.ends_at
        if allowance.first_message and not self.spoke:
            when = min(when, now - quiet + allowance.first_message)
        if allowance.idle:
            when = min(when, now - quiet + allowance.idle)
        if when < 1e300:
            self.wheel.schedule_at(self, when, now)
        return 0

    cdef int due(self) except -1:
        cdef Allowance allowance = self.allowance
        cdef object websocket = self.websocket
        cdef double now
        cdef str kind
        if websocket is None or not websocket.connected:
            return 0
        now = self.wheel.now()
        self.rested = max(self.rested, self.awaited_until())
        if allowance.lifetime and now >= self.ends_at:
            kind, code, reason = "lifetime", close.SERVICE_RESTART, close.LIFETIME_OVER
        elif allowance.first_message and not self.spoke and self.quiet() >= allowance.first_message:
            kind, code, reason = "first_message", close.TIMED_OUT, close.NO_FIRST_MESSAGE
        elif allowance.idle and self.quiet() >= allowance.idle:
            kind, code, reason = "idle", close.TIMED_OUT, close.IDLE
        else:
            return self.plan(now, self.quiet())
        allowance.count(kind)
        allowance.dismiss(websocket, code, reason)
        return 0

    @property
    def rooms(self):
        """The number of rooms that the socket may be in; 0: the bound of the hub."""
        return 0 if self.allowance is None else self.allowance.rooms

    # ---- Expiry ----

    @property
    def expires_at(self):
        """Seconds since 1970 at which the socket is closed, or None."""
        return None if self.expiry is None else (<Expiry> self.expiry).at

    def expire(self, at, dismiss):
        """Close the socket at a time, in seconds since 1970; None cancels that."""
        cdef Expiry expiry = self.expiry
        if expiry is None:
            if at is None:
                return
            expiry = self.expiry = Expiry(self.websocket, dismiss)
        if at is None:
            at = float("inf")
        expiry.at = at
        expiry.warned = False
        expiry.plan()

    def warn(self, double before, function, dismiss):
        """Call a function so many seconds before the socket expires."""
        cdef Expiry expiry = self.expiry
        if expiry is None:
            expiry = self.expiry = Expiry(self.websocket, dismiss)
        expiry.before, expiry.warn, expiry.warned = before, function, False
        expiry.plan()

    def end(self):
        """Cancel all deadlines of the socket, which has ended."""
        self.finish()

    cdef int finish(self) except -1:
        cdef Expiry expiry = self.expiry
        self.websocket = self.channel = None
        if self.wheel is not None:
            self.wheel.cancel(self)
        if expiry is not None:
            expiry.websocket = expiry.warn = self.expiry = None
            if expiry.wheel is not None:
                expiry.wheel.cancel(expiry)
        return 0


cdef Meter new_meter(object websocket, Allowance allowance):
    cdef Meter meter = Meter.__new__(Meter)
    meter.websocket, meter.allowance = websocket, allowance
    meter.messages, meter.bytes = allowance.message_burst, allowance.byte_burst
    meter.last = monotonic()
    return meter


cdef class Expiry(Deadline):
    def __init__(self, websocket, dismiss):
        self.websocket = websocket
        self.dismiss = dismiss
        self.at = float("inf")
        self.before = -1.0

    cdef int plan(self) except -1:
        cdef double when = self.at
        if self.before >= 0.0 and not self.warned:
            when -= self.before
        if when < 1e300:
            deadlines_of(get_running_loop(), True).schedule(self, when)
        elif self.wheel is not None:
            self.wheel.cancel(self)
        return 0

    cdef int due(self) except -1:
        cdef object websocket = self.websocket
        cdef double now = clock.wall_time()
        if websocket is None or websocket.application_state is WebSocketState.DISCONNECTED:
            return 0
        if not websocket.connected:
            if websocket.application_state is WebSocketState.CONNECTING:
                deadlines_of(get_running_loop(), True).schedule(self, now + NOT_YET)
            return 0
        if now >= self.at:
            self.dismiss(websocket, close.UNAUTHORIZED, close.EXPIRED)
            return 0
        if self.before >= 0.0 and not self.warned and now >= self.at - self.before:
            self.warned = True
            self.warn(websocket)
        return self.plan()
