"""The dependency solver: one loop over a Plan.

run() solves until a dependency has to wait, and returns what to await. The coroutine that owns the frame awaits that
and gives the value to store(). So a connection awaits nothing here if no dependency waits, and no dependency costs a
coroutine beside its own.
"""

cimport cython
from cpython.list cimport PyList_GET_ITEM
from cpython.tuple cimport PyTuple_GET_ITEM, PyTuple_GET_SIZE
from cpython.unicode cimport PyUnicode_GET_LENGTH, PyUnicode_READ_CHAR
from libc.stdlib cimport calloc, free
from libc.string cimport memset

from wirefast._core.drive cimport begin, begin_first, next_of, untracked_anext
from wirefast._core.extract cimport fill_headers, parse_cookies, parse_query
from wirefast._core.plan cimport (
    ASYNC_GENERATOR, CONTEXT, COOKIE, COROUTINE, HEADER, INTEGER, OP_BODY, OP_CALL, OP_ENTER, OP_FIELD, OP_READ,
    OP_MEMBER, OP_SCOPES, PATH, QUERY, STRING, THREAD, BodyOp, CallOp, EnterOp, FieldOp, ReadOp, MemberOp, Op, Plan,
    ScopesOp,
)
from wirefast._core.plan_cache cimport PlanCache

from copy import deepcopy
from pydantic import ValidationError
from starlette.concurrency import run_in_threadpool

from wirefast._core.exits import inside_cancel_scope, unwind
from wirefast._core.foreign import task_states

cdef extern from "Python.h":
    object PyObject_CallOneArg(object callable, object arg)
    bint PyAsyncGen_CheckExact(object value)
    bint PyUnicode_IS_ASCII(object text)

# The value of an empty slot.
cdef object ABSENT = object()

# The tasks of asyncio that are in a cancel scope; None if that is unknown.
cdef dict scoped_tasks = getattr(task_states, "data", None)


cdef bint inside_scope(bint in_asyncio) except -1:
    """Whether a cancel scope may enclose the running task; `in_asyncio` if that is certainly one of asyncio."""
    return (not in_asyncio or scoped_tasks is None or bool(scoped_tasks)) and inside_cancel_scope()


cdef Frame new_frame(Plan plan, PlanCache plans, object connection, object scope, object body):
    cdef Frame frame = Frame.__new__(Frame)
    frame.plan = plan
    frame.plans = plans
    frame.connection = connection
    frame.scope = scope
    frame.body = body
    frame.slots = [ABSENT] * plan.slot_count
    if plan.node_count <= 32:
        frame.failed = frame.few
        memset(frame.few, 0, 32)
    else:
        frame.failed = <unsigned char*> calloc(plan.node_count, 1)
        if frame.failed is NULL:
            raise MemoryError()
    if plan.connection_slot >= 0:
        frame.slots[plan.connection_slot] = connection
    if plan.response_slot >= 0:
        frame.slots[plan.response_slot] = plan.make_response()
    if plan.background_slot >= 0:
        frame.slots[plan.background_slot] = plan.make_background()
    return frame


cpdef dict missing_error(object loc):
    """Return the error of an absent required parameter in pydantic's form; ``loc`` is the place of the parameter."""
    return {"type": "missing", "loc": loc, "msg": "Field required", "input": None}


def open_frame(plan, connection, body=None):
    """Make a frame for a connection, for callers that are not compiled; ``plan`` is a Plan or a PlanCache."""
    if isinstance(plan, PlanCache):
        return new_frame((<PlanCache> plan).current(), plan, connection, connection.scope, body)
    return new_frame(<Plan?> plan, None, connection, connection.scope, body)


@cython.final
cdef class Shared:
    pass


