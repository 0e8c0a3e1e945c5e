"""The monotonic clock for compiled code, which a test can move; ``clock`` has it for Python.

Compiled because limits measure each message and handshake by it: a read of the system's clock and of one flag.
"""

# A function of no arguments: the seconds that a test has added to the clock.
cdef object moved = None


cdef double moved_by() except? -1.0:
    return moved()


def move(function):
    """Add the result of a function to the clock; None ends that."""
    global moved, is_moved
    moved = function
    is_moved = function is not None


def ahead():
    """Return the seconds that a test has added to the clock."""
    return moved() if is_moved else 0.0
