"""The private directory of a running service, and how others find it.

``$WIREFAST_RUN_DIR``, else systemd's ``$RUNTIME_DIRECTORY``, else ``$XDG_RUNTIME_DIR``, else the directory for
temporary files holds one directory for each user, of mode 0700. That has one directory for each service, with the
number of its process as the name. Only the user and root may enter, and so see and close sockets.
"""

from __future__ import annotations

import os
import shutil
import socket
import stat
import tempfile
from pathlib import Path

__all__ = ["CONTROL", "ROOMS", "RunDirectoryError", "base_directory", "make_run_directory", "remove", "running"]

#: The sockets in a service's directory.
CONTROL, ROOMS = "control.sock", "rooms.sock"
#: The environment variable for workers.
VARIABLE = "WIREFAST_RUN_DIR"
#: A path of a Unix socket has at most 107 bytes.
PATH_MAX = 107


class RunDirectoryError(Exception):
    """The directory cannot be made, or is not private. ``str()`` is one line."""


def base_directory() -> Path:
    """Return the directory of this user's services, which may not exist."""
    if given := os.environ.get(VARIABLE):
        return Path(given)
    if given := os.environ.get("RUNTIME_DIRECTORY"):
        return Path(given.partition(":")[0]) / "wirefast"
    if given := os.environ.get("XDG_RUNTIME_DIR"):
        return Path(given) / "wirefast"
    return Path(tempfile.gettempdir()) / f"wirefast-{os.getuid()}"


def make_run_directory() -> Path:
    """Make the directory of this process, and remove those of processes that were killed.

    Raises:
        RunDirectoryError: it cannot be made, belongs to another user, others may enter it, or a service of another
            container, which shares the directory, has this process's number.
    """
    base = base_directory()
    try:
        base.mkdir(mode=0o700, exist_ok=True)
        found = base.lstat()
        if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.geteuid() or found.st_mode & 0o077:
            raise RunDirectoryError(f"{base} is not a directory that this user alone may enter (mode 0700)")
        for other in base.iterdir():
            if other.name.isdecimal() and not _listens(other) and not _lives(int(other.name)):
                shutil.rmtree(other, ignore_errors=True)
        made = base / str(os.getpid())
        if _listens(made):
            raise RunDirectoryError(
                f"a service of another container listens in {made}; give each container a {VARIABLE} of its own"
            )
        shutil.rmtree(made, ignore_errors=True)  # left by a process that had this number
        made.mkdir(mode=0o700)
    except OSError as exc:
        raise RunDirectoryError(f"{base} cannot be used: {exc.strerror or exc}") from None
    if len(os.fsencode(made / CONTROL)) > PATH_MAX:
        remove(made)
        raise RunDirectoryError(f"{base} is too long for the path of a Unix socket; set {VARIABLE}")
    return made


def remove(directory: Path) -> None:
    """Remove the directory of a service."""
    shutil.rmtree(directory, ignore_errors=True)


def running() -> list[Path]:
    """Return the control sockets of this user's services that run, by process number."""
    try:
        found = [path for path in base_directory().iterdir() if path.name.isdecimal() and _listens(path)]
    except OSError:
        return []
    return [path / CONTROL for path in sorted(found, key=lambda path: int(path.name))]


def _listens(directory: Path) -> bool:
    """Whether a service listens in its directory: asked of the socket, since other containers have other numbers."""
    with socket.socket(socket.AF_UNIX) as probe:
        probe.setblocking(False)
        try:
            probe.connect(str(directory / CONTROL))
        except BlockingIOError:  # so many connect at once that it has to wait
            return True
        except OSError:
            return False
    return True


def _lives(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
