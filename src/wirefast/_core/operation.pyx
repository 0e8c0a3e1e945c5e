"""One HTTP request from its route to its end. FastAPI's request_response and get_request_handler."""

cimport cython

from wirefast._core.json cimport decode
from wirefast._core.jsonable cimport encode_jsonable, is_json, is_plain
from wirefast._core.pace cimport CHUNKS_PER_TURN, send_and_turn
from wirefast._core.plan_cache cimport PlanCache
from wirefast._core.solver cimport Frame, new_frame

import json

from pydantic import ValidationError
from pydantic_core import PydanticSerializationError, PydanticUndefined
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response

from wirefast._core import scope as keys
from wirefast._core.content_type import is_json_media_type
from wirefast._core.exits import unwind
from wirefast._core.foreign import is_async_callable
from wirefast._core.handlers import handle_exception
from wirefast._core.solver import leave
from wirefast._core.unicode import well_formed
from wirefast.exceptions import FastAPIError

cdef object HANDLERS_KEY = keys.EXCEPTION_HANDLERS
cdef object EXCHANGE_KEY = keys.EXCHANGE
cdef object UNDEFINED = PydanticUndefined
cdef object PLAIN_CALL = Response.__call__
# A program may replace these functions; then its own functions are called.
cdef object LOADS = json.loads
cdef object DUMPS = json.dumps
cdef object BODY = Request.body
cdef tuple NO_HANDLERS = ({}, {})
cdef tuple JSON_CONTENT_TYPE = (b"content-type", b"application/json")
# FastAPI's text, word for word: programs match it.
cdef str NOT_AWAITED = (
    "Response not awaited. There's a high chance that the application code is raising an exception and a "
    "dependency with yield has a block with a bare except, or a block with except Exception, and is not raising "
    "the exception again. Read more about it in the docs: "
    "https://fastapi.tiangolo.com/tutorial/dependencies/dependencies-with-yield/#dependencies-with-yield-and-except"
)
cdef str TOO_DEEP = "JSON is nested too deeply"  # the text of decode()
cdef dict BODY_KINDS = {None: NO_BODY, "json": JSON_BODY, "form": FORM_BODY}


@cython.freelist(64)
@cython.final
cdef class Exchange:
    def __call__(self, message):
        if message["type"] == "http.response.start":
            self.started = True
        elif message.get("more_body"):
            self.chunks += 1
            if self.chunks % CHUNKS_PER_TURN == 0:
                return send_and_turn(self.send, message)
        return self.send(message)

    cdef int adopt(self, Frame frame) except -1:
        """Take over the exits that a frame has entered. A handler may be called more than once for a request."""
        if frame.request_exits is not None:
            if self.request_exits is None:
                self.request_exits = frame.request_exits
            else:
                self.request_exits.extend(frame.request_exits)
            frame.request_exits = None
        if frame.function_exits is not None:
            if self.function_exits is None:
                self.function_exits = frame.function_exits
            else:
                self.function_exits.extend(frame.function_exits)
            frame.function_exits = None
        return 0

    cdef list take_function_exits(self):
        cdef list exits = self.function_exits
        self.function_exits = None
        return exits

    cdef list take_request_exits(self):
        cdef list exits = self.request_exits
        self.request_exits = None
        return exits

    async def enter(self, manager):
        """Enter an asynchronous context manager, which ends after the response. Returns its value."""
        value = await manager.__aenter__()
        if self.request_exits is None:
            self.request_exits = []
        self.request_exits.append(manager)
        return value


@cython.final
cdef class RequestResponse:
    """The ASGI application around a handler.

    Args:
        handler: ``(request) -> Response``; a plain function is run in a thread.
    """

    def __init__(self, handler):
        self.handler = handler if is_async_callable(handler) else _Threaded(handler).call

    # No await is inside an except or finally clause. On CPython 3.11 a coroutine of Cython that waits there crashes the
    # interpreter when the handled exception loses its traceback meanwhile; exception handlers remove it.

    async def __call__(self, scope, receive, send):
        cdef Exchange exchange = Exchange.__new__(Exchange)
        cdef object request = Request(scope, receive, send), failure = None
        exchange.send = send
        scope[EXCHANGE_KEY] = exchange
        try:
            await self.serve(request, exchange)
        except BaseException as exc:
            failure = exc
        if isinstance(failure, Exception):
            try:
                await handle_exception(
                    failure,
                    request,
                    scope.get(HANDLERS_KEY, NO_HANDLERS),
                    scope,
                    receive,
                    exchange,
                    started=exchange.started,
                )
                failure = None
            except BaseException as exc:
                failure = exc
        # The server's send may refer to the scope; this avoids a cycle.
        scope.pop(EXCHANGE_KEY, None)
        if exchange.forms is not None:
            for form in reversed(exchange.forms):
                await form.close()
        if failure is not None:
            raise failure

    async def serve(self, request, Exchange exchange):
        cdef list exits
        cdef object failure = None
        try:
            await self.respond(request, exchange)
        except BaseException as exc:
            failure = exc
        exits = exchange.take_request_exits()
        if failure is None:
            if exits is not None:
                await leave(exits)
        elif exits is not None and await unwind(failure, exits):
            raise FastAPIError(NOT_AWAITED) from failure
        else:
            raise failure

    async def respond(self, request, Exchange exchange):
        cdef list exits
        cdef object response = None, failure = None
        try:
            response = await self.handler(request)
        except BaseException as exc:
            failure = exc
        exits = exchange.take_function_exits()
        if failure is not None:
            if exits is not None and await unwind(failure, exits):
                raise FastAPIError(NOT_AWAITED) from failure
            raise failure
        if exits is not None:
            await leave(exits)
        if getattr(type(response), "__call__", None) is PLAIN_CALL:
            exchange.started = True
            await exchange.send(
                {"type": "http.response.start", "status": response.status_code, "headers": response.raw_headers}
            )
            await exchange.send({"type": "http.response.body", "body": response.body})
            if response.background is not None:
                await response.background()
        else:
            await response(request.scope, request.receive, exchange)


