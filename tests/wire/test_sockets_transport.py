"""asyncio's contract of a transport, held by ours and by the loop's own: the same cases over both."""

from __future__ import annotations

import asyncio
import os
from typing import Any

import pytest
from pairs import LOOPS, Ends, Noting, reset, run, until

MANY = 3_000_000
BYTES = os.urandom(MANY)


@pytest.fixture(params=[True, False], ids=["own", "loop"])
def over(request: pytest.FixtureRequest, loop_name: str) -> Any:
    """``over(case)``: run a case over both kinds of transport, on both loops."""
    return lambda case: run(case, loop_name, request.param)


def test_bytes_come_in_order_and_whole(over: Any) -> None:
    async def case(ends: Ends) -> None:
        protocol, _, peer = await ends.open()
        await asyncio.get_running_loop().sock_sendall(peer, BYTES)
        await until(lambda: len(protocol.data) == MANY)
        assert protocol.data == BYTES

    over(case)


def test_bytes_leave_in_order_and_whole(over: Any) -> None:
    async def case(ends: Ends) -> None:
        _, transport, peer = await ends.open()
        for start in range(0, MANY, 70_001):
            piece = BYTES[start : start + 70_001]
            transport.write(memoryview(piece) if start % 2 else bytearray(piece))
        transport.writelines([b"the ", b"", b"end"])
        assert transport.get_write_buffer_size() > 0
        assert await ends.read(peer, MANY + 7) == BYTES + b"the end"
        await until(lambda: transport.get_write_buffer_size() == 0)

    over(case)


def test_many_small_pieces_leave_whole(over: Any) -> None:
    async def case(ends: Ends) -> None:
        _, transport, peer = await ends.open()
        said = [b"%d," % number for number in range(100_000)]
        for piece in said:
            transport.write(piece)
        whole = b"".join(said)
        assert await ends.read(peer, len(whole)) == whole

    over(case)


def test_reading_pauses_and_goes_on(over: Any) -> None:
    async def case(ends: Ends) -> None:
        protocol, transport, peer = await ends.open()
        transport.pause_reading()
        transport.pause_reading()
        assert not transport.is_reading()
        peer.send(b"hello")
        await asyncio.sleep(0.02)
        assert not protocol.data
        transport.resume_reading()
        transport.resume_reading()
        assert transport.is_reading()
        await until(lambda: protocol.data == b"hello")

    over(case)


def test_a_full_buffer_pauses_the_protocol_once(over: Any) -> None:
    async def case(ends: Ends) -> None:
        protocol, transport, peer = await ends.open()
        transport.set_write_buffer_limits(high=10_000, low=1_000)
        assert transport.get_write_buffer_limits() == (1_000, 10_000)
        transport.write(BYTES)
        transport.write(BYTES)
        await until(lambda: "pause" in protocol.calls)
        assert transport.get_write_buffer_size() > 10_000
        await ends.read(peer, 2 * MANY)
        await until(lambda: "resume" in protocol.calls)
        assert protocol.calls == ["made", "pause", "resume"]
        assert transport.get_write_buffer_size() <= 1_000

    over(case)


def test_limits_of_the_buffer(over: Any) -> None:
    async def case(ends: Ends) -> None:
        _, transport, _ = await ends.open()
        transport.set_write_buffer_limits()
        assert transport.get_write_buffer_limits() == (16_384, 65_536)
        transport.set_write_buffer_limits(low=100)
        assert transport.get_write_buffer_limits() == (100, 400)
        transport.set_write_buffer_limits(high=0)
        assert transport.get_write_buffer_limits() == (0, 0)
        for wrong in ({"high": 1, "low": 2}, {"low": -1, "high": 5}):
            with pytest.raises(ValueError):
                transport.set_write_buffer_limits(**wrong)

    over(case)


def test_what_is_written_in_resume_writing_follows(over: Any) -> None:
    class Going(Noting):
        def resume_writing(self) -> None:
            super().resume_writing()
            self.transport.write(b"more")

    async def case(ends: Ends) -> None:
        protocol, transport, peer = await ends.open(Going())
        transport.write(BYTES)
        assert await ends.read(peer, MANY + 4) == BYTES + b"more"
        assert protocol.calls == ["made", "pause", "resume"]

    over(case)


def test_a_half_closed_side_still_reads(over: Any) -> None:
    async def case(ends: Ends) -> None:
        protocol, transport, peer = await ends.open()
        assert transport.can_write_eof()
        transport.write(BYTES)
        transport.write_eof()
        transport.write_eof()
        with pytest.raises(RuntimeError, match="write_eof"):
            transport.write(b"late")
        assert await ends.read(peer, MANY + 1) == BYTES
        peer.send(b"heard")
        await until(lambda: protocol.data == b"heard")
        peer.close()
        assert await protocol.lost is None

    over(case)


def test_the_peers_end_closes_unless_the_protocol_stays(over: Any) -> None:
    async def case(ends: Ends) -> None:
        protocol, transport, peer = await ends.open()
        peer.close()
        assert await protocol.lost is None
        assert protocol.calls == ["made", "eof", "lost"]
        assert transport.is_closing()

        staying = Noting()
        staying.stays_after_eof = True
        _, transport, peer = await ends.open(staying)
        peer.shutdown(1)
        await until(lambda: "eof" in staying.calls)
        transport.write(b"still here")
        assert await ends.read(peer, 10) == b"still here"
        assert staying.calls == ["made", "eof"]
        transport.close()
        await staying.lost

    over(case)


