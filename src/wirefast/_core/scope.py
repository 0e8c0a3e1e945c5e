"""Every key that wirefast reads from the scope of a connection, or puts there, beside those of ASGI itself.

An object that an application gives to its endpoints and dependencies travels in the scope too: its class inherits
`FromScope` and says under which key.
"""

from __future__ import annotations

from typing import Any, ClassVar

__all__ = ["FromScope"]

# ---- Keys of others, with what they hold ----

#: Starlette's: the exception handlers of the application, a pair: by class, by HTTP status.
EXCEPTION_HANDLERS = "starlette.exception_handlers"
#: Starlette's, where it has the middleware: how many bytes the body of a request may have.
MAX_BODY_SIZE = "starlette.max_body_size"
#: FastAPI's: a dict of what its routers note for each other.
SHARED = "fastapi"
#: FastAPI's: the recording of the request or the socket, None in applications that are mounted in a recorded one.
TELEMETRY = "fastapi.telemetry"
#: FastAPI's: the stack that is left after the response, and the one that is left before it.
REQUEST_STACK = "fastapi_inner_astack"
FUNCTION_STACK = "fastapi_function_astack"
#: ASGI's, in ``scope["extensions"]``: the server can answer a handshake with a response.
DENIAL_RESPONSE = "websocket.http.response"
#: Ours, in ``scope["extensions"]``: the server's connection, whose ``configure()`` takes the options of a route and
#: whose ``explain_refusal()`` the reason of a refusal in full.
EXTENSION = "wirefast"

# ---- Our own ----

#: The `Hub` of the application.
HUB = "wirefast.hub"
#: The `Lease` of a connection that is counted.
LEASE = "wirefast.lease"
#: The policy of origins of an application or a router, for those that are mounted in it.
ORIGINS = "wirefast.origins"
#: The `Exchange` of a request, while its route answers it.
EXCHANGE = "wirefast.exchange"
#: What a route's own ``get_route_handler`` needs of the request that it is called with.
ANSWER = "wirefast.answer"


class FromScope:
    """Base of what endpoints and dependencies get by their annotation alone, an object that the scope holds.

    Attributes:
        scope_key: where the application puts the object.
        scope_advice: how an application comes to have one, the end of the error where it has none.
    """

    scope_key: ClassVar[str]
    scope_advice: ClassVar[str]

    @classmethod
    def find(cls, scope: Any, asker: str) -> Any:
        """Return the object that a scope holds.

        Args:
            scope: of the connection.
            asker: whose parameter it is, for the error.

        Raises:
            RuntimeError: the application has none.
        """
        found = scope.get(cls.scope_key)
        if found is None:
            raise RuntimeError(
                f"{asker} asks for a {cls.__name__}, but the application has none; give it one: {cls.scope_advice}"
            )
        return found
