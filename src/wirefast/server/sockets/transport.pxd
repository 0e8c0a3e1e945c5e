# One connection: a transport for asyncio's protocols.

from libc.stddef cimport size_t
from libc.stdint cimport uint8_t

from wirefast.server.reactor cimport Flushable
from wirefast.server.sockets.csrc cimport stream_address
from wirefast.server.sockets.poller cimport Poller, Watched


cdef class SocketTransport(Watched):
    cdef object __weakref__
    # The protocol. `direct` is the same object if it reads bytes from the poller's buffer, else None.
    cdef object protocol
    cdef Flushable direct
    # Python's socket of this connection, made when a caller first asks for it. From then on (`lent`) the socket owns
    # the descriptor.
    cdef object socket
    cdef bint lent
    # The peer's address. The server's address, if it is the same for all connections of the listener, else None.
    cdef stream_address peer
    cdef object own

    # The bytes objects that are not written yet, from index `first` on; the first `offset` bytes of the first one are
    # written. None if all is written. `kept` is the number of unwritten bytes.
    cdef list pending
    cdef Py_ssize_t first
    cdef size_t offset
    cdef size_t kept
    cdef size_t high
    cdef size_t low

    # The protocol was told to pause its writing.
    cdef bint write_paused
    # close or abort was called.
    cdef bint closing
    # write_eof was called.
    cdef bint half_closed
    # connection_lost was called, or the loop will call it: nothing is written any more.
    cdef bint over
    # The protocol has called pause_reading, and not resume_reading since.
    cdef bint read_paused
    # The peer has ended its side.
    cdef bint ended
    # The argument of connection_lost.
    cdef object error

    cdef int open(self, Poller poller, int fd, object own) except -1
    cdef int begin(self, object protocol) except -1
    # Give this protocol everything that comes from now on.
    cdef int hand_to(self, object protocol) except -1
    cdef int look(self, unsigned wanted) except -1
    # The addresses as Python's sockets have them; None for one that is not known.
    cdef object peer_address(self)
    cdef object own_address(self)
    cdef object made_socket(self)

    # Send now, and keep the bytes that the system does not take. The caller gives the list away.
    cdef int send(self, list pieces) except -1
    cdef int send_one(self, list pieces) except -1
    cdef int push(self) except -1
    # Keep bytes until the end of the turn, then send them.
    cdef int keep(self, bytes data) except -1
    cdef int pause_protocol(self) except -1
    cdef int resume_protocol(self) except -1

    cdef bint deliver(self, const uint8_t* data, Py_ssize_t size) except -1
    cdef int end_of_stream(self) except -1
    cdef int fill(self, bytes data) except -1

    # End the connection, for an error of the socket or an exception of a protocol's callback. `lose` has the loop call
    # connection_lost.
    cdef int fatal(self, object exc, str message) except -1
    cdef int lose(self, object exc) except -1
    cdef int release(self) except -1
