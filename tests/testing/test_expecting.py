"""What a test may expect of a message, of an end, of a refusal; and what it is told where something else came."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable
from typing import Any, Literal

import pytest
import uvloop
from dirty_equals import IsInt, IsList, IsPartialDict, IsStr
from pydantic import BaseModel
from scenes_app import Said, Say, make_app

from wirefast.testing import ConnectionLost, Live, NotExpected, NotOnTheWire, Refused, TimedOut, live
from wirefast.testing.matching import Mismatch, ReceivedMessage, described, match


class Left(BaseModel):
    type: Literal["left"] = "left"


def run(scene: Callable[[Live], Awaitable[Any]], app: Any = make_app, **options: Any) -> Any:
    async def whole() -> Any:
        async with live(app, **options) as served:
            return await scene(served)

    loop = uvloop.new_event_loop()
    try:
        return loop.run_until_complete(whole())
    finally:
        loop.close()


SAID = '{"type":"said","text":"hi"}'


@pytest.mark.parametrize(
    ("wanted", "data", "value"),
    [
        (str, "text", "text"),
        (bytes, b"\x00", b"\x00"),
        ("text", "text", "text"),
        (b"b", b"b", b"b"),
        (Said, SAID, Said(text="hi")),
        (Said, SAID.encode(), Said(text="hi")),
        (Said | Left, '{"type":"left"}', Left()),
        (Said(text="hi"), SAID, Said(text="hi")),
        ({"type": "said", "text": "hi"}, SAID, {"type": "said", "text": "hi"}),
        ([1, None], "[1,null]", [1, None]),
        (5, "5", 5),
        (None, "null", None),
        (list[int], "[1, 2]", [1, 2]),
        (dict, SAID, {"type": "said", "text": "hi"}),
        (Any, SAID, {"type": "said", "text": "hi"}),
        (lambda value: value["text"] == "hi", SAID, {"type": "said", "text": "hi"}),
        (lambda value: value.startswith("t"), "text", "text"),
        (IsPartialDict(text="hi"), SAID, {"type": "said", "text": "hi"}),
        (IsPartialDict(text=IsStr(regex="h.")), SAID, {"type": "said", "text": "hi"}),
        (IsList(1, 2, check_order=False), "[2,1]", [2, 1]),
        (IsInt, "7", 7),
        (IsStr(regex="t.*"), "text", "text"),
    ],
)
def test_what_matches(wanted: Any, data: str | bytes, value: Any) -> None:
    assert match(wanted, ReceivedMessage(data)) == value


@pytest.mark.parametrize(
    ("wanted", "data", "why"),
    [
        (str, b"x", "it is a binary message"),
        (bytes, "x", "it is a text message"),
        ("a", "b", "it is another value"),
        ("5", "6", "it is another value"),
        (Said, '{"type":"said"}', "it is no Said: text: Field required"),
        (Said, '{"text":"hi"}', "it is no Said: type: the message has no such member"),
        (Said, "no JSON", "it is no Said: Invalid JSON"),
        (Said(text="hi"), '{"type":"said","text":"you"}', "it is another value"),
        ({"a": 1}, '{"a":2}', "it is another value"),
        (True, "1", "it is another value"),
        (1, "true", "it is another value"),
        (IsPartialDict(text="you"), SAID, "it is another value"),
        (lambda value: False, SAID, "it is not true of the message"),
    ],
)
def test_what_does_not_match(wanted: Any, data: str | bytes, why: str) -> None:
    with pytest.raises(Mismatch, match=re.escape(why)):
        match(wanted, ReceivedMessage(data))


def test_messages_come_in_their_order() -> None:
    async def scene(served: Live) -> None:
        async with served.connect("/echo", name="ann") as ann:
            for text in ("1", "2", "3", "4"):
                await ann.send(text)
            with pytest.raises(NotExpected, match="ann expected '2', but it is another value: '1'"):
                await ann.expect("2")
            await ann.expect("3", skip="2")
            await ann.send("5")
            await ann.expect("5", skip=True)
            await ann.send("6")
            assert await ann.receive() == "6"
            await ann.send("7")
            with pytest.raises(NotExpected, match="expected nothing, but a message came: '7'"):
                await ann.expect_nothing()
            assert ann.unread == ["7"]

    run(scene)


def test_an_error_has_the_expectation_and_the_message_once() -> None:
    async def scene(served: Live) -> None:
        async with served.connect("/echo", name="ann") as ann:
            for wanted in ("2", {"a": 1}, Said(text="other"), IsPartialDict(text="other"), lambda value: False):
                await ann.send(SAID)
                with pytest.raises(NotExpected) as caught:
                    await ann.expect(wanted)
                first = str(caught.value).splitlines()[0]
                assert first.count(SAID) == 1 and first.count(described(wanted)) == 1, first

    run(scene)


def test_replies_are_found_among_others() -> None:
    async def scene(served: Live) -> None:
        async with served.connect("/typed", name="ann") as ann:
            first = await ann.send(Say(type="say", text="1"), ref=True)
            second = await ann.send(Say(type="say", text="2"), ref=True)
            assert (first, second) == (1, 2)
            assert (await ann.expect_reply(second, Said)).text == "2"
            assert (await ann.expect_reply(first))["text"] == "1"
            ref = await ann.send({"type": "sing"}, ref="song")
            with pytest.raises(NotExpected, match="expected a reply to 'song', but it is an error"):
                await ann.expect_reply(ref)
            await ann.send("{")
            with pytest.raises(NotExpected, match="expected the error 'full', but it is another message"):
                await ann.expect_error("full")
            with pytest.raises(TypeError, match="only a JSON object can carry a ref"):
                await ann.send("text", ref=1)

    run(scene)


def test_ends() -> None:
    async def scene(served: Live) -> None:
        async with served.connect("/closes/4000?reason=bye", name="ann") as ann:
            with pytest.raises(
                NotExpected, match="expected the close code 4000, but a message came before it: 'before'"
            ):
                await ann.expect_close(4000, skip=False)
            with pytest.raises(NotExpected, match="expected the close code 1000, but it is 4000 bye"):
                await ann.expect_close(1000)
            with pytest.raises(NotExpected, match="expected the reason 'no', but it is 'bye'"):
                await ann.expect_close(4000, "no")
            assert await ann.expect_close(4000, IsStr(regex="b.e")) == (4000, "bye")
            with pytest.raises(NotExpected, match="expected 'more', but the connection ended with 4000 bye"):
                await ann.expect("more")
            with pytest.raises(ConnectionLost, match="ann cannot send: the connection has ended with 4000 bye"):
                await ann.send("more")
        async with served.connect("/echo") as bob:
            with pytest.raises(TimedOut, match="expected the close code 1000 within 0.05 s, but nothing came"):
                await bob.expect_close(1000, within=0.05)

    run(scene)


def test_refusals() -> None:
    async def scene(served: Live) -> None:
        with pytest.raises(Refused, match="^401 Unauthorized") as refused:
            await served.connect("/secret")
        assert refused.value.json() == {"detail": "Not authenticated"}
        assert refused.value.header("WWW-Authenticate") == "Bearer"
        with pytest.raises(AssertionError, match="expected /secret to be refused with 403, but it was with 401"):
            await served.expect_refused(403, "/secret")
        with pytest.raises(AssertionError, match="expected /echo to be refused with 403, but it was accepted"):
            await served.expect_refused(403, "/echo")
        with pytest.raises(ValueError, match="a path begins with /"):
            served.connect("echo")

    run(scene)


def test_without_a_wire_what_needs_one_says_so() -> None:
    async def scene(served: Live) -> str:
        async with served.connect("/echo", subprotocols=["b"], name="ann") as ann:
            assert ann.subprotocol == "b"
            await ann.send("hi")
            await ann.expect("hi")
            for act in (ann.stall, lambda: ann.slow(1), ann.half_close):
                with pytest.raises(NotOnTheWire, match='needs a wire, which mode="asgi" has not'):
                    act()
            with pytest.raises(NotOnTheWire):
                await ann.send_raw(b"x")
            with pytest.raises(NotOnTheWire):
                await ann.ping()
        async with served.connect("/closes/4000?reason=bye") as bob:
            await bob.expect("before")
            await bob.expect_close(4000, "bye")
        refused = await served.expect_refused(403, "/refuses?how=close")
        assert refused.json() == {"code": 4001, "reason": "not today"}
        assert (await served.expect_refused(429, "/refuses?how=denial")).text == "too many"
        async with served.connect("/raises") as eve:
            await eve.expect_close(1011)
        return str(ann.transcript)

    assert run(scene, mode="asgi") == "> GET /echo\n< 101 b\n> hi\n< hi\n> close 1000\n< close 1000\n"


def test_what_the_application_raises_comes_out() -> None:
    async def forgets(served: Live) -> None:
        async with served.connect("/raises") as ann:
            await ann.expect_close()

    with pytest.raises(LookupError, match="a mistake"):
        run(forgets)

    async def knows(served: Live) -> None:
        with served.expect_exception(LookupError, "mistake"):
            async with served.connect("/raises") as ann:
                await ann.expect_close()

    run(knows)
    run(forgets, raises=False)

    async def is_wrong(served: Live) -> None:
        with pytest.raises(AssertionError, match="the application raised no ValueError, but LookupError"):
            with served.expect_exception(ValueError):
                await forgets(served)
        served.exceptions.know(None)

    with pytest.raises(LookupError):
        run(is_wrong)

    async def fails(served: Live) -> None:
        async with served.connect("/raises") as ann:
            await ann.expect("something")

    with pytest.raises(NotExpected, match="ended with 1011") as failure:
        run(fails)
    assert isinstance(failure.value.__cause__, LookupError)


@pytest.mark.parametrize("options", [{"mode": "fast"}, {"server": "there"}, {"mode": "asgi", "server": "real"}])
def test_options_that_there_are_not(options: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="mode" if "mode" in options else "server"):
        live(make_app(), **options)
