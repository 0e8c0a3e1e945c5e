# The ASGI scope of a WebSocket. A member is made when it is first read.

from wirefast.server.head cimport Head
from wirefast.server.outgoing cimport Outgoing
from wirefast.server.settings cimport Settings


cdef class LazyScope(dict):
    # The parts from which the members are made. `connection` is the value of the extension `wirefast`.
    cdef Outgoing connection
    cdef Settings settings
    cdef str path
    # None if the path without its percent-encoding is the same.
    cdef bytes raw_path
    cdef bytes query
    cdef list headers
    cdef list subprotocols       # None for none
    cdef str scheme
    # The client is None also for a SocketTransport, which keeps its peer's address and is asked for it.
    cdef object client
    cdef object server
    # A copy of the lifespan's state. None if that was empty.
    cdef dict state
    # What applications and routers write into every scope. A field takes 8 bytes, a dict of them 270. Bit n of `written`:
    # whether the field of the member APP + n is set.
    cdef object app
    cdef object router
    cdef object path_params
    cdef object endpoint
    cdef object handlers
    cdef unsigned written
    # Whether all members have been put into the dict. From then on the dict alone counts.
    cdef bint full

    cdef object found(self, object key, object default)
    cdef object make(self, int member)
    cdef bint has(self, int member) noexcept
    cdef int write(self, int member, object value) except -1
    cdef int fill(self) except -1


# Make the scope of a connection whose head is read.
cdef LazyScope new_scope(Outgoing connection, Settings settings, Head head, list subprotocols, dict state)

# Return the addresses of a connection's server and client in the form of a scope. None for an unknown address.
cpdef tuple sides(object transport)

# Call a function with a transport. Return None if the call raises, as it may after the transport's end.
cdef object asked(object question, object transport)
