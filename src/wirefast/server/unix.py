"""A Unix domain socket at a path: taken by one server alone, and removed by the server that made it."""

from __future__ import annotations

import errno
import fcntl
import os
import socket
import stat

__all__ = ["claim", "is_alive", "release"]

#: Every user may write to the socket, as in uvicorn; the permissions of the directory protect it.
MODE = 0o666


def is_alive(path: str) -> bool:
    """Whether a server listens at a path: it accepts a connection, or its queue is full."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        probe.setblocking(False)
        return probe.connect_ex(path) not in (errno.ECONNREFUSED, errno.ENOENT)


def claim(path: str, backlog: int) -> tuple[socket.socket, tuple[int, int]]:
    """Bind a path and listen; a socket that a dead server left there is removed.

    The socket listens at once, since another server removes a socket that does not listen. Two servers that start at
    the same time take turns: the directory is locked meanwhile.

    Args:
        path: the path of the socket.
        backlog: connections that may wait.

    Returns:
        The socket, and the device and number of its file, which show later whether the path is still this socket's.

    Raises:
        OSError: a running server has the path (EADDRINUSE), the path is no socket, or it cannot be made.
    """
    directory = os.open(os.path.dirname(path) or ".", os.O_RDONLY)
    made = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        fcntl.flock(directory, fcntl.LOCK_EX)
        if os.path.lexists(path):
            if not stat.S_ISSOCK(os.stat(path).st_mode):
                raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), path)
            if is_alive(path):
                raise OSError(errno.EADDRINUSE, os.strerror(errno.EADDRINUSE), path)
            os.unlink(path)
        made.bind(path)
        os.chmod(path, MODE)
        made.listen(backlog)
        made.set_inheritable(True)
        found = os.stat(path)
        return made, (found.st_dev, found.st_ino)
    except OSError:
        made.close()
        raise
    finally:
        os.close(directory)


def release(path: str, identity: tuple[int, int]) -> None:
    """Remove the socket of a server that ends, unless another server has the path now.

    Args:
        path: the path of the socket.
        identity: the result of `claim`.
    """
    try:
        found = os.stat(path)
        if (found.st_dev, found.st_ino) == identity:
            os.unlink(path)
    except FileNotFoundError:
        pass
