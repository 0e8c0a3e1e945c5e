"""Which handler an exception gets, how it is called, and what is left afterwards."""

import asyncio
import gc
import logging
import sys
import threading
import weakref

import pytest
from starlette.exceptions import HTTPException
from starlette.responses import PlainTextResponse

from wirefast._core.handlers import handle_exception


class Base(Exception):
    pass


class Derived(Base):
    pass


def handled(exc, by_class=None, by_status=None, **options):
    """What the handlers and ``send`` were given for an exception that was raised."""
    sent = []

    async def send(message):
        sent.append(message)

    async def main():
        try:
            raise exc
        except Exception as raised:
            failure = raised
        await handle_exception(
            failure, "connection", (by_class or {}, by_status or {}), {"type": "http"}, None, send, **options
        )

    asyncio.run(main())
    return sent


def recording(seen, name, answer=None):
    async def handler(connection, exc):
        seen.append((name, connection, exc))
        return answer

    return handler


def test_the_nearest_class():
    seen = []
    by_class = {kind: recording(seen, kind.__name__) for kind in (Exception, Base, Derived)}
    for exc in (Derived(), Base(), LookupError()):
        handled(exc, by_class)
    assert [name for name, _, _ in seen] == ["Derived", "Base", "Exception"]
    assert seen[0][1] == "connection"


def test_a_status_comes_before_a_class():
    seen = []
    by_class, by_status = {HTTPException: recording(seen, "class")}, {404: recording(seen, "404")}
    handled(HTTPException(404), by_class, by_status)
    handled(HTTPException(403), by_class, by_status)
    assert [name for name, _, _ in seen] == ["404", "class"]


def test_a_status_on_another_exception_is_none():
    failure = Base()
    failure.status_code = 404
    with pytest.raises(Base):
        handled(failure, {}, {404: recording([], "404")})


def test_without_a_handler_the_exception_goes_on():
    failure = LookupError("mine")
    with pytest.raises(LookupError) as caught:
        handled(failure)
    assert caught.value is failure
    assert failure.__cause__ is failure.__context__ is None


def test_after_the_response_began():
    failure = Base()
    with pytest.raises(RuntimeError, match="response already started") as caught:
        handled(failure, {Base: recording([], "x")}, started=True)
    assert caught.value.__cause__ is failure
    # Without a handler nothing could have been sent anyway.
    with pytest.raises(LookupError):
        handled(LookupError(), {Base: recording([], "x")}, started=True)


def test_a_response_is_sent():
    sent = handled(Base(), {Base: recording([], "x", PlainTextResponse("sorry", 418))})
    assert [message.get("status", message.get("body")) for message in sent] == [418, b"sorry"]
    assert handled(Base(), {Base: recording([], "x", None)}) == []


def test_a_plain_function_runs_in_a_thread():
    threads = []
    handled(Base(), {Base: lambda connection, exc: threads.append(threading.get_ident())})
    assert threads and threading.get_ident() not in threads


def test_the_handler_sees_the_exception_being_handled(caplog):
    """``logging.exception`` and a bare ``raise`` work, with the traceback from where it was raised."""
    failure = Base("seen")

    async def handler(connection, exc):
        assert sys.exc_info()[1] is exc is failure
        names = []
        traceback = exc.__traceback__
        while traceback:
            names.append(traceback.tb_frame.f_code.co_name)
            traceback = traceback.tb_next
        assert names == ["main"]
        await asyncio.sleep(0)
        logging.getLogger("test").exception("failed")

    handled(failure, {Base: handler})
    assert caplog.records[-1].exc_info[1] is failure


def test_what_a_handler_raises():
    failure = Base()

    async def handler(connection, exc):
        raise KeyError("from the handler")

    with pytest.raises(KeyError) as caught:
        handled(failure, {Base: handler})
    assert caught.value.__context__ is failure


class Local:
    pass


@pytest.mark.parametrize("end", ["handled", "handler raises", "no handler"])
def test_nothing_is_kept(end):
    """Neither the exception nor what its frames hold waits for the garbage collector."""
    references = []

    def fail():
        local = Local()
        references.append(weakref.ref(local))
        raise Base

    async def handler(connection, exc):
        await asyncio.sleep(0)
        if end == "handler raises":
            raise KeyError

    handlers = ({} if end == "no handler" else {Base: handler}, {})

    async def main():
        failure = None
        try:
            fail()
        except Base as exc:
            failure = exc
        try:
            await handle_exception(failure, None, handlers, {}, None, None)
        except (Base, KeyError):
            assert end != "handled"
        del failure

    gc.collect()
    gc.disable()
    try:
        loop = asyncio.new_event_loop()
        loop.run_until_complete(main())
        assert references[0]() is None
        loop.close()
    finally:
        gc.enable()
