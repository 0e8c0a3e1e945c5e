"""``async with websocket.message_scope()``: solve and end the endpoint's message-scoped dependencies. See the .pxd.

Compiled because it runs once for each message, as the same code of messages.pyx does for handlers.
"""

cimport cython
from wirefast._core.plan cimport Plan
from wirefast._core.plan_cache cimport PlanCache
from wirefast._core.solver cimport Frame, new_frame
from wirefast._core.websocket cimport WebSocketCore

from types import SimpleNamespace

from wirefast._core.exits import unwind
from wirefast._core.solver import leave


@cython.final
cdef class MessageScopes:
    """Makes the scopes of one socket."""

    def __init__(
        self, *, WebSocketCore websocket not None, PlanCache plans not None, list values not None, invalid, current
    ):
        self.websocket = websocket
        self.plans = plans
        self.values = values
        self.invalid = invalid
        self.current = current

    def enter(self):
        """Make a scope, which may be entered once."""
        cdef MessageScope scope = MessageScope.__new__(MessageScope)
        scope.scopes = self
        scope.current = self.current
        return scope


@cython.final
cdef class MessageScope:
    """The dependencies of one message, for one ``async with``."""

    def __init__(self):
        raise TypeError("message scopes are made by websocket.message_scope()")

    async def __aenter__(self):
        """Solve the dependencies. After an exception of a dependency, end the entered ones and raise it."""
        cdef MessageScopes scopes = self.scopes
        cdef Frame frame
        cdef object failure = None
        cdef Py_ssize_t i
        if scopes is None:
            raise RuntimeError("a message scope is entered once; call message_scope() for each message")
        self.scopes = None
        # The slot behind the values is that of the message, which this code does not use.
        frame = new_frame(scopes.plans.current(), None, scopes.websocket, scopes.websocket.scope, None)
        for i in range(len(scopes.values)):
            frame.slots[i] = scopes.values[i]
        try:
            await frame.solve()
            if frame.errors is not None:
                raise scopes.invalid(frame.errors, scopes.websocket.scope)
            self.values = frame.endpoint_arguments()
        except BaseException as exc:
            failure = exc
        self.exits = frame.take_exits()
        frame = None
        if failure is not None:
            if self.exits:
                await unwind(failure, self.exits)
            raise failure
        self.token = self.current.set(self.values)
        return SimpleNamespace(**self.values)

    async def __aexit__(self, kind, failure, traceback):
        """End the dependencies, last first; they get the exception of the block, and may swallow it."""
        cdef list exits = self.exits
        self.exits = None
        # Tasks that the block started keep the dict, so its values are removed.
        self.values.clear()
        try:
            self.current.reset(self.token)
        except ValueError:  # the block ends in another context than it began in
            self.current.set(None)
        self.token = None
        if not exits:
            return False
        if failure is None:
            await leave(exits)
            return False
        return await unwind(failure, exits)
