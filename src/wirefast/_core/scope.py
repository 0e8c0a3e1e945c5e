"""Every key of a connection's scope that wirefast reads or writes, except those of ASGI itself.

The scope also holds the objects that an application gives to its endpoints and dependencies. The class of such an
object inherits `FromScope` and names the key.
"""

from __future__ import annotations

from typing import Any, ClassVar

__all__ = ["FromScope"]

# ---- Keys of other packages ----

#: Starlette's: the exception handlers of the application, a pair: by class, by HTTP status.
EXCEPTION_HANDLERS = "starlette.exception_handlers"
#: Starlette's, if it has the middleware: how many bytes the body of a request may have.
MAX_BODY_SIZE = "starlette.max_body_size"
#: FastAPI's: a dict of notes of its routers.
SHARED = "fastapi"
#: FastAPI's: the recording of the request or the socket, None in applications that are mounted in a recorded one.
TELEMETRY = "fastapi.telemetry"
#: FastAPI's: the stack that ends after the response, and the stack that ends before it.
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
#: The `Lease` of a connection that limits count.
LEASE = "wirefast.lease"
#: The ledgers in which an application around this one counts the connection already.
COUNTED = "wirefast.counted"
#: The policy of origins of an application or a router, for applications that are mounted in it.
ORIGINS = "wirefast.origins"
#: The `Exchange` of a request, while its route answers it.
EXCHANGE = "wirefast.exchange"
#: What the handler of a route's own ``get_route_handler`` needs of its request.
ANSWER = "wirefast.answer"


class FromScope:
    """Base of objects in the scope that endpoints and dependencies get by the annotation alone.

    Attributes:
        scope_key: the key of the object.
        scope_advice: how an application gets the object; the end of the error if the scope has none.
    """

    scope_key: ClassVar[str]
    scope_advice: ClassVar[str]

    @classmethod
    def find(cls, scope: Any, asker: str) -> Any:
        """Return the object that a scope holds.

        Args:
            scope: the scope of the connection.
            asker: the function with the parameter, for the error.

        Raises:
            RuntimeError: the application has none.
        """
        found = scope.get(cls.scope_key)
        if found is None:
            raise RuntimeError(
                f"{asker} asks for a {cls.__name__}, but the application has none; give it one: {cls.scope_advice}"
            )
        return found
