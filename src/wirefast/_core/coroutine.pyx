"""CompiledCoroutine, an awaitable that replaces a coroutine compiled by Cython. See coroutine.pxd."""

from cpython.object cimport PyObject
from cpython.ref cimport Py_DECREF, Py_INCREF

import inspect

cdef extern from *:
    """
    /* Cython has no special method for am_send, and its __next__ cannot end with a value without a traceback. */
    typedef int (*coroutine_step_function)(PyObject *, PyObject *, PyObject **);
    static coroutine_step_function coroutine_step;

    static PySendResult coroutine_send(PyObject *self, PyObject *value, PyObject **result)
    {
        *result = NULL;
        return (PySendResult) coroutine_step(self, value, result);
    }

    /* One StopIteration, which is used again unless other code kept it or it passed through a frame. */
    static PyObject *coroutine_spare_stop;

    static int coroutine_spare_is_clean(void)
    {
        PyBaseExceptionObject *stop = (PyBaseExceptionObject *) coroutine_spare_stop;
        return stop != NULL && Py_REFCNT(stop) == 1 && stop->traceback == NULL && stop->context == NULL;
    }

    /* StopIteration(value) as the error, without the cost of calling the class. Steals the reference. */
    static void coroutine_stop(PyObject *value)
    {
        PyObject *stop = coroutine_spare_stop, *nothing;
        if (!coroutine_spare_is_clean()) {
            nothing = PyTuple_New(0);
            if (nothing == NULL) {
                Py_DECREF(value);
                return;
            }
            stop = ((PyTypeObject *) PyExc_StopIteration)->tp_new((PyTypeObject *) PyExc_StopIteration, nothing, NULL);
            Py_DECREF(nothing);
            if (stop == NULL) {
                Py_DECREF(value);
                return;
            }
            Py_XSETREF(coroutine_spare_stop, stop);
        }
        Py_INCREF(stop);
        Py_XSETREF(((PyStopIterationObject *) stop)->value, value);
    #if PY_VERSION_HEX >= 0x030C0000
        PyErr_SetRaisedException(stop);
    #else
        Py_INCREF(PyExc_StopIteration);
        PyErr_Restore(PyExc_StopIteration, stop, NULL);
    #endif
    }

    /* The spare StopIteration must not keep the value alive, which may be a whole message. */
    static void coroutine_let_go(void)
    {
        PyObject **value;
        if (coroutine_spare_stop == NULL)
            return;
        value = &((PyStopIterationObject *) coroutine_spare_stop)->value;
        if (!coroutine_spare_is_clean())
            Py_CLEAR(coroutine_spare_stop);
        else if (*value != NULL)
            Py_CLEAR(*value);
    }

    static PyObject *coroutine_next(PyObject *self)
    {
        PyObject *result = NULL;
        if (coroutine_step(self, Py_None, &result) == PYGEN_NEXT)
            return result;
        if (result == Py_None)
            Py_DECREF(result); /* NULL without an error is the end, with None */
        else if (result != NULL)
            coroutine_stop(result);
        return NULL;
    }

    static void coroutine_fill_slots(PyObject *class, coroutine_step_function step)
    {
        PyTypeObject *type = (PyTypeObject *) class;
        coroutine_step = step;
        type->tp_iternext = coroutine_next;
        type->tp_as_async->am_send = coroutine_send;
    }

    static destructor coroutine_free;

    static void coroutine_set_dealloc(PyObject *class, PyObject *base, destructor end)
    {
        coroutine_free = ((PyTypeObject *) base)->tp_dealloc;
        ((PyTypeObject *) class)->tp_dealloc = end;
    }

    static PyObject *coroutine_create(PyObject *class)
    {
        PyObject *nothing = PyTuple_New(0), *made;
        if (nothing == NULL)
            return NULL;
        made = ((PyTypeObject *) class)->tp_new((PyTypeObject *) class, nothing, NULL);
        Py_DECREF(nothing);
        return made;
    }

    /* A resting object as a new one. */
    static PyObject *coroutine_revive(PyObject *resting)
    {
        PyObject_Init(resting, Py_TYPE(resting));
        PyObject_GC_Track(resting);
        return resting;
    }

    /* PyObject_Init takes a reference to a type of the heap. */
    static void coroutine_rest(PyObject *self)
    {
        if (PyType_HasFeature(Py_TYPE(self), Py_TPFLAGS_HEAPTYPE))
            Py_DECREF(Py_TYPE(self));
    }

    /* Threads without the GIL would take the same resting object. The debug build counts live objects, and a resting one
     * would count (tools/live_objects.h). */
    #if defined(Py_GIL_DISABLED) || defined(WIREFAST_LIVE_OBJECTS_H)
    #define COROUTINES_RESTING 0
    #else
    #define COROUTINES_RESTING 64
    #endif

    /* The iterator of an object that is awaitable through its type; NULL without an error when it is not. */
    static PyObject *coroutine_iterator(PyObject *awaitable)
    {
        PyAsyncMethods *methods = Py_TYPE(awaitable)->tp_as_async;
        PyObject *iterator;
        if (methods == NULL || methods->am_await == NULL)
            return NULL;
        iterator = methods->am_await(awaitable);
        if (iterator != NULL && (PyCoro_CheckExact(iterator) || !PyIter_Check(iterator))) {
            PyErr_Format(PyExc_TypeError, "__await__() returned %.100s instead of an iterator",
                         PyCoro_CheckExact(iterator) ? "a coroutine" : Py_TYPE(iterator)->tp_name);
            Py_DECREF(iterator);
            return NULL;
        }
        return iterator;
    }

    /* Takes the error that is set, normalised and with its traceback. No error is set afterwards. */
    static PyObject *coroutine_take_error(void)
    {
    #if PY_VERSION_HEX >= 0x030C0000
        return PyErr_GetRaisedException();
    #else
        PyObject *type, *value, *traceback;
        PyErr_Fetch(&type, &value, &traceback);
        PyErr_NormalizeException(&type, &value, &traceback);
        if (traceback != NULL)
            PyException_SetTraceback(value, traceback);
        Py_XDECREF(type);
        Py_XDECREF(traceback);
        return value;
    #endif
    }

    #define coroutine_function_code(function) (&((__pyx_CyFunctionObject *) (function))->func_code)
    """
    ctypedef int (*coroutine_step_function)(PyObject*, PyObject*, PyObject**) except -1
    void coroutine_fill_slots(object type, coroutine_step_function step)
    ctypedef void (*destructor)(PyObject*) noexcept
    void coroutine_set_dealloc(object type, object base, destructor end)
    void coroutine_free(PyObject* coroutine) noexcept
    object coroutine_create(PyObject* type)
    object coroutine_revive(PyObject* resting)
    void coroutine_rest(PyObject* coroutine) noexcept
    int COROUTINES_RESTING
    void coroutine_let_go()
    PyObject* coroutine_iterator(object awaitable) except? NULL
    object coroutine_take_error()
    PyObject** coroutine_function_code(PyObject* function)
    bint PyCoro_CheckExact(object value)
    # A PySendResult; -1 with an error set, which the caller checks.
    int PyIter_Send(object iterator, object value, PyObject** result) noexcept
    int PyErr_WarnFormat(object category, Py_ssize_t level, const char* format, ...) noexcept
    void PyErr_WriteUnraisable(PyObject* where)
    void PyObject_GC_UnTrack(PyObject* value) noexcept

