# The tag of a message, which says its kind, and its ref, which the answers carry.

from wirefast._core.csrc cimport members_status


cdef struct Tagging:
    # Undecoded spans of the text; NULL without such a member. Of several members the last counts, as in JSON parsers.
    const char* tag
    size_t tag_size
    const char* ref
    size_t ref_size


# Find both members. MEMBERS_END: the text is a complete object; otherwise as members_next.
cdef members_status look(Tagging* found, const char* text, size_t size, str tag_name) except *
# The value of a tag in the form of a table's keys: as json.dumps writes it. None if it is no JSON.
cdef bytes plain_value(const char* text, size_t size)
# The ref in the form of answers. b"": null, which is no ref; None: neither an int nor a str of at most REF_BYTES.
cdef bytes checked_ref(const char* text, size_t size)
# The object without these members.
cdef bytes without(const char* text, size_t size, str tag_name, bint cut_tag, bint cut_ref)
# A reply with the ref as its first member. A reply that is no object is returned unchanged.
cdef bytes with_ref(bytes reply, bytes ref)
