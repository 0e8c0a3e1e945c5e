"""The coroutines that are written out, seen through WebSocket's six: whatever is done with one, it is a coroutine."""

import asyncio
import collections.abc
import copy
import gc
import inspect
import types
import warnings
import weakref

import pytest
from coroutines import accepted, closed, give

from asgi import websocket_scope
from wirefast._core import coroutine as module
from wirefast._core.coroutine import CompiledCoroutine
from wirefast.websockets import WebSocket, WebSocketDisconnect

CONNECT = {"type": "websocket.connect"}
NAMES = ["receive_text", "receive_bytes", "receive_json", "send_text", "send_bytes", "send_json"]
CALLS = [
    lambda ws: ws.receive_text(),
    lambda ws: ws.receive_bytes(),
    lambda ws: ws.receive_json(),
    lambda ws: ws.send_text("x"),
    lambda ws: ws.send_bytes(b"x"),
    lambda ws: ws.send_json(1),
]


class Peer:
    """A WebSocket that was accepted, and the other side of it."""

    def __init__(self):
        self.events = asyncio.Queue()
        self.sent = []
        self.websocket = WebSocket(websocket_scope(), self.events.get, self.send)

    async def send(self, message):
        self.sent.append(message)

    def text(self, text):
        self.events.put_nowait({"type": "websocket.receive", "text": text})


def with_peer(test):
    """Run a coroutine function of an accepted Peer."""

    def run():
        async def main():
            peer = Peer()
            peer.events.put_nowait(CONNECT)
            await peer.websocket.accept()
            peer.sent.clear()
            await test(peer)

        asyncio.run(main())

    run.__name__, run.__doc__ = test.__name__, test.__doc__
    return run


def test_is_compiled():
    assert module.__file__.endswith((".so", ".pyd"))


@pytest.mark.parametrize("name", NAMES)
def test_functions_are_coroutine_functions(name):
    assert inspect.iscoroutinefunction(getattr(WebSocket, name))
    assert inspect.iscoroutinefunction(getattr(accepted(), name))


@pytest.mark.parametrize("call", CALLS)
def test_what_they_give_is_a_coroutine(call):
    coroutine = closed(call(accepted()))
    assert type(coroutine).__mro__[1] is CompiledCoroutine
    assert asyncio.iscoroutine(coroutine) and inspect.isawaitable(coroutine)
    assert isinstance(coroutine, collections.abc.Coroutine)
    assert coroutine.__name__ in NAMES and coroutine.__qualname__ == f"WebSocket.{coroutine.__name__}"
    assert repr(coroutine).startswith(f"<coroutine object {coroutine.__qualname__} at 0x")
    assert coroutine.cr_await is None and coroutine.cr_running is False


@with_peer
async def test_tasks_timeouts_and_gather(peer):
    websocket = peer.websocket
    task = asyncio.create_task(websocket.receive_text())
    await asyncio.sleep(0)
    assert "receive_text" in repr(task)
    peer.text("one")
    assert await task == "one"
    with pytest.raises(asyncio.TimeoutError):
        await asyncio.wait_for(websocket.receive_text(), 0.001)
    peer.text("[2]")
    assert await asyncio.gather(websocket.receive_json(), websocket.send_json({"a": 1})) == [[2], None]
    assert peer.sent == [{"type": "websocket.send", "text": '{"a":1}'}]


@pytest.mark.parametrize("call", CALLS)
def test_nothing_happens_before_the_await_and_forgetting_it_is_warned_of(call):
    def never(*message):
        raise AssertionError("called")

    coroutine = call(accepted(never, never))
    name = coroutine.__qualname__
    with pytest.warns(RuntimeWarning, match=f"coroutine '{name}' was never awaited"):
        del coroutine
        gc.collect()


def test_a_closed_one_is_not_warned_of():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        closed(accepted().send_text("x"))
        gc.collect()


