"""JSON for send_json and receive_json.

orjson reads and writes. The json module of the standard library, which Starlette uses, takes what orjson refuses: keys
that are no str, integers past 64 bits, deep nesting, NaN on input, lone surrogates. Both directions give Starlette's
result, except that NaN and infinities are sent as null and lone surrogates as U+FFFD, so that the output is JSON.
"""

from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_GET_SIZE
from cpython.object cimport PyObject
from cpython.ref cimport Py_DECREF
from cpython.unicode cimport PyUnicode_AsUTF8AndSize, PyUnicode_DecodeUTF8

from wirefast._core.coroutine cimport take_error

import json
import math
from collections import deque
from decimal import Decimal

import orjson
from pydantic import BaseModel

from wirefast._core.coroutine import kind_of, missing_await
from wirefast._core.dumping import dumped
from wirefast._core.unicode import utf8

cdef object _dumps = orjson.dumps
cdef object _loads = orjson.loads
cdef object OrjsonDecodeError = orjson.JSONDecodeError

cdef extern from "Python.h":
    # NULL with an error set, which costs less than a `try` for each message.
    PyObject* attempt "PyObject_Vectorcall"(object callable, PyObject** arguments, size_t count, void* names) noexcept

cdef object _quoted = json.encoder.encode_basestring
cdef object _scan_once = json.JSONDecoder().scan_once
cdef object _scan_string = json.decoder.scanstring

# Levels of lists and objects. A value that was read can be written with some more levels around it.
cdef enum:
    DEEPEST_READ = 1024
    DEEPEST = 1040

# orjson reads an integer past 64 bits as a float. The shortest such integer has 19 digits.
cdef enum:
    LONG_INTEGER = 19


def default(value):
    """Return the JSON form of a value that orjson cannot encode; raise TypeError with the standard library's text."""
    if isinstance(value, BaseModel):
        return dumped(value.model_dump)
    if isinstance(value, Decimal):
        return _decimal(value)
    if isinstance(value, (set, frozenset, deque, tuple)):
        return list(value)
    cdef object advice = missing_await(value)
    raise TypeError(f"Object of type {kind_of(value)} is not JSON serializable" + (f"; {advice}" if advice else ""))


def _decimal(value):
    """Return a number if the value is one, as FastAPI's jsonable_encoder decides; null for NaN and infinities."""
    if not value.is_finite():
        return None
    return int(value) if value.as_tuple().exponent >= 0 else float(value)


cdef bytes encode(object data):
    """UTF-8 JSON. Raises TypeError or ValueError for what cannot be encoded, as json.dumps does."""
    cdef PyObject* arguments[2]
    cdef PyObject* made
    arguments[0] = <PyObject*> data
    arguments[1] = <PyObject*> default
    made = attempt(_dumps, arguments, 2, NULL)
    if made is NULL:
        return encode_slowly(data, take_error())
    encoded = <bytes> made
    Py_DECREF(encoded)
    return encoded


cdef bytes encode_slowly(object data, object failure):
    """Encode what orjson has refused by this exception."""
    try:
        raise failure
    except TypeError:
        return utf8(_slow_text(data))


cdef str encode_text(object data):
    cdef bytes encoded = encode(data)
    return PyUnicode_DecodeUTF8(PyBytes_AS_STRING(encoded), PyBytes_GET_SIZE(encoded), NULL)


def _slow_text(data):
    cdef list parts = []
    try:
        return _library_text(data)
    except RecursionError:
        write_deep(data, parts, 0)
        return "".join(parts)


