"""A future of one connection, which is used again for every message.

An asyncio Future costs an object for each message, and a handle in the loop's queue to run its task. ``Waiter`` has the
interface that asyncio's tasks use of a future (``asyncio.isfuture`` is true of it), and lives as long as the
connection. The reactor runs the tasks of all connections with messages in one callback of the loop. A cancelled wait
loses no event, and the task's context is entered as by a handle.
"""

from cpython.object cimport PyObject

from asyncio import CancelledError, Future, Task

cdef extern from "Python.h":
    bint PyCFunction_Check(object value)
    PyObject* PyCFunction_GET_SELF(object function)
    int PyContext_Enter(PyObject* context) except -1
    int PyContext_Exit(PyObject* context) except -1


class _NoLoop:
    """The part of a loop that a future without callbacks uses."""

    def get_debug(self):
        return False


# The future that a task gets as the one that has ended. A task reads the result of asyncio's own Future directly, and
# looks up the method of any other.
cdef object done = Future(loop=_NoLoop())
done.set_result(None)


cdef class Waiter:
    """Done when its connection has an event. One task at a time may await it."""

    cdef int run(self) except -1:
        callback, context = self.callback, self.context
        self.pending = False
        self.callback = self.context = None
        if callback is not None:
            PyContext_Enter(<PyObject*> context)
            try:
                if PyCFunction_Check(callback) and type(<object> PyCFunction_GET_SELF(callback)) is Task:
                    callback(done)
                else:
                    callback(self)
            finally:
                PyContext_Exit(<PyObject*> context)
        return 0

    # ---- The awaiting side ----

    def __await__(self):
        return self

    def __iter__(self):
        return self

    def __next__(self):
        if self.pending:
            self._asyncio_future_blocking = True
            return self
        self.result()
        raise StopIteration

    # ---- The interface of a future for a task ----

    def get_loop(self):
        """Return the loop of the future."""
        return self.loop

    def add_done_callback(self, callback, *, context=None):
        """Take the callback of the task that awaits this."""
        if self.pending:
            self.callback = callback
            self.context = context
        else:
            self.loop.call_soon(callback, self, context=context)

    def remove_done_callback(self, callback):
        """Remove a callback; return how many were removed."""
        if self.callback is not None and self.callback == callback:
            self.callback = self.context = None
            return 1
        return 0

    def done(self):
        """Whether the wait has ended: by an event, or cancelled."""
        return not self.pending

    def result(self):
        """None, or CancelledError."""
        if self.cancelled:
            raise CancelledError
        return None

    def cancel(self, msg=None):
        """End the wait; False when it has ended already."""
        if not self.pending:
            return False
        self.pending = False
        self.cancelled = True
        callback, context = self.callback, self.context
        self.callback = self.context = None
        if callback is not None:
            self.loop.call_soon(callback, self, context=context)
        return True


cdef Waiter make_waiter(object loop):
    cdef Waiter waiter = Waiter.__new__(Waiter)
    waiter.loop = loop
    return waiter
