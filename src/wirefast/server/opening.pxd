# The answer to a handshake, and what is known until it is given.

from libc.stddef cimport size_t

from wirefast.server.connection cimport Connection
from wirefast.server.head cimport Head
from wirefast.server.lazy_scope cimport LazyScope


cdef class Opening(Connection):
    cdef dict app_state
    # Until the handshake is answered: the head; the bytes that came before their time; the scope, for the log line.
    cdef Head request
    cdef bytearray early
    cdef LazyScope scope
    # The extensions that the client offers, None without.
    cdef list offers
    # What explain_refusal() was told, for the body of a 403.
    cdef dict refusal

    # A denial response under way: its status, header lines and body so far.
    cdef int denial_status
    # Whether permessage-deflate is agreed to where it is offered. Here, where it costs no memory.
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

    # A hole for the subclass: the scope of the connection, for the log line of one that was refused before it had one.
    cdef LazyScope make_scope(self)