cdef int write_deep(object value, list parts, int depth) except -1:
    """Write without a Python frame for each level, for values that are too deep for the json module."""
    cdef bint first = True
    cdef object key, item
    if value is None or value is True or value is False:
        parts.append("null" if value is None else "true" if value else "false")
    elif type(value) is str:
        parts.append(_quoted(value))
    elif isinstance(value, float) and not math.isfinite(value):
        parts.append("null")
    elif isinstance(value, (str, int, float)):
        parts.append(json.dumps(value, ensure_ascii=False))
    elif depth >= DEEPEST:
        raise ValueError(f"the value is nested deeper than {DEEPEST} levels, or refers to itself")
    elif isinstance(value, dict):
        parts.append("{")
        for key, item in value.items():
            if not first:
                parts.append(",")
            first = False
            if type(key) is str:
                parts.append(_quoted(key))
                parts.append(":")
            else:  # only the key: the library's rules
                written = json.dumps({key: 0}, separators=(",", ":"), ensure_ascii=False)
                parts.append(written[1 : len(written) - 2])
            write_deep(item, parts, depth + 1)
        parts.append("}")
    elif isinstance(value, (list, tuple)):
        parts.append("[")
        for item in value:
            if not first:
                parts.append(",")
            first = False
            write_deep(item, parts, depth + 1)
        parts.append("]")
    else:
        write_deep(_slow_default(value), parts, depth + 1)
    return 0


def _library_text(data):
    try:
        return json.dumps(data, separators=(",", ":"), ensure_ascii=False, allow_nan=False, default=_slow_default)
    except ValueError as exc:
        if "Circular reference" in str(exc):
            raise
        # The value has a NaN or an infinity: make a copy without them.
        return json.dumps(
            _without_nan(data), separators=(",", ":"), ensure_ascii=False, allow_nan=False, default=_slow_default
        )


def _slow_default(value):
    """`default` for json.dumps: types that orjson encodes by itself (dates, UUIDs, enums, dataclasses), then the
    others."""
    try:
        return orjson.loads(orjson.dumps(value, default))
    except (TypeError, orjson.JSONDecodeError):
        pass
    if hasattr(type(value), "__dataclass_fields__"):
        return _without_nan({name: getattr(value, name) for name in type(value).__dataclass_fields__})
    return _without_nan(default(value))


def _without_nan(value):
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, dict):
        return {
            (str(key).replace("nan", "NaN").replace("inf", "Infinity") if isinstance(key, float) and not math.isfinite(key) else key): _without_nan(item)
            for key, item in value.items()
        }
    if isinstance(value, (list, tuple)):
        return [_without_nan(item) for item in value]
    return value


cdef bint _has_long_integer(const char* text, Py_ssize_t size) noexcept:
    """Whether the text has 19 digits in a row where a number may begin. Reads every 19th byte first."""
    cdef Py_ssize_t position = LONG_INTEGER - 1, start, end
    cdef char before
    while position < size:
        if not (48 <= text[position] <= 57):
            position += LONG_INTEGER
            continue
        start = position
        while start > 0 and 48 <= text[start - 1] <= 57:
            start -= 1
        end = position + 1
        while end < size and 48 <= text[end] <= 57:
            end += 1
        if end - start >= LONG_INTEGER:
            before = text[start - 1] if start > 0 else 32
            if before == 45:  # a minus sign
                before = text[start - 2] if start > 1 else 32
            # A fraction, an exponent or the inside of a word is no integer.
            if before in b" \t\r\n:,[":
                return True
        position = end + LONG_INTEGER
    return False


cdef object decode(object text):
    """Return the value of a JSON text (str, or bytes of UTF-8).

    Raises json.JSONDecodeError for malformed or absurdly nested text, UnicodeDecodeError for bytes that are
    not UTF-8, TypeError for anything that is neither str nor bytes.
    """
    cdef Py_ssize_t size
    cdef const char* data
    cdef object value
    cdef PyObject* argument = <PyObject*> text
    cdef PyObject* made = attempt(_loads, &argument, 1, NULL)
    if made is NULL:
        return decode_slowly(text, take_error())
    value = <object> made
    Py_DECREF(value)
    if type(text) is bytes:
        data = PyBytes_AS_STRING(text)
        size = PyBytes_GET_SIZE(text)
    elif type(text) is str:
        data = PyUnicode_AsUTF8AndSize(text, &size)
    else:
        return value
    return _slow_decode(text) if size >= LONG_INTEGER and _has_long_integer(data, size) else value