cdef enum:             # PySendResult
    RETURNED = 0
    YIELDED = 1


async def _awaiting(awaitable):
    """Return a coroutine that awaits any other kind of awaitable; for an object of another type fail as ``await``
    does."""
    return await awaitable


cdef int step(PyObject* coroutine, PyObject* value, PyObject** result) except -1:
    """Run to the next yield (1) or to the end (0). result[0] is a new reference to the yielded value or the result."""
    # All is in one function, because each function that an exception leaves costs a traceback entry.
    cdef CompiledCoroutine self = <CompiledCoroutine> coroutine
    cdef object given = <object> value
    cdef object outcome = None
    cdef PyObject* sent
    cdef int status
    if self.stage == NEW:
        if given is not None:
            raise TypeError("can't send non-None value to a just-started coroutine")
        self.stage = FINISHED
        outcome = self.start()
    elif self.stage == SUSPENDED:
        self.stage = FINISHED
    else:
        raise RuntimeError("cannot reuse already awaited coroutine")
    while self.inner is not None:
        sent = NULL
        status = PyIter_Send(self.inner, given, &sent)
        if status == YIELDED:
            self.stage = SUSPENDED
            result[0] = sent
            return YIELDED
        self.inner = None
        given = None
        if status < 0:
            outcome = self.failed(coroutine_take_error())
        else:
            outcome = <object> sent
            Py_DECREF(outcome)
            outcome = self.resume(outcome)
    Py_INCREF(outcome)
    result[0] = <PyObject*> outcome
    return RETURNED


