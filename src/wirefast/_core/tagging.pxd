# What stands around a message: the tag that says which kind it is, and the ref that its answers carry.

from wirefast._core.csrc cimport members_status


cdef struct Tagging:
    # Spans of the text, undecoded; NULL where there is no such member. Of several the last counts, as in JSON parsers.
    const char* tag
    size_t tag_size
    const char* ref
    size_t ref_size


# Find both members. MEMBERS_END: the text is an object to its end; otherwise as members_next.
cdef members_status look(Tagging* found, const char* text, size_t size, str tag_name) except *
# The value of a tag as the keys of a table are written: JSON as json.dumps writes it. None where it is no JSON.
cdef bytes plain_value(const char* text, size_t size)
# The ref as it goes into answers. b"": null, which is none; None: no int and no str of at most REF_BYTES.
cdef bytes checked_ref(const char* text, size_t size)
# The object without these members.
cdef bytes without(const char* text, size_t size, str tag_name, bint cut_tag, bint cut_ref)
# A reply with the ref as its first member. What is no object is returned as it is.
cdef bytes with_ref(bytes reply, bytes ref)