cdef bint _is_too_deep(str text):
    """Whether the brackets outside of strings open more levels than orjson reads.

    The json module's own bound depends on the version of Python.
    """
    cdef Py_UCS4 character
    cdef bint in_string = False, escaped = False
    cdef Py_ssize_t depth = 0
    for character in text:
        if in_string:
            if escaped:
                escaped = False
            elif character == 92:  # a backslash
                escaped = True
            elif character == 34:
                in_string = False
        elif character == 34:
            in_string = True
        elif character == 91 or character == 123:
            depth += 1
            if depth > DEEPEST_READ:
                return True
        elif character == 93 or character == 125:
            depth -= 1
    return False


cdef Py_ssize_t after_space(str text, Py_ssize_t at) except -1:
    cdef Py_ssize_t size = len(text)
    while at < size and text[at] in (32, 9, 10, 13):
        at += 1
    return at


cdef object read_key(str text, Py_ssize_t* at):
    """Read a key and its colon."""
    cdef object key, end
    cdef Py_ssize_t place = after_space(text, at[0])
    if place >= len(text) or text[place] != 34:
        raise json.JSONDecodeError("Expecting property name enclosed in double quotes", text, place)
    key, end = _scan_string(text, place + 1, True)
    place = after_space(text, end)
    if place >= len(text) or text[place] != 58:
        raise json.JSONDecodeError("Expecting ':' delimiter", text, place)
    at[0] = place + 1
    return key


cdef object read_deep(str text):
    """Return the value of a JSON text without a Python frame for each level. The json module reads strings and
    numbers."""
    cdef list outer = []    # the open containers, and the key of the next value of each
    cdef object container = None, key = None, value, end
    cdef Py_ssize_t at = 0, size = len(text)
    cdef Py_UCS4 character
    while True:
        at = after_space(text, at)
        character = text[at] if at < size else 0
        if character == 91 or character == 123:
            outer.append((container, key))
            container = [] if character == 91 else {}
            key = None
            at = after_space(text, at + 1)
            if at >= size or text[at] != (93 if character == 91 else 125):
                if character == 123:
                    key = read_key(text, &at)
                continue
            value = container
            container, key = outer.pop()
            at += 1
        else:
            try:
                value, end = _scan_once(text, at)
            except StopIteration:
                raise json.JSONDecodeError("Expecting value", text, at) from None
            at = end
        # A value is complete, and each container that ends behind the value.
        while True:
            at = after_space(text, at)
            if container is None:
                if at < size:
                    raise json.JSONDecodeError("Extra data", text, at)
                return value
            if type(container) is list:
                (<list> container).append(value)
            else:
                (<dict> container)[key] = value
            character = text[at] if at < size else 0
            at += 1
            if character == 44:
                if type(container) is dict:
                    key = read_key(text, &at)
                break
            if character != (93 if type(container) is list else 125):
                raise json.JSONDecodeError("Expecting ',' delimiter", text, at - 1)
            value = container
            container, key = outer.pop()


cdef object decode_slowly(object text, object failure):
    """Decode what orjson has refused by this exception."""
    try:
        raise failure
    except OrjsonDecodeError:
        return _slow_decode(text)


def _slow_decode(text):
    if isinstance(text, (bytes, bytearray)):
        text = text.decode("utf-8")
    try:
        if _is_too_deep(text):
            raise json.JSONDecodeError("JSON is nested too deeply", text, 0)
        try:
            return json.loads(text)
        except RecursionError:  # the json module allows fewer levels, or the stack is already deep
            return read_deep(text)
    except json.JSONDecodeError:
        raise
    except ValueError as exc:  # more digits than int() allows
        raise json.JSONDecodeError(str(exc), text, 0) from None


def dumps(data):
    """UTF-8 bytes of ``data``."""
    return encode(data)


def loads(text):
    """Return the value of a JSON text."""
    return decode(text)


def loads_deep(str text not None):
    """Return the value of any JSON text by the reader that needs no stack."""
    return read_deep(text)
