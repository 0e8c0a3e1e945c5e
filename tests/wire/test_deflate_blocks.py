"""Final blocks of compressed messages (RFC 7692, section 7.2.3.4): what they say, their bound, their cost."""

from __future__ import annotations

import asyncio
import time
import zlib
from typing import Any

import pytest
from apps import echo
from hypothesis import given, settings
from hypothesis import strategies as st
from peer import BINARY, TEXT, close_frame, frame

from memory import CLOSE, Memory, MemoryPeer
from slower import SLOWER

RSV1 = 0x40
MIB = 1048576
OFFERS = ["permessage-deflate", "permessage-deflate; client_no_context_takeover"]
BITS = [9, 12, 15]


def deflated(data: bytes, bits: int = 15) -> bytes:
    """What zlib.compress(wbits=) does from Python 3.11 on."""
    compressor = zlib.compressobj(wbits=-bits)
    return compressor.compress(data) + compressor.flush()


EMPTY = {
    "fixed": b"\x03\x00",
    "stored": b"\x01\x00\x00\xff\xff",
    "stored, then fixed": b"\x00\x00\x00\xff\xff\x03\x00",
    "one letter": deflated(b"x"),
}


def offer_of(offer: str, bits: int) -> str:
    return offer if bits == 15 else f"{offer}; client_max_window_bits={bits}"


async def turned(peer: MemoryPeer, messages: int | None = None) -> None:
    """Wait until so many messages, or the close frame, came back."""
    deadline = time.monotonic() + 20 * SLOWER
    while peer.close_code is None and (messages is None or len(peer.messages) < messages):
        assert time.monotonic() < deadline
        await asyncio.sleep(0)


async def sent(offer: str, *messages: bytes, **options: Any) -> tuple[list[bytes], int | None]:
    """The messages that the application gets of these packed ones, and the code that it hears at the end."""
    got: list[bytes] = []
    codes: list[int] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await receive()
        await send({"type": "websocket.accept"})
        while (message := await receive())["type"] == "websocket.receive":
            got.append(message["bytes"])
        codes.append(message["code"])

    memory = Memory(app, ws_per_message_deflate=True, **options)
    peer = memory.open(extensions=offer)
    while peer.status is None:
        await asyncio.sleep(0)
    peer.receive(b"".join(frame(BINARY, message, rsv=RSV1) for message in messages) + close_frame())
    while memory.state.tasks:
        await asyncio.sleep(0)
    peer.lose()
    await memory.ended()
    return got, codes[0]


class Packer:
    """A client's side of the stream: blocks that refer to all that was said before, final where it is told so."""

    def __init__(self, offer: str, bits: int) -> None:
        self.fresh, self.bits, self.said = "no_context" in offer, bits, b""

    def pack(self, parts: list[tuple[bytes, bool]], terminated: bool) -> bytes:
        if self.fresh:
            self.said = b""
        packed = b""
        compressor: Any = None
        for data, final in parts:
            if compressor is None:
                # Raw streams of 8 bits are beyond zlib, and its compressor looks back a little less than its window.
                compressor = zlib.compressobj(9, wbits=-self.bits, zdict=self.said[-(1 << self.bits) :])
            packed += compressor.compress(data)
            packed += compressor.flush(zlib.Z_FINISH if final else zlib.Z_SYNC_FLUSH)
            self.said += data
            if final:
                compressor = None
        if compressor is not None:
            return packed[:-4]
        return packed + b"\x00" if terminated else packed


PARTS = st.lists(
    st.tuples(st.one_of(st.binary(max_size=40), st.integers(0, 9).map(lambda n: bytes(range(256)) * n)), st.booleans()),
    min_size=1,
    max_size=8,
)


@pytest.mark.parametrize("bits", BITS)
@pytest.mark.parametrize("offer", OFFERS)
@settings(deadline=None, max_examples=60)
@given(messages=st.lists(PARTS, min_size=1, max_size=5), terminated=st.booleans())
def test_every_mixture_of_final_blocks(
    offer: str, bits: int, messages: list[list[tuple[bytes, bool]]], terminated: bool
) -> None:
    """As zlib reads the same blocks over a window that spans messages and final blocks."""
    packer = Packer(offer, bits)
    packed = [packer.pack(parts, terminated) for parts in messages]
    got, code = asyncio.run(sent(offer_of(offer, bits), *packed))
    assert code == 1000
    assert got == [b"".join(data for data, _ in parts) for parts in messages]


@pytest.mark.parametrize("bits", BITS)
def test_the_window_spans_messages_and_a_final_block(bits: int) -> None:
    """A message without a final block, one with one, and one that refers to the first."""
    first = bytes(range(200))
    packer = Packer("", bits)
    messages = [[(first, False)], [(b"a final block", True)], [(first, False)]]
    packed = [packer.pack(parts, True) for parts in messages]
    assert len(packed[2]) < 40
    assert asyncio.run(sent(offer_of(OFFERS[0], bits), *packed)) == ([first, b"a final block", first], 1000)


@pytest.mark.parametrize("offer", OFFERS)
@pytest.mark.parametrize("name", EMPTY)
def test_the_number_of_final_blocks_is_bounded(offer: str, name: str) -> None:
    block = EMPTY[name]
    text = b"x" if name == "one letter" else b""
    assert asyncio.run(sent(offer, block * 16)) == ([text * 16], 1000)
    assert asyncio.run(sent(offer, block * 17)) == ([], 1008)


