"""What a process costs: memory, descriptors and CPU time, from /proc where there is one."""

from __future__ import annotations

import os
import resource
import sys
from pathlib import Path


def resident(pid: int | None = None) -> int:
    """Bytes of a process, by default this one, in memory.

    Without /proc it is this one's peak, which grows with a leak as well.
    """
    try:
        statm = Path(f"/proc/{pid or 'self'}/statm").read_text()
    except OSError:
        if pid is not None:
            raise
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)
    return int(statm.split()[1]) * resource.getpagesize()


def descriptors(pid: int | None = None) -> list[int]:
    """The open descriptors of a process, by default this one."""
    return [int(name) for name in os.listdir("/dev/fd" if pid is None else f"/proc/{pid}/fd")]


def cpu_seconds(pid: int) -> float:
    """User and system time of a process. Linux alone."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
