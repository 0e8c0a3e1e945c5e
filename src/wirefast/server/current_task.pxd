# The task that asyncio.current_task() returns while the reactor steps applications.


cdef class CurrentTask:
    cdef object loop
    # The task that is current by this object; None if it is any other's matter.
    cdef object task

    # Make a task the current one, in place of the one before. No task may be current by another's hand.
    cdef int enter(self, object task) except -1
    # Let no task be current.
    cdef int leave(self) except -1


cdef CurrentTask make_current_task(object loop)
