# Deadlines, for very many at once: one timer of the event loop for all deadlines of one clock.


cdef class Deadline:
    """A time at which something happens; a subclass says what."""
    cdef double when             # on the clock of its wheel
    cdef set bucket              # the bucket in which it waits; None: it does not wait
    cdef bint ready              # its time has come, but it is not called yet
    cdef Deadlines wheel

    # The loop calls this at the time or later.
    cdef int due(self) except -1


cdef class Deadlines:
    """A wheel of buckets, each a set, and the heap of their times."""
    cdef object __weakref__
    cdef readonly object loop
    cdef object clock            # function of no arguments that gives seconds
    cdef bint is_monotonic       # whether `clock` is the system's monotonic clock
    cdef double longest          # seconds that the timer sleeps at most: a clock of the day may jump
    cdef dict buckets            # tick -> set; an empty set stays until its time, so that no tick is in the heap twice
    cdef long long last_tick     # the latest requested tick, and its bucket; -1: none
    cdef set last_bucket
    cdef list heap               # ticks
    cdef object waiting          # deque of the deadlines whose time has come
    cdef object timer
    cdef double timer_at
    cdef bint running
    cdef readonly long long fired    # how often the timer fired, for tests

    cdef double now(self) except? -1.0
    cdef int schedule(self, Deadline deadline, double when) except -1
    cdef int schedule_at(self, Deadline deadline, double when, double now) except -1
    cdef int cancel(self, Deadline deadline) except -1
    cdef int arm(self) except -1


cdef Deadlines deadlines_of(object loop, bint of_day)
