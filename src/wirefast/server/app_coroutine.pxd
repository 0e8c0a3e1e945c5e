# The coroutine that an application's task steps.

from cpython.object cimport PyObject

from wirefast.server.connection cimport Connection
from wirefast.server.waiter cimport Stepped


cdef class AppCoroutine(Stepped):
    # The application's coroutine, and the connection whose `app_ended` is called at its end; that is None after the end.
    cdef object inner
    cdef Connection connection
    # Whether a task factory has put another coroutine around this one. That one takes part in each step and in the end, so
    # only the task steps, and the task's end is the application's.
    cdef bint wrapped
    # The outcome of a step that the task has not seen: how the step ended, and what the application yielded, returned
    # or raised.
    cdef int status
    cdef object given

    cdef int go_on(self, object value) except -1
    # Step once for the task, unless a step has run already; and give the outcome to the task.
    cdef object advance(self, object value, bint* suspended)
    cdef object hand_out(self, bint* suspended)
    cdef object end(self, object exc, object result)


cdef AppCoroutine make_app_coroutine(object coroutine, Connection connection)
