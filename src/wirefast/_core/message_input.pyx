"""Read typed messages: the tag, the ref, the validator, and the error if one of them fails. See the .pxd.

Compiled because it runs for every message: the validator reads the frame's bytes, without an object in between.
"""

cimport cython
from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize, PyBytes_GET_SIZE
from cpython.exc cimport PyErr_Clear
from cpython.unicode cimport PyUnicode_DecodeUTF8

from wirefast._core.channel cimport TEXT, EventKind, utf8_of
from wirefast._core.csrc cimport MEMBERS_END
from wirefast._core.tagging cimport checked_ref, look, plain_value, without

from pydantic import ValidationError

from wirefast._core.message_errors import InvalidMessage

cdef extern from "Python.h":
    object PyObject_CallOneArg(object callable, object arg)

cdef dict REF_ERROR = {
    "type": "ref_type", "loc": ["ref"], "msg": "A ref is an integer or a string of at most 64 bytes",
}

cdef enum:
    MAX_KNOWN = 512
    MAX_UNHASHABLE = 64

#: How many types' validators are kept for receive_message(): types with a hash, and types without. The oldest is
#: forgotten, so a type that each call makes again is analysed again.
KNOWN_TYPES, UNHASHABLE_TYPES = MAX_KNOWN, MAX_UNHASHABLE


@cython.final
cdef class Target:
    def __init__(self, *, validate, handler, bint cut_tag, bint cut_ref):
        self.validate = validate
        self.handler = handler
        self.cut_tag = cut_tag
        self.cut_ref = cut_ref


@cython.final
cdef class MessageInput:
    def __init__(
        self, *, str tag not None, dict targets not None, Target only, Target text, Target binary, explain
    ):
        self.tag = tag
        self.targets = targets
        self.only = only
        self.text = text
        self.binary = binary
        self.explain = explain

    cdef int look(self, object data, Found* found) except -1:
        cdef Py_ssize_t size = 0
        if type(data) is bytes:
            found.text = PyBytes_AS_STRING(data)
            size = PyBytes_GET_SIZE(data)
        else:
            found.text = utf8_of(data, &size)
            if found.text is NULL:  # a lone surrogate, which only another server lets through
                PyErr_Clear()
                raise InvalidMessage("malformed")
        found.size = <size_t> size
        found.status = look(&found.tagging, found.text, found.size, self.tag)
        return 0

    cdef bytes ref_of(self, Found* found):
        cdef bytes ref
        if found.status != MEMBERS_END or found.tagging.ref is NULL:
            return None
        ref = checked_ref(found.tagging.ref, found.tagging.ref_size)
        if ref is None:
            raise InvalidMessage("invalid", None, [REF_ERROR])
        return ref if ref else None

    cdef Target target_of(self, Found* found, bytes ref):
        cdef Target target = self.only
        cdef bytes key
        if target is not None:
            return target
        if found.status != MEMBERS_END:
            raise InvalidMessage("malformed")
        if found.tagging.tag is not NULL:
            key = PyBytes_FromStringAndSize(found.tagging.tag, <Py_ssize_t> found.tagging.tag_size)
            target = self.targets.get(key)
            if target is None:
                target = self.targets.get(plain_value(found.tagging.tag, found.tagging.tag_size))
        if target is None:
            raise InvalidMessage("unknown_type", ref)
        return target

    cdef object validated(self, Target target, object data, Found* found, bytes ref):
        cdef bint cut_ref = target.cut_ref and found.tagging.ref is not NULL
        cdef object message = data
        if found.status == MEMBERS_END and (target.cut_tag or cut_ref):
            message = without(found.text, found.size, self.tag, target.cut_tag, target.cut_ref)
        try:
            return PyObject_CallOneArg(target.validate, message)
        except ValidationError as exc:
            word, errors = self.explain(exc, data)
            raise InvalidMessage(word, ref, errors) from exc

    cdef object read(self, object data, EventKind kind):
        cdef Target target = self.text if kind == TEXT else self.binary
        cdef Found found
        cdef bytes ref
        if target is not None:
            return whole_text(data) if kind == TEXT else data
        self.look(data, &found)
        ref = self.ref_of(&found)
        return self.validated(self.target_of(&found, ref), data, &found, ref)


cdef object whole_text(object data):
    if type(data) is bytes:
        return PyUnicode_DecodeUTF8(PyBytes_AS_STRING(data), PyBytes_GET_SIZE(data), NULL)
    return data


# ---- The types of receive_message() ----

# callable(model, tag) -> MessageInput. A package above the core has the function, which reads types, and sets it here.
cdef object make_input = None
cdef dict known = {}
# (model, tag, input) of the types without a hash, such as Annotated[A, {"more": 1}].
cdef list unhashable = []


def set_maker(maker):
    """Set the function that makes a MessageInput of a type and the name of its tag."""
    global make_input
    make_input = maker


cdef MessageInput input_of(object model, object tag):
    cdef object found, other, name, made
    cdef tuple key = (model, tag)
    try:
        found = known.get(key)
    except TypeError:
        for other, name, found in unhashable:
            if name == tag and (other is model or other == model):
                return found
        made = make_input(model, tag)
        if len(unhashable) >= MAX_UNHASHABLE:
            del unhashable[0]
        unhashable.append((model, tag, made))
        return made
    if found is None:
        found = make_input(model, tag)
        if len(known) >= MAX_KNOWN:
            del known[next(iter(known))]
        known[key] = found
    return found


def known_types():
    """Return the numbers of kept types, for tests: with a hash, and without."""
    return len(known), len(unhashable)
