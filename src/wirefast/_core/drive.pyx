"""The first step of a coroutine in place, the others by await. See drive.pxd."""

cimport cython
from cpython.object cimport PyObject
from cpython.ref cimport Py_DECREF

# The text of contextlib's error for a generator that ends before its first item.
cdef str NO_ITEM = "generator didn't yield"

cdef extern from *:
    """
    static int drive_raise_current(void) { return -1; }

    /* Both are given an asynchronous generator of the exact type. */
    static PyObject *drive_next_of(PyObject *generator)
    {
        return Py_TYPE(generator)->tp_as_async->am_anext(generator);
    }

    /* The thread's hook is out of its place for this one call, which is what asks for it. The other hook, for a
       generator that is collected unfinished, stays. */
    static PyObject *drive_untracked_anext(PyObject *generator)
    {
        PyThreadState *state = PyThreadState_Get();
        PyObject *hook = state->async_gen_firstiter;
        PyObject *awaitable;
        state->async_gen_firstiter = NULL;
        awaitable = drive_next_of(generator);
        state->async_gen_firstiter = hook;
        return awaitable;
    }
    """
    object next_in_c "drive_next_of"(object generator)
    object untracked_in_c "drive_untracked_anext"(object generator)
    # Returns -1 for the error that is already set.
    int raise_current "drive_raise_current"() except -1

cdef extern from "Python.h":
    # As PyIter_Send below, but the caller checks for the error.
    int send_unchecked "PyIter_Send"(object iterator, object value, PyObject** result) noexcept
    bint PyErr_ExceptionMatches(object kind) noexcept
    void PyErr_Clear() noexcept
    bint PyCoro_CheckExact(object value)
    # 0: returned, 1: yielded, -1: raised (PySendResult).
    int PyIter_Send(object iterator, object value, PyObject** result) except -1


cdef object begin(object awaitable, bint* done):
    """Return the value of a coroutine that returned at once (done[0] is then True), or what is still to be awaited."""
    done[0] = False
    if not PyCoro_CheckExact(awaitable):
        return awaitable
    return begin_compiled(awaitable, done)


cdef object begin_compiled(object awaitable, bint* done):
    """As begin, for an object that is known to be a coroutine, also one compiled by Cython."""
    cdef PyObject* result = NULL
    cdef object value
    cdef int status
    done[0] = False
    status = PyIter_Send(awaitable, None, &result)
    value = <object> result
    Py_DECREF(value)
    if status == 0:
        done[0] = True
        return value
    return suspended(awaitable, value)


cdef object begin_step(object awaitable, bint* done, bint* stopped):
    """Return the item of a step that gave it at once, or what is still to be awaited. The end costs no exception."""
    cdef PyObject* result = NULL
    cdef object value
    cdef int status = send_unchecked(awaitable, None, &result)
    done[0] = stopped[0] = False
    if status < 0:
        if not PyErr_ExceptionMatches(StopAsyncIteration):
            raise_current()
        PyErr_Clear()
        done[0] = stopped[0] = True
        return None
    value = <object> result
    Py_DECREF(value)
    if status == 0:
        done[0] = True
        return value
    return suspended(awaitable, value)


cdef object untracked_anext(object generator):
    return untracked_in_c(generator)


cdef object next_of(object generator):
    return next_in_c(generator)


cdef object begin_first(object awaitable, bint* done):
    """Return the item of a generator that gave it at once, or what is still to be awaited."""
    cdef bint stopped
    cdef object value = begin_step(awaitable, done, &stopped)
    if stopped:
        raise RuntimeError(NO_ITEM)
    if not done[0]:
        (<Suspended> value).is_first_step = True
    return value


cdef Suspended suspended(object coroutine, object waits_for):
    cdef Suspended self = Suspended.__new__(Suspended)
    self.coroutine = coroutine
    self.waits_for = waits_for
    return self


@cython.final
@cython.freelist(64)
cdef class Suspended:
    """Awaits the rest of a coroutine whose first step has run."""

    cdef object coroutine
    # What the first step yielded (None is a bare yield), to be passed on to the event loop once.
    cdef object waits_for
    cdef bint passed_on
    # The first step of a generator: its end is an error.
    cdef bint is_first_step

    def __await__(self):
        return self

    def __iter__(self):
        return self

    def __next__(self):
        return self.send(None)

    def send(self, value):
        cdef PyObject* result = NULL
        cdef object passed
        cdef int status
        if not self.passed_on:
            self.passed_on = True
            passed, self.waits_for = self.waits_for, None
            return passed
        status = send_unchecked(self.coroutine, value, &result)
        if status < 0:
            if not self.is_first_step or not PyErr_ExceptionMatches(StopAsyncIteration):
                raise_current()
            PyErr_Clear()
            raise RuntimeError(NO_ITEM)
        passed = <object> result
        Py_DECREF(passed)
        if status == 0:
            raise StopIteration(passed)
        return passed

    def throw(self, *exception):
        self.passed_on = True
        if not self.is_first_step:
            return self.coroutine.throw(*exception)
        try:
            return self.coroutine.throw(*exception)
        except StopAsyncIteration:
            raise RuntimeError(NO_ITEM) from None

    def close(self):
        self.passed_on = True
        self.coroutine.close()
