# Numbers that are written where things happen, as C integers, and read at a scrape.

from libc.stdint cimport uint64_t

cdef enum:
    # Series of one metric; what comes after that is counted under "other". Labels are not a client's to choose, so
    # that only a program with as many routes gets here.
    SERIES_MAX = 1000
    BOUNDS_MAX = 24


cdef class Counter:
    cdef public uint64_t value


cdef class Histogram:
    # Upper bounds, and what was observed up to each (not added up), with one more for all above.
    cdef double bounds[BOUNDS_MAX]
    cdef uint64_t counts[BOUNDS_MAX + 1]
    cdef int size
    cdef readonly double total

    cdef int note(self, double value) except -1


cdef class Family:
    cdef readonly str name
    cdef readonly tuple labels
    cdef readonly tuple bounds       # of histograms; None for counters
    cdef readonly dict series        # label values -> Counter or Histogram