def test_a_warning_that_is_an_error_is_reported(monkeypatch):
    reported = []
    monkeypatch.setattr("sys.unraisablehook", lambda report: reported.append(report.exc_type))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        accepted().send_text("x")
        gc.collect()
    assert reported == [RuntimeWarning]


@with_peer
async def test_awaited_once(peer):
    coroutine = peer.websocket.receive_text()
    task = asyncio.create_task(coroutine)
    await asyncio.sleep(0)
    assert coroutine.cr_await is not None
    with pytest.raises(RuntimeError, match="coroutine is being awaited already"):
        await coroutine
    peer.text("x")
    assert await task == "x"
    with pytest.raises(RuntimeError, match="cannot reuse already awaited coroutine"):
        await coroutine
    with pytest.raises(RuntimeError, match="cannot reuse already awaited coroutine"):
        coroutine.send(None)
    with pytest.raises(RuntimeError, match="cannot reuse already awaited coroutine"):
        coroutine.throw(ValueError)
    with pytest.raises(RuntimeError, match="cannot reuse already awaited coroutine"):
        await closed(peer.websocket.receive_text())


def test_yields_and_sends_pass_in_order():
    seen = []

    async def receive():
        for value in ("first", None, "third"):
            seen.append(await give(value))
        return {"type": "websocket.receive", "text": "done"}

    coroutine = accepted(receive).receive_text()
    with pytest.raises(TypeError, match="can't send non-None value to a just-started coroutine"):
        coroutine.send(1)
    assert [coroutine.send(None), coroutine.send(1), coroutine.send(2)] == ["first", None, "third"]
    with pytest.raises(StopIteration) as stop:
        coroutine.send(3)
    assert stop.value.value == "done" and seen == [1, 2, 3]


@pytest.mark.parametrize(
    "arguments", [(KeyError("x"),), (KeyError, "x"), (KeyError, KeyError("x")), (KeyError, ("x",))]
)
def test_throw_reaches_what_is_awaited(arguments):
    async def receive():
        try:
            await give("first")
        except KeyError as exc:
            assert exc.args == ("x",)
            await give("second")
        return {"type": "websocket.receive", "text": "done"}

    coroutine = accepted(receive).receive_text()
    assert coroutine.send(None) == "first"
    assert coroutine.throw(*arguments) == "second"
    with pytest.raises(StopIteration, match="done"):
        coroutine.send(None)


def test_throw_that_ends_what_is_awaited():
    async def receive():
        try:
            await give("first")
        except KeyError:
            return {"type": "websocket.receive", "text": "done"}

    coroutine = accepted(receive).receive_text()
    coroutine.send(None)
    with pytest.raises(StopIteration, match="done"):
        coroutine.throw(KeyError)
    coroutine = accepted(receive).receive_text()
    coroutine.send(None)
    with pytest.raises(ValueError, match="^other$"):
        coroutine.throw(ValueError("other"))
    with pytest.raises(KeyError):  # before it began
        accepted(receive).receive_text().throw(KeyError)


def test_close_closes_what_is_awaited():
    ended = []

    async def receive():
        try:
            await give("first")
        finally:
            ended.append(True)

    coroutine = accepted(receive).receive_text()
    coroutine.send(None)
    coroutine.close()
    coroutine.close()
    assert ended == [True]


class Awaitable:
    def __init__(self, iterator):
        self.iterator = iterator

    def __await__(self):
        return self.iterator


def test_awaitables_of_every_kind():
    """What an ASGI callable may return: an iterator's owner, an old coroutine, another compiled one."""

    @types.coroutine
    def old(message):
        yield "old"

    async def main(send):
        return await accepted(send=send).send_text("x")

    inner = accepted(send=old)
    for send in (old, lambda message: Awaitable(iter(["old"])), inner.send):
        coroutine = main(send)
        assert coroutine.send(None) == "old"
        with pytest.raises(StopIteration) as stop:
            coroutine.send(None)
        assert stop.value.value is None


async def nothing():
    pass


