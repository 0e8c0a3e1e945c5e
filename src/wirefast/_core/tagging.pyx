# distutils: sources = csrc/members.c
"""The tag and the ref of a JSON message, read from its bytes before a validator sees them.

Compiled because it runs for every typed message. The validator of a message without a ref gets the received bytes.
csrc/members.h cuts the text into members; keys with escapes are decoded as JSON.
"""

from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize, PyBytes_GET_SIZE
from cpython.unicode cimport PyUnicode_DecodeUTF8
from libc.string cimport memcmp

from wirefast._core.csrc cimport (
    MEMBERS_END, MEMBERS_FOUND, MEMBERS_MALFORMED, MEMBERS_NO_OBJECT, member, members_begin, members_cursor,
    members_next, members_status,
)

import json

cdef extern from "Python.h":
    const char* PyUnicode_AsUTF8AndSize(object text, Py_ssize_t* size) except NULL

cdef enum:
    MAX_REF = 64

#: Bytes of UTF-8 that a ref may have, and digits if it is a number.
REF_BYTES = MAX_REF


cdef object loads(const char* text, size_t size):
    """Read one JSON value in UTF-8, or raise ValueError.

    json.loads guesses the encoding of bytes: it takes a byte order mark, UTF-16 and UTF-32, which are no JSON here.
    """
    return json.loads(PyUnicode_DecodeUTF8(text, <Py_ssize_t> size, NULL))


cdef bint is_named(const member* found, const char* name, size_t size) except -1:
    """Whether the key of a member is this name, with or without escapes."""
    if not found.escaped:
        return found.key_size == size and memcmp(found.key, name, size) == 0
    try:
        key = loads(found.key - 1, found.key_size + 2)
        return key.encode() == PyBytes_FromStringAndSize(name, <Py_ssize_t> size)
    except ValueError:  # a lone surrogate, or a bad escape, which the validator reports
        return False


cdef members_status look(Tagging* found, const char* text, size_t size, str tag_name) except *:
    cdef members_cursor cursor
    cdef member one
    cdef members_status status
    cdef Py_ssize_t tag_size
    cdef const char* name = PyUnicode_AsUTF8AndSize(tag_name, &tag_size)
    found.tag = found.ref = NULL
    found.tag_size = found.ref_size = 0
    status = members_begin(&cursor, text, size)
    if status != MEMBERS_FOUND:
        return status
    while True:
        status = members_next(&cursor, &one)
        if status != MEMBERS_FOUND:
            return status
        if tag_size and is_named(&one, name, <size_t> tag_size):
            if found.tag is not NULL and not is_json(found.tag, found.tag_size):
                return MEMBERS_MALFORMED
            found.tag = one.value
            found.tag_size = one.value_size
        elif is_named(&one, "ref", 3):
            # The last of several counts. All are cut from what the validator reads, so nothing else looks at the others.
            if found.ref is not NULL and not is_json(found.ref, found.ref_size):
                return MEMBERS_MALFORMED
            found.ref = one.value
            found.ref_size = one.value_size


cdef bint is_plain_string(const char* text, size_t size) noexcept:
    """Whether the value is a JSON string of printable ASCII without escapes."""
    cdef size_t i
    cdef unsigned char byte
    if size < 2 or text[0] != 34 or text[size - 1] != 34:
        return False
    for i in range(1, size - 1):
        byte = <unsigned char> text[i]
        if byte < 32 or byte > 126 or byte == 34 or byte == 92:
            return False
    return True


cdef bint is_plain_integer(const char* text, size_t size) noexcept:
    """Whether the value is a JSON integer in the form that Python writes."""
    cdef size_t i, start = 1 if size and text[0] == 45 else 0
    if size == start or (text[start] == 48 and size > 1):
        return False
    for i in range(start, size):
        if not 48 <= text[i] <= 57:
            return False
    return True


