# distutils: sources = csrc/poller.c csrc/stream.c
"""``SocketTransport``: an asyncio transport over a socket that the poller reads and the transport writes.

The transport keeps asyncio's contract. The loop calls ``connection_lost`` once, and the transport closes the descriptor
afterwards. An exception of a callback ends the connection and goes to the loop's exception handler. ``write`` never
blocks; bytes that the system does not take count against the limits of the write buffer.

Two things differ from asyncio's transports. All callbacks of a protocol run in the context in which the poller was made.
All bytes that ``write`` and ``writelines`` get in one turn of the loop leave together at its end, in one system call.
"""

import asyncio
import os
import socket
import warnings
from asyncio.trsock import TransportSocket

from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize, PyBytes_GET_SIZE
from libc.errno cimport EAGAIN
from libc.stddef cimport size_t
from libc.stdint cimport uint8_t
from libc.string cimport memcpy

from wirefast.server.reactor cimport Flushable
from wirefast.server.sockets.csrc cimport (
    POLLER_MORE, POLLER_READ, POLLER_WRITE, SHUT_WR, STREAM_IP4, STREAM_IP6, STREAM_PIECES, STREAM_TEXT, STREAM_UNIX, close, iovec, shutdown,
    stream_address, stream_own_address, stream_read, stream_text, stream_write,
)
from wirefast.server.sockets.poller cimport Poller, Watched

cdef object BufferedProtocol = asyncio.BufferedProtocol

cdef enum:
    # The default limits: the protocol pauses its writing above HIGH unsent bytes, and goes on at LOW.
    HIGH = 65536
    LOW = 16384
    # The list may keep so many places of pieces that are sent.
    SENT_PIECES = 256


cdef object error_of(Py_ssize_t number):
    return OSError(-number, os.strerror(-number))


cdef object address_of(const stream_address* address):
    """Return an address as Python's sockets have it; None for one that is not known."""
    cdef char text[STREAM_TEXT]
    if stream_text(address, text):
        host = text.decode("ascii")
        if address.family == STREAM_IP6:
            return (host, address.port, address.flow, address.zone)
        return (host, address.port)
    return "" if address.family == STREAM_UNIX else None


