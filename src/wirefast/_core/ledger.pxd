# Counts of open sockets, by address and by user, and rates of handshakes by address.

from wirefast._core.meter cimport Allowance, Meter


cdef class AddressRate:
    """A token bucket for each address, kept as one number (GCRA)."""
    cdef double interval         # seconds between two handshakes at an even rate
    cdef double tolerance        # seconds that a handshake may be early, for bursts
    # Address -> the time at which its bucket is full again, on the monotonic clock. The old half is dropped whole.
    cdef dict young
    cdef dict old

    # 0, or the seconds until the next is allowed.
    cdef double take(self, object address) except -1.0


cdef class Ledger:
    """The counts of one ``Limits``."""
    cdef Py_ssize_t connections  # the limits; 0: none
    cdef Py_ssize_t per_ip
    cdef Py_ssize_t per_user
    cdef bint evicts_oldest
    cdef AddressRate handshakes  # None: no limit
    cdef object dismiss
    cdef object count
    cdef readonly Py_ssize_t open
    cdef readonly dict by_ip     # address -> open sockets; no zeros
    cdef dict users              # user -> the lease, or a dict of several, the oldest first; none is empty

    cdef object enter(self, object address)
    cdef int leave(self, object address) except -1
    # Where the limit is reached: a Refuse, or the end of the oldest socket.
    cdef int count_user(self, Lease lease, object user) except -1
    cdef int note_user(self, Lease lease, object user, object held) except -1
    cdef int evict(self, Lease lease) except -1


cdef class Lease:
    """The counts that one connection takes; release() returns all of them, once."""
    cdef tuple ledgers
    cdef readonly object address
    cdef int entered             # how many of the ledgers count it
    cdef Ledger user_of          # the first ledger that counts its user, and the user; None: no ledger does
    cdef object user
    cdef dict more_users         # the others: Ledger -> user; or None
    cdef dict shares             # Ledger -> what other processes count of it as a user's; or None
    cdef object websocket
    cdef Meter meter

    cdef bint is_counted_by(self, Ledger ledger) except -1
    cdef int disown(self, Ledger ledger) except -1
    cdef int give_back(self) except -1


cdef class RouteLimits:
    """The limits of the sockets of one route, decided when the routes are frozen."""
    cdef readonly tuple ledgers
    cdef readonly Allowance allowance
    cdef readonly object websocket_class
    cdef dict options            # for the server; or None
    cdef tuple users             # pairs: a Ledger, and a plain function that names the user of a WebSocket
    cdef bint by_dependency      # a dependency of the route counts the user, and finds the lease in the scope

    # None, or a coroutine function of a Lease and a WebSocket that counts with other processes.
    cdef readonly object shared

    cdef Lease enter(self, object scope, object websocket)
