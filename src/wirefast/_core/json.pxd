# JSON by orjson, with the standard library behind it for what orjson refuses.

cdef bytes encode(object data)
cdef str encode_text(object data)
cdef object decode(object text)
