"""One socket whose messages are validated, dispatched to handlers and answered. See messages.pxd.

A message whose handler does not wait costs no coroutine but the handler's own: dispatch() reads, validates, calls and
writes in place. process() does all the rest: it solves the dependencies of the message, waits, answers and ends
generators. While process() waits, the end of the socket cancels it.
"""

cimport cython
from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_GET_SIZE
from cpython.unicode cimport PyUnicode_DecodeUTF8

from wirefast._core cimport json
from wirefast._core.asgi_socket cimport CONNECTED, CONNECTING
from wirefast._core.channel cimport BINARY, NOTHING, TEXT, EventKind
from wirefast._core.close cimport CLOSE_ABNORMAL, CLOSE_INTERNAL_ERROR, CLOSE_NORMAL, CLOSE_POLICY_VIOLATION
from wirefast._core.drive cimport begin, begin_compiled, begin_step, is_iterator, next_of
from wirefast._core.message_input cimport Found, MessageInput, Target, whole_text
from wirefast._core.message_reader cimport MessageReader
from wirefast._core.message_table cimport ANSWER, AWAITED, CLOSE, THREADED, MessageHandler, MessageTable
from wirefast._core.plan cimport Plan
from wirefast._core.solver cimport Frame, new_frame
from wirefast._core.tagging cimport with_ref
from wirefast._core.websocket cimport WebSocketCore

import asyncio

from starlette.concurrency import run_in_threadpool
from starlette.exceptions import WebSocketException
from starlette.websockets import WebSocketDisconnect

from wirefast._core import close, scope as keys
from wirefast._core.errors import LimitExceeded
from wirefast._core.exits import inside_cancel_scope, shielded, unwind
from wirefast._core.message_errors import (
    INTERNAL as _INTERNAL, Disconnect, InvalidMessage, answer_of, cause_of, end_of, log_failure,
    log_unwritten, refused_handshake,
)
from wirefast._core.solver import leave
from wirefast._core.whose import is_anothers, mark_of

cdef extern from "Python.h":
    object PyObject_CallNoArgs(object callable)
    bint PyAsyncGen_CheckExact(object value)

cdef object CancelledError = asyncio.CancelledError
# Ends a socket after the last item of its stream.
cdef object STREAM_ENDED = WebSocketDisconnect(CLOSE_NORMAL)
cdef str HANDLERS_KEY = keys.EXCEPTION_HANDLERS
cdef tuple NO_HANDLERS = ({}, {})


def serve_messages(MessageTable table not None, WebSocketCore websocket not None, list values not None):
    """Return the coroutine that serves one socket, whose handshake was solved to these values."""
    cdef MessageSession session = MessageSession.__new__(MessageSession)
    assert len(values) == table.given
    session.table = table
    session.websocket = websocket
    session.slots = values
    session.slots.append(None)
    return session.run()