@pytest.mark.parametrize(
    ("result", "words"),
    [
        (lambda: 5, "int"),
        (lambda: Awaitable(5), "__await__.. returned int instead of an iterator"),
        (lambda: Awaitable(closed(nothing())), "__await__.. returned a coroutine instead of an iterator"),
    ],
)
def test_what_cannot_be_awaited(result, words):
    with pytest.raises(TypeError, match=words):
        accepted(send=lambda message: result()).send_text("x").send(None)


def test_yield_from():
    async def receive():
        await give("first")
        return {"type": "websocket.receive", "text": "done"}

    def generator():
        return (yield from accepted(receive).receive_text().__await__())

    async def main():
        return await Awaitable(generator())

    coroutine = main()
    assert coroutine.send(None) == "first"
    with pytest.raises(StopIteration, match="done"):
        coroutine.send(None)


@with_peer
async def test_errors_of_the_peer(peer):
    async def broken(message):
        await asyncio.sleep(0)
        raise ConnectionResetError("gone")

    def broken_at_once(message):
        raise ConnectionResetError("gone")

    for send in (broken, broken_at_once):
        peer.websocket._send = send
        peer.websocket.application_state = type(peer.websocket.application_state).CONNECTED
        with pytest.raises(WebSocketDisconnect) as caught:
            await peer.websocket.send_text("x")
        assert caught.value.code == 1006 and type(caught.value.__context__) is ConnectionResetError


class Value:
    """Something that can be told to be gone."""


@pytest.mark.parametrize("depth", [0, 1, 2])
def test_no_value_is_kept(depth):
    """Whoever ends up with the result is the only one who has it."""
    found = []

    async def receive():
        value = Value()
        found.append(weakref.ref(value))
        return {"type": "websocket.receive", "text": value}

    async def main(depth):
        if depth:
            return await main(depth - 1)
        return await accepted(receive).receive_text()

    for _ in range(3):
        with pytest.raises(StopIteration):
            main(depth).send(None)
        # By the iterator's protocol alone, with the error passing through a frame.
        with pytest.raises(StopIteration):
            next(accepted(receive).receive_text().__await__())
    gc.collect()
    closed(accepted().receive_text())
    assert [reference() for reference in found] == [None] * 6


def test_results_of_many_at_once_are_not_mixed_up():
    async def receive():
        await give(None)
        return {"type": "websocket.receive", "text": "inner"}

    async def main(number):
        async def nested():
            return {"type": "websocket.receive", "text": (number, await accepted(receive).receive_text())}

        return number, await accepted(nested).receive_text()

    running = [main(number) for number in range(100)]
    for coroutine in running:
        assert coroutine.send(None) is None
    for number, coroutine in enumerate(running):
        with pytest.raises(StopIteration) as stop:
            coroutine.send(None)
        assert stop.value.value == (number, (number, "inner"))


def test_a_cycle_through_a_waiting_one_is_collected():
    value = Value()

    async def receive():
        await give(value)

    value.coroutine = accepted(receive).receive_text()
    assert value.coroutine.send(None) is value
    gone = weakref.ref(value)
    value = receive = None
    gc.collect()
    assert gone() is None


def test_it_cannot_be_closed_while_it_runs():
    """As an interpreter's coroutine: ValueError, and it goes on."""
    seen = []

    async def receive():
        try:
            outer.close()
        except ValueError as exc:
            seen.append(str(exc))
        return {"type": "websocket.receive", "text": "x"}

    outer = accepted(receive).receive_text()
    with pytest.raises(StopIteration) as stop:
        outer.send(None)
    assert stop.value.value == "x"
    assert seen == ["coroutine already executing"]


def test_it_cannot_be_made_by_its_class():
    coroutine = closed(accepted().receive_text())
    for kind in type(coroutine).__mro__[:-1]:
        with pytest.raises(TypeError, match="made by calling"):
            kind()
    with pytest.raises(TypeError, match="cannot pickle"):
        copy.copy(coroutine)
