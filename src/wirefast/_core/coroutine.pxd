# Coroutines written out as what happens before and after each wait.
#
# A coroutine that Cython compiles costs three objects and some two thousand instructions per call, most of it
# around the one await that a message needs. A CompiledCoroutine is one object from a free list; awaiting it calls
# start(), and where that had nothing to wait for, it is over. For everyone else it is a coroutine: await, send,
# throw, close, create_task, wait_for, gather, and the warning when it was never awaited.
#
# A subclass adds no fields, or it does not share the free list.

from cpython.object cimport PyObject

cdef enum Stage:
    NEW = 0
    SUSPENDED = 1
    FINISHED = 2         # also while it runs, so that nothing can enter it twice


cdef class CompiledCoroutine:
    cdef Stage stage
    # What is being awaited, as an iterator or coroutine; None for nothing.
    cdef object inner
    # __name__ and __qualname__, for warnings and the repr of tasks.
    cdef str name
    # The subclass's: the object that was called, its argument, what to do, and how far it has come.
    cdef object owner
    cdef object argument
    cdef int option
    cdef int phase

    # Give the result; or call wait_for() once and give None, and the call goes on in resume() or failed().
    cdef object start(self)
    # What was waited for gave `value`. As start().
    cdef object resume(self, object value)
    # What was waited for raised. Raises that exception, or another; or goes on as start().
    cdef object failed(self, object exc)

    cdef object wait_for(self, object awaitable)
    cdef object go_on(self, object value, bint* suspended)


# Make inspect.iscoroutinefunction() true for a compiled function that returns a CompiledCoroutine.
cdef int mark_coroutine_function(object function) except -1

# To be called once for each subclass, which then shares the base's deallocation as well as its free list.
cdef int register(object subclass) except -1
