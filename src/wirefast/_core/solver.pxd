from wirefast._core.plan cimport CallOp, EnterOp, FieldOp, Plan
from wirefast._core.plan_cache cimport PlanCache


cdef class Shared:
    """What the frames of one connection have in common once its overrides changed on the way."""
    cdef dict cache              # as Plan.cache_slots, with the results themselves
    cdef object response         # None until a callable asked for it
    cdef object background


cdef class Frame:
    """One connection being solved: the values so far, the errors so far, and what must be exited."""
    cdef Plan plan
    cdef PlanCache plans         # where the plan is from; None: a plan on its own, without overrides
    cdef readonly object connection
    cdef object scope
    cdef list slots
    # None until the first invalid parameter.
    cdef readonly list errors
    cdef int pc
    # The call whose awaitable advance() last returned.
    cdef CallOp pending
    cdef object opened           # its context manager or generator, until store() files it
    # One flag a node; points at `few` when they fit there.
    cdef unsigned char* failed
    cdef unsigned char[32] few
    # Raw input, each parsed at most once and only when an operation asks.
    cdef dict path_params
    cdef dict query
    cdef list query_pairs
    cdef list headers
    cdef dict cookies
    cdef object body
    # Entered generators and context managers in order of entry; None until there is one.
    cdef list request_exits
    cdef list function_exits
    # The first generator need not look for an anyio scope around it: there is none.
    cdef bint unscoped
    # The anyio scope that shields clean-up, where one encloses us (see dependencies.planning).
    cdef public object cleanup_scope
    # Dependencies may change the overrides for those after them.
    cdef bint called             # something ran since they were last looked at
    cdef Shared shared           # None while they are those of the plan

    cdef object run(self)
    cdef object advance(self)
    cdef int store(self, object value) except -1
    cdef object start(self, CallOp op)
    cdef int read_field(self, FieldOp op) except -1
    cdef int check(self, FieldOp op, object value, tuple loc) except -1
    cdef int fail(self, int node, object errors) except -1
    # The raw value of a parameter; found[0] is the index of the name it came under.
    cdef object raw(self, FieldOp op, Py_ssize_t* found)
    cdef object raw_header(self, FieldOp op, Py_ssize_t* found)
    cdef list all_values(self, bytes name)
    cdef bint is_outdated(self) except -1
    cdef Frame part_frame(self, Plan plan)
    cdef int exchange_results(self) except -1
    cdef int file_exit(self, object item, bint function_scope) except -1


cdef Frame new_frame(Plan plan, PlanCache plans, object connection, object scope, object body)
cpdef dict missing_error(object loc)
