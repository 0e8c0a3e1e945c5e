# How the bytes of a message become the message: which validator, by its tag, and what is taken out of it before.

from wirefast._core.channel cimport EventKind
from wirefast._core.csrc cimport members_status
from wirefast._core.tagging cimport Tagging


cdef class Target:
    """Where the messages with one tag go."""
    cdef object validate         # callable(str | bytes) -> message; None: the frame's payload is the message
    cdef object handler          # the MessageHandler; None where a socket reads messages itself
    cdef bint cut_tag            # the model has no such member: it would refuse it, or keep it
    cdef bint cut_ref


cdef struct Found:
    # What look() finds in one frame; the spans are of the frame's own bytes.
    Tagging tagging
    members_status status
    const char* text
    size_t size


cdef class MessageInput:
    """The kinds of message that a route, or one call of receive_message(), takes."""
    cdef readonly str tag        # name of the member; "": there is one kind of message, without a tag
    cdef dict targets            # the tag's value as JSON (bytes) -> Target
    cdef Target only             # where there is no tag
    cdef Target text             # takes whole text frames; or None
    cdef Target binary
    # From above the core: callable(exception, payload) -> (word, errors).
    cdef object explain

    # The four steps of a message. Each raises InvalidMessage for what the client got wrong.
    cdef int look(self, object data, Found* found) except -1
    cdef bytes ref_of(self, Found* found)            # None: it has none
    cdef Target target_of(self, Found* found, bytes ref)
    cdef object validated(self, Target target, object data, Found* found, bytes ref)

    # All of them.
    cdef object read(self, object data, EventKind kind)


# The payload of a text frame, which may come as bytes of valid UTF-8, as a str.
cdef object whole_text(object data)
# How messages of this type are read; made once for a type and tag.
cdef MessageInput input_of(object model, object tag)
