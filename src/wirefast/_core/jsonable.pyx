"""The bytes that FastAPI's JSONResponse makes of the result of an endpoint, without a copy of the result.

FastAPI copies a result with jsonable_encoder and writes the copy with the json module. For a tree of plain values (such
as json.loads returns) the copy equals the original and orjson writes the same bytes. This module checks for that, and
handles all other results as FastAPI does.
"""

from cpython.dict cimport PyDict_Next
from cpython.float cimport PyFloat_AS_DOUBLE
from cpython.list cimport PyList_GET_ITEM, PyList_GET_SIZE
from cpython.object cimport PyObject
from cpython.unicode cimport PyUnicode_GET_LENGTH, PyUnicode_READ_CHAR

from wirefast._core.json cimport encode

import json

import orjson

cdef extern from "Python.h":
    long long PyLong_AsLongLongAndOverflow(object value, int* overflow) except? -1

cdef object _dumps = orjson.dumps
# As Starlette's JSONResponse.render.
cdef object _encode = json.JSONEncoder(ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode

# The depth that orjson reads. FastAPI's code handles deeper values, and finds circular references.
cdef enum:
    DEEPEST = 1024


cdef bint is_plain(object value, int depth) except -1:
    """Whether jsonable_encoder would change nothing and orjson writes what the json module writes."""
    return walk(value, depth, WRITTEN_ALIKE)


cdef bint is_json(object value) except -1:
    """Whether a JSON text can have this value, NaN and long integers included."""
    return walk(value, 0, JSON)


cdef bint walk(object value, int depth, Wanted wanted) except -1:
    cdef PyObject* key
    cdef PyObject* item
    cdef Py_ssize_t position = 0
    cdef int overflow = 0
    cdef double number
    cdef object kind = type(value)
    if kind is str or value is None or kind is bool:
        return True
    if (kind is int or kind is float) and wanted != WRITTEN_ALIKE:
        return True
    if kind is int:
        PyLong_AsLongLongAndOverflow(value, &overflow)
        return overflow == 0
    if kind is float:
        number = PyFloat_AS_DOUBLE(value)
        if number < 0:
            number = -number
        # Outside of this range the two write the exponent differently, or one of them raises.
        return number == 0 or 1e-4 <= number < 1e16
    if depth >= DEEPEST:
        return False
    if kind is dict:
        while PyDict_Next(value, &position, &key, &item):
            if type(<object> key) is not str or (wanted != JSON and _is_dropped(<object> key)):
                return False
            if not walk(<object> item, depth + 1, wanted):
                return False
        return True
    if kind is list:
        for position in range(PyList_GET_SIZE(value)):
            if not walk(<object> PyList_GET_ITEM(value, position), depth + 1, wanted):
                return False
        return True
    return False


cdef bint _is_dropped(str key) noexcept:
    """jsonable_encoder leaves out keys that begin with _sa (SQLAlchemy's)."""
    return (
        PyUnicode_GET_LENGTH(key) >= 3
        and PyUnicode_READ_CHAR(key, 0) == 95
        and PyUnicode_READ_CHAR(key, 1) == 115
        and PyUnicode_READ_CHAR(key, 2) == 97
    )


cdef bytes encode_jsonable(object value):
    """JSON of a value that jsonable_encoder has seen, or that is_plain.

    docs/json.md has the rule for values that a client can send in JSON and that JSONResponse refuses.
    """
    if is_plain(value, 0):
        try:
            return _dumps(value)
        except TypeError:  # a lone surrogate
            pass
    try:
        return (<str> _encode(value)).encode("utf-8")
    except (ValueError, RecursionError):  # NaN, a lone surrogate again, or too deep for the json module
        return encode(value)


def unchanged(value):
    """Whether jsonable_encoder would change nothing."""
    return walk(value, 0, UNCHANGED)


def any_json(value):
    """Whether a JSON text can have this value."""
    return is_json(value)


def dumps(value, jsonable_encoder):
    """Return the bytes of ``JSONResponse(jsonable_encoder(value))``."""
    return encode_jsonable(value if is_plain(value, 0) else jsonable_encoder(value))
