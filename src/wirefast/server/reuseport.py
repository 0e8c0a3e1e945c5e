"""Listening sockets for several workers, each of which gets its share of the connections.

Workers that accept from one socket do not share evenly: the worker that wakes last takes most connections. So each
    worker has a listening socket of its own on the same address (SO_REUSEPORT), and a small program in the kernel
    chooses a socket for each new connection (SO_ATTACH_REUSEPORT_CBPF, which needs no rights). The program chooses at
    random, by the share of each worker; the supervisor replaces the program when the shares change (`Shares`).

The supervisor holds all sockets as long as it runs. The replacement of a worker that ends gets the same socket, and
serves the connections in its queue. Without such a program (on another system than Linux, with a Unix socket or with
`--fd`), all workers share one socket.
"""

from __future__ import annotations

import ctypes
import errno
import logging
import socket
import struct
from collections.abc import Sequence
from typing import Any

from uvicorn._ansi import style

__all__ = ["LISTENERS_MAX", "Shares", "balanced_sockets", "choose_by_shares", "queue_length", "reset_waiting", "waits"]

#: The most workers: each needs two of the 4096 instructions of a program.
LISTENERS_MAX = 1024
#: Linux's numbers, which Python's socket module lacks.
SO_ATTACH_REUSEPORT_CBPF = 51
LD_RANDOM = 0x20, 0, 0, 0x100000000 - 0x1000 + 56  # load the word at SKF_AD_OFF + SKF_AD_RANDOM
JUMP_IF_AT_LEAST, RETURN = 0x35, 0x06

logger = logging.getLogger("uvicorn.error")


def balanced_sockets(config: Any) -> list[socket.socket] | None:
    """Bind and open a listening socket for each worker. Returns None if the workers have to share one.

    Args:
        config: uvicorn's; its address, workers and backlog are used.

    Raises:
        OSError: the address cannot be bound at all.
    """
    if not 1 < config.workers <= LISTENERS_MAX:
        return None
    shared = "a Unix socket" if config.uds is not None else "the socket of --fd" if config.fd is not None else None
    if shared is not None or not hasattr(socket, "SO_REUSEPORT"):
        reason = f"{shared} cannot be split" if shared else "this system has no SO_REUSEPORT"
        logger.info("Workers share one listening socket, so some may get many more connections: %s", reason)
        return None
    port = config.port
    sockets: list[socket.socket] = []
    try:
        for _ in range(config.workers):
            sockets.append(one_more(config, port, joins=bool(sockets)))
            port = sockets[0].getsockname()[1]
        for made in sockets:
            # In this order: the program returns the index.
            made.listen(config.backlog)
        choose_by_shares(sockets[0], [1] * len(sockets))
    except OSError as exc:
        for made in sockets:
            made.close()
        if exc.errno in (errno.EADDRINUSE, errno.EACCES, errno.EADDRNOTAVAIL):
            raise
        logger.info("Workers share one listening socket: the kernel cannot balance them (%s)", exc.strerror)
        return None
    announce(config, port)
    return sockets


def one_more(config: Any, port: int, *, joins: bool = True) -> socket.socket:
    """Bind one more socket of the group, which does not listen yet; the first one does.

    Args:
        config: see `balanced_sockets`.
        port: the port of the address.
        joins: whether the group exists. The first socket takes the address alone; otherwise another service of the same
            user that starts at the same time would join the group.

    Raises:
        OSError: the address cannot be bound.
    """
    family = socket.AF_INET6 if config.host and ":" in config.host else socket.AF_INET
    made = socket.socket(family=family)
    try:
        made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if joins:
            made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        made.bind((config.host, port))
        if not joins:
            made.listen(config.backlog)  # two sockets may be bound while neither listens
            made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        made.set_inheritable(True)
    except OSError:
        made.close()
        raise
    return made


def announce(config: Any, port: int) -> None:
    """Log the address with uvicorn's text."""
    place = "%s://[%s]:%d" if config.host and ":" in config.host else "%s://%s:%d"
    coloured = "Uvicorn running on " + style(place, bold=True) + " (Press CTRL+C to quit)"
    scheme = "https" if config.is_ssl else "http"
    logger.info(
        f"Uvicorn running on {place} (Press CTRL+C to quit)",
        scheme,
        config.host,
        port,
        extra={"color_message": coloured},
    )


def choose_by_shares(member: socket.socket, shares: Sequence[float]) -> None:
    """Let the kernel choose among the sockets of a group at random, each in proportion to its share.

    Args:
        member: any socket of the group.
        shares: by index; none below 0, and at least one above 0.

    Raises:
        OSError: the kernel has no such option.
    """
    total, so_far = sum(shares), 0.0
    instructions = [LD_RANDOM]
    open_to = max(index for index, share in enumerate(shares) if share > 0)
    for index, share in enumerate(shares[:open_to]):
        if share > 0:
            so_far += share
            instructions += [
                (JUMP_IF_AT_LEAST, 1, 0, min(int(so_far / total * 2**32), 2**32 - 1)),
                (RETURN, 0, 0, index),
            ]
    instructions.append((RETURN, 0, 0, open_to))
    code = ctypes.create_string_buffer(b"".join(struct.pack("=HBBI", *one) for one in instructions))
    program = struct.pack("@HP", len(instructions), ctypes.addressof(code))
    member.setsockopt(socket.SOL_SOCKET, SO_ATTACH_REUSEPORT_CBPF, program)


def queue_length(listener: socket.socket) -> int:
    """Return the number of connections that wait to be accepted; 0 if the system does not report it."""
    try:
        told = listener.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 28)  # type: ignore[attr-defined, unused-ignore]
    except (AttributeError, OSError):
        return 0
    return int(struct.unpack_from("=I", told, 24)[0])  # tcpi_unacked: of a listening socket, its queue


def reset_waiting(listener: socket.socket) -> None:
    """Reset the connections that wait to be accepted, so that their clients connect again, to another worker."""
    listener.setblocking(False)
    while True:
        try:
            waiting, _ = listener.accept()
        except OSError:
            return
        waiting.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        waiting.close()


def waits(shares: Sequence[float]) -> bool:
    """Whether any process accepts connections."""
    return any(share > 0 for share in shares)


class Shares:
    """The share of the next connections for each worker, so that all workers get equally many.

    The share is proportional to the number of connections that the worker needs to reach the expected mean. The
    expected mean is the mean after as many more connections as came last time, and at least a few for each worker, so
    that a difference of one connection does not decide.

    Args:
        workers: the number of workers.
    """

    #: The least number of expected connections for each worker.
    AHEAD = 16

    def __init__(self, workers: int) -> None:
        self.last = 0
        self.shares: list[float] = [1.0] * workers

    def update(self, counts: Sequence[int | None]) -> list[float]:
        """Take the numbers of open sockets; return the shares.

        Args:
            counts: by worker; None for one that takes no connections now.
        """
        known = [count for count in counts if count is not None]
        if not known:
            return self.shares
        total = sum(known)
        came, self.last = max(0, total - self.last), total
        goal = (total + max(self.AHEAD * len(known), 2 * came)) / len(known)
        self.shares = [0.0 if count is None else max(0.0, goal - count) for count in counts]
        return self.shares
