# The ASGI scope of a WebSocket, whose members are made when they are read.

from wirefast.server.head cimport Head
from wirefast.server.outgoing cimport Outgoing
from wirefast.server.settings cimport Settings


cdef class LazyScope(dict):
    # What the members are made of. `connection` is the server's, for the extension `wirefast`.
    cdef Outgoing connection
    cdef Settings settings
    cdef str path
    cdef bytes raw_path
    cdef bytes query
    cdef list headers
    cdef list subprotocols       # None for none
    cdef str scheme
    cdef object client
    cdef object server
    # Copied already, unless it was empty.
    cdef dict state
    # Whether every member is in the dict itself, or was: then the dict alone counts.
    cdef bint full

    cdef object found(self, object key, object default)
    cdef object make(self, int member)
    cdef int fill(self) except -1


# The scope of a connection whose head is read.
cdef LazyScope new_scope(Outgoing connection, Settings settings, Head head, list subprotocols, dict state)

# The addresses of a connection's server and client, as its scope has them; None for one that is not known.
cpdef tuple sides(object transport)

# The answer to a question about a transport, which may be gone: None where asking it raises.
cdef object asked(object question, object transport)
