"""The monotonic clock for compiled code, which a test can move; ``clock`` has it for Python.

Compiled because messages and handshakes are measured by it: the system's clock, and one look at a flag.
"""

# function of no arguments: the seconds by which a test is ahead of the time.
cdef object moved = None


cdef double moved_by() except? -1.0:
    return moved()


def move(function):
    """Be ahead of the time by what a function gives, or not any more where that is None."""
    global moved, is_moved
    moved = function
    is_moved = function is not None


def ahead():
    """Return the seconds by which a test is ahead of the time."""
    return moved() if is_moved else 0.0
