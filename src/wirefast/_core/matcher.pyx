# distutils: sources = csrc/path_trie.c csrc/path_pattern.c
"""Path matching: the first declared route whose pattern matches, at one cost for any number of routes.

The patterns are Starlette's (``starlette.routing.compile_path``), and so is the answer. Patterns made of literals
and Starlette's own five convertors are compiled into a trie (csrc/path_trie.h), where no path
costs more than linear time. A pattern that the trie does not support keeps its regular expression and its place
in the order: convertors registered or replaced by the user, host patterns (those that do not begin with
a slash), routes whose ``regex`` is not the one that Starlette makes of their path.
"""

cimport cython
from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_GET_SIZE
from cpython.long cimport PyLong_FromLongLong
from cpython.mem cimport PyMem_Free, PyMem_Malloc
from cpython.unicode cimport PyUnicode_AsUTF8AndSize, PyUnicode_DecodeUTF8, PyUnicode_Substring
from libc.stdint cimport SIZE_MAX, uint32_t, uint64_t

from wirefast._core.csrc cimport (
    PATH_FLOAT,
    PATH_INT,
    PATH_LITERAL,
    PATH_PATH,
    PATH_STR,
    PATH_TRIE_NO_MEMORY,
    PATH_TRIE_NONE,
    PATH_TRIE_OK,
    PATH_UUID,
    path_span,
    path_token,
    path_trie_add,
    path_trie_free,
    path_trie_match,
    path_trie_max_params,
    path_trie_new,
    path_trie_status,
    path_trie_work_size,
)

import re
from uuid import UUID

from starlette.convertors import (
    FloatConvertor,
    IntegerConvertor,
    PathConvertor,
    StringConvertor,
    UUIDConvertor,
)

cdef extern from "Python.h":
    bint PyUnicode_IS_ASCII(object text)

# Working memory of a match comes from the stack up to this many 8-byte words, else from the heap.
cdef enum:
    STACK_WORDS = 256

cdef dict KINDS = {
    StringConvertor: PATH_STR,
    PathConvertor: PATH_PATH,
    IntegerConvertor: PATH_INT,
    FloatConvertor: PATH_FLOAT,
    UUIDConvertor: PATH_UUID,
}

# The regular expressions of the trie's kinds: a convertor with another expression is not in the trie.
cdef dict EXPRESSIONS = {
    PATH_STR: "[^/]+",
    PATH_PATH: ".*",
    PATH_INT: "[0-9]+",
    PATH_FLOAT: r"[0-9]+(\.[0-9]+)?",
    PATH_UUID: "[0-9a-fA-F]{8}-?[0-9a-fA-F]{4}-?[0-9a-fA-F]{4}-?[0-9a-fA-F]{4}-?[0-9a-fA-F]{12}",
}

cdef object PARAMETER = re.compile("{([a-zA-Z_][a-zA-Z0-9_]*)(?::[a-zA-Z_][a-zA-Z0-9_]*)?}")


@cython.final
cdef class _Shape:
    """A route that the trie holds: the names of its parameters and, under each, the path_kind."""
    cdef tuple names
    cdef bytes kinds


@cython.final
cdef class _Fallback:
    """A route that keeps its regular expression."""
    cdef Py_ssize_t place
    cdef object search
    cdef object convertors

    cdef dict match(self, str path):
        """Return the converted parameters, or None. The caller gets the exception of a user's convertor."""
        cdef dict params
        found = self.search(path)
        if found is None:
            return None
        params = found.groupdict()
        for name, value in params.items():
            convertor = self.convertors[name]
            try:
                params[name] = convertor.convert(value)
            except ValueError:
                if type(convertor) is not IntegerConvertor:
                    raise
                return None
        return params


