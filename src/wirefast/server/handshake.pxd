# The opening handshake (RFC 6455 section 4.2): the requirements of a request head, and the answer.

from wirefast.server.head cimport Head

# Check that a head is a handshake. Raises Refused.
cdef int check_handshake(Head head) except -1

# The subprotocols that the client offers, each valid in an answer. Raises Refused.
cdef list offered_subprotocols(Head head)

# The head of the 101 response up to its own headers, without the final blank line.
cdef bytes switching_protocols(Head head)

# Raises TypeError for another type than str, ValueError for a text that no header may hold.
cdef bytes subprotocol_line(object subprotocol)
