# The opening handshake (RFC 6455 section 4.2): what a request head must hold, and the answer.

from wirefast.server.head cimport Head

# Check that a head is a handshake. Raises Refused.
cdef int check_handshake(Head head) except -1

# The subprotocols that the client offers, each of which may be sent back. Raises Refused.
cdef list offered_subprotocols(Head head)

# The 101 response's head up to its own headers, without the final blank line.
cdef bytes switching_protocols(Head head)

# TypeError for no str, ValueError for one that no header may hold.
cdef bytes subprotocol_line(object subprotocol)
