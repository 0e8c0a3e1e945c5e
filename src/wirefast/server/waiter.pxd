# The awaitable of a connection's next event.

cdef class Waiter:
    cdef object loop
    # The task's wake-up and its context, while a task waits.
    cdef object callback
    cdef object context
    # No event yet.
    cdef bint pending
    cdef bint cancelled
    # asyncio's flag of a future that was just yielded.
    cdef public bint _asyncio_future_blocking

    # Run the task's next step. Only from a callback of the loop, where no task is running.
    cdef int run(self) except -1


cdef Waiter make_waiter(object loop)
