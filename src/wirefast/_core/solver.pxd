from wirefast._core.plan cimport CallOp, EnterOp, FieldOp, Plan
from wirefast._core.plan_cache cimport PlanCache


cdef class Shared:
    """What the frames of one connection share after the overrides changed while it was solved."""
    cdef dict cache              # as Plan.cache_slots, with the results themselves
    cdef object response         # None until a callable takes it
    cdef object background


cdef class Frame:
    """The solving of one connection: the values so far, the errors so far, and the generators that have to end."""
    cdef Plan plan
    cdef PlanCache plans         # where the plan is from; None: a single plan, without overrides
    cdef readonly object connection
    cdef object scope
    cdef list slots
    # None before the first invalid parameter.
    cdef readonly list errors
    cdef int pc
    # The call whose awaitable advance() last returned.
    cdef CallOp pending
    cdef object opened           # its context manager or generator, until store() stores the result
    # One flag for each node; points at `few` if the flags fit.
    cdef unsigned char* failed
    cdef unsigned char[32] few
    # Raw input; each part is parsed at most once, and only when an operation needs it.
    cdef dict path_params
    cdef dict query
    cdef list query_pairs
    cdef list headers
    cdef dict cookies
    cdef object body
    # Entered generators and context managers in order of entry; None before the first.
    cdef list request_exits
    cdef list function_exits
    # There is no anyio scope around the connection, so the first generator need not look for one.
    cdef bint unscoped
    # The frame certainly runs in a task of asyncio.
    cdef bint in_asyncio
    # The frame's generators live for one message and always end with it, so the event loop does not register them.
    cdef bint brief
    # The anyio scope that shields clean-up, if a scope encloses the connection (see dependencies.planning).
    cdef public object cleanup_scope
    # Dependencies may change the overrides for later dependencies.
    cdef bint called             # a callable ran since the overrides were compared last
    cdef Shared shared           # None while the overrides are those of the plan

    cdef object run(self)
    cdef object advance(self)
    cdef int store(self, object value) except -1
    cdef object start(self, CallOp op)
    cdef int read_field(self, FieldOp op) except -1
    cdef int check(self, FieldOp op, object value, tuple loc) except -1
    cdef int fail(self, int node, object errors) except -1
    # The raw value of a parameter; found[0] is the index of its name in the input.
    cdef object raw(self, FieldOp op, Py_ssize_t* found)
    cdef object raw_header(self, FieldOp op, Py_ssize_t* found)
    cdef list all_values(self, bytes name)
    cdef bint is_outdated(self) except -1
    cdef Frame part_frame(self, Plan plan)
    cdef int exchange_results(self) except -1
    cdef int file_exit(self, object item, bint function_scope) except -1


cdef Frame new_frame(Plan plan, PlanCache plans, object connection, object scope, object body)
cpdef dict missing_error(object loc)
