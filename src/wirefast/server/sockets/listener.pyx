# distutils: sources = csrc/poller.c csrc/stream.c
"""``Listener``: accepts the connections that wait at a listening socket, up to 32 in a turn of the loop.

When the system has no room for another connection (for example, too many files are open), the listener rests for a
second and tries again, until there is room. The connections wait in the socket's queue. The log has one line when the
rests begin, and one when no connection waits any more.
"""

import errno
import logging
import os
import socket as sockets
import warnings

from libc.errno cimport EAGAIN
from libc.stdint cimport uint8_t
from libc.string cimport memset

from wirefast.server.sockets.csrc cimport (
    POLLER_READ, STREAM_UNIX, stream_accept, stream_address, stream_no_delay,
)
from wirefast.server.sockets.poller cimport Poller, Watched, poller_of
from wirefast.server.sockets.transport cimport SocketTransport

logger = logging.getLogger("uvicorn.error")

cdef enum:
    ACCEPTS_PER_TURN = 32

# Seconds of a rest.
cdef double REST = 1.0
# The errors of a system that has no room. Most other errors mean that one connection has failed.
cdef frozenset NO_ROOM = frozenset((errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM))
# The errors of a socket that can never accept again.
cdef frozenset BROKEN = frozenset((errno.EBADF, errno.EINVAL, errno.ENOTSOCK, errno.EOPNOTSUPP, errno.EFAULT))


cdef object shared_address(object socket):
    """Return the server's address of all connections of a listener; None for a listener on several addresses."""
    address = socket.getsockname()
    if socket.family in (sockets.AF_INET, sockets.AF_INET6) and address[0] in ("0.0.0.0", "::"):
        return None
    return address


cdef SocketTransport begin(Poller poller, int fd, const stream_address* peer, object own, object factory):
    """Give a connection its transport and its protocol."""
    cdef SocketTransport made = SocketTransport.__new__(SocketTransport)
    made.peer = peer[0]
    made.open(poller, fd, own)
    try:
        protocol = factory()
    except (SystemExit, KeyboardInterrupt):
        raise
    except BaseException as exc:
        made.report(exc, "A protocol could not be made for a connection")
        made.abort()
    else:
        made.begin(protocol)
    return made


def adopt(loop, socket, protocol):
    """Give a connected socket a transport, which owns the descriptor from then on.

    Args:
        loop: the event loop whose poller watches the socket.
        socket: a connected socket of Python. The transport detaches it.
        protocol: an asyncio protocol.

    Returns:
        the transport.
    """
    cdef stream_address peer
    memset(&peer, 0, sizeof(peer))
    socket.setblocking(False)
    if socket.family == getattr(sockets, "AF_UNIX", None):
        peer.family = STREAM_UNIX
    return begin(poller_of(loop), socket.detach(), &peer, None, lambda: protocol)


cdef class Listener(Watched):
    """A listening socket of the server.

    Args:
        loop: the event loop whose poller watches the socket.
        socket: bound and listening. The listener closes it at its own end.
        factory: called without arguments; returns the protocol of a new connection.
    """

    def __init__(self, loop, socket, factory):
        socket.setblocking(False)
        self.socket = socket
        self.factory = factory
        self.own = shared_address(socket)
        if socket.family != getattr(sockets, "AF_UNIX", None):
            stream_no_delay(socket.fileno())
        self.join(poller_of(loop), socket.fileno())

    def __del__(self):
        if self.fd >= 0:
            warnings.warn("unclosed listener", ResourceWarning, source=self)

    def start(self):
        """Accept from now on.

        Raises:
            OSError: the system cannot watch the socket.
        """
        if self.fd >= 0:
            self.watch(POLLER_READ)

    def resume(self):
        """Accept again, after a rest."""
        self.timer = None
        if self.fd >= 0:
            try:
                self.watch(POLLER_READ)
            except OSError:
                self.rest()

    def close(self):
        """Accept no more, and close the socket."""
        if self.timer is not None:
            self.timer.cancel()
            self.timer = None
        if self.fd >= 0:
            self.leave()
        self.socket.close()
        self.factory = None

    cdef int on_ready(self, unsigned ready, const uint8_t* data, Py_ssize_t got) except -1:
        cdef stream_address peer
        cdef int fd, tried
        for tried in range(ACCEPTS_PER_TURN):
            fd = stream_accept(self.fd, &peer)
            if fd >= 0:
                begin(self.poller, fd, &peer, self.own, self.factory)
                if self.fd < 0:
                    return 0
            elif fd == -EAGAIN:
                if self.is_full:
                    self.is_full = False
                    logger.info("Connections are accepted again")
                return 0
            elif -fd in NO_ROOM:
                if not self.is_full:
                    self.is_full = True
                    logger.error("No connection is accepted until there is room: %s", os.strerror(-fd))
                self.rest()
                return 0
            elif -fd in BROKEN:
                logger.error("No connection is accepted any more: %s", os.strerror(-fd))
                self.watch(0)
                return 0
            # Any other error: one connection has failed while it waited.
        return 0

    cdef int rest(self) except -1:
        self.watch(0)
        self.timer = self.poller.loop.call_later(REST, self.resume)
        return 0
