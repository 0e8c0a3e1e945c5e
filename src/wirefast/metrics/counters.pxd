# Numbers that modules write as C integers, and that a scrape reads.

from libc.stdint cimport uint64_t

cdef enum:
    # The most series of one metric; more are counted under "other". Clients do not choose labels, so only a program
    # with so many routes gets here.
    SERIES_MAX = 1000
    BOUNDS_MAX = 24


cdef class Counter:
    cdef public uint64_t value


cdef class Histogram:
    # The upper bounds, and the count of the values of each bucket (not added up), with one more bucket for all above.
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
