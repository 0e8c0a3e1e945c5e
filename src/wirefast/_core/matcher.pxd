# The router's table: which declared path matches first, and with which parameters.

from wirefast._core.csrc cimport path_span, path_trie


cdef class Matcher:
    # The patterns that need no `re`, each under its place in the order of declaration; read-only after the build.
    cdef path_trie* trie
    # The most spans that a match writes.
    cdef size_t max_params

    # One entry for each route, in order: a _Shape for a route of the trie, a _Fallback for any other.
    cdef list routes
    # The _Fallback entries alone, in order; None when there is none.
    cdef list fallbacks

    # The first match with a place >= start: index[0] is its place, and the converted parameters are returned in a fresh
    # dict. None when nothing matches; index[0] is -1 then.
    cdef dict find(self, str path, Py_ssize_t start, Py_ssize_t* index)
    cpdef tuple match(self, str path, Py_ssize_t start=*)

    cdef int add(self, Py_ssize_t place, str path, object convertors, object regex) except -1
    cdef object add_to_trie(self, Py_ssize_t place, str path, object convertors, object regex)
    cdef dict search(
        self, str path, const char* text, size_t size, Py_ssize_t start, path_span* spans, Py_ssize_t* index)
