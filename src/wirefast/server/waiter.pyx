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


cdef class Stepped:
    cdef bint step(self, Waiter waiter) except -1:
        raise NotImplementedError


cdef class Waiter:
    """Done when its connection has an event. One task at a time may await it."""

    cdef int run(self, CurrentTask current) except -1:
        callback, context, stepped = self.callback, self.context, self.stepped
        self.pending = False
        if callback is None:
            return 0
        self.callback = self.context = self.stepped = None
        PyContext_Enter(<PyObject*> context)
        try:
            if not PyCFunction_Check(callback) or type(<object> PyCFunction_GET_SELF(callback)) is not Task:
                current.leave()
                callback(self)
            elif stepped is None or self.asked_to_cancel or not self.stepped_for(callback, stepped, current):
                current.leave()
                self.asked_to_cancel = False
                callback(done)
            else:
                self.callback, self.context, self.stepped = callback, context, stepped
        finally:
            PyContext_Exit(<PyObject*> context)
        return 0

    cdef bint stepped_for(self, object callback, Stepped stepped, CurrentTask current) except -1:
        """Step a coroutine in the place of the task whose wake-up this is."""
        current.enter(<object> PyCFunction_GET_SELF(callback))
        return stepped.step(self)

    cdef int raise_cancelled(self) except -1:
        if self.context is None:
            raise CancelledError
        raise CancelledError(self.context)

    # ---- The awaiting side ----

    def __await__(self):
        return self

    def __iter__(self):
        return self

    def __next__(self):
        if self.pending:
            self._asyncio_future_blocking = True
            return self
        if self.cancelled:
            self.raise_cancelled()
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
            self.stepped = None
            self.loop.call_soon(callback, self, context=context)

    def remove_done_callback(self, callback):
        """Remove a callback; return how many were removed."""
        if self.callback is not None and self.callback == callback:
            self.callback = self.context = self.stepped = None
            return 1
        return 0

    def done(self):
        """Whether the wait has ended: by an event, or cancelled."""
        return not self.pending

    def result(self):
        """None, or CancelledError."""
        if self.cancelled:
            self.raise_cancelled()
        return None

    def cancel(self, msg=None):
        """End the wait; False when it has ended already. The message is that of the CancelledError."""
        if not self.pending:
            self.asked_to_cancel = True
            return False
        self.pending = False
        self.cancelled = True
        callback, context = self.callback, self.context
        self.callback = self.stepped = None
        # anyio's cancel scopes know their own cancellation by the message.
        self.context = msg
        if callback is not None:
            self.loop.call_soon(callback, self, context=context)
        return True


cdef Waiter make_waiter(object loop):
    cdef Waiter waiter = Waiter.__new__(Waiter)
    waiter.loop = loop
    return waiter
