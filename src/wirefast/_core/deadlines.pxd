# Times at which something is due, for very many at once: one timer of the event loop for all of one clock.


cdef class Deadline:
    """Something that is due at a time; a subclass says what happens then."""
    cdef double when             # on the clock of its wheel
    cdef set bucket              # where it waits; None: nowhere
    cdef bint ready              # its time has come, and its turn has not
    cdef Deadlines wheel

    # Called in the loop, at the time or later.
    cdef int due(self) except -1


cdef class Deadlines:
    """A wheel of buckets, each a set, and the heap of their times."""
    cdef object __weakref__
    cdef readonly object loop
    cdef object clock            # function of no arguments that gives seconds
    cdef bint is_monotonic       # and these are those of the system's monotonic clock
    cdef double longest          # seconds that the timer sleeps at most: a clock of the day may jump
    cdef dict buckets            # tick -> set; an empty set stays until its time, so that no tick is in the heap twice
    cdef long long last_tick     # the tick that was asked for last, and its bucket; -1: none
    cdef set last_bucket
    cdef list heap               # ticks
    cdef object waiting          # deque of those whose time has come
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