@cython.freelist(64)
@cython.final
cdef class Frame:
    def __init__(self):
        # new_frame() does not call __init__. A frame without its plan would dereference NULL.
        raise TypeError("frames are made by open_frame()")

    def __dealloc__(self):
        if self.failed is not NULL and self.failed is not self.few:
            free(self.failed)

    cdef object run(self):
        """Solve until something has to be awaited, and return that; store() takes its value. None: all is solved."""
        cdef object awaitable, value
        cdef bint done
        while True:
            awaitable = self.advance()
            if awaitable is None:
                return None
            if self.opened is not None and PyAsyncGen_CheckExact(self.opened):
                value = begin_first(awaitable, &done)
            else:
                value = begin(awaitable, &done)
            if not done:
                return value
            self.store(value)

    cdef object advance(self):
        """Return the next thing to await, or None when everything is solved."""
        cdef tuple ops = self.plan.ops
        cdef Py_ssize_t count = PyTuple_GET_SIZE(ops)
        cdef Op op
        cdef object awaitable
        while self.pc < count:
            op = <Op> PyTuple_GET_ITEM(ops, self.pc)
            self.pc += 1
            if op.code == OP_FIELD:
                self.read_field(<FieldOp> op)
            elif op.code == OP_CALL:
                awaitable = self.start(<CallOp> op)
                if awaitable is not None:
                    return awaitable
            elif op.code == OP_ENTER:
                if self.called and self.is_outdated():
                    self.pc = (<EnterOp> op).target
                    return self.solve_apart(<EnterOp> op)
                if (<EnterOp> op).skippable and self.shared is None and self.slots[op.out] is not ABSENT:
                    self.pc = (<EnterOp> op).target
            elif op.code == OP_READ:
                value, errors = (<ReadOp> op).read(self.connection)
                if errors:
                    self.fail(op.node, errors)
                else:
                    self.slots[op.out] = value
            elif op.code == OP_SCOPES:
                self.slots[op.out] = (<ScopesOp> op).make()
            elif op.code == OP_MEMBER:
                self.slots[op.out] = (<MemberOp> op).get(self.slots[(<MemberOp> op).source])
            else:
                return self.read_body(<BodyOp> op)
        return None

    cdef bint is_outdated(self) except -1:
        """Whether the overrides that the plan was made for have changed, by a dependency or by another task."""
        self.called = False
        return self.plans is not None and self.plans.changed_since(self.plan)

    async def solve_apart(self, EnterOp op):
        """Solve one dependency by a plan of its own, since the overrides are no longer those of this plan."""
        cdef Frame frame = self.part_frame(self.plans.plan_now(op.make_dependant()))
        try:
            await frame.solve()
        finally:
            self.cleanup_scope = frame.cleanup_scope
        frame.exchange_results()
        self.exchange_results()
        if frame.errors is not None:
            self.fail(op.node, frame.errors)
        else:
            self.slots[op.out] = frame.endpoint_arguments()["value"]

    cdef Frame part_frame(self, Plan plan):
        """Make a frame for a part of this connection. This frame exits what the other enters; both share results."""
        cdef Frame frame = new_frame(plan, self.plans, self.connection, self.scope, self.body)
        cdef Shared shared = self.shared
        if shared is None:
            shared = Shared.__new__(Shared)
            shared.cache = {}
            shared.response = self.response
            shared.background = self.background_tasks
            self.shared = shared
        self.exchange_results()
        frame.shared = shared
        frame.exchange_results()
        if plan.response_slot >= 0:
            if shared.response is None:
                shared.response = frame.slots[plan.response_slot]
            frame.slots[plan.response_slot] = shared.response
        if plan.background_slot >= 0:
            if shared.background is None:
                shared.background = frame.slots[plan.background_slot]
            frame.slots[plan.background_slot] = shared.background
        if self.request_exits is None:
            self.request_exits = []
        if self.function_exits is None:
            self.function_exits = []
        frame.request_exits = self.request_exits
        frame.function_exits = self.function_exits
        frame.cleanup_scope = self.cleanup_scope
        return frame

    cdef int exchange_results(self) except -1:
        """Share results with the other frames of the connection."""
        cdef dict cache = self.shared.cache
        for key, slot in self.plan.cache_slots.items():
            if self.slots[slot] is ABSENT:
                self.slots[slot] = cache.get(key, ABSENT)
            else:
                cache.setdefault(key, self.slots[slot])
        return 0

    async def read_body(self, BodyOp op):
        values, errors = await op.read(self.body)
        if errors:
            self.fail(op.node, errors)
        for name, out in zip(op.names, op.outs):
            if name in values:
                self.slots[out] = values[name]

    cdef object start(self, CallOp op):
        """Begin a dependency's call. Returns what to await; None if the call is not allowed or not needed."""
        cdef object kind
        if self.failed[op.node]:
            self.failed[op.parent] = 1
            return None
        if op.use_cache and <object> PyList_GET_ITEM(self.slots, op.cache) is not ABSENT:
            return None
        self.pending = op
        self.opened = None
        if op.kind == COROUTINE:
            return op.invoke(self.slots)
        if op.kind == THREAD:
            return run_in_threadpool(op.call, **op.keywords(self.slots))
        if op.kind == ASYNC_GENERATOR and (
            (self.unscoped and self.request_exits is None) or not inside_scope(self.in_asyncio)
        ):
            self.opened = op.invoke(self.slots)
            if PyAsyncGen_CheckExact(self.opened):
                return untracked_anext(self.opened) if self.brief else next_of(self.opened)
            # A wrapper with a yield of its own: let contextlib raise its error.
        self.opened = op.open_context(self, op.keywords(self.slots))
        return self.opened.__aenter__()

    cdef int store(self, object value) except -1:
        """Store the result of the awaited operation."""
        cdef CallOp op = self.pending
        self.called = True
        if op is None:
            return 0
        self.pending = None
        if self.opened is not None:
            self.file_exit(self.opened, op.function_scope)
            self.opened = None
        self.slots[op.out] = value
        if <object> PyList_GET_ITEM(self.slots, op.cache) is ABSENT:
            self.slots[op.cache] = value
        return 0

    cdef int file_exit(self, object item, bint function_scope) except -1:
        if function_scope:
            if self.function_exits is None:
                self.function_exits = []
            self.function_exits.append(item)
        else:
            if self.request_exits is None:
                self.request_exits = []
            self.request_exits.append(item)
        return 0

    def enter_request_scope(self, scope):
        """Enter a synchronous context manager that ends with the request scope; for the shield of clean-up."""
        scope.__enter__()
        self.file_exit(scope, False)
        return scope

    async def solve(self):
        """Run the plan up to the endpoint. Afterwards `errors` is None or the list for the client."""
        cdef object awaitable
        while True:
            awaitable = self.run()
            if awaitable is None:
                return
            self.store(await awaitable)

    def call_endpoint(self):
        """Return the endpoint's own return value (a coroutine, for a coroutine function)."""
        return self.plan.endpoint.invoke(self.slots)

    def endpoint_arguments(self):
        return self.plan.endpoint.keywords(self.slots)

    @property
    def response(self):
        """The injected Response, None if no callable takes it."""
        if self.plan.response_slot >= 0:
            return self.slots[self.plan.response_slot]
        return None if self.shared is None else self.shared.response

    @property
    def background_tasks(self):
        if self.plan.background_slot >= 0:
            return self.slots[self.plan.background_slot]
        return None if self.shared is None else self.shared.background

    def take_function_exits(self):
        """Remove the exits of scope "function" from the frame and return them, in order of entry."""
        cdef list exits = self.function_exits
        self.function_exits = None
        return exits or []

    def take_exits(self):
        """All exits, request scope first, so that ending them last-first ends the function scope first."""
        cdef list exits = self.request_exits
        if exits is None:
            exits = self.function_exits or []
        elif self.function_exits is not None:
            exits.extend(self.function_exits)
        self.request_exits = None
        self.function_exits = None
        return exits

    # ---- Parameters ----

    cdef int fail(self, int node, object errors) except -1:
        if self.errors is None:
            self.errors = []
        self.errors.extend(errors)
        self.failed[node] = 1
        return 0

    cdef int read_field(self, FieldOp op) except -1:
        cdef Py_ssize_t found = 0
        cdef object value = self.raw(op, &found)
        cdef tuple loc = <tuple> PyTuple_GET_ITEM(op.locs, found)
        if value is ABSENT:
            if op.required:
                return self.fail(op.node, (missing_error(loc),))
            value = op.default if op.default_factory is None else op.default_factory()
            if op.copy_default:
                value = deepcopy(value)
            if not op.validate_default:
                self.slots[op.out] = value
                return 0
        return self.check(op, value, loc)

    cdef int check(self, FieldOp op, object value, tuple loc) except -1:
        cdef Py_ssize_t i, length
        cdef long long number
        cdef int digit
        if op.shortcut == STRING:
            # Where pydantic counts characters it refuses lone surrogates, so it gets all text that is not ASCII.
            if type(value) is str and op.low <= PyUnicode_GET_LENGTH(value) <= op.high and (
                not op.counted or PyUnicode_IS_ASCII(value)
            ):
                self.slots[op.out] = value
                return 0
        elif op.shortcut == INTEGER:
            if type(value) is str:
                length = PyUnicode_GET_LENGTH(value)
                if 0 < length <= 18:
                    number = 0
                    for i in range(length):
                        digit = <int> PyUnicode_READ_CHAR(value, i) - 48
                        if not 0 <= digit <= 9:
                            break
                        number = number * 10 + digit
                    else:
                        if op.low <= number <= op.high:
                            self.slots[op.out] = number
                            return 0
        try:
            if op.from_attributes:
                value = op.validate(value, from_attributes=True)
            else:
                value = PyObject_CallOneArg(op.validate, value)
        except ValidationError as exc:
            errors = exc.errors(include_url=False)
            for error in errors:
                error["loc"] = loc + error["loc"]
            return self.fail(op.node, errors)
        self.slots[op.out] = value
        return 0

    cdef object raw(self, FieldOp op, Py_ssize_t* found):
        """Return the raw value of a parameter, ABSENT if the client sent none."""
        cdef Py_ssize_t i
        cdef object name, value = ABSENT
        cdef dict group
        if op.place == HEADER:
            return self.raw_header(op, found)
        if op.place == PATH:
            if self.path_params is None:
                self.path_params = dict(self.scope.get("path_params") or ())
            group = self.path_params
        elif op.place == QUERY:
            if self.query is None:
                self.query_pairs = parse_query(self.scope["query_string"])
                self.query = dict(self.query_pairs)
            group = self.query
        else:
            if self.cookies is None:
                self.cookies = parse_cookies(self.scope["headers"])
            group = self.cookies
        for i in range(PyTuple_GET_SIZE(op.names)):
            name = <object> PyTuple_GET_ITEM(op.names, i)
            value = group.get(name, ABSENT)
            if value is not ABSENT:
                found[0] = i
                break
        else:
            return ABSENT
        if op.multi and op.place == QUERY:
            return [pair[1] for pair in self.query_pairs if pair[0] == name]
        if value is None or (op.drop_empty and len(value) == 0):
            return ABSENT
        return value

    cdef object raw_header(self, FieldOp op, Py_ssize_t* found):
        cdef Py_ssize_t i
        cdef object value
        if self.headers is None:
            self.headers = [None] * len(self.plan.header_index)
            fill_headers(self.scope["headers"], self.plan.header_index, self.headers)
        for i in range(PyTuple_GET_SIZE(op.header_slots)):
            value = self.headers[<Py_ssize_t> <object> PyTuple_GET_ITEM(op.header_slots, i)]
            if value is not None:
                found[0] = i
                if op.multi:
                    return self.all_values((<str> op.names[i]).lower().encode("latin-1"))
                if op.drop_empty and len(value) == 0:
                    return ABSENT
                return value
        return ABSENT

    def take_results(self, results):
        """Take the results of dependencies that another frame solved, by their keys in the plan's cache_slots."""
        for key, value in results.items():
            slot = self.plan.cache_slots.get(key)
            if slot is not None:
                self.slots[slot] = value

    def results(self):
        """Return the results of dependencies so far, by key."""
        return {
            key: self.slots[slot] for key, slot in self.plan.cache_slots.items() if self.slots[slot] is not ABSENT
        }

    cdef list all_values(self, bytes name):
        return [value.decode("latin-1") for header, value in self.scope["headers"] if header == name]


async def leave(list entered):
    """Exit generators and context managers normally, last first.

    Where one raises, the others get its exception, like an exception of the block.
    """
    cdef object item, failure
    while entered:
        item = entered.pop()
        failure = None
        try:
            if PyAsyncGen_CheckExact(item):
                await item.__anext__()
                failure = RuntimeError("generator didn't stop")
            elif hasattr(type(item), "__aexit__"):
                await item.__aexit__(None, None, None)
            else:
                item.__exit__(None, None, None)
        except StopAsyncIteration as exc:
            failure = None if PyAsyncGen_CheckExact(item) else exc
        except BaseException as exc:
            failure = exc
        if failure is None:
            continue
        if PyAsyncGen_CheckExact(item):
            await item.aclose()
        if entered and await unwind(failure, entered):
            return
        raise failure
