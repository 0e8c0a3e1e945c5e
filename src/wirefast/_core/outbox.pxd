# The messages that wait for one socket while its transport takes no more: bounded, with a policy for those that do not
# fit.

cdef enum Rule:
    WAIT = 0           # the publisher waits for space, up to a deadline; then as CLOSE
    CLOSE = 1          # the socket is closed with 1013
    DROP_NEW = 2       # the message is dropped
    DROP_OLD = 3       # the oldest messages that may be dropped are dropped
    CONFLATE = 4       # an older message of the same key is always dropped; then as DROP_OLD

cpdef enum Outcome:    # the outcome of a message; SENT and QUEUED: the peer may get it
    SENT = 0           # leaves with the write of this turn
    QUEUED = 1         # in the outbox
    DROPPED = 2
    CLOSING = 3        # too much waits: the socket is being closed
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
    cdef object payload          # None after it was taken or dropped
    cdef Py_ssize_t size
    cdef double since
    cdef object key              # CONFLATE: a later message with this key replaces it
    cdef bint ordinary           # from a plain send, which no policy may touch
    cdef bint droppable


cdef class Outbox:
    # Oldest first. Dropped entries stay, empty, until they are many. `droppables` are the entries that DROP_OLD may
    # drop, `latest` the last entry of each key. Made for the first message that waits.
    cdef object entries
    cdef object droppables
    cdef dict latest
    # The number and the bytes of all waiting messages, of those from plain sends, and of those that may be dropped.
    cdef readonly Py_ssize_t count
    cdef readonly Py_ssize_t size
    cdef Py_ssize_t ordinary_count
    cdef Py_ssize_t ordinary_size
    cdef Py_ssize_t droppable_count
    cdef Py_ssize_t droppable_size
    # What the policies have dropped so far.
    cdef readonly unsigned long long dropped
    cdef readonly unsigned long long dropped_bytes
    # Futures of publishers that wait for space, in order of arrival; None without any.
    cdef object waiters
    # Called without arguments at the end of the socket; None once it has ended.
    cdef list watchers
    cdef readonly bint ended

    # Add a message. Returns an Outcome. `first`: it is the turn of a publisher that waited.
    cdef int admit(self, object payload, Py_ssize_t size, Policy policy, object key, bint first, double now) except -1
    # Add a message of a plain send, which has no bound.
    cdef int keep(self, object payload, Py_ssize_t size, double now) except -1
    # The oldest payloads, of about `limit` bytes together; at least one while something waits.
    cdef list take(self, Py_ssize_t limit)
    cdef object take_one(self)
    # Drop all but the messages of plain sends.
    cdef int give_up(self) except -1
    cdef int end(self) except -1

    cdef int append(self, Waiting waiting) except -1
    cdef int drop(self, Waiting waiting) except -1
    cdef int forget(self, Waiting waiting) except -1
    cdef Waiting oldest_droppable(self)
    cdef int compact(self) except -1
    cdef int wake(self) except -1


cdef Policy find_policy(object policy)