@cython.final
cdef class MessageSession(MessageReader):
    async def run(self):
        """Serve the socket to its end. Raises the exception that ended it, unless that is a disconnect."""
        cdef MessageTable table = self.table
        cdef WebSocketCore websocket = self.websocket
        cdef EventKind kind = NOTHING
        cdef object failure = None, data, pending
        cdef bint done
        try:
            if table.opened is not None:
                await self.process(table.opened, None, None, None, True)
            if websocket.application == CONNECTING:
                await websocket.accept()
            if table.stream is not None:
                self.spawn(table.stream, None, None)
            while self.failure is None and websocket.application == CONNECTED:
                if websocket.meter is not None:
                    await self.pace()
                if self.too_many:
                    self.too_many -= 1
                    await self.refuse("too_many", None, None)
                    continue
                data = self.next_frame(&kind)
                if data is None and self.too_many:
                    continue
                if data is None:
                    self.idle = True
                    if websocket.channel is not None:
                        await websocket.channel.wait()
                    elif self.reading is not None:
                        await asyncio.wait((self.reading,))
                    elif websocket.meter is not None or websocket.patched or websocket.client != CONNECTED:
                        try:
                            data = await websocket.receive()
                        except LimitExceeded:
                            self.too_many += 1
                    else:
                        data = begin(PyObject_CallNoArgs(websocket.receive_callable), &done)
                        if not done:
                            data = await data
                    self.idle = False
                    if data is None:
                        continue
                    data = self.payload(data, &kind)
                pending = self.dispatch(data, kind)
                data = None
                if pending is not None:
                    if websocket.meter is not None:
                        websocket.meter.begun()
                    await pending
                    pending = None
                    if websocket.meter is not None:
                        websocket.meter.done()
        except BaseException as exc:
            failure = exc
        self.idle = self.watching = False
        data = pending = None
        if self.settle(failure) or failure is None:
            failure = self.failure
        if self.reading is not None and isinstance(failure, WebSocketDisconnect) and failure.code == CLOSE_ABNORMAL:
            try:
                await self.let_read()
            except BaseException as exc:
                failure = exc
        if isinstance(failure, WebSocketDisconnect) and failure.code == CLOSE_ABNORMAL:
            failure = self.known_end(failure)
        if self.reading is not None:
            self.reading.cancel()
        if self.running:
            failure = await self.stop_running(failure)
        if table.ended is not None:
            pending = self.process(table.ended, Disconnect(*end_of(failure)), None, None, True)
            if inside_cancel_scope():
                pending = shielded(pending)
            await pending
        if failure is STREAM_ENDED and websocket.application == CONNECTED:
            await websocket.close(CLOSE_NORMAL)
        if failure is not None and not self.is_its_end(failure):
            raise failure

    cdef bint is_its_end(self, object failure) except -1:
        """Whether an exception says that this socket has ended, not another socket that a handler used."""
        return isinstance(failure, WebSocketDisconnect) and not is_anothers(failure, mark_of(self.websocket.scope))

    async def stop_running(self, failure):
        """Cancel the running handlers, except those that may finish after a disconnect, and wait for all.

        Returns the exception that ended the socket.
        """
        cdef bint gone = isinstance(failure, WebSocketDisconnect)
        for task, cancels in self.running.items():
            if cancels or not gone:
                task.cancel()
        while self.running:
            try:
                await asyncio.wait(list(self.running))
            except CancelledError as exc:
                failure = exc
            if isinstance(failure, CancelledError):
                for task in self.running:
                    task.cancel()
        return failure

    # ---- One message ----

    cdef object dispatch(self, object data, EventKind kind):
        """Validate a message and give it to its handler. Returns what is still to be awaited, or None."""
        cdef MessageInput input = self.table.input
        cdef Target target = input.text if kind == TEXT else input.binary
        cdef Found found
        cdef bytes ref = None
        cdef object message
        if self.table.stream is not None:
            return None
        if target is not None:
            return self.call(target.handler, whole_text(data) if kind == TEXT else data, None)
        try:
            input.look(data, &found)
            ref = input.ref_of(&found)
            target = input.target_of(&found, ref)
            message = input.validated(target, data, &found, ref)
        except InvalidMessage as exc:
            return self.refuse(exc.reason, ref, exc.errors)
        except Exception as exc:
            return self.mishap(exc, None if target is None else target.handler, ref)
        self.invalid_in_row = 0
        return self.call(target.handler, message, ref)

    cdef object call(self, MessageHandler handler, object message, bytes ref):
        """Call a handler. Returns what is still to be awaited, or None."""
        cdef Plan plan
        cdef object value
        cdef bint done
        if handler.concurrent:
            return self.spawn(handler, message, ref)
        if handler.kind != AWAITED:
            return self.start(handler, message, ref, None)
        try:
            plan = handler.plans.current()
            if plan.ops:
                return self.start(handler, message, ref, None)
            self.slots[self.table.given] = message
            value = begin(plan.endpoint.invoke(self.slots), &done)
            self.slots[self.table.given] = None
            if done:
                if value is None:
                    return None
                if not is_iterator(value):
                    return self.reply(handler, value, ref)
        except Exception as exc:
            self.slots[self.table.given] = None
            return self.mishap(exc, handler, ref)
        return self.start(handler, message, ref, value)

    cdef object start(self, MessageHandler handler, object message, bytes ref, object started):
        """Run the first step of process() in the session's task; if it waits, watch for the end of the socket."""
        cdef bint done
        cdef object rest = begin_compiled(self.process(handler, message, ref, started, True), &done)
        if done:
            return None
        if handler.cancels:
            self.watch()
        return rest

    async def process(self, MessageHandler handler, object message, bytes ref, object started, bint own):
        """Solve the dependencies of the message, call the handler, send the result, end the generators.

        `started` is the result of the handler's call, if it has begun already; `own` says that the session's task
        runs it.
        """
        cdef MessageTable table = self.table
        cdef Frame frame = None
        cdef Plan plan
        cdef list slots = self.slots
        cdef object value = None, awaitable, exits = None, failure = None, iterator = None, cancelled = None
        cdef Py_ssize_t i
        cdef bint done, stopped
        try:
            if started is None:
                plan = handler.plans.current()
                if plan.ops:
                    frame = new_frame(plan, None, self.websocket, self.websocket.scope, None)
                    frame.unscoped = own and self.is_unscoped()
                    frame.brief = True
                    slots = frame.slots
                    for i in range(table.given):
                        slots[i] = self.slots[i]
                    slots[table.given] = message
                    while True:
                        awaitable = frame.run()
                        if awaitable is None:
                            break
                        frame.store(await awaitable)
                    if frame.errors is not None:
                        raise table.invalid(frame.errors, self.websocket.scope)
                else:
                    slots[table.given] = message
                if handler.kind == THREADED:
                    started = run_in_threadpool(plan.endpoint.call, **plan.endpoint.keywords(slots))
                else:
                    started = plan.endpoint.invoke(slots)
                if frame is None:
                    slots[table.given] = None
            if is_iterator(started):
                iterator = started
            else:
                value = begin(started, &done)
                if not done:
                    value = await value
                if is_iterator(value):
                    iterator = value
            started = None
            while True:
                if iterator is not None:
                    try:
                        value = await iterator.__anext__()
                    except StopAsyncIteration:
                        iterator = None
                        break
                if value is not None:
                    if self.websocket.application == CONNECTING:
                        await self.websocket.accept()
                    awaitable = self.reply(handler, value, ref)
                    if awaitable is not None:
                        await awaitable
                if iterator is None:
                    break
        except BaseException as exc:
            failure = exc
        if own:
            self.watching = False
            if self.settle(failure) and frame is None and iterator is None:
                return
            if self.failure is None and failure is not None:
                cancelled = self.cancellation(failure)
        value = awaitable = None
        if frame is not None:
            exits = frame.take_exits()
            frame = None
        if iterator is not None and hasattr(iterator, "aclose"):
            try:
                await iterator.aclose()
            except BaseException as exc:
                failure = exc
        if exits:
            try:
                if failure is None:
                    # Most messages have one generator, which ends at once.
                    if len(exits) == 1 and PyAsyncGen_CheckExact(exits[0]):
                        value = begin_step(next_of(exits[0]), &done, &stopped)
                        if not done:
                            try:
                                await value
                            except StopAsyncIteration:
                                stopped = True
                        if not stopped:
                            await exits[0].aclose()
                            raise RuntimeError("generator didn't stop")
                    else:
                        await leave(exits)
                elif await unwind(failure, exits):
                    failure = None
            except BaseException as exc:
                failure = exc
        if failure is None:
            return
        if own and self.failure is not None and isinstance(failure, CancelledError):
            return
        if handler is table.ended:
            if not isinstance(failure, Exception):
                raise failure
            if not self.is_its_end(failure):
                log_failure(failure, handler.call)
        elif handler is table.opened:
            raise refused_handshake(failure)
        elif cancelled is not None and isinstance(failure, Exception):
            # An exception of a generator at its end does not undo a stop, and the client gets no further answer.
            log_failure(failure, handler.call)
            raise cancelled
        elif isinstance(failure, Exception):
            await self.mishap(failure, handler, ref)
        else:
            raise failure

    cdef object cancellation(self, object failure):
        """Return the exception with which a stop continues, if a handler or a dependency met it; None without a
        stop."""
        if isinstance(failure, CancelledError):
            return failure
        # An exception that a generator raised at its end has replaced the cancellation.
        if hasattr(self.task, "cancelling"):
            return CancelledError() if self.task.cancelling() > 0 else None
        return failure.__context__ if isinstance(failure.__context__, CancelledError) else None

    cdef bint is_unscoped(self) except -1:
        """Whether no anyio cancel scope encloses the session; found out once."""
        if self.scoped == UNKNOWN:
            self.scoped = INSIDE if inside_cancel_scope() else OUTSIDE
        return self.scoped == OUTSIDE

    # ---- Answers ----

    cdef object reply(self, MessageHandler handler, object value, bytes ref):
        """Send the result of a handler. Returns what is still to be awaited, or None."""
        if type(value) is bytes:
            return self.write(value, BINARY)
        if type(value) is str:
            return self.write((<str> value).encode(), TEXT)
        return self.write(handler.replies.encode(value, ref), TEXT)

    cdef object write(self, bytes data, EventKind kind):
        cdef WebSocketCore websocket = self.websocket
        if websocket.application != CONNECTED:
            return None  # the handler closed the socket itself
        if websocket.channel is None:
            if kind == BINARY:
                return websocket.send_bytes(data)
            return websocket.send_text(PyUnicode_DecodeUTF8(PyBytes_AS_STRING(data), PyBytes_GET_SIZE(data), NULL))
        try:
            websocket.channel.send_frame(kind, PyBytes_AS_STRING(data), PyBytes_GET_SIZE(data))
        except OSError as exc:
            raise websocket.lost(exc)
        return websocket.channel.drain()

    cdef bytes error_bytes(self, dict error):
        return json.encode({self.table.input.tag or "type": "error", **error})

    async def tell(self, bytes data, bytes ref):
        """Send an error, unless the socket has ended: a reply that the end cut off would be missing before it."""
        cdef object pending
        if self.failure is not None:
            return
        pending = self.write(data if ref is None else with_ref(data, ref), TEXT)
        if pending is not None:
            await pending

    async def refuse(self, str code, bytes ref, errors):
        """Answer a message that is not valid, as the route's ``on_invalid`` says."""
        cdef MessageTable table = self.table
        self.invalid_in_row += 1
        if table.on_invalid == CLOSE:
            await self.close(code)
            return
        if table.on_invalid == ANSWER:
            error = {"code": code} if errors is None else {"code": code, "errors": errors}
            await self.tell(self.error_bytes(error), ref)
        if self.invalid_in_row >= table.max_invalid:
            await self.close(close.TOO_MANY_INVALID)

    async def close(self, str reason, int code=CLOSE_POLICY_VIOLATION):
        if self.websocket.application == CONNECTED:
            if self.failure is None:
                self.failure = WebSocketDisconnect(code, reason)
            await self.websocket.close(code, reason)
            if self.idle and self.websocket.channel is None:
                # Over ASGI the session's task, not this one, waits for a message, which may never come.
                self.interrupted = True
                self.task.cancel()

    async def mishap(self, exc, MessageHandler handler, bytes ref):
        """Answer an exception of a handler, a dependency or a validator. Raises an exception that ends the socket.

        `handler` is None if the exception came before the kind of the message was known.
        """
        cdef object scope = self.websocket.scope
        cdef tuple handlers = scope.get(HANDLERS_KEY, NO_HANDLERS)
        exc = cause_of(exc, handlers, mark_of(scope))
        if isinstance(exc, WebSocketException) or self.is_its_end(exc):
            raise exc
        error = await answer_of(
            exc, self.websocket, handlers, self.table.default_handlers, None if handler is None else handler.call
        )
        if error is None:
            return
        try:
            data = self.error_bytes(error)
        except Exception as raised:
            log_unwritten(raised)
            error = _INTERNAL
            data = self.error_bytes(error)
        if error is _INTERNAL and self.table.closes_on_error:
            await self.close("", CLOSE_INTERNAL_ERROR)
            return
        await self.tell(data, ref)

    # ---- Concurrent handlers ----

    cdef int most_in_flight(self) except -1:
        """Return the number of concurrent handlers that may run at once."""
        cdef int most = self.table.in_flight
        if self.websocket.meter is not None and self.websocket.meter.allowance is not None:
            if 0 < self.websocket.meter.allowance.in_flight < most:
                most = self.websocket.meter.allowance.in_flight
        return most

    cdef object spawn(self, MessageHandler handler, object message, bytes ref):
        """Run a handler in a task of its own. Returns something to await while too many run."""
        cdef object task
        if self.running is None:
            self.running = {}
            self.task = asyncio.current_task()
        task = asyncio.create_task(self.process(handler, message, ref, None, False))
        self.running[task] = handler.cancels
        if self.websocket.meter is not None and self.table.stream is None:
            self.websocket.meter.begun()
        task.add_done_callback(self.finished)
        return self.make_room() if len(self.running) >= self.most_in_flight() else None

    async def make_room(self):
        """Stop reading until one of the concurrent handlers has ended; notice the end of the socket meanwhile."""
        cdef object failure = None
        self.watch()
        try:
            while len(self.running) >= self.most_in_flight():
                self.freed = asyncio.get_running_loop().create_future()
                await self.freed
        except BaseException as exc:
            failure = exc
        self.watching = False
        self.freed = None
        if not self.settle(failure) and failure is not None:
            raise failure

    def finished(self, task):
        """Note that a concurrent handler has ended."""
        self.running.pop(task, None)
        if self.websocket.meter is not None and self.table.stream is None:
            self.websocket.meter.done()
        if self.freed is not None and not self.freed.done():
            self.freed.set_result(None)
        if not task.cancelled() and task.exception() is not None:
            self.interrupt(task.exception())
        elif self.table.stream is not None:
            self.interrupt(STREAM_ENDED)
