"""The coroutine that an application's task steps.

Most waits of an application are for the next message of its connection. A task of asyncio spends some 2,700 instructions
on such a wait: it looks up what a future has, adds a callback, and wakes. So the reactor steps the application itself
after such a wait, in the task's context and as the current task, while the task still waits. The task steps the
application as soon as the application waits for anything else, returns, raises or is to be cancelled.
"""

import asyncio

cimport cython
from cpython.object cimport PyObject
from cpython.ref cimport Py_DECREF, Py_INCREF

from wirefast._core.coroutine cimport exception_of, take_error
from wirefast.server.connection cimport Connection
from wirefast.server.waiter cimport Waiter

cdef object CancelledError = asyncio.CancelledError
cdef object current_task = asyncio.current_task

cdef extern from *:
    """
    /* Cython has no special method for am_send. */
    typedef int (*app_step_function)(PyObject *, PyObject *, PyObject **);
    static app_step_function app_step;

    static PySendResult app_send(PyObject *self, PyObject *value, PyObject **result)
    {
        *result = NULL;
        return (PySendResult) app_step(self, value, result);
    }

    static void app_fill_slot(PyObject *class, app_step_function step)
    {
        app_step = step;
        ((PyTypeObject *) class)->tp_as_async->am_send = app_send;
    }
    """
    ctypedef int (*app_step_function)(PyObject*, PyObject*, PyObject**) except -1
    void app_fill_slot(object type, app_step_function step)
    # A PySendResult; -1 with an error set, which the caller takes.
    int PyIter_Send(object iterator, object value, PyObject** result) noexcept

cdef enum:
    # How a step ended (PySendResult), and that there is none.
    RAISED = -1
    RETURNED = 0
    YIELDED = 1
    UNSTEPPED = 2


def retrieve(task):
    """Tell asyncio that the exception of a task was seen."""
    task.exception()


cdef int send_step(PyObject* coroutine, PyObject* value, PyObject** result) except -1:
    cdef bint suspended = False
    cdef object outcome = (<AppCoroutine> coroutine).advance(<object> value, &suspended)
    Py_INCREF(outcome)
    result[0] = <PyObject*> outcome
    return YIELDED if suspended else RETURNED


@cython.final
cdef class AppCoroutine(Stepped):
    """Steps an application's coroutine for its task, and tells the connection of the end. Made by the server alone."""

    def __cinit__(self):
        self.status = UNSTEPPED

    cdef int go_on(self, object value) except -1:
        cdef PyObject* given = NULL
        if self.connection is None:
            raise RuntimeError("cannot reuse already awaited coroutine")
        self.status = PyIter_Send(self.inner, value, &given)
        if self.status == RAISED:
            self.given = take_error()
        else:
            self.given = <object> given
            Py_DECREF(self.given)
        return 0

    cdef object advance(self, object value, bint* suspended):
        if self.status == UNSTEPPED:
            self.go_on(value)
        return self.hand_out(suspended)

    cdef bint step(self, Waiter waiter) except -1:
        if self.wrapped:
            # An eager task has learned only after its first wait that it is wrapped.
            return False
        self.go_on(None)
        if (
            self.status != YIELDED or self.given is not waiter or not waiter.pending or waiter.asked_to_cancel
            or waiter.callback is not None or not waiter._asyncio_future_blocking
        ):
            return False
        waiter._asyncio_future_blocking = False
        self.status = UNSTEPPED
        self.given = None
        return True

    cdef object hand_out(self, bint* suspended):
        cdef object given = self.given
        cdef int status = self.status
        self.status = UNSTEPPED
        self.given = None
        if status == YIELDED:
            suspended[0] = True
            if type(given) is Waiter and (<Waiter> given).pending and not self.wrapped:
                (<Waiter> given).stepped = self
            return given
        if status == RETURNED:
            return self.end(None, given)
        return self.end(given, None)

    cdef object end(self, object exc, object result):
        cdef Connection connection = self.connection
        cdef object task
        self.connection = None
        if connection is None:
            return None
        if self.wrapped:
            if exc is not None:
                raise exc
            return result
        task = current_task(connection.reactor.loop)
        connection.settings.server_state.tasks.discard(task)
        if isinstance(exc, CancelledError):
            connection.app_ended(None, None, True)
            raise exc
        connection.app_ended(exc, result, False)
        if exc is not None and not isinstance(exc, Exception):
            # The exception ends the loop. `app_ended` has logged it.
            if task is not None:
                task.add_done_callback(retrieve)
            raise exc
        return None

    def __await__(self):
        return self

    def __iter__(self):
        return self

    def __next__(self):
        return self.send(None)

    def send(self, value):
        """Run to the next yield, whose value is returned; StopIteration is the end."""
        cdef bint suspended = False
        cdef object outcome = self.advance(value, &suspended)
        if suspended:
            return outcome
        raise StopIteration(outcome)

    def throw(self, kind, value=None, traceback=None):
        """Raise an exception where the application waits. Otherwise as ``send``."""
        cdef object exc = exception_of(kind, value, traceback)
        cdef int status = self.status
        cdef bint suspended = False
        cdef object outcome
        if self.connection is None:
            raise RuntimeError("cannot reuse already awaited coroutine")
        if status == YIELDED and isinstance(exc, CancelledError):
            # The task learns only now what the application waits for, so it is asked again, and cancels that wait.
            ask_again(exc)
        elif status == YIELDED or status == UNSTEPPED:
            self.given = None
            self.status = UNSTEPPED
            try:
                self.given = self.inner.throw(exc)
                self.status = YIELDED
            except StopIteration as stop:
                self.given = stop.value
                self.status = RETURNED
            except BaseException as raised:
                self.given = raised
                self.status = RAISED
        # Else the application has ended in a step that its task has not seen, and cannot be cancelled any more.
        outcome = self.hand_out(&suspended)
        if suspended:
            return outcome
        raise StopIteration(outcome)

    def close(self):
        """End the application where it waits. An application that has not begun never begins."""
        if self.connection is None:
            return
        # A coroutine that runs, or goes on after GeneratorExit, raises here and stays as it is.
        self.inner.close()
        self.connection = None
        self.given = None
        self.status = UNSTEPPED

    @property
    def cr_await(self):
        """What the application waits for; its own `cr_await`."""
        return getattr(self.inner, "cr_await", None)

    def __getattr__(self, name):
        # The name, the code and the frame for the repr and the stack of a task are the application's.
        return getattr(self.inner, name)


cdef int ask_again(object exc) except -1:
    """Ask the current task once more for the cancellation that it has just thrown. The number of requests stays."""
    cdef object task = current_task()
    task.cancel(msg=exc.args[0] if exc.args else None)
    uncancel = getattr(task, "uncancel", None)
    if uncancel is not None:  # Python 3.11 and later
        uncancel()
    return 0


cdef AppCoroutine make_app_coroutine(object coroutine, Connection connection):
    cdef AppCoroutine self = AppCoroutine.__new__(AppCoroutine)
    self.inner = coroutine
    self.connection = connection
    return self


app_fill_slot(AppCoroutine, send_step)
