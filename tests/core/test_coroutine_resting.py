"""Calls that have ended: their objects rest until another call needs one, hold nothing, and are not mixed up."""

import gc
import tracemalloc
import warnings
import weakref

import pytest
from coroutines import accepted, closed, give

from wirefast._core.coroutine import CompiledCoroutine


def ended_call(argument=None):
    """Run one send whose argument is given, to its end."""
    with pytest.raises(StopIteration):
        accepted(send=nothing_sent).send_text(argument).send(None)


async def nothing_sent(message):
    pass


@pytest.mark.parametrize("count", [1, 64, 65, 300])
def test_any_number_is_used_again(count):
    for _ in range(3):
        websocket = accepted(send=nothing_sent)
        calls = [websocket.send_text(str(number)) for number in range(count)]
        for number, call in enumerate(calls):
            assert call.cr_await is None and call.__name__ == "send_text", number
            with pytest.raises(StopIteration) as stop:
                call.send(None)
            assert stop.value.value is None
        del calls, call


def test_one_that_has_ended_holds_nothing():
    """Neither its argument nor its WebSocket, however it has ended."""

    class Text(str):
        pass

    async def failing(message):
        raise ValueError("failed")

    def run_to_its_end(call):
        with pytest.raises(StopIteration):
            call.send(None)

    def fail(call):
        with pytest.raises(ValueError, match="failed"):
            call.send(None)

    def throw(call):
        with pytest.raises(KeyError):
            call.throw(KeyError)

    for send, end in ((nothing_sent, run_to_its_end), (failing, fail), (nothing_sent, closed), (nothing_sent, throw)):
        argument, websocket = Text("x"), accepted(send=send)
        gone = [weakref.ref(argument), weakref.ref(websocket)]
        call = websocket.send_text(argument)
        end(call)
        del call
        argument = websocket = None
        gc.collect()
        assert [reference() for reference in gone] == [None, None], end


def test_a_resting_one_is_no_object():
    def living():
        gc.collect()
        return {id(found) for found in gc.get_objects() if isinstance(found, CompiledCoroutine)}

    # On Python 3.13 an exception that is a parameter of another test keeps that test's calls.
    before = living()
    closed(accepted().send_text("x"))
    assert living() <= before


def test_calls_of_a_destructor():
    """The end of one call runs code that makes, ends and forgets a hundred others."""
    ended = []

    class Text(str):
        def __del__(self):
            calls = [accepted(send=nothing_sent).send_text("inner") for _ in range(100)]
            for call in calls:
                with pytest.raises(StopIteration):
                    call.send(None)
            ended.append(len(calls))

    for _ in range(5):
        ended_call(Text("outer"))
    assert ended == [100] * 5
    test_any_number_is_used_again(100)


def test_an_error_in_flight_survives_the_end():
    """The interpreter drops the list's first value while the error of the second is set."""
    ended = []

    class Text(str):
        def __del__(self):
            try:
                ended_call("inner")
                raise ValueError
            except ValueError:
                ended.append(True)

    with pytest.raises(KeyError, match="kept"):
        [closed(accepted(send=nothing_sent).send_text(Text("outer"))), {}["kept"]]
    assert ended == [True]


def test_one_that_never_began_is_not_used_again_before_its_warning():
    with pytest.warns(RuntimeWarning, match="'WebSocket.send_text' was never awaited") as warned:
        for _ in range(3):
            accepted().send_text("x")
    assert len(warned) == 3
    ended_call("x")


def test_cycles_through_calls_of_every_state():
    async def waits():
        await give(None)

    def in_cycle(state):
        websocket = accepted(waits)
        websocket.state.call = call = websocket.receive_text()
        if state == "waiting":
            call.send(None)
        elif state == "closed":
            call.close()
        return weakref.ref(websocket)

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)
        gone = [in_cycle(state) for state in ("new", "waiting", "closed") for _ in range(70)]
        gc.collect()
    assert [reference() for reference in gone] == [None] * len(gone)


def test_memory_of_calls_is_bounded():
    """Cycles of 5,000 calls at once leave no more than what rests."""

    def row():
        websocket = accepted(send=nothing_sent)
        for call in [websocket.send_text("x") for _ in range(5000)]:
            call.close()

    row()
    tracemalloc.start()
    try:
        row()
        before = tracemalloc.get_traced_memory()[0]
        for _ in range(5):
            row()
        assert tracemalloc.get_traced_memory()[0] - before < 20_000
    finally:
        tracemalloc.stop()
