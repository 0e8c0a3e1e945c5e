# Running a Python coroutine that will probably not suspend, without the cost of a full await.
#
#     value = begin(coroutine, &done)
#     if not done:
#         value = await value
#
# Most coroutines met here (dependencies, an ASGI receive with a message ready, an ASGI send) return at
# their first step. begin() takes that step in place; only one that suspended is handed back to be awaited.

cdef object begin(object awaitable, bint* done)

# The same for what is known to be a coroutine, also one that Cython compiled, which begin() leaves alone.
cdef object begin_compiled(object coroutine, bint* done)

# The same for one step of an asynchronous generator (what its __anext__ gave). stopped[0]: it has ended, which is done
# too. A step that waits raises StopAsyncIteration where it is awaited.
cdef object begin_step(object awaitable, bint* done, bint* stopped)

# The same for the first step of a generator that is a dependency: one that ends is told so by RuntimeError.
cdef object begin_first(object awaitable, bint* done)