cdef bint is_json(const char* text, size_t size) except -1:
    if is_plain_string(text, size) or is_plain_integer(text, size):
        return True
    try:
        loads(text, size)
    except (ValueError, RecursionError):
        return False
    return True


cdef bytes plain_value(const char* text, size_t size):
    if is_plain_string(text, size):
        return PyBytes_FromStringAndSize(text, <Py_ssize_t> size)
    try:
        value = loads(text, size)
        return json.dumps(value).encode()
    except (ValueError, RecursionError):
        return None


cdef bytes checked_ref(const char* text, size_t size):
    cdef size_t i
    if size == 4 and memcmp(text, b"null", 4) == 0:
        return b""
    if is_plain_string(text, size):
        return PyBytes_FromStringAndSize(text, <Py_ssize_t> size) if size <= MAX_REF + 2 else None
    if size <= MAX_REF and is_plain_integer(text, size):
        return PyBytes_FromStringAndSize(text, <Py_ssize_t> size)
    # The longest escape of one byte has six characters.
    if size > 6 * MAX_REF + 2:
        return None
    try:
        value = loads(text, size)
        if type(value) is int:
            return PyBytes_FromStringAndSize(text, <Py_ssize_t> size) if size <= MAX_REF else None
        if type(value) is str and len(value.encode()) <= MAX_REF:
            return json.dumps(value).encode()
    except (ValueError, RecursionError):
        pass
    return None


cdef bytes without(const char* text, size_t size, str tag_name, bint cut_tag, bint cut_ref):
    cdef members_cursor cursor
    cdef member one
    cdef Py_ssize_t tag_size
    cdef const char* name = PyUnicode_AsUTF8AndSize(tag_name, &tag_size)
    cdef list kept = []
    members_begin(&cursor, text, size)
    while members_next(&cursor, &one) == MEMBERS_FOUND:
        if tag_size and is_named(&one, name, <size_t> tag_size):
            if cut_tag:
                continue
        elif cut_ref and is_named(&one, "ref", 3):
            continue
        kept.append(PyBytes_FromStringAndSize(one.start, one.value + one.value_size - one.start))
    return b"{" + b",".join(kept) + b"}"


cdef bytes with_ref(bytes reply, bytes ref):
    if PyBytes_GET_SIZE(reply) < 2 or PyBytes_AS_STRING(reply)[0] != 123:
        return reply
    if PyBytes_AS_STRING(reply)[1] == 125:
        return b'{"ref":' + ref + b"}"
    return b'{"ref":' + ref + b"," + reply[1:]


# ---- For tests and for Python ----

_NAMES = {
    MEMBERS_END: "object", MEMBERS_MALFORMED: "malformed", MEMBERS_NO_OBJECT: "no object",
}


def find(bytes text, str tag_name):
    """Return what look() finds: a word, and the tag and the ref as in the text; None without one."""
    cdef Tagging found
    cdef members_status status = look(&found, PyBytes_AS_STRING(text), <size_t> PyBytes_GET_SIZE(text), tag_name)
    tag = ref = None
    if found.tag is not NULL:
        tag = PyBytes_FromStringAndSize(found.tag, <Py_ssize_t> found.tag_size)
    if found.ref is not NULL:
        ref = PyBytes_FromStringAndSize(found.ref, <Py_ssize_t> found.ref_size)
    return _NAMES[status], tag, ref


def cut(bytes text, str tag_name, bint cut_tag, bint cut_ref):
    """Return the object without these members."""
    return without(PyBytes_AS_STRING(text), <size_t> PyBytes_GET_SIZE(text), tag_name, cut_tag, cut_ref)


def splice(bytes reply, bytes ref):
    """Return the reply with the ref as its first member."""
    return with_ref(reply, ref)


def check_ref(bytes text):
    """Return the ref in the form of answers; empty for null, None for a value that is no ref."""
    return checked_ref(PyBytes_AS_STRING(text), <size_t> PyBytes_GET_SIZE(text))
