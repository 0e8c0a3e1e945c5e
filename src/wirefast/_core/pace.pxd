# After so many chunks of a streamed response other tasks run.
cdef enum:
    CHUNKS_PER_TURN = 32


cdef class PacedSend:
    """The ``send`` of one request, which lets the loop turn after some chunks."""
    cdef object send
    cdef unsigned int chunks     # sent so far


cdef class PacedApp:
    """An ASGI application that answers with a `PacedSend`."""
    cdef readonly object app


cdef object paced(object app)
cdef object send_and_turn(object send, object message)
