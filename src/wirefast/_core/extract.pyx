# distutils: sources = csrc/query.c
"""Raw parameter values out of an ASGI scope: query string, cookies, headers.

Each function makes one pass and gives what Starlette's ``QueryParams``, ``HTTPConnection.cookies`` and ``Headers``
would give; csrc/query.h cuts and decodes. Nothing is cached here: the caller keeps the result.
"""

from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_GET_SIZE
from cpython.dict cimport PyDict_GetItemWithError
from cpython.mem cimport PyMem_Free, PyMem_Malloc
from cpython.object cimport PyObject
from cpython.unicode cimport PyUnicode_DecodeLatin1, PyUnicode_DecodeUTF8

from wirefast._core.csrc cimport (
    QUERY_NO_ROOM,
    cookie_decode,
    cookie_next,
    query_cursor,
    query_decode,
    query_next,
    query_text,
)

# Decoded names and values of up to this many bytes need no memory from the heap.
cdef enum:
    STACK_BYTES = 512


# A buffer of one call: on the stack, or on the heap for a longer text.
cdef struct Buffer:
    char* heap
    size_t room
    char stack[STACK_BYTES]


cdef char* reserve(Buffer* buffer, size_t size) except NULL:
    """At least ``size`` bytes; the old content is lost."""
    if size <= STACK_BYTES:
        return buffer.stack
    if size > buffer.room:
        PyMem_Free(buffer.heap)
        buffer.room = 0
        buffer.heap = <char*>PyMem_Malloc(size)
        if buffer.heap == NULL:
            raise MemoryError
        buffer.room = size
    return buffer.heap


cdef inline int start_cursor(query_cursor* cursor, bytes text) except -1:
    if text is None:
        raise TypeError("expected bytes, got None")
    cursor.at = PyBytes_AS_STRING(text)
    cursor.end = cursor.at + PyBytes_GET_SIZE(text)
    return 0


cdef inline str latin1(const query_text* piece):
    return PyUnicode_DecodeLatin1(piece.text, <Py_ssize_t>piece.size, NULL)


cdef str decode_query(const query_text* piece, Buffer* buffer):
    cdef size_t room, size
    cdef char* out
    if not piece.escaped:
        return latin1(piece)
    room = piece.size * 2 if piece.high else piece.size
    out = reserve(buffer, room)
    size = query_decode(piece, out, room)
    if size == QUERY_NO_ROOM:
        raise AssertionError("query_decode() wrote more than it says")
    return PyUnicode_DecodeUTF8(out, <Py_ssize_t>size, "replace")


cdef str decode_cookie(const query_text* value, Buffer* buffer):
    cdef size_t size
    cdef char* out
    if not value.escaped:
        return latin1(value)
    out = reserve(buffer, value.size)
    size = cookie_decode(value, out, value.size)
    if size == QUERY_NO_ROOM:
        raise AssertionError("cookie_decode() wrote more than it says")
    return PyUnicode_DecodeLatin1(out, <Py_ssize_t>size, NULL)


cpdef list parse_query(bytes query):
    """Return the (name, value) pairs of ``scope["query_string"]`` in order, as ``datastructures.QueryParams`` has them.

    Duplicate names are kept; a scalar parameter is the last of its name (``dict(pairs)``).
    """
    cdef list pairs = []
    cdef query_text name, value
    cdef Buffer buffer
    cdef query_cursor cursor
    start_cursor(&cursor, query)
    buffer.heap, buffer.room = NULL, 0
    try:
        while query_next(&cursor, &name, &value):
            pairs.append((decode_query(&name, &buffer), decode_query(&value, &buffer)))
    finally:
        PyMem_Free(buffer.heap)
    return pairs


cpdef dict parse_cookies(object headers):
    """Return the cookies of ``scope["headers"]`` as ``HTTPConnection.cookies`` does: the last of a name, over all
    headers."""
    cdef dict cookies = {}
    cdef query_cursor cursor
    cdef query_text name, value
    cdef Buffer buffer
    buffer.heap, buffer.room = NULL, 0
    try:
        for header, content in headers:
            if header != b"cookie":
                continue
            start_cursor(&cursor, content)
            while cookie_next(&cursor, &name, &value):
                cookies[latin1(&name)] = decode_cookie(&value, &buffer)
    finally:
        PyMem_Free(buffer.heap)
    return cookies


cpdef int fill_headers(object headers, dict wanted, list values) except -1:
    """Write the first value of each wanted header into ``values``, as Latin-1; return how many were written.

    ``wanted`` maps lower-case names to positions in ``values``; a position that does not hold None stays unchanged.
    Raises IndexError for a position outside ``values``.
    """
    cdef Py_ssize_t put = 0
    cdef Py_ssize_t position
    cdef PyObject* found
    cdef query_cursor cursor
    if wanted is None or values is None:
        raise TypeError("expected a dict and a list, got None")
    for name, content in headers:
        found = PyDict_GetItemWithError(wanted, name)
        if found == NULL:
            continue
        position = <object>found
        if not 0 <= position < len(values):
            raise IndexError("position of a wanted header outside the values")
        if values[position] is None:
            start_cursor(&cursor, content)
            values[position] = PyUnicode_DecodeLatin1(cursor.at, cursor.end - cursor.at, NULL)
            put += 1
            if put == len(wanted):
                break
    return put
