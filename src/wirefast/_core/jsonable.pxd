cdef bint is_plain(object value, int depth) except -1
cdef bytes encode_jsonable(object value)
