"""Endless responses that let other tasks run.

After a client has left, the ``send`` of a server may neither wait nor raise (uvicorn's returns at once). An endless
response then never lets the event loop turn, so the response never learns that the client has left.

wirefast's operations count chunks in their Exchange; `PacedApp` is for every other application of a route. Compiled
because each chunk of a mounted application passes here.
"""

cimport cython

from anyio import sleep


@cython.freelist(16)
@cython.final
cdef class PacedSend:
    def __init__(self, send):
        self.send = send

    def __call__(self, message):
        if message.get("more_body"):
            self.chunks += 1
            if self.chunks % CHUNKS_PER_TURN == 0:
                return send_and_turn(self.send, message)
        return self.send(message)


@cython.freelist(16)
@cython.final
cdef class PacedApp:
    def __init__(self, app):
        self.app = app

    def __call__(self, scope, receive, send):
        return self.app(scope, receive, PacedSend(send))


cdef object paced(object app):
    """``app``, whose streamed responses let the loop turn."""
    return PacedApp(app)


async def _send_and_turn(send, message):
    await send(message)
    await sleep(0)


cdef object send_and_turn(object send, object message):
    """Return the coroutine that sends a message and lets the loop turn."""
    return _send_and_turn(send, message)
