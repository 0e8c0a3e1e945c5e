# An HTTP operation from its route to its end, in two halves. A route class may put a handler of its own around the
# inner half:
#
#     RequestResponse   the ASGI application: Request, response sent, exits, exception handlers
#       Exchange        what the halves share about one request; travels in the scope
#     Operation         the handler: body, dependencies, endpoint, Response

from wirefast._core.plan_cache cimport PlanCache
from wirefast._core.solver cimport Frame


cdef enum BodyKind:
    NO_BODY = 0
    JSON_BODY = 1      # JSON by its content type, else bytes
    FORM_BODY = 2


cdef class Exchange:
    """One request while it is answered; also the ASGI ``send`` that notes when the response has begun."""
    cdef object send
    cdef readonly bint started
    cdef unsigned int chunks     # of a streamed response, sent so far
    # Entered generators and context managers in order of entry; None before the first. The function scope ends before
    # the response is sent, the request scope afterwards.
    cdef list request_exits
    cdef list function_exits
    cdef list forms              # parsed forms, whose files are closed at the end

    cdef int adopt(self, Frame frame) except -1
    cdef list take_function_exits(self)
    cdef list take_request_exits(self)


cdef class RequestResponse:
    cdef readonly object handler # coroutine function (request) -> Response


cdef class Operation:
    """Reads the body, solves the plan, calls the endpoint and makes the Response."""
    cdef readonly PlanCache plans
    # The body.
    cdef BodyKind body_kind
    cdef bint strict_content_type
    cdef object read_form        # coroutine function (request) -> FormData
    # The endpoint.
    cdef bint in_thread          # a plain function: called, and its result validated, in a worker thread
    cdef object stream           # coroutine function (frame, exchange, request) -> Response, for generators
    # The answer: validate, then either to_json (bytes) or prepare (what the response class takes).
    cdef object validate         # callable(value, from_attributes=True); None: no response model
    cdef object to_json          # callable(value) -> bytes; None: not the default class
    cdef object prepare          # callable(value) -> content for response_class
    cdef object response_class
    cdef bint plain_json         # response_class is Starlette's JSONResponse
    cdef object status_code
    # Given by the route: they make the exceptions.
    cdef object refuse           # callable(errors, body, request) -> exception for invalid input
    cdef object refuse_body      # callable(exception, request) -> exception for an unreadable body
    cdef object refuse_result    # callable(ValidationError, result, request) -> exception

    cdef object checked(self, object result, object request)
    cdef object respond(self, Frame frame, object value)
    cdef object new_response(self, object content, object status, object background)
    cdef object repaired_json(self, object value, object failure)
