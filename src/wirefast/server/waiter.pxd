# The awaitable of a connection's next event.

from libc.stdint cimport uint8_t

from wirefast.server.current_task cimport CurrentTask


# A coroutine that may be stepped in place of its task.
cdef class Stepped:
    # Run to the next wait. Return whether that is for the same waiter again. Otherwise the task has to step.
    cdef bint step(self, Waiter waiter) except -1


cdef class Waiter:
    cdef object loop
    # While a task waits: its wake-up, its context, and the coroutine that may be stepped in its place or None. After a
    # cancellation `context` is its message.
    cdef object callback
    cdef object context
    cdef Stepped stepped
    # No event yet.
    cdef uint8_t pending
    cdef uint8_t cancelled
    # Whether the task was asked to cancel this wait after its end.
    cdef uint8_t asked_to_cancel
    # asyncio's flag of a future that was just yielded.
    cdef public bint _asyncio_future_blocking

    # Run the task's next step. Only from a callback of the loop, where no task is running but by `current`. The caller
    # leaves `current` after a row of calls.
    cdef int run(self, CurrentTask current) except -1
    cdef bint stepped_for(self, object callback, Stepped stepped, CurrentTask current) except -1
    # Raise CancelledError with the message of the cancellation.
    cdef int raise_cancelled(self) except -1


cdef Waiter make_waiter(object loop)
