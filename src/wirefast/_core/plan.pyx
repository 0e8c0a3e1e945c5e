"""The operations of a Plan. Built by dependencies.planning, executed by _core.solver."""

cimport cython
from cpython.object cimport PyObject
from cpython.tuple cimport PyTuple_GET_ITEM, PyTuple_GET_SIZE
from cpython.list cimport PyList_GET_ITEM

cdef extern from "Python.h":
    object PyObject_Vectorcall(object callable, PyObject** args, size_t nargsf, object kwnames)
    object PyObject_CallNoArgs(object callable)

cdef enum:
    # Calls with more arguments than this use a dict; endpoints have fewer.
    MAX_FAST_ARGS = 24

# The widest bound of a shortcut. An enumerator of C11 has only the range of an int.
cdef long long LARGEST = 0x7fffffffffffffff

_PLACES = {"path": PATH, "query": QUERY, "header": HEADER, "cookie": COOKIE}
_KINDS = {
    "coroutine": COROUTINE,
    "thread": THREAD,
    "async generator": ASYNC_GENERATOR,
    "context": CONTEXT,
}
_SHORTCUTS = {"": NO_SHORTCUT, "string": STRING, "integer": INTEGER}


cdef class Op:
    pass


@cython.final
cdef class FieldOp(Op):
    def __init__(
        self, *, int node, int out, str place, tuple names, tuple header_slots, bint multi, bint drop_empty,
        str shortcut, low, high, validate, bint from_attributes, bint required, default, default_factory,
        bint copy_default, bint validate_default,
    ):
        assert names and len(header_slots) in (0, len(names))
        self.code = OP_FIELD
        self.node = node
        self.out = out
        self.place = _PLACES[place]
        self.names = names
        self.header_slots = header_slots
        self.multi = multi
        self.drop_empty = drop_empty
        self.shortcut = _SHORTCUTS[shortcut]
        self.low = low
        self.high = high
        self.counted = low > 0 or high < LARGEST
        self.validate = validate
        self.from_attributes = from_attributes
        self.required = required
        self.default = default
        self.default_factory = default_factory
        self.copy_default = copy_default
        self.validate_default = validate_default
        self.locs = tuple((place, name) for name in names)


@cython.final
cdef class ReadOp(Op):
    def __init__(self, *, int node, int out, read):
        self.code = OP_READ
        self.node = node
        self.out = out
        self.read = read


@cython.final
cdef class BodyOp(Op):
    def __init__(self, *, int node, read, tuple names, tuple outs):
        assert len(names) == len(outs)
        self.code = OP_BODY
        self.node = node
        self.out = -1
        self.read = read
        self.names = names
        self.outs = outs


@cython.final
cdef class ScopesOp(Op):
    def __init__(self, *, int node, int out, make):
        self.code = OP_SCOPES
        self.node = node
        self.out = out
        self.make = make


@cython.final
cdef class MemberOp(Op):
    def __init__(self, *, int node, int out, Py_ssize_t source, get):
        self.code = OP_MEMBER
        self.node = node
        self.out = out
        self.source = source
        self.get = get


@cython.final
cdef class EnterOp(Op):
    def __init__(self, *, int node, int out, bint skippable, make_dependant):
        self.code = OP_ENTER
        self.node = node
        self.out = out
        self.skippable = skippable
        self.make_dependant = make_dependant
        self.target = -1

    def set_target(self, int target):
        """Set the target of the jump, after the subtree is written."""
        self.target = target


@cython.final
cdef class CallOp(Op):
    def __init__(
        self, *, int node, int out, str kind, call, arguments, int parent, int cache, bint use_cache,
        bint function_scope, open_context,
    ):
        self.code = OP_CALL
        self.node = node
        self.out = out
        self.kind = _KINDS[kind]
        self.call = call
        self.kwnames = tuple(arguments) or None
        self.args = tuple(arguments.values())
        self.parent = parent
        self.cache = cache
        self.use_cache = use_cache
        self.function_scope = function_scope
        self.open_context = open_context

    cdef object invoke(self, list slots):
        cdef PyObject* argv[MAX_FAST_ARGS]
        cdef Py_ssize_t i, count
        if self.kwnames is None:
            return PyObject_CallNoArgs(self.call)
        count = PyTuple_GET_SIZE(self.args)
        if count > MAX_FAST_ARGS:
            return self.call(**self.keywords(slots))
        for i in range(count):
            argv[i] = <PyObject*> PyList_GET_ITEM(slots, <Py_ssize_t> <object> PyTuple_GET_ITEM(self.args, i))
        return PyObject_Vectorcall(self.call, argv, 0, self.kwnames)

    cdef dict keywords(self, list slots):
        cdef dict result = {}
        if self.kwnames is not None:
            for name, slot in zip(self.kwnames, self.args):
                result[name] = slots[slot]
        return result


@cython.final
cdef class Plan:
    def __init__(
        self, *, tuple ops, CallOp endpoint not None, Py_ssize_t slot_count, int node_count, dict cache_slots not None,
        dict header_index, int connection_slot, int response_slot, int background_slot, make_response, make_background,
    ):
        cdef Op op
        cdef Py_ssize_t header_count = 0 if header_index is None else len(header_index)
        # The solver uses the indexes of operations without a check.
        for op in ops:
            assert 0 <= op.node < node_count
            if op.code == OP_BODY:
                assert all(0 <= slot < slot_count for slot in (<BodyOp> op).outs)
                continue
            assert 0 <= op.out < slot_count
            if op.code == OP_FIELD:
                assert all(0 <= slot < header_count for slot in (<FieldOp> op).header_slots)
            elif op.code == OP_MEMBER:
                assert 0 <= (<MemberOp> op).source < slot_count
            elif op.code == OP_ENTER:
                assert 0 <= (<EnterOp> op).target <= len(ops)
            elif op.code == OP_CALL:
                assert all(0 <= slot < slot_count for slot in (<CallOp> op).args)
                assert 0 <= (<CallOp> op).cache < slot_count and 0 <= (<CallOp> op).parent < node_count
        assert all(0 <= slot < slot_count for slot in endpoint.args)
        assert all(0 <= slot < slot_count for slot in cache_slots.values())
        assert all(-1 <= slot < slot_count for slot in (connection_slot, response_slot, background_slot))
        self.ops = ops
        self.endpoint = endpoint
        self.slot_count = slot_count
        self.node_count = node_count
        self.cache_slots = cache_slots
        self.header_index = header_index
        self.connection_slot = connection_slot
        self.response_slot = response_slot
        self.background_slot = background_slot
        self.make_response = make_response
        self.make_background = make_background