@cython.final
cdef class Lender:
    """Replaces RequestResponse if FastAPI's ``request_response`` calls our handler, as in a route that a package has
    rebuilt. FastAPI's two stacks then end what the handler entered.
    """
    cdef Exchange exchange

    async def leave_functions(self, kind, exc, traceback):
        return await self.left(self.exchange.take_function_exits(), exc)

    async def leave_requests(self, kind, exc, traceback):
        cdef Exchange exchange = self.exchange
        if exchange.forms is not None:
            for form in reversed(exchange.forms):
                await form.close()
        return await self.left(exchange.take_request_exits(), exc)

    async def left(self, exits, exc):
        """Run the exits of all generators, with an exception or without. Return whether an exit handled it."""
        if exits is None:
            return False
        if exc is not None:
            return await unwind(exc, exits)
        await leave(exits)
        return False


cdef Exchange lent_exchange(object request):
    cdef Lender lender = Lender.__new__(Lender)
    cdef object functions = request.scope.get(keys.FUNCTION_STACK)
    cdef object requests = request.scope.get(keys.REQUEST_STACK)
    assert functions is not None and requests is not None, "the handler of a route can only be called by its route"
    lender.exchange = request.scope[EXCHANGE_KEY] = Exchange.__new__(Exchange)
    lender.exchange.send = request._send
    functions.push_async_exit(lender.leave_functions)
    requests.push_async_exit(lender.leave_requests)
    return lender.exchange


class _Threaded:
    def __init__(self, handler):
        self.handler = handler

    async def call(self, request):
        return await run_in_threadpool(self.handler, request)


@cython.final
cdef class Operation:
    def __init__(
        self, *, PlanCache plans not None, body_kind, bint strict_content_type, read_form, bint in_thread, stream,
        validate, to_json, prepare, response_class, status_code, refuse, refuse_body, refuse_result,
    ):
        self.plans = plans
        self.body_kind = BODY_KINDS[body_kind]
        self.strict_content_type = strict_content_type
        self.read_form = read_form
        self.in_thread = in_thread
        self.stream = stream
        self.validate = validate
        self.to_json = to_json
        self.prepare = prepare
        self.response_class = response_class
        self.plain_json = response_class is JSONResponse
        self.status_code = status_code
        self.refuse = refuse
        self.refuse_body = refuse_body
        self.refuse_result = refuse_result

    async def answer(self, request):
        """Return the Response to a request that came through a RequestResponse."""
        cdef Exchange exchange = request.scope.get(EXCHANGE_KEY)
        cdef Frame frame
        cdef object body = UNDEFINED, result, value
        if exchange is None:
            exchange = lent_exchange(request)
        if self.body_kind != NO_BODY:
            try:
                if self.body_kind == JSON_BODY:
                    body = await read_json(request, self.strict_content_type)
                else:
                    body = await self.read_form(request)
                    if exchange.forms is None:
                        exchange.forms = []
                    exchange.forms.append(body)
            except HTTPException:
                raise
            except Exception as exc:
                raise self.refuse_body(exc, request) from exc
        frame = new_frame(self.plans.current(), self.plans, request, request.scope, body)
        try:
            await frame.solve()
        finally:
            exchange.adopt(frame)
        if frame.errors is not None:
            raise self.refuse(frame.errors, None if body is UNDEFINED else body, request)
        if self.stream is not None:
            return await self.stream(frame, exchange, request)
        if self.in_thread:
            value = await run_in_threadpool(self.call_in_thread, frame, request)
        else:
            result = await frame.plan.endpoint.invoke(frame.slots)
            value = result if isinstance(result, Response) else self.checked(result, request)
        if isinstance(value, Response):
            if value.background is None:
                value.background = frame.background_tasks
            return value
        return self.respond(frame, value)

    def call_in_thread(self, Frame frame, request):
        """Call a plain function and validate its result in the same thread: a model may run code of the user."""
        result = frame.call_endpoint()
        return result if isinstance(result, Response) else self.checked(result, request)

    cdef object checked(self, object result, object request):
        if self.validate is None:
            return result
        try:
            return self.validate(result, from_attributes=True)
        except ValidationError as exc:
            raise self.refuse_result(exc, result, request) from None

    cdef object respond(self, Frame frame, object value):
        cdef object injected = frame.response, background = frame.background_tasks, status = self.status_code, response, content
        if injected is not None and injected.status_code:
            status = injected.status_code
        if self.to_json is not None:
            try:
                content = self.to_json(value)
            except (PydanticSerializationError, UnicodeEncodeError) as exc:
                content = self.repaired_json(value, exc)
            response = json_response(Response, content, status, background)
            response.media_type = "application/json"
        elif self.plain_json and json.dumps is DUMPS:
            if self.validate is not None or not is_plain(value, 0):
                value = self.prepare(value)
            response = json_response(JSONResponse, encode_jsonable(value), status, background)
        else:
            content = self.prepare(value)
            try:
                response = self.new_response(content, status, background)
            except UnicodeEncodeError:
                if type(content) is not str:
                    raise
                response = self.new_response(well_formed(content), status, background)
            if not allows_body(response.status_code):
                response.body = b""
        if injected is not None:
            response.headers.raw.extend(injected.headers.raw)
        return response


    cdef object new_response(self, object content, object status, object background):
        if status:
            return self.response_class(content, background=background, status_code=status)
        return self.response_class(content, background=background)

    cdef object repaired_json(self, object value, object failure):
        """JSON of values that pydantic cannot write: lone surrogates, deep JSON. Raises ``failure`` for all others."""
        try:
            return encode_jsonable(value if is_json(value) else self.prepare(value))
        except Exception:
            raise failure


