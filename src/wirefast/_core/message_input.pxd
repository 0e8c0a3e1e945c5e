# How the bytes of a message become the message: the tag chooses the validator, and the ref and the tag are cut out.

from wirefast._core.channel cimport EventKind
from wirefast._core.csrc cimport members_status
from wirefast._core.tagging cimport Tagging


cdef class Target:
    """The validator and the handler of the messages with one tag."""
    cdef object validate         # callable(str | bytes) -> message; None: the frame's payload is the message
    cdef object handler          # the MessageHandler; None if a socket reads messages itself
    cdef bint cut_tag            # the model has no member for the tag: it would refuse the tag, or keep it
    cdef bint cut_ref


cdef struct Found:
    # What look() finds in one frame; the spans point into the bytes of the frame.
    Tagging tagging
    members_status status
    const char* text
    size_t size


cdef class MessageInput:
    """The kinds of message that a route, or one call of receive_message(), takes."""
    cdef readonly str tag        # name of the member; "": there is only one kind of message, without a tag
    cdef dict targets            # the tag's value as JSON (bytes) -> Target
    cdef Target only             # the target of messages without a tag
    cdef Target text             # takes whole text frames; or None
    cdef Target binary
    # Given by a package above the core: callable(exception, payload) -> (word, errors).
    cdef object explain

    # The four steps of a message. Each raises InvalidMessage for an error of the client.
    cdef int look(self, object data, Found* found) except -1
    cdef bytes ref_of(self, Found* found)            # None: the message has no ref
    cdef Target target_of(self, Found* found, bytes ref)
    cdef object validated(self, Target target, object data, Found* found, bytes ref)

    # All four steps.
    cdef object read(self, object data, EventKind kind)


# The payload of a text frame as a str; the payload may be bytes of valid UTF-8.
cdef object whole_text(object data)
# The MessageInput of a type and a tag; made once for both.
cdef MessageInput input_of(object model, object tag)
