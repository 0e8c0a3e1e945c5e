# What a socket has yet to send while its transport takes no more, bounded, and what becomes of what does not fit.

cdef enum Rule:
    WAIT = 0           # the publisher waits for room, up to a deadline; then as CLOSE
    CLOSE = 1          # the socket is closed with 1013
    DROP_NEW = 2       # the message is dropped
    DROP_OLD = 3       # the oldest that may be dropped make room
    CONFLATE = 4       # an older message of the same key is dropped in any case; then as DROP_OLD

cpdef enum Outcome:    # what became of a message; SENT and QUEUED: the peer may get it
    SENT = 0           # on its way with this turn's write
    QUEUED = 1         # in the outbox
    DROPPED = 2
    CLOSING = 3        # too much waited: the socket is being closed
    FULL = 4           # WAIT: try again when a waiter is woken
    GONE = 5           # the socket has ended


cdef class Policy:
    cdef Rule rule
    cdef readonly str name
    cdef readonly Py_ssize_t max_messages
    cdef readonly Py_ssize_t max_bytes
    cdef readonly double deadline


# One waiting message.
cdef class Waiting:
    cdef object payload          # None once it was taken or dropped
    cdef Py_ssize_t size
    cdef double since
    cdef object key              # CONFLATE: what a later one replaces it by
    cdef bint ordinary           # from a plain send, which no policy may touch
    cdef bint droppable


cdef class Outbox:
    # Oldest first; those that were dropped stay, empty, until they are many. `droppables` are the entries that
    # DROP_OLD may take, `latest` the last one of each key. Made when something waits.
    cdef object entries
    cdef object droppables
    cdef dict latest
    # What waits, and the parts of it that plain sends left and that may be dropped.
    cdef readonly Py_ssize_t count
    cdef readonly Py_ssize_t size
    cdef Py_ssize_t ordinary_count
    cdef Py_ssize_t ordinary_size
    cdef Py_ssize_t droppable_count
    cdef Py_ssize_t droppable_size
    # What the policies cost so far.
    cdef readonly unsigned long long dropped
    cdef readonly unsigned long long dropped_bytes
    # Futures of publishers that wait for room, first come first served; None while there are none.
    cdef object waiters
    # Called without arguments at the end of the socket; None once it has ended.
    cdef list watchers
    cdef readonly bint ended

    # Take a message in, or say why not: an Outcome. `first`: it is the turn of a publisher that waited.
    cdef int admit(self, object payload, Py_ssize_t size, Policy policy, object key, bint first, double now) except -1
    # Take in what a plain send gave, past every bound.
    cdef int keep(self, object payload, Py_ssize_t size, double now) except -1
    # The oldest payloads, of about `limit` bytes together; at least one while something waits.
    cdef list take(self, Py_ssize_t limit)
    cdef object take_one(self)
    # Drop all but what plain sends left.
    cdef int give_up(self) except -1
    cdef int end(self) except -1

    cdef int append(self, Waiting waiting) except -1
    cdef int drop(self, Waiting waiting) except -1
    cdef int forget(self, Waiting waiting) except -1
    cdef Waiting oldest_droppable(self)
    cdef int compact(self) except -1
    cdef int wake(self) except -1


cdef Policy find_policy(object policy)
