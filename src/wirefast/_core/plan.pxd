# A Plan is made of a Dependant at start-up: a flat list of operations in execution order.
#
# Every value has a slot (an index into the frame's list), so no name is looked up while a connection is solved. A
# "node" is one appearance of a callable in the dependency tree; node 0 is the endpoint. A node fails when one of its
# own parameters or one of its children is invalid, and the operations behind it then skip its call, as FastAPI does,
# while its siblings go on.

cdef enum OpCode:
    OP_FIELD = 0       # FieldOp: read and validate one parameter
    OP_READ = 1        # ReadOp: call a function that reads a value from the connection
    OP_BODY = 2        # BodyOp: validate the body fields of a node
    OP_CALL = 3        # CallOp: call a dependency
    OP_SCOPES = 4      # ScopesOp: make a SecurityScopes object
    OP_ENTER = 5       # EnterOp: begin a dependency, or jump over it
    OP_MEMBER = 6      # MemberOp: take a part of a value of another slot

cdef enum Place:
    PATH = 0
    QUERY = 1
    HEADER = 2
    COOKIE = 3

cdef enum CallKind:
    COROUTINE = 0
    THREAD = 1
    ASYNC_GENERATOR = 2
    CONTEXT = 3        # entered through an asynchronous context manager

cdef enum Shortcut:    # which values are accepted without pydantic
    NO_SHORTCUT = 0
    STRING = 1         # any str whose length is within bounds
    INTEGER = 2        # 1 to 18 ASCII digits, or an int, within bounds


cdef class Op:
    cdef OpCode code
    cdef int node
    cdef int out                 # slot of the result; -1: no slot (the endpoint) or several (BodyOp)


cdef class FieldOp(Op):
    # The source of the raw value.
    cdef Place place
    cdef tuple names             # str, best first
    cdef tuple header_slots      # for HEADER: indexes into Frame.headers, parallel to names
    cdef bint multi              # collect repeated keys into a list
    cdef bint drop_empty         # an empty raw value is absent (sequences)
    # The validation of the raw value.
    cdef Shortcut shortcut
    cdef long long low, high     # inclusive bounds of length or value for the shortcut
    cdef bint counted            # STRING: the declaration has bounds
    cdef object validate         # callable(value) -> value, raises pydantic.ValidationError
    cdef bint from_attributes    # validate takes from_attributes=True
    # The value of an absent parameter.
    cdef bint required
    cdef object default
    cdef object default_factory
    cdef bint copy_default
    cdef bint validate_default
    cdef tuple locs              # (place, name) for each of names


# A value that the solver has no code for: a model of a whole group (query, headers, cookies), an object of the scope,
# the error of an override that could not be analysed.
cdef class ReadOp(Op):
    cdef object read             # callable(connection) -> (value, errors); errors for the client, none: []


cdef class BodyOp(Op):
    cdef object read             # coroutine function (body) -> (values, errors)
    cdef tuple names             # keys of values
    cdef tuple outs              # slots, parallel to names


cdef class ScopesOp(Op):
    cdef object make             # callable() -> SecurityScopes


cdef class MemberOp(Op):
    cdef Py_ssize_t source       # slot of the value
    cdef object get              # callable(value) -> its part


cdef class EnterOp(Op):
    cdef bint skippable          # jump when the result is known: solving it again would have no effect
    cdef object make_dependant   # callable() -> Dependant with this dependency alone, as ``value``
    cdef int target              # index of the operation behind the subtree


cdef class CallOp(Op):
    cdef CallKind kind
    cdef object call
    cdef tuple kwnames           # keyword names, or None without arguments
    cdef tuple args              # slots, parallel to kwnames
    cdef int parent              # node that fails with this node; -1 for the endpoint
    cdef int cache               # slot of the cached result
    cdef bint use_cache
    cdef bint function_scope     # ends before request-scoped generators
    cdef object open_context     # CONTEXT and ASYNC_GENERATOR: callable(frame, kwargs) -> async context manager

    cdef object invoke(self, list slots)
    cdef dict keywords(self, list slots)


cdef class Plan:
    cdef tuple ops
    cdef CallOp endpoint
    cdef Py_ssize_t slot_count
    cdef int node_count
    # What the frame prepares before the first operation.
    cdef dict cache_slots        # key of a dependency -> slot of the result; equal dependencies have equal keys
    cdef dict header_index       # lower-case header name (bytes) -> index into Frame.headers; None: no header asked for
    cdef int connection_slot     # -1 if no callable takes the connection
    cdef int response_slot
    cdef int background_slot
    cdef object make_response
    cdef object make_background
    # The overrides that the plan was made for, flat: key, value, key, value...; None: no overrides, or a mapping that
    # is no plain dict.
    cdef list overrides