@pytest.mark.parametrize("offer", OFFERS)
def test_a_long_message_may_hold_more(offer: str) -> None:
    """One for each KiB that it has packed."""
    block = zlib.compressobj(0, wbits=-15)
    packed = block.compress(bytes(1024)) + block.flush(zlib.Z_FINISH)
    assert asyncio.run(sent(offer, packed * 100)) == ([bytes(102400)], 1000)


@pytest.mark.parametrize("offer", OFFERS)
@pytest.mark.parametrize("name", EMPTY)
@pytest.mark.parametrize("size", [512 * 1024, 2 * MIB])
def test_FR19_two_mebibytes_of_final_blocks(offer: str, name: str, size: int) -> None:
    began = time.process_time()
    got, code = asyncio.run(sent(offer, EMPTY[name] * (size // len(EMPTY[name]))))
    assert (got, code) == ([], 1008)
    assert time.process_time() - began < 0.5 * SLOWER


@pytest.mark.parametrize("offer", OFFERS)
@pytest.mark.parametrize("what", ["final blocks", "bombs"])
def test_inflating_lets_the_loop_turn(offer: str, what: str) -> None:
    """Messages that wait are cheap to send, and each costs little: all of them together may not stop the loop."""
    if what == "bombs":
        compressor = zlib.compressobj(9, wbits=-15)
        packed, count = (compressor.compress(bytes(MIB)) + compressor.flush(zlib.Z_SYNC_FLUSH))[:-4], 100
    else:
        packed, count = EMPTY["fixed"] * 16, 5000

    async def main() -> int:
        received = 0

        async def app(scope: Any, receive: Any, send: Any) -> None:
            nonlocal received
            await receive()
            await send({"type": "websocket.accept"})
            while (await receive())["type"] == "websocket.receive":
                received += 1

        memory = Memory(app, ws_per_message_deflate=True)
        peer = memory.open(extensions=offer)
        while peer.status is None:
            await asyncio.sleep(0)
        turns = most = last = 0
        peer.receive(frame(BINARY, packed, rsv=RSV1) * count)
        while received < count:
            await asyncio.sleep(0)
            turns += 1
            most, last = max(most, received - last), received
        assert turns >= count * (1 if what == "bombs" else 1 / 20)
        peer.lose()
        await memory.ended()
        return most

    assert asyncio.run(main()) <= (1 if what == "bombs" else 20)


def test_two_tasks_that_receive_go_on_after_a_rest() -> None:
    got: list[int] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        async def reader() -> None:
            while (message := await receive())["type"] == "websocket.receive":
                got.append(len(message["bytes"]))

        await receive()
        await send({"type": "websocket.accept"})
        await asyncio.gather(reader(), reader())

    async def main() -> None:
        memory = Memory(app, ws_per_message_deflate=True)
        peer = memory.open(extensions=OFFERS[1])
        while peer.status is None:
            await asyncio.sleep(0)
        packed = deflated(bytes(2 * MIB))
        for _ in range(3):
            peer.receive(frame(BINARY, packed, rsv=RSV1) * 3)
            await asyncio.sleep(0)
        peer.close()
        while memory.state.tasks:
            await asyncio.sleep(0)
        peer.lose()
        await memory.ended()

    asyncio.run(asyncio.wait_for(main(), 60))
    assert got == [2 * MIB] * 9


def test_a_message_that_is_spoilt_is_the_end() -> None:
    """Whatever followed it while it was unread: other messages, a close frame, or nothing more."""
    for bad, code in ((b"\xff\xff", 1002), (EMPTY["fixed"] * 17, 1008)):
        for after in (b"", close_frame(), frame(TEXT, b"\xff"), frame(BINARY, b"good") + close_frame()):
            heard: list[Any] = []

            async def app(scope: Any, receive: Any, send: Any, heard: list[Any] = heard) -> None:
                await receive()
                await send({"type": "websocket.accept"})
                for _ in range(4):
                    message = await receive()
                    heard.append(message.get("bytes", message.get("code")))

            async def main(app: Any = app, data: bytes = frame(BINARY, bad, rsv=RSV1) + after) -> None:
                memory = Memory(app, ws_per_message_deflate=True)
                peer = memory.open(extensions=OFFERS[0])
                while peer.status is None:
                    await asyncio.sleep(0)
                peer.receive(frame(BINARY, b"first") + data)
                while memory.state.tasks:
                    await asyncio.sleep(0)
                assert any(opcode == CLOSE for opcode, _ in peer.frames)
                peer.lose()
                await memory.ended()

            asyncio.run(asyncio.wait_for(main(), 60))
            assert heard == [b"first", code, code, code], (bad, after)


def test_a_message_may_end_with_a_final_block(serve: Any) -> None:
    """Without the empty byte that RFC 7692 puts behind it; the next message is read as ever."""
    server = serve(echo)
    peer = server.opened(headers=[("Sec-WebSocket-Extensions", OFFERS[0])])
    for _ in range(3):
        peer.send(frame(TEXT, deflated(b"short", 12), rsv=RSV1))
        assert peer.frame().data == b"short"
    peer.send(close_frame()).frame()