@cython.final
cdef class Matcher:
    """The frozen paths of a router: finds the first declared route that matches a path.

    ``routes`` yields, in order of declaration, each route's path, its convertors by parameter name and its compiled
    regular expression, as ``starlette.routing.compile_path`` makes them. An int parameter with more digits than
    Python converts (``sys.get_int_max_str_digits``) is no match, where Starlette raises ValueError.
    """

    def __cinit__(self):
        self.trie = path_trie_new()
        if self.trie == NULL:
            raise MemoryError

    def __init__(self, routes):
        if self.routes is not None:
            raise TypeError("a Matcher is built once")
        self.routes = []
        for place, (path, convertors, regex) in enumerate(routes):
            self.add(place, path, convertors, regex)
        self.max_params = path_trie_max_params(self.trie)

    def __dealloc__(self):
        path_trie_free(self.trie)

    @property
    def regex_places(self):
        """The places of the routes that keep their regular expression. The cost of a match has no bound there."""
        return () if self.fallbacks is None else tuple([(<_Fallback>route).place for route in self.fallbacks])

    cdef int add(self, Py_ssize_t place, str path, object convertors, object regex) except -1:
        """Add the next route, to the trie if the trie supports its pattern."""
        cdef _Shape shape = self.add_to_trie(place, path, convertors, regex)
        cdef _Fallback fallback
        if shape is not None:
            self.routes.append(shape)
            return 0
        fallback = _Fallback.__new__(_Fallback)
        fallback.place = place
        fallback.search = regex.match
        fallback.convertors = convertors
        self.routes.append(fallback)
        if self.fallbacks is None:
            self.fallbacks = []
        self.fallbacks.append(fallback)
        return 0

    cdef object add_to_trie(self, Py_ssize_t place, str path, object convertors, object regex):
        """Return the route's shape when the trie now holds it, None when it has to keep its regular expression."""
        cdef path_token* tokens
        cdef path_trie_status status
        cdef list parts = PARAMETER.split(path)  # literal, name, literal, name, ..., literal
        cdef list texts = []
        cdef list kinds = []
        cdef list expression = ["^"]
        cdef size_t count = 0
        cdef Py_ssize_t i
        cdef bytes text
        cdef _Shape shape
        for i in range(len(parts)):
            if i % 2:
                kind = KINDS.get(type(convertors.get(parts[i])))
                if kind is None:
                    return None
                kinds.append(kind)
                expression.append(f"(?P<{parts[i]}>{EXPRESSIONS[kind]})")
            else:
                texts.append(parts[i].encode("utf-8", "surrogatepass"))
                expression.append(re.escape(parts[i]))
        expression.append("$")
        if getattr(regex, "pattern", None) != "".join(expression):
            return None
        if regex.flags != re.UNICODE and path:  # the empty path has no letters, so case does not matter
            return None

        tokens = <path_token*>PyMem_Malloc(<size_t>len(parts) * sizeof(path_token))
        if tokens == NULL:
            raise MemoryError
        for i in range(len(parts)):
            if i % 2:
                tokens[count].kind = kinds[i // 2]
                tokens[count].text = NULL
                tokens[count].size = 0
                count += 1
            else:
                text = texts[i // 2]
                if len(text) > 0:
                    tokens[count].kind = PATH_LITERAL
                    tokens[count].text = PyBytes_AS_STRING(text)
                    tokens[count].size = <uint32_t>min(len(text), <Py_ssize_t>0x7FFFFFFF)
                    count += 1
        status = path_trie_add(self.trie, <uint32_t>place, tokens, count)
        PyMem_Free(tokens)
        if status == PATH_TRIE_NO_MEMORY:
            raise MemoryError
        if status != PATH_TRIE_OK:
            return None
        shape = _Shape.__new__(_Shape)
        shape.names = tuple(parts[1::2])
        shape.kinds = bytes(kinds)
        return shape

    cpdef tuple match(self, str path, Py_ssize_t start=0):
        """Return the place and the converted parameters of the first match at or after ``start``; None without a match.

        The dict is the caller's own. ``path`` is any str, lone surrogates included.
        """
        cdef Py_ssize_t place
        cdef dict params = self.find(path, start, &place)
        return None if params is None else (place, params)

    cdef dict find(self, str path, Py_ssize_t start, Py_ssize_t* index):
        cdef uint64_t stack[STACK_WORDS]
        cdef uint64_t* heap = NULL
        cdef path_span* spans = <path_span*>stack
        cdef object encoded
        cdef const char* text
        cdef Py_ssize_t size
        cdef size_t need
        index[0] = -1
        if path is None:
            raise TypeError("a path is a str, not None")
        if PyUnicode_IS_ASCII(path):
            text = PyUnicode_AsUTF8AndSize(path, &size)
        else:
            encoded = path.encode("utf-8", "surrogatepass")
            text = PyBytes_AS_STRING(encoded)
            size = PyBytes_GET_SIZE(encoded)
        need = path_trie_work_size(self.trie, <size_t>size)
        if need > SIZE_MAX - self.max_params * sizeof(path_span):
            raise MemoryError
        need += self.max_params * sizeof(path_span)
        if need <= sizeof(stack):
            return self.search(path, text, <size_t>size, start, spans, index)
        heap = <uint64_t*>PyMem_Malloc(need)
        if heap == NULL:
            raise MemoryError
        try:
            return self.search(path, text, <size_t>size, start, <path_span*>heap, index)
        finally:
            PyMem_Free(heap)

    cdef dict search(
        self, str path, const char* text, size_t size, Py_ssize_t start, path_span* spans, Py_ssize_t* index
    ):
        """find() for a path in UTF-8. The given memory holds the spans, then the trie's working memory."""
        cdef dict params
        cdef uint32_t lowest, found
        cdef Py_ssize_t place
        cdef _Fallback fallback
        if start >= len(self.routes):
            return None
        lowest = <uint32_t>start if start > 0 else 0
        while True:
            found = path_trie_match(self.trie, text, size, lowest, spans + self.max_params, spans)
            place = len(self.routes) if found == PATH_TRIE_NONE else <Py_ssize_t>found
            if self.fallbacks is not None:
                for entry in self.fallbacks:
                    fallback = <_Fallback>entry
                    if fallback.place >= place:
                        break
                    if fallback.place >= <Py_ssize_t>lowest:
                        params = fallback.match(path)
                        if params is not None:
                            index[0] = fallback.place
                            return params
            if found == PATH_TRIE_NONE:
                return None
            params = convert(<_Shape>self.routes[place], path, text, spans)
            if params is not None:
                index[0] = place
                return params
            lowest = found + 1


cdef dict convert(_Shape shape, str path, const char* text, const path_span* spans):
    """Return the parameters in the spans of ``text``, which is ``path`` in UTF-8; None when an int is too long."""
    cdef dict params = {}
    cdef const unsigned char* kinds = <const unsigned char*>PyBytes_AS_STRING(shape.kinds)
    cdef bint ascii_only = PyUnicode_IS_ASCII(path)
    cdef Py_ssize_t i
    cdef size_t start, end
    cdef object value
    for i in range(len(shape.names)):
        start, end = spans[i].start, spans[i].end
        if kinds[i] == PATH_INT and end - start <= 18:  # so few digits fit in 64 bits
            value = PyLong_FromLongLong(digits_value(text + start, text + end))
        else:
            if ascii_only:
                value = PyUnicode_Substring(path, <Py_ssize_t>start, <Py_ssize_t>end)
            else:
                value = PyUnicode_DecodeUTF8(text + start, <Py_ssize_t>(end - start), "surrogatepass")
            if kinds[i] == PATH_INT:
                try:
                    value = int(value)
                except ValueError:
                    return None
            elif kinds[i] == PATH_FLOAT:
                value = float(value)
            elif kinds[i] == PATH_UUID:
                value = UUID(value)
        params[shape.names[i]] = value
    return params


cdef inline long long digits_value(const char* digit, const char* end) noexcept nogil:
    cdef long long value = 0
    while digit < end:
        value = value * 10 + (digit[0] - c"0")
        digit += 1
    return value