cdef class SocketTransport(Watched):
    """A connection of the server; see `asyncio.Transport`."""

    cdef int open(self, Poller poller, int fd, object own) except -1:
        self.high = HIGH
        self.low = LOW
        self.own = own
        self.join(poller, fd)
        return 0

    cdef int begin(self, object protocol) except -1:
        """Call the protocol's connection_made, and begin to read."""
        self.hand_to(protocol)
        try:
            protocol.connection_made(self)
            if not self.closing and not self.read_paused:
                self.look(self.wanted | POLLER_READ)
        except (SystemExit, KeyboardInterrupt):
            raise
        except BaseException as exc:
            self.fatal(exc, "Fatal error: protocol.connection_made() call failed.")
        return 0

    cdef int hand_to(self, object protocol) except -1:
        self.protocol = protocol
        self.direct = <Flushable> protocol if isinstance(protocol, Flushable) and (<Flushable> protocol).takes_bytes else None
        # A read of a Unix socket may also end at a descriptor that the peer passes.
        self.drains = self.direct is not None and self.peer.family in (STREAM_IP4, STREAM_IP6)
        if self.drains != self.on_edge:
            self.again()
        return 0

    cdef int again(self) except -1:
        """Have the poller report the socket again if it is ready. A connection that the system cannot watch ends."""
        try:
            self.look_again()
        except OSError as exc:
            self.lose(exc)
        return 0

    cdef int look(self, unsigned wanted) except -1:
        """Watch the socket. A connection that the system cannot watch ends."""
        try:
            self.watch(wanted)
        except OSError as exc:
            self.lose(exc)
        return 0

    def __del__(self):
        if self.fd >= 0:
            warnings.warn(f"unclosed transport {self!r}", ResourceWarning, source=self)

    def __dealloc__(self):
        # `leave` is not called: the poller is gone, or belongs to the process from which this one was forked.
        if self.fd >= 0 and not self.lent:
            close(self.fd)

    def __repr__(self):
        state = "closed" if self.fd < 0 else "closing" if self.closing else "open"
        return f"<SocketTransport {state} fd={self.fd} unsent={self.kept}>"

    # ---- Questions of a protocol ----

    def get_extra_info(self, name, default=None):
        """Return ``socket``, ``peername`` or ``sockname``; the default for any other name."""
        if name == "peername":
            found = self.peer_address()
        elif name == "sockname":
            found = self.own_address()
        elif name == "socket":
            found = self.made_socket()
        else:
            return default
        return default if found is None else found

    def get_protocol(self):
        """Return the protocol."""
        return self.protocol

    def set_protocol(self, protocol):
        """Call another protocol from now on."""
        self.hand_to(protocol)

    def is_closing(self):
        """Whether the connection is closed, or closes as soon as all is written."""
        return self.closing

    def is_reading(self):
        """Whether the protocol gets the bytes that come."""
        return not self.closing and not self.read_paused

    cdef object peer_address(self):
        return address_of(&self.peer)

    cdef object own_address(self):
        cdef stream_address own
        if self.own is not None or self.fd < 0 or stream_own_address(self.fd, &own) < 0:
            return self.own
        return address_of(&own)

    cdef object made_socket(self):
        if self.socket is None and self.fd >= 0:
            self.socket = socket.socket(fileno=self.fd)
            self.lent = True
        return None if self.socket is None else TransportSocket(self.socket)

    # ---- Reading ----

    def pause_reading(self):
        """Read nothing for the protocol until ``resume_reading``."""
        if not self.closing and not self.read_paused:
            self.read_paused = True
            self.watch(self.wanted & ~POLLER_READ)

    def resume_reading(self):
        """Read again for the protocol."""
        if not self.closing and self.read_paused:
            self.read_paused = False
            if not self.ended:
                self.look(self.wanted | POLLER_READ)

    cdef Py_ssize_t take(self, unsigned ready, uint8_t* into, size_t room) noexcept:
        return stream_read(self.fd, into, room) if ready & self.wanted & POLLER_READ else -EAGAIN

    cdef int on_ready(self, unsigned ready, const uint8_t* data, Py_ssize_t got) except -1:
        # Another connection's protocol may have closed or paused this one since `take`. A paused one gets its bytes, and
        # its end when it reads again.
        if got > 0:
            if not self.closing and (not self.deliver(data, got) or ready & POLLER_MORE) and self.on_edge:
                self.again()
        elif got == 0:
            if self.wanted & POLLER_READ:
                self.end_of_stream()
        elif got != -EAGAIN:
            self.fatal(error_of(got), "Fatal read error on socket transport")
        elif self.on_edge and ready & POLLER_READ:
            self.again()
        if ready & self.wanted & POLLER_WRITE:
            self.push()
        return 0

    cdef bint deliver(self, const uint8_t* data, Py_ssize_t size) except -1:
        """Give bytes to the protocol. Return whether they end with a whole message, as far as the protocol knows."""
        # This call needs a reference of its own: the protocol may give the connection to another one, and then nothing
        # else refers to it.
        cdef Flushable direct = self.direct
        try:
            if direct is not None:
                return direct.bytes_received(data, <size_t> size)
            elif isinstance(self.protocol, BufferedProtocol):
                self.fill(PyBytes_FromStringAndSize(<const char*> data, size))
            else:
                self.protocol.data_received(PyBytes_FromStringAndSize(<const char*> data, size))
        except (SystemExit, KeyboardInterrupt):
            raise
        except BaseException as exc:
            self.fatal(exc, "Fatal error: protocol.data_received() call failed.")
        return False

    cdef int fill(self, bytes data) except -1:
        """Copy bytes into the buffer of a `BufferedProtocol`."""
        cdef Py_ssize_t at = 0
        cdef Py_ssize_t size = PyBytes_GET_SIZE(data)
        cdef Py_ssize_t room
        while at < size:
            target = self.protocol.get_buffer(size - at)
            room = min(len(target), size - at)
            if room <= 0:
                raise RuntimeError("get_buffer() returned an empty buffer")
            target[:room] = data[at : at + room]
            self.protocol.buffer_updated(room)
            at += room
        return 0

    cdef int end_of_stream(self) except -1:
        self.ended = True
        try:
            stays = self.protocol.eof_received()
        except (SystemExit, KeyboardInterrupt):
            raise
        except BaseException as exc:
            return self.fatal(exc, "Fatal error: protocol.eof_received() call failed.")
        if stays:
            # The poller would report the end again in every turn.
            self.watch(self.wanted & ~POLLER_READ)
        else:
            self.close()
        return 0

    # ---- Writing ----

    def write(self, data):
        """Send bytes, at the end of this turn of the loop.

        Args:
            data: bytes, or an object like bytes, which is copied.

        Raises:
            RuntimeError: ``write_eof`` was called.
            TypeError: the data is of another type.
        """
        if not isinstance(data, (bytes, bytearray, memoryview)):
            raise TypeError(f"data argument must be a bytes-like object, not {type(data).__name__!r}")
        self.keep(data if type(data) is bytes else bytes(data))

    def writelines(self, list_of_data):
        """Call ``write`` for each member of an iterable."""
        for data in list_of_data:
            self.write(data)

    cdef int keep(self, bytes data) except -1:
        if self.half_closed:
            raise RuntimeError("Cannot call write() after write_eof()")
        if self.over or PyBytes_GET_SIZE(data) == 0:
            return 0
        if self.pending is None:
            self.pending = []
        self.pending.append(data)
        self.kept += <size_t> PyBytes_GET_SIZE(data)
        if self.wanted & POLLER_WRITE:
            return self.pause_protocol()
        if self.kept > self.high:
            return self.push()
        return self.poller.mark_late(self)

    cdef int on_late(self) except -1:
        if self.pending is not None and not self.wanted & POLLER_WRITE:
            self.push()
        return 0

    cdef int send(self, list pieces) except -1:
        cdef bytes piece
        if self.over or self.half_closed:
            return 0
        if self.pending is None and len(pieces) == 1:
            return self.send_one(pieces)
        if self.pending is None:
            self.pending = pieces
        else:
            self.pending.extend(pieces)
        for piece in pieces:
            self.kept += <size_t> PyBytes_GET_SIZE(piece)
        return self.pause_protocol() if self.wanted & POLLER_WRITE else self.push()

    cdef int send_one(self, list pieces) except -1:
        """Send the one piece of a list, while no other waits: for most messages."""
        cdef bytes piece = pieces[0]
        cdef iovec whole
        cdef Py_ssize_t taken
        whole.iov_base = PyBytes_AS_STRING(piece)
        whole.iov_len = <size_t> PyBytes_GET_SIZE(piece)
        taken = stream_write(self.fd, &whole, 1)
        if taken == PyBytes_GET_SIZE(piece):
            return 0
        if taken < 0 and taken != -EAGAIN:
            return self.fatal(error_of(taken), "Fatal write error on socket transport")
        self.pending = pieces
        self.offset = <size_t> max(taken, 0)
        self.kept = whole.iov_len - self.offset
        return self.push()

    cdef int push(self) except -1:
        """Give the system as many bytes as it takes. Keep the rest until the system takes more."""
        cdef iovec pieces[STREAM_PIECES]
        cdef list pending = self.pending
        cdef size_t total, left
        cdef Py_ssize_t taken
        cdef Py_ssize_t stop = 0 if pending is None else len(pending)
        cdef Py_ssize_t at, sent = self.first
        cdef int count
        while self.first < stop:
            count = total = 0
            while count < STREAM_PIECES and self.first + count < stop:
                piece = pending[self.first + count]
                pieces[count].iov_base = PyBytes_AS_STRING(piece)
                pieces[count].iov_len = <size_t> PyBytes_GET_SIZE(piece)
                total += pieces[count].iov_len
                count += 1
            pieces[0].iov_base = <char*> pieces[0].iov_base + self.offset
            pieces[0].iov_len -= self.offset
            total -= self.offset
            taken = stream_write(self.fd, pieces, count)
            if taken == -EAGAIN:
                break
            if taken < 0:
                return self.fatal(error_of(taken), "Fatal write error on socket transport")
            self.kept -= <size_t> taken
            left = <size_t> taken
            if left == total:
                self.first += count
                self.offset = 0
                continue
            at = self.first
            while left >= pieces[self.first - at].iov_len:
                left -= pieces[self.first - at].iov_len
                self.first += 1
            self.offset = left + (self.offset if self.first == at else 0)
            break
        if self.first < stop:
            for at in range(sent, self.first):
                pending[at] = None  # frees the bytes now; the place in the list is removed later
            if self.first >= SENT_PIECES and self.first * 2 >= stop:
                del pending[:self.first]
                self.first = 0
            self.look(self.wanted | POLLER_WRITE)
            self.pause_protocol()
            return self.resume_protocol()
        self.pending = None
        self.first = self.offset = 0
        # The protocol may write in this call.
        self.resume_protocol()
        if self.pending is None and not self.over:
            self.watch(self.wanted & ~POLLER_WRITE)
            if self.closing:
                self.lose(None)
            elif self.half_closed:
                shutdown(self.fd, SHUT_WR)
        return 0

    def get_write_buffer_size(self):
        """Return the number of bytes that are not sent."""
        return self.kept

    def get_write_buffer_limits(self):
        """Return the low and the high limit."""
        return self.low, self.high

    def set_write_buffer_limits(self, high=None, low=None):
        """Set the limits of the write buffer. The protocol pauses its writing above ``high`` and goes on at ``low``.

        Args:
            high: bytes. Default: four times ``low`` if that is given, else 65536.
            low: bytes, at most ``high``. Default: a quarter of ``high``.

        Raises:
            ValueError: a limit is below 0, or ``low`` is above ``high``.
        """
        if high is None:
            high = HIGH if low is None else 4 * low
        if low is None:
            low = high // 4
        if not high >= low >= 0:
            raise ValueError(f"high ({high!r}) must be >= low ({low!r}) must be >= 0")
        self.high = high
        self.low = low
        self.pause_protocol()

    cdef int pause_protocol(self) except -1:
        if self.kept > self.high and not self.write_paused:
            self.write_paused = True
            try:
                self.protocol.pause_writing()
            except (SystemExit, KeyboardInterrupt):
                raise
            except BaseException as exc:
                self.report(exc, "protocol.pause_writing() failed")
        return 0

    cdef int resume_protocol(self) except -1:
        if self.write_paused and self.kept <= self.low:
            self.write_paused = False
            try:
                self.protocol.resume_writing()
            except (SystemExit, KeyboardInterrupt):
                raise
            except BaseException as exc:
                self.report(exc, "protocol.resume_writing() failed")
        return 0

    def can_write_eof(self):
        """Return True."""
        return True

    def write_eof(self):
        """End this side of the connection once all is written. The peer may still send."""
        if self.closing or self.half_closed:
            return
        self.half_closed = True
        if self.pending is None:
            shutdown(self.fd, SHUT_WR)
        else:
            self.on_late()

    # ---- The end ----

    def close(self):
        """Close the connection once all is written."""
        if self.closing:
            return
        self.closing = True
        self.watch(self.wanted & ~POLLER_READ)
        if self.pending is None:
            self.lose(None)
        else:
            self.on_late()

    def abort(self):
        """Close the connection now. Bytes that the system does not take at once are lost."""
        if self.pending is not None:
            self.on_late()
        self.lose(None)

    def report(self, exc, message):
        """Give an exception of the protocol's callback to the loop's exception handler."""
        self.poller.loop.call_exception_handler(
            {"message": message, "exception": exc, "transport": self, "protocol": self.protocol}
        )

    cdef int fatal(self, object exc, str message) except -1:
        if not isinstance(exc, OSError):
            self.report(exc, message)
        return self.lose(exc)

    cdef int lose(self, object exc) except -1:
        if self.over:
            return 0
        self.over = self.closing = True
        self.error = exc
        self.pending = None
        self.first = self.offset = 0
        self.kept = 0
        self.watch(0)
        self.poller.loop.call_soon(self.end)
        return 0

    def end(self):
        """Call the protocol's connection_lost, and close the descriptor. The loop calls this method once."""
        error, self.error = self.error, None
        try:
            if self.protocol is not None:
                self.protocol.connection_lost(error)
        finally:
            self.release()

    cdef int release(self) except -1:
        cdef int fd = self.fd
        self.protocol = None
        self.direct = None
        if fd >= 0:
            self.leave()
            if self.socket is not None:
                self.socket.close()
            else:
                close(fd)
        return 0