cdef class CompiledCoroutine:
    """Base of these coroutines. The .pxd says what a subclass defines."""

    def __init__(self):
        # The factories do not call __init__. An object without its owner would dereference NULL.
        raise TypeError("coroutines are made by calling a coroutine function")

    cdef object start(self):
        raise NotImplementedError

    cdef object resume(self, object value):
        return value

    cdef object failed(self, object exc):
        raise exc

    cdef object wait_for(self, object awaitable):
        """Await this next. Returns None, which start() and resume() return."""
        cdef PyObject* iterator
        if PyCoro_CheckExact(awaitable):
            self.inner = awaitable
            return None
        iterator = coroutine_iterator(awaitable)
        if iterator is NULL:
            self.inner = _awaiting(awaitable)
        else:
            self.inner = <object> iterator
            Py_DECREF(self.inner)
        return None

    cdef object go_on(self, object value, bint* suspended):
        """Send a value in. Returns the yielded value (suspended[0] is then True), or the result."""
        cdef PyObject* result = NULL
        suspended[0] = step(<PyObject*> self, <PyObject*> value, &result) == YIELDED
        outcome = <object> result
        Py_DECREF(outcome)
        return outcome

    def __await__(self):
        if self.stage == SUSPENDED:
            raise RuntimeError("coroutine is being awaited already")
        if self.stage == FINISHED:
            raise RuntimeError("cannot reuse already awaited coroutine")
        return self

    def __iter__(self):
        return self

    def send(self, value):
        """Run to the next yield, whose value is returned; StopIteration carries the result."""
        cdef bint suspended = False
        cdef object outcome = self.go_on(value, &suspended)
        if suspended:
            return outcome
        raise StopIteration(outcome)

    def throw(self, kind, value=None, traceback=None):
        """Raise an exception where the coroutine waits. Otherwise as ``send``."""
        cdef object inner = self.inner
        cdef object outcome
        cdef bint suspended = False
        if self.stage == FINISHED:
            raise RuntimeError("cannot reuse already awaited coroutine")
        self.stage = FINISHED
        try:
            if inner is None or not hasattr(inner, "throw"):
                raise exception_of(kind, value, traceback)
            outcome = inner.throw(exception_of(kind, value, traceback))
        except StopIteration as stop:
            self.inner = None
            outcome = self.resume(stop.value)
        except BaseException as exc:
            self.inner = None
            outcome = self.failed(exc)
        else:
            self.stage = SUSPENDED
            return outcome
        if self.inner is not None:
            self.stage = SUSPENDED
            outcome = self.go_on(None, &suspended)
            if suspended:
                return outcome
        raise StopIteration(outcome)

    def close(self):
        """End the coroutine where it waits. A coroutine that has not begun never begins, and gives no warning."""
        cdef object inner = self.inner
        cdef bint waits = self.stage == SUSPENDED
        if self.stage == FINISHED and inner is not None:
            raise ValueError("coroutine already executing")
        self.stage = FINISHED
        self.inner = None
        if waits and hasattr(inner, "close"):
            inner.close()

    @property
    def cr_await(self):
        """The awaited object, or None."""
        return self.inner

    @property
    def cr_running(self):
        """Return False: while a coroutine runs, no other code of its thread can ask."""
        return False

    @property
    def __name__(self):
        return self.name

    @property
    def __qualname__(self):
        return "WebSocket." + self.name

    def __getitem__(self, key):
        # The usual result of a forgotten await: Python's error for a coroutine, and what to write.
        raise TypeError(f"'coroutine' object is not subscriptable; write: await websocket.{self.name}(...)")

    def __repr__(self):
        return f"<coroutine object {self.__qualname__} at {<size_t> <PyObject*> self:#x}>"

    def __dealloc__(self):
        coroutine_let_go()
        if self.stage == NEW and self.name is not None:
            never_awaited(self.name)


