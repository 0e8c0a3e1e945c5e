# The monotonic clock for compiled code.

cdef extern from "<time.h>" nogil:
    ctypedef long time_t
    cdef struct timespec:
        time_t tv_sec
        long tv_nsec
    int clock_gettime(int clock, timespec* found)
    int CLOCK_MONOTONIC

# Seconds that a test has added to the clock.
cdef bint is_moved
cdef double moved_by() except? -1.0


# The seconds of the system's monotonic clock, plus those that a test has added.
cdef inline double monotonic() except? -1.0:
    cdef timespec found
    clock_gettime(CLOCK_MONOTONIC, &found)
    if is_moved:
        return <double> found.tv_sec + <double> found.tv_nsec * 1e-9 + moved_by()
    return <double> found.tv_sec + <double> found.tv_nsec * 1e-9
