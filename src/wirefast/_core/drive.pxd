# Run a Python coroutine that will probably not suspend, without the cost of a full await.
#
#     value = begin(coroutine, &done)
#     if not done:
#         value = await value
#
# Most of these coroutines (dependencies, an ASGI receive with a message ready, an ASGI send) return at their first
# step. begin() runs that step in place; a coroutine that suspended is returned, to be awaited.

cdef object begin(object awaitable, bint* done)

# The same for an object that is known to be a coroutine, also one compiled by Cython; begin() does not run those.
cdef object begin_compiled(object coroutine, bint* done)

# The same for one step of an asynchronous generator (the result of its __anext__). stopped[0]: the generator has ended;
# done[0] is set too. The await of a step that waits raises StopAsyncIteration at the end.
cdef object begin_step(object awaitable, bint* done, bint* stopped)

# The first __anext__() of an asynchronous generator, without word to the event loop; and a later __anext__(). For a
# generator that its frame leaves in any case: the loop would keep a weak reference to it, for shutdown_asyncgens().
cdef object untracked_anext(object generator)
cdef object next_of(object generator)

# The same for the first step of a generator that is a dependency; RuntimeError if the generator ends without a
# value.
cdef object begin_first(object awaitable, bint* done)

cdef extern from *:
    """
    static inline int drive_is_iterator(PyObject *value)
    {
        PyAsyncMethods *methods = Py_TYPE(value)->tp_as_async;
        return methods != NULL && methods->am_anext != NULL;
    }
    """
    # Whether the object is an asynchronous iterator.
    bint is_iterator "drive_is_iterator"(object value) noexcept
