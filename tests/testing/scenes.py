"""Scenes between clients and a server. Each is run in memory and on real sockets, and has to come out the same."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from scenes_app import Said, Say

from wirefast.testing import ConnectionLost, Live, Refused

Scene = Callable[[Live], Awaitable[Any]]
SCENES: dict[str, tuple[Scene, dict[str, Any]]] = {}


def scene(**settings: Any) -> Callable[[Scene], Scene]:
    def add(function: Scene) -> Scene:
        SCENES[function.__name__] = function, settings
        return function

    return add


@scene()
async def every_kind_of_message(live: Live) -> None:
    async with live.connect("/echo") as ann:
        for value in ("text", "", "ü€\n", b"bytes", b"", "x" * 125, "y" * 126, "z" * 70000):
            await ann.send(value)
            await ann.expect(value)
        await ann.send({"a": [1, None]})
        await ann.expect({"a": [1, None]})
        await ann.send(Said(text="hi"))
        assert await ann.expect(Said) == Said(text="hi")
        await ann.send_json("a str")
        await ann.expect('"a str"')


@scene()
async def fragments_with_a_ping_between(live: Live) -> None:
    async with live.connect("/echo") as ann:
        await ann.send_frame(1, b"ab", fin=False)
        await ann.ping(b"between")
        await ann.send_frame(0, b"cd")
        await ann.expect("abcd")
        await ann.send_fragments(b"1", b"2", b"3")
        await ann.expect(b"123")


@scene()
async def two_peers_and_their_names(live: Live) -> None:
    async with live.connect("/rooms/a", name="ann") as ann, live.connect("/rooms/a", name="bob") as bob:
        await ann.expect("joined")
        await bob.expect("joined")
        await ann.send("hi")
        await ann.expect("hi")
        await bob.expect("hi")
        await live.hub.publish("a", {"n": 1})
        await bob.expect({"n": 1})
        await ann.expect({"n": 1})
        await bob.expect_nothing()


@scene()
async def subprotocols_and_headers(live: Live) -> Any:
    async with live.connect("/echo", subprotocols=["a", "b"]) as ann:
        return ann.subprotocol, ann.response.header("x-made-by"), sorted(name for name, _ in ann.response.headers)


@scene()
async def close_codes_of_the_server(live: Live) -> Any:
    ends = []
    for code, reason in ((1000, ""), (4000, "bye"), (1013, "later ü"), (3000, "r" * 123)):
        async with live.connect(f"/closes/{code}", params={"reason": reason}) as ann:
            await ann.expect("before")
            ends.append(await ann.expect_close(code, reason))
    return ends


@scene()
async def a_reason_is_cut_on_a_character_border(live: Live) -> Any:
    async with live.connect("/closes/4000", params={"reason": "€" * 50}) as ann:
        return await ann.expect_close(4000)


@scene()
async def close_codes_of_the_peer(live: Live) -> Any:
    ends = []
    for code, reason in ((1000, ""), (None, ""), (4999, "so long"), (1001, "")):
        peer = await live.connect("/echo")
        ends.append(await peer.close(code, reason))
    return ends, live.app.state.seen


@scene()
async def an_endpoint_that_returns(live: Live) -> None:
    async with live.connect("/returns") as ann:
        await ann.expect_close(1000, "")


@scene()
async def an_endpoint_that_raises(live: Live) -> None:
    async with live.connect("/raises") as ann:
        await ann.expect_close(1011)
    async with live.connect("/http-exception") as ann:
        await ann.expect_close(1008, "no such thing")


@scene()
async def every_refusal(live: Live) -> Any:
    found = []
    for path in (
        "/refuses?how=close",
        "/refuses?how=policy",
        "/refuses?how=http",
        "/refuses?how=denial",
        "/nowhere",
        "/numbers",
        "/numbers?n=x",
        "/secret",
        "/items/1",
    ):
        with pytest.raises(Refused) as refused:
            await live.connect(path)
        headers = [pair for pair in refused.value.headers if pair[0] != "date"]
        found.append((path, refused.value.status, headers, refused.value.body))
    return found


@scene()
async def refusals_that_are_mistakes(live: Live) -> Any:
    first = await live.expect_refused(500, "/refuses?how=not")
    second = await live.expect_refused(500, "/raises?when=before")
    return first.body, second.body


@scene()
async def handshakes_that_are_none(live: Live) -> Any:
    found = []
    for name, value in (
        ("Sec-WebSocket-Key", "short"),
        ("Sec-WebSocket-Version", "8"),
        ("Content-Length", "5"),
        ("Connection", "keep-alive"),
        ("Upgrade", "h2c"),
        ("Transfer-Encoding", "chunked"),
        ("X-Long", "x" * 9000),
    ):
        with pytest.raises(Refused) as refused:
            await live.connect("/echo", headers={name: value})
        found.append((name, refused.value.status, refused.value.body))
    return found


@scene(ws_max_size=1000)
async def what_breaks_the_protocol(live: Live) -> Any:
    found = []
    for frame in (
        {"opcode": 1, "data": b"x", "mask": None},
        {"opcode": 3, "data": b"x"},
        {"opcode": 1, "data": b"x", "rsv": 0x40},
        {"opcode": 1, "data": b"\xff"},
        {"opcode": 0, "data": b"x"},
        {"opcode": 9, "data": b"x" * 126},
        {"opcode": 8, "data": b"x"},
        {"opcode": 8, "data": b"\x03\xed"},
        {"opcode": 2, "data": b"x" * 1001},
    ):
        async with live.connect("/echo") as ann:
            await ann.send_frame(**frame)
            found.append(await ann.expect_close())
    return found


@scene()
async def bytes_that_are_no_frames(live: Live) -> Any:
    async with live.connect("/echo") as ann:
        await ann.send_raw(bytes([0x81, 0x85]) + b"\0\0\0\0he")
        await ann.send_raw(b"llo" + bytes([0xFF] * 8))
        await ann.expect("hello")
        return await ann.expect_close()


@scene()
async def a_peer_that_resets(live: Live) -> Any:
    async with live.connect("/echo") as ann:
        await ann.send("hi")
        await ann.expect("hi")
        ann.reset()
        await ann.expect_close(1006)
    with pytest.raises(ConnectionLost):
        await ann.send("more")
    return live.app.state.seen


@scene()
async def a_peer_that_half_closes(live: Live) -> Any:
    async with live.connect("/echo") as ann:
        await ann.send("hi")
        await ann.expect("hi")
        ann.half_close()
        end = await ann.expect_close()
    return end, live.app.state.seen


@scene()
async def a_stalled_peer_is_closed(live: Live) -> Any:
    async with live.connect("/rooms/a", name="ann") as ann, live.connect("/rooms/a", name="bob") as bob:
        await ann.expect("joined")
        await bob.expect("joined")
        bob.stall()
        for number in range(5):
            await live.hub.publish("a", f"{number}")
        end = await bob.expect_close(1013)
        for number in range(5):
            await ann.expect(f"{number}")
    return end, live.hub.stats


@scene()
async def a_stalled_peer_that_reads_on(live: Live) -> Any:
    async with live.connect("/rooms/a") as ann:
        await ann.expect("joined")
        ann.stall()
        await live.hub.publish("a", "1")
        await live.hub.publish("a", "2")
        await ann.expect_nothing()
        ann.resume()
        await ann.expect("1")
        await ann.expect("2")
        await live.hub.publish("a", "3")
        await ann.expect("3")
    return live.hub.stats


@scene()
async def a_slow_peer_has_it_all_in_the_end(live: Live) -> Any:
    async with live.connect("/flood?messages=40&size=1000") as ann:
        ann.slow(20000)
        await ann.expect(lambda text: text.startswith("0:"), within=5)
        await live.clock.advance(10)
        for number in range(1, 40):
            await ann.expect(lambda text, number=number: text.startswith(f"{number}:"))
        return await ann.expect_close(1000, "done")


@scene()
async def much_data(live: Live) -> Any:
    async with live.connect("/flood?messages=30&size=100000") as ann:
        sizes = [len(await ann.receive()) for _ in range(30)]
        return sizes, await ann.expect_close(1000)


@scene()
async def much_data_from_the_peer(live: Live) -> None:
    async with live.connect("/echo") as ann:
        for _ in range(20):
            await ann.send("x" * 100000)
        for _ in range(20):
            await ann.expect("x" * 100000)


@scene()
async def keepalive_of_a_peer_that_answers(live: Live) -> Any:
    async with live.connect("/echo") as ann:
        await live.clock.advance(3600)
        await ann.send("still here")
        await ann.expect("still here")
        pings = [event for event in ann.transcript if event.quiet and event.text.startswith("ping")]
        return 170 < len(pings) < 190


@scene()
async def keepalive_of_a_mute_peer(live: Live) -> Any:
    async with live.connect("/echo") as ann:
        ann.mute()
        await live.clock.advance(60)
        return await ann.expect_close(1011, "keepalive ping timeout"), live.app.state.seen


@scene()
async def the_time_of_the_application(live: Live) -> Any:
    async with live.connect("/waits") as ann:
        await live.clock.advance(29)
        await ann.expect_nothing(0.01)
        await live.clock.advance(1.1)
        await ann.expect("half a minute")
    return live.app.state.seen


@scene(ws_per_message_deflate=True)
async def compression(live: Live) -> Any:
    async with live.connect("/echo", compress=True) as ann:
        for _ in range(3):
            await ann.send("compress me " * 100)
            await ann.expect("compress me " * 100)
        return ann.response.header("sec-websocket-extensions")


@scene()
async def compression_that_is_off(live: Live) -> Any:
    async with live.connect("/echo", compress=True) as ann:
        return ann.response.header("sec-websocket-extensions")


@scene()
async def typed_messages(live: Live) -> Any:
    async with live.connect("/typed") as ann:
        ref = await ann.send(Say(type="say", text="hi"), ref=True)
        assert (await ann.expect_reply(ref, Said)).text == "hi"
        await ann.send({"type": "say", "text": "full"}, ref="r")
        await ann.expect_error("full", ref="r")
        await ann.send({"type": "sing"})
        await ann.expect_error("unknown_type")
        await ann.send("{")
        await ann.expect_error("malformed")
        await ann.send({"type": "say", "text": 5})
        await ann.expect_error("invalid")
        await ann.send({"type": "say", "text": "broken"})
        return await ann.expect_error("internal")


@scene()
async def a_token(live: Live) -> None:
    async with live.client(token="t0k").connect("/secret") as ann:
        await ann.expect("t0k")
        await ann.expect_close(1000)


@scene()
async def http_beside_sockets(live: Live) -> Any:
    found = []
    for method, path, body in (
        ("GET", "/items/7", None),
        ("GET", "/items/x", None),
        ("POST", "/items", {"type": "say", "text": "hi"}),
        ("GET", "/nowhere", None),
        ("GET", "/stream", None),
        ("DELETE", "/items", None),
    ):
        answer = await live.http.request(method, path, json=body)
        found.append((answer.status_code, answer.text))
    return found


@scene(limit_concurrency=1)
async def one_connection_too_many(live: Live) -> Any:
    async with live.connect("/echo"):
        refused = await live.expect_refused(503, "/echo")
    return refused.body


@scene()
async def a_server_that_stops(live: Live) -> Any:
    async with live.connect("/echo") as ann:
        stopping = live.shutdown()
        await asyncio.sleep(0)
        refused = await live.expect_refused(503, "/echo")
        await live.clock.advance(60)
        await stopping
        code, reason = await ann.expect_close(1012)
        assert reason.startswith("retry=")
        with pytest.raises(OSError):
            await live.connect("/echo")
    return code, refused.header("retry-after")


@scene()
async def messages_of_another_process(live: Live) -> Any:
    async with live.connect("/rooms/a") as ann:
        await ann.expect("joined")
        await live.broker.publish("a", "from afar")
        await ann.expect("from afar")
        await live.broker.close("a", 4000, "over")
        return await ann.expect_close(4000, "over")
