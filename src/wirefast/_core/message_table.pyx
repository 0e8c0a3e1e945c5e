"""The handlers of a route of messages, for messages.pyx. See message_table.pxd."""

cimport cython

from wirefast._core.message_input cimport MessageInput
from wirefast._core.plan_cache cimport PlanCache
from wirefast._core.tagging cimport with_ref


@cython.final
cdef class Replies:
    def __init__(self, *, dict writers not None, other, dict options, frozenset own_ref not None):
        self.writers = writers
        self.other = other
        self.options = options
        self.own_ref = own_ref

    cdef bytes encode(self, object value, bytes ref):
        cdef bytes data
        cdef object kind = type(value)
        cdef object to_json = self.writers.get(kind)
        if to_json is None:
            data = self.other(value)
        elif self.options is None:
            data = to_json(value, by_alias=True)
        else:
            data = to_json(value, **self.options)
        if ref is None or (self.own_ref and kind in self.own_ref):
            return data
        return with_ref(data, ref)


@cython.final
cdef class MessageHandler:
    def __init__(self, *, call, PlanCache plans not None, str kind, bint concurrent, bint cancels, Replies replies not None):
        self.call = call
        self.plans = plans
        self.kind = {"coroutine": AWAITED, "function": THREADED, "async generator": ITERATED}[kind]
        self.concurrent = concurrent
        self.cancels = cancels
        self.replies = replies


@cython.final
cdef class MessageTable:
    def __init__(
        self, *, MessageInput input not None, MessageHandler stream, MessageHandler opened, MessageHandler ended,
        Py_ssize_t given, str on_invalid, int max_invalid, int in_flight, bint closes_on_error, invalid,
        frozenset default_handlers not None,
    ):
        self.input = input
        self.stream = stream
        self.opened = opened
        self.ended = ended
        self.given = given
        self.on_invalid = {"reply": ANSWER, "close": CLOSE, "ignore": IGNORE}[on_invalid]
        self.max_invalid = max_invalid
        self.in_flight = in_flight
        self.closes_on_error = closes_on_error
        self.invalid = invalid
        self.default_handlers = default_handlers
