# One connection, as asyncio's protocols know their transport.

from libc.stddef cimport size_t

from wirefast.server.reactor cimport Flushable
from wirefast.server.sockets.csrc cimport stream_address
from wirefast.server.sockets.poller cimport Poller, Watched


cdef class SocketTransport(Watched):
    cdef object __weakref__
    # Who is told. `direct` is the same object where it takes bytes as they are in the poller's buffer, else None.
    cdef object protocol
    cdef Flushable direct
    # Made at the first request for it. Then it owns the descriptor, which is `lent` to it.
    cdef object socket
    cdef bint lent
    # The peer's address; the own one where all connections of the listener have the same, else None.
    cdef stream_address peer
    cdef object own

    # What is not written yet: objects of bytes, from `first` on, of which the first one lacks `offset` bytes. None
    # where there is nothing. `kept` is the sum.
    cdef list pending
    cdef Py_ssize_t first
    cdef size_t offset
    cdef size_t kept
    cdef size_t high
    cdef size_t low

    # The protocol was told to pause. close or abort was called. write_eof was called. connection_lost is asked for or
    # called: nothing is written any more. The protocol's pause_reading holds. The peer has ended its side.
    cdef bint write_paused
    cdef bint closing
    cdef bint half_closed
    cdef bint over
    cdef bint read_paused
    cdef bint ended
    cdef object error

    cdef int open(self, Poller poller, int fd, object own) except -1
    cdef int begin(self, object protocol) except -1
    # Who is told of what comes from now on.
    cdef int hand_to(self, object protocol) except -1
    cdef int look(self, unsigned wanted) except -1
    cdef object own_address(self)
    cdef object made_socket(self)

    # Send now; the list is the transport's from then on. What the system does not take is kept.
    cdef int send(self, list pieces) except -1
    cdef int push(self) except -1
    # Send at the end of the turn.
    cdef int keep(self, bytes data) except -1
    cdef int pause_protocol(self) except -1
    cdef int resume_protocol(self) except -1

    cdef Py_ssize_t read(self) except -1
    cdef int deliver(self, Py_ssize_t size) except -1
    cdef int end_of_stream(self) except -1
    cdef int fill(self, Py_ssize_t size) except -1

    # End it: an error of the socket, or one that a protocol's callback raised; `lose` asks for connection_lost.
    cdef int fatal(self, object exc, str message) except -1
    cdef int lose(self, object exc) except -1
    cdef int release(self) except -1
