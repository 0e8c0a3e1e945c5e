# The C functions that the sockets use. Each header says what its functions promise.

from libc.stddef cimport size_t
from libc.stdint cimport uint8_t, uint16_t, uint32_t, uint64_t


cdef extern from "poller.h" nogil:
    enum:
        POLLER_READ
        POLLER_WRITE
        POLLER_EDGE
        POLLER_MORE

    ctypedef struct poller_event:
        uint64_t token
        unsigned ready

    int poller_open() noexcept
    int poller_change(int poller, int socket, uint64_t token, unsigned before, unsigned wanted) noexcept
    int poller_again(int poller, int socket, uint64_t token, unsigned wanted) noexcept
    int poller_wait(int poller, poller_event* events, int room) noexcept


cdef extern from "sys/uio.h" nogil:
    struct iovec:
        void* iov_base
        size_t iov_len


cdef extern from "stream.h" nogil:
    enum:
        STREAM_PIECES
        STREAM_TEXT
        STREAM_IP4
        STREAM_IP6
        STREAM_UNIX

    ctypedef struct stream_address:
        uint8_t address[16]
        uint32_t flow
        uint32_t zone
        uint16_t port
        uint16_t family

    int stream_accept(int listener, stream_address* peer) noexcept
    Py_ssize_t stream_read(int socket, void* data, size_t size) noexcept
    Py_ssize_t stream_write(int socket, const iovec* pieces, int count) noexcept
    int stream_own_address(int socket, stream_address* own) noexcept
    int stream_text(const stream_address* address, char* text) noexcept
    void stream_no_delay(int listener) noexcept


cdef extern from "unistd.h" nogil:
    int close(int descriptor) noexcept


cdef extern from "sys/socket.h" nogil:
    int shutdown(int socket, int how) noexcept
    int SHUT_WR
