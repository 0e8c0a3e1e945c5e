# Coroutines that are written as functions for the code before and after each wait.
#
# A coroutine that Cython compiles costs three objects and some two thousand instructions for each call, most of them
# around the one await that a message needs. A CompiledCoroutine is one object, mostly one that has ended before. An await
# calls start(); if start() does not wait, the coroutine has ended. All other code sees a coroutine: await, send, throw,
# close, create_task, wait_for and gather work, and a coroutine that was never awaited gives the warning.
#
# A subclass has no fields of its own.

from cpython.object cimport PyObject

cdef enum Stage:
    NEW = 0              # also while it rests
    SUSPENDED = 1
    FINISHED = 2         # also while it runs, so that no code enters it twice


# The objects of one subclass that have ended, and rest until a call needs one. Cython's free list costs more
# instructions: it passes through two more calls for a new object, and saves the error in flight for an old one.
cdef struct Resting:
    PyObject* type
    int count
    PyObject* objects[64]


cdef class CompiledCoroutine:
    # Where the object rests after its end; NULL if it is freed.
    cdef Resting* resting
    cdef Stage stage
    # The iterator or coroutine that is awaited; None without one.
    cdef object inner
    # __name__ and __qualname__, for warnings and the repr of tasks.
    cdef str name
    # For the subclass: the object that was called, the argument, what to do, and the number of the step.
    cdef object owner
    cdef object argument
    cdef int option
    cdef int phase

    # Return the result; or call wait_for() once and return None: then resume() or failed() continues the call.
    cdef object start(self)
    # The awaited object returned `value`. The result is as of start().
    cdef object resume(self, object value)
    # The awaited object raised. Raises that exception or another one, or returns as start() does.
    cdef object failed(self, object exc)

    cdef object wait_for(self, object awaitable)
    cdef object go_on(self, object value, bint* suspended)


# Make inspect.iscoroutinefunction() true for a compiled function that returns a CompiledCoroutine.
cdef int mark_coroutine_function(object function) except -1

# Call this once for each subclass, with the empty place where its objects rest.
cdef int register(object subclass, Resting* resting) except -1

# Return a new object of the subclass that registered `resting`.
cdef CompiledCoroutine make(Resting* resting, str name, object owner, object argument, int option)

# Take the error that is set, normalised and with its traceback. No error is set afterwards.
cdef object take_error()

# Return the exception that the three arguments of throw() stand for.
cdef object exception_of(object kind, object value, object traceback)
