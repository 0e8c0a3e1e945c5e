# The answer to a handshake, and the state that is needed until then.

from libc.stddef cimport size_t

from wirefast.server.connection cimport Connection
from wirefast.server.head cimport Head
from wirefast.server.lazy_scope cimport LazyScope


cdef class Opening(Connection):
    cdef dict app_state
    # Until the handshake is answered: the head; the bytes that came behind it; the scope, for the log line.
    cdef Head request
    cdef bytearray early
    cdef LazyScope scope
    # The extensions that the client offers; None if it offers none.
    cdef list offers
    # The arguments of explain_refusal(), for the body of a 403.
    cdef dict refusal

    # The denial response that the application sends: its status, its header lines, and its body so far.
    cdef int denial_status
    # Whether the server agrees to permessage-deflate if the client offers it. The field fills a gap between others, so
    # it costs no memory.
    cdef bint agree_to_deflate
    cdef list denial_lines
    cdef list denial_body

    cdef int limit_messages(self, size_t size) except -1
    cdef int log_response(self, str outcome) except -1
    # Answer a Refused.
    cdef int refuse_request(self, object refused) except -1
    # Answer the handshake with an error and end the connection.
    cdef int refuse(self, int status, list lines, bytes body) except -1
    cdef int refuse_text(self, int status, str text) except -1
    cdef int finish_denial(self) except -1

    # For the subclass to define: make the scope. The log line of a handshake that is refused without a scope needs one.
    cdef LazyScope make_scope(self)