def test_closing_writes_all_first(over: Any) -> None:
    async def case(ends: Ends) -> None:
        protocol, transport, peer = await ends.open()
        transport.write(BYTES)
        transport.close()
        transport.close()
        assert transport.is_closing()
        assert "lost" not in protocol.calls
        assert await ends.read(peer, MANY + 1) == BYTES
        assert await protocol.lost is None
        assert protocol.calls.count("lost") == 1

    over(case)


def test_an_abort_ends_at_once(over: Any) -> None:
    async def case(ends: Ends) -> None:
        protocol, transport, _ = await ends.open()
        transport.write(BYTES)
        transport.abort()
        assert "lost" not in protocol.calls
        transport.abort()
        assert await asyncio.wait_for(protocol.lost, 1) is None
        await asyncio.sleep(0.01)
        assert protocol.calls.count("lost") == 1

    over(case)


def test_a_reset_is_told_by_its_name(over: Any) -> None:
    async def case(ends: Ends) -> None:
        protocol, _, peer = await ends.open(tcp=True)
        reset(peer)
        assert isinstance(await protocol.lost, ConnectionResetError)
        assert not ends.errors

    over(case)


def test_a_write_to_a_peer_that_is_gone_ends_the_connection(over: Any) -> None:
    async def case(ends: Ends) -> None:
        protocol, transport, peer = await ends.open()
        transport.pause_reading()
        peer.close()
        while not transport.is_closing():
            transport.write(b"anybody there?")
            await asyncio.sleep(0)
        assert isinstance(await protocol.lost, (BrokenPipeError, ConnectionResetError))

    over(case)


def test_what_a_callback_raises_ends_the_connection_and_is_told(over: Any) -> None:
    class Failing(Noting):
        def data_received(self, data: bytes) -> None:
            raise ZeroDivisionError

    async def case(ends: Ends) -> None:
        protocol, transport, peer = await ends.open(Failing())
        peer.send(b"!")
        assert isinstance(await protocol.lost, ZeroDivisionError)
        assert [type(error["exception"]) for error in ends.errors] == [ZeroDivisionError]
        assert ends.errors[0]["transport"] is transport

    over(case)


def test_what_pause_and_resume_raise_is_told(over: Any) -> None:
    class Failing(Noting):
        def pause_writing(self) -> None:
            raise ZeroDivisionError

        def resume_writing(self) -> None:
            raise KeyError

    async def case(ends: Ends) -> None:
        _, transport, peer = await ends.open(Failing())
        transport.write(BYTES)
        assert await ends.read(peer, MANY) == BYTES
        await until(lambda: len(ends.errors) == 2)
        assert [type(error["exception"]) for error in ends.errors] == [ZeroDivisionError, KeyError]

    over(case)


def test_only_bytes_are_written(loop_name: str) -> None:
    async def case(ends: Ends) -> None:
        _, transport, _ = await ends.open()
        for wrong in ("text", 1, None):
            with pytest.raises(TypeError, match="bytes-like object, not"):
                transport.write(wrong)

    run(case, loop_name, own=True)  # uvloop's own tells later


def test_a_protocol_hands_over(over: Any) -> None:
    class First(Noting):
        def data_received(self, data: bytes) -> None:
            super().data_received(data)
            second.connection_made(self.transport)
            self.transport.set_protocol(second)

    async def case(ends: Ends) -> None:
        nonlocal second
        second = Noting()
        first, transport, peer = await ends.open(First())
        peer.send(b"one")
        await until(lambda: transport.get_protocol() is second)
        peer.send(b"two")
        await until(lambda: second.data == b"two")
        peer.close()
        await second.lost
        assert first.data == b"one" and "lost" not in first.calls

    second: Any = None
    over(case)


def test_a_protocol_that_brings_its_buffer(over: Any) -> None:
    class Buffered(asyncio.BufferedProtocol):
        def __init__(self) -> None:
            self.buffer, self.data = bytearray(1000), bytearray()

        def connection_made(self, transport: Any) -> None:
            self.transport = transport

        def get_buffer(self, sizehint: int) -> bytearray:
            return self.buffer

        def buffer_updated(self, nbytes: int) -> None:
            self.data += self.buffer[:nbytes]

    async def case(ends: Ends) -> None:
        protocol, _, peer = await ends.open(Buffered())
        await asyncio.get_running_loop().sock_sendall(peer, BYTES)
        await until(lambda: len(protocol.data) == MANY)
        assert protocol.data == BYTES

    over(case)


def test_what_is_known_of_the_socket(over: Any) -> None:
    async def case(ends: Ends) -> None:
        protocol, transport, peer = await ends.open(tcp=True)
        socket = transport.get_extra_info("socket")
        assert socket.getpeername() == peer.getsockname()
        assert socket.getsockname() == peer.getpeername() == transport.get_extra_info("sockname")
        assert transport.get_extra_info("sslcontext") is None
        assert transport.get_extra_info("cipher", "none") == "none"
        descriptor = socket.fileno()
        transport.close()
        await protocol.lost
        await asyncio.sleep(0.01)
        with pytest.raises(OSError):
            os.fstat(descriptor)

    over(case)


def test_all_loops_are_tried() -> None:
    assert set(LOOPS) == {"asyncio", "uvloop"}
