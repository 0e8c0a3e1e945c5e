cdef enum Wanted:
    JSON                 # a value that a JSON text can have
    UNCHANGED            # ... of which jsonable_encoder drops nothing
    WRITTEN_ALIKE        # ... and which orjson writes as the json module does


cdef bint is_plain(object value, int depth) except -1
cdef bint is_json(object value) except -1
cdef bint walk(object value, int depth, Wanted wanted) except -1
cdef bytes encode_jsonable(object value)