cdef bint allows_body(long status) noexcept:
    return status >= 200 and status != 204 and status != 205 and status != 304


cdef object json_response(object response_class, bytes content, object status, object background):
    """Make the Response as its constructor does, without the checks whose results are known."""
    cdef long code = status or 200
    cdef object response = response_class.__new__(response_class)
    cdef list headers = []
    # The Content-Length of a 205 is that of the body that is left out, as in FastAPI.
    if code >= 200 and code != 204 and code != 304:
        headers.append((b"content-length", str(len(content)).encode("ascii")))
    headers.append(JSON_CONTENT_TYPE)
    response.status_code = status or 200
    response.background = background
    response.body = content if allows_body(code) else b""
    response.raw_headers = headers
    return response


# ---- The body ----


async def read_bytes(request):
    """``await request.body()``, without Starlette's generator if the request is of Starlette's class and unread."""
    cdef list chunks = []
    if (
        type(request) is not Request
        or request._stream_consumed
        or "_body" in request.__dict__
        or Request.body is not BODY
    ):
        return await request.body()
    receive = request._receive
    while True:
        message = await receive()
        kind = message["type"]
        if kind == "http.request":
            chunk = message.get("body", b"")
            if chunk:
                chunks.append(chunk)
            if not message.get("more_body", False):
                break
        elif kind == "http.disconnect":
            request._is_disconnected = True
            raise ClientDisconnect()
    request._stream_consumed = True
    body = request._body = chunks[0] if len(chunks) == 1 and type(chunks[0]) is bytes else b"".join(chunks)
    return body


async def read_json(request, bint strict_content_type):
    """Return the parsed JSON, the bytes of another content type, or PydanticUndefined for an empty body.

    Raises json.JSONDecodeError and what else ``json.loads(body)`` raises.
    """
    cdef bytes body = await read_bytes(request)
    if not body:
        return UNDEFINED
    content_type = first_content_type(request.scope["headers"])
    if content_type != b"application/json":
        if not content_type:
            if strict_content_type:
                return body
        elif not is_json_media_type(content_type):
            return body
    if type(request) is not Request or json.loads is not LOADS:
        return await request.json()
    if "_json" in request.__dict__:
        return request._json
    try:
        value = decode(body)
    except (json.JSONDecodeError, UnicodeDecodeError) as exc:
        refuse_depth(exc)
        # Malformed, or not UTF-8: the standard library decides and gives the text of the error.
        try:
            value = decode(body.decode(json.detect_encoding(body), "surrogatepass"))
        except json.JSONDecodeError as again:
            refuse_depth(again)
            raise
    request._json = value
    return value


cdef int refuse_depth(object exc) except -1:
    """JSON that is nested too deeply is a RecursionError, as with the standard library, whose bound varies; so 400."""
    if getattr(exc, "msg", None) == TOO_DEEP:
        raise RecursionError(TOO_DEEP) from None
    return 0


cdef object first_content_type(object headers):
    cdef object name, value
    for name, value in headers:
        if name == b"content-type":
            return value
    return None
