# The limits of one socket that are counted for each message, and the limits of its time.

from wirefast._core.channel cimport Channel
from wirefast._core.deadlines cimport Deadline

cdef enum Excess:      # what happens to a message beyond a rate
    CLOSE = 0
    ERROR = 1
    DELAY = 2
    DROP = 3

cdef enum Verdict:     # what take() returns for a message
    PASSES = 0
    MESSAGES = 1       # more messages than the rate
    BYTES = 2          # more bytes than the rate
    TOO_LARGE = 3      # a message beyond message_bytes


cdef class Allowance:
    """The limits of each socket of some routes, read once."""
    cdef double message_rate     # a second; 0: no limit
    cdef double message_burst
    cdef double byte_rate
    cdef double byte_burst
    cdef Py_ssize_t message_bytes    # 0: no limit
    cdef double first_message    # seconds; 0: no limit
    cdef double idle
    cdef double lifetime
    cdef readonly int rooms      # 0: as the hub says
    cdef int in_flight
    cdef int on_excess           # an Excess
    cdef bint per_message        # whether each message has to be counted
    cdef object dismiss          # callable(websocket, code, reason): closes a socket from outside of its task
    cdef object count            # callable(kind): counts refusals


cdef class Meter(Deadline):
    """The measures of one socket. The socket and the meter refer to each other until end()."""
    cdef Allowance allowance     # None: only an expiry
    cdef object websocket
    cdef double messages         # tokens of each bucket at the time `last`
    cdef double bytes
    cdef double last             # seconds of the monotonic clock
    cdef double accepted_at      # on the loop's clock; 0 until then
    cdef double ends_at          # of the lifetime
    cdef bint spoke              # a message has come
    cdef Channel channel         # None over another server's ASGI callables
    cdef int handled             # messages that typed handlers are at work on: the client waits, and is not idle
    cdef bint at_work            # an endpoint has received a message, and has not asked for another since
    cdef double rested           # until when the client is known to have waited for the application
    cdef int sending             # ASGI sends that wait, if `channel` is None
    cdef double taken            # when the end of one of them was noticed
    cdef bint has_sent           # one has ended since
    cdef public bint evicted     # another socket of its user took its place before it was accepted
    cdef object expiry           # an Expiry, or None

    cdef int finish(self) except -1
    cdef int take(self, Py_ssize_t size) except -1
    cdef int begun(self) noexcept
    cdef int done(self) noexcept
    cdef int asks(self) noexcept
    cdef int sends(self) noexcept
    cdef int sent(self) noexcept
    cdef double awaited_until(self) noexcept
    cdef double quiet(self) noexcept
    cdef double must_wait(self)
    cdef int accepted(self) except -1
    cdef int plan(self, double now, double quiet) except -1


cdef class Expiry(Deadline):
    """When a permission ends, by the clock of the day."""
    cdef object websocket
    cdef double at               # seconds since 1970
    cdef double before           # seconds before that at which to warn; negative: never
    cdef object warn             # callable(websocket)
    cdef bint warned
    cdef object dismiss

    cdef int plan(self) except -1


# Meter(websocket, allowance), without the call of a type.
cdef Meter new_meter(object websocket, Allowance allowance)