def kind_of(value):
    """Return the name of a value's type, for errors; ``coroutine`` for one of ours too."""
    return "coroutine" if isinstance(value, CompiledCoroutine) else type(value).__name__


def missing_await(value):
    """Return what to write if a value that was sent is a coroutine; None for any other value.

    A coroutine of ours ends here without its warning, whose line would be where the traceback is freed.
    """
    if isinstance(value, CompiledCoroutine):
        value.close()
        return f"await is missing: `await websocket.{value.__name__}()`"
    if PyCoro_CheckExact(value):
        return f"await is missing: `await {value.__name__}()`"
    return None


cdef object take_error():
    return coroutine_take_error()


cdef object exception_of(object kind, object value, object traceback):
    if isinstance(kind, BaseException):
        value = kind
    elif not isinstance(value, BaseException):
        value = kind() if value is None else kind(*value) if isinstance(value, tuple) else kind(value)
    return value if traceback is None else value.with_traceback(traceback)


cdef int never_awaited(str name) noexcept:
    """Warn, in the interpreter's words for its own coroutines."""
    if PyErr_WarnFormat(RuntimeWarning, 1, "coroutine 'WebSocket.%U' was never awaited", <PyObject*> name) < 0:
        PyErr_WriteUnraisable(NULL)
    return 0


cdef int mark_coroutine_function(object function) except -1:
    # inspect reads the flags of the code object. They are read-only, and Cython sets them only for `async def`.
    cdef PyObject** place
    cdef object code, before
    if type(function) is not type(_awaiting):
        raise TypeError("expected a compiled function")
    place = coroutine_function_code(<PyObject*> function)
    before = function.__code__
    code = before.replace(co_flags=before.co_flags | inspect.CO_COROUTINE)
    Py_INCREF(code)
    place[0] = <PyObject*> code
    Py_DECREF(before)  # the function's reference
    return 0


cdef int register(object subclass, Resting* resting) except -1:
    resting.type = <PyObject*> subclass
    Py_INCREF(subclass)
    coroutine_set_dealloc(subclass, CompiledCoroutine, end)
    return 0


cdef CompiledCoroutine make(Resting* resting, str name, object owner, object argument, int option):
    cdef CompiledCoroutine made
    if resting.count:
        resting.count -= 1
        made = <CompiledCoroutine> coroutine_revive(resting.objects[resting.count])
    else:
        made = <CompiledCoroutine> coroutine_create(resting.type)
        made.resting = resting
    made.name = name
    made.owner = owner
    made.argument = argument
    made.option = option
    return made


cdef void end(PyObject* coroutine) noexcept:
    """tp_dealloc: put the object to rest, or free it."""
    # No variable may hold the object, whose reference count is 0.
    cdef Resting* resting = (<CompiledCoroutine> coroutine).resting
    if resting is NULL or (<CompiledCoroutine> coroutine).stage == NEW:
        coroutine_free(coroutine)
        return
    PyObject_GC_UnTrack(coroutine)
    coroutine_let_go()
    (<CompiledCoroutine> coroutine).inner = None
    (<CompiledCoroutine> coroutine).name = None
    (<CompiledCoroutine> coroutine).owner = None
    (<CompiledCoroutine> coroutine).argument = None
    # Other code may have run.
    if resting.count == COROUTINES_RESTING:
        coroutine_free(coroutine)
        return
    (<CompiledCoroutine> coroutine).stage = NEW
    (<CompiledCoroutine> coroutine).phase = 0
    resting.objects[resting.count] = coroutine
    resting.count += 1
    coroutine_rest(coroutine)


coroutine_fill_slots(CompiledCoroutine, step)
