"""Sockets that the poller reports by their edge: each byte arrives once, at its own connection, and none stalls."""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import random
import socket
import sys
import termios
import zlib
from typing import Any

import pytest
from edges import (
    DEFLATE,
    EVENTS_PER_TURN,
    READ_ROOM,
    READ_SIZE,
    Client,
    Service,
    digest,
    digests,
    echo,
    http_and_echo,
    interrupted,
    run,
)
from pairs import LOOPS, reset, until
from peer import BINARY, CLOSE, CONT, PING, TEXT, close_frame, frame, request


@pytest.fixture(params=[None, "unix"], ids=["tcp", "unix"])
def path(request: pytest.FixtureRequest, tmp_path: Any) -> str | None:
    return None if request.param is None else str(tmp_path / "socket")


def conversation(rng: random.Random, deflate: bool) -> tuple[bytes, list[str]]:
    """Some messages in frames, and their digests."""
    sent, told = [], []
    packer = zlib.compressobj(wbits=-15)
    for _ in range(rng.randint(1, 8)):
        size = rng.choice([0, 1, 125, 126, rng.randint(0, 70_000), rng.choice([7, 300_000])])
        data = rng.randbytes(size) if rng.random() < 0.5 else bytes(size)
        told.append(digest(data))
        packed = deflate and rng.random() < 0.6
        if packed:
            data = (packer.compress(data) + packer.flush(zlib.Z_SYNC_FLUSH))[:-4]
        cuts = [0, *sorted(rng.randint(0, len(data)) for _ in range(rng.choice([0, 0, 3]))), len(data)]
        for at, (start, stop) in enumerate(zip(cuts, cuts[1:], strict=False)):
            last = at == len(cuts) - 2
            opcode, rsv = (CONT, 0) if at else (BINARY, 0x40 if packed else 0)
            sent.append(frame(opcode, data[start:stop], fin=last, rsv=rsv, mask=rng.randbytes(4)))
            if rng.random() < 0.1:
                sent.append(frame(PING, b"?"))
    return b"".join(sent), told


@pytest.mark.parametrize("seed", range(4))
def test_any_pieces_of_any_frames(seed: int, path: str | None, loop_name: str) -> None:
    """Heads and frames in pieces of any size, of many sockets in any order."""
    rng = random.Random(seed)

    async def talk(client: Client, told: list[str]) -> None:
        assert (await client.response())[0] == 101
        for one in told:
            assert (await client.message()).decode() == one

    async def case(service: Service) -> None:
        loop = asyncio.get_running_loop()
        left, talks = [], []
        for number in range(rng.choice([3, 20, 100])):
            deflate = number % 2 == 1
            data, told = conversation(rng, deflate)
            client = service.client()
            left.append((client, memoryview(request(headers=DEFLATE if deflate else []) + data)))
            talks.append(loop.create_task(talk(client, told)))
        sizes = rng.choice([[1, 20, 3_000], [100, 5_000, 70_000], [70_000, 300_000]])
        while left:
            at = rng.randrange(len(left))
            client, data = left[at]
            with contextlib.suppress(BlockingIOError):
                data = data[client.sock.send(data[: rng.choice(sizes)]) :]
            if data:
                left[at] = client, data
            else:
                del left[at]
            if rng.random() < 0.3:
                await asyncio.sleep(0)
        await asyncio.gather(*talks)

    run(case, loop_name, digests, path=path, ws_max_size=1 << 20)


def test_a_head_in_every_two_pieces(loop_name: str) -> None:
    async def case(service: Service) -> None:
        data = request(Origin="http://127.0.0.1") + frame(TEXT, b"behind")
        for cut in range(1, len(data)):
            client = service.client()
            client.send(data[:cut])
            for _ in range(cut % 4):
                await asyncio.sleep(0)
            client.send(data[cut:])
            assert (await client.response())[0] == 101
            assert await client.message() == b"behind"
            client.send(close_frame())
            assert (await client.frame()).opcode == CLOSE
            assert await client.ended()
            client.sock.close()

    run(case, loop_name)


def test_a_byte_at_a_time(loop_name: str) -> None:
    async def case(service: Service) -> None:
        client = service.client()
        for byte in request() + frame(TEXT, b"a trickle") * 3 + frame(BINARY, bytes(200)):
            client.send(bytes([byte]))
            await asyncio.sleep(0)
        assert (await client.response())[0] == 101
        assert [await client.message() for _ in range(4)] == [b"a trickle"] * 3 + [bytes(200)]

    run(case, loop_name)


def test_frames_before_the_handshake_is_accepted(loop_name: str) -> None:
    """More of them than a connection keeps before its endpoint accepts, in several reads."""

    async def late(scope: Any, receive: Any, send: Any) -> None:
        asked.append(scope)
        await accepted.wait()
        await digests(scope, receive, send)

    async def case(service: Service) -> None:
        accepted.clear()
        client = service.client()
        messages = [bytes([number]) * 30_000 for number in range(8)]
        client.send(request())
        for message in messages:
            client.send(frame(BINARY, message))
            await asyncio.sleep(0)
        await until(lambda: asked)
        accepted.set()
        assert (await client.response())[0] == 101
        for message in messages:
            assert (await client.message()).decode() == digest(message)

    asked: list[Any] = []
    accepted = asyncio.Event()
    run(case, loop_name, late)


@pytest.mark.parametrize("size", [0, 1, READ_ROOM, READ_SIZE - 8, READ_SIZE, 1_000_000])
def test_a_message_and_the_end_behind_it(size: int, loop_name: str) -> None:
    """The answer comes, and the end of the stream is not missed."""

    async def case(service: Service) -> None:
        clients = await service.opened(3)
        clients.append(service.client())
        clients[-1].send(request())
        assert (await clients[-1].response())[0] == 101
        for client in clients:
            answer = asyncio.ensure_future(client.message())
            await client.send_all(frame(BINARY, bytes(size)))
            client.sock.shutdown(socket.SHUT_WR)
            assert (await answer).decode() == digest(bytes(size))
            assert await client.ended()
        await until(lambda: not service.state.connections)

    run(case, loop_name, digests, ws_max_size=1 << 20)


def test_a_close_frame_and_the_end_behind_it(loop_name: str) -> None:
    async def case(service: Service) -> None:
        for client in await service.opened(3):
            client.send(frame(TEXT, b"?"), close_frame())
            client.sock.shutdown(socket.SHUT_WR)
            assert (await client.frame()).opcode == CLOSE
            assert await client.ended()
        await until(lambda: not service.state.connections)

    run(case, loop_name)


def test_a_reset_behind_a_message(loop_name: str) -> None:
    """What came before is heard, and the connection ends."""

    async def listening(scope: Any, receive: Any, send: Any) -> None:
        await receive()
        await send({"type": "websocket.accept"})
        while (message := await receive())["type"] == "websocket.receive":
            heard.append(message["text"])

    async def case(service: Service) -> None:
        for number, client in enumerate(await service.opened(5)):
            client.send(frame(TEXT, b"%d" % number))
            reset(client.sock)
        await until(lambda: not service.state.connections)

    heard: list[str] = []
    run(case, loop_name, listening)
    assert sorted(heard) == [str(number) for number in range(5)]


def test_urgent_bytes(loop_name: str) -> None:
    """A read ends before an urgent byte, which is no part of the stream."""

    async def case(service: Service) -> None:
        (client,) = await service.opened(1)
        client.send(frame(TEXT, b"before"))
        client.sock.send(b"!", socket.MSG_OOB)
        client.send(frame(TEXT, b"behind"))
        assert [await client.message() for _ in range(2)] == [b"before", b"behind"]
        client.send(frame(TEXT, b"the last"))
        client.sock.send(b"!", socket.MSG_OOB)
        assert await client.message() == b"the last"
        for _ in range(5):
            await asyncio.sleep(0)
        client.send(frame(TEXT, b"later"))
        assert await client.message() == b"later"
        client.sock.send(b"!", socket.MSG_OOB)
        client.sock.shutdown(socket.SHUT_WR)
        assert await client.ended()

    run(case, loop_name)


def test_more_sockets_and_bytes_than_a_turn_takes(loop_name: str) -> None:
    """Each answer goes to the socket that asked."""

    async def case(service: Service) -> None:
        clients = await service.opened(3 * EVENTS_PER_TURN)
        rng = random.Random(5)
        for size in (10, 40_000):
            messages = [rng.randbytes(size) for _ in clients]
            for client, message in zip(clients, messages, strict=True):
                client.send(frame(BINARY, message))
            for client, message in zip(clients, messages, strict=True):
                assert (await client.message()).decode() == digest(message)

    run(case, loop_name, digests)


def test_frames_that_end_where_the_buffer_ends(loop_name: str) -> None:
    """A read that fills the buffer may leave bytes, also where it ends with a whole frame."""

    async def case(service: Service) -> None:
        count = READ_SIZE // READ_ROOM
        clients, transports = [], []
        for _ in range(count):
            clients += await service.opened(1)
            transports += [one for one in service.transports if one not in transports]
        whole = frame(BINARY, bytes(READ_ROOM - 8))
        assert len(whole) == READ_ROOM
        for client, transport in zip(clients, transports, strict=True):
            sock = transport.get_extra_info("socket")
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4 * READ_ROOM)
            # The last one has a frame more than the room that the others leave.
            sent = whole * 2 if client is clients[-1] else whole
            transport.pause_reading()
            await client.send_all(sent)
            await until(lambda sock=sock, sent=sent: unread(sock) == len(sent))
        for transport in transports:
            transport.resume_reading()
        for client in [*clients, clients[-1]]:
            assert (await client.message()).decode() == digest(bytes(READ_ROOM - 8))

    run(case, loop_name, digests)


def unread(sock: Any) -> int:
    return int.from_bytes(fcntl.ioctl(sock.fileno(), termios.FIONREAD, bytes(4)), sys.byteorder)


@pytest.mark.parametrize("size", [16_384, READ_ROOM, READ_SIZE, 1_000_000])
def test_large_messages_both_ways(size: int, loop_name: str) -> None:
    """A connection that cannot write is watched by its level, and by its edge again once it has written all."""

    async def case(service: Service) -> None:
        clients = [await service.client(rcvbuf=8192).open() for _ in range(3)]
        for one in service.transports:
            one.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 8192)
        messages = [bytes([number]) * size for number in range(3)]
        for _ in range(2):
            sending = [client.send_all(frame(BINARY, data)) for client, data in zip(clients, messages, strict=True)]
            await asyncio.gather(*sending)
            await until(lambda: size < 1_000_000 or all(one.get_write_buffer_size() for one in service.transports))
            assert await asyncio.gather(*(client.message() for client in clients)) == messages
            await until(lambda: not any(one.get_write_buffer_size() for one in service.transports))
            for client in clients:
                client.send(frame(TEXT, b"small"))
            assert [await client.message() for client in clients] == [b"small"] * 3

    run(case, loop_name, ws_max_size=1 << 20)


def test_a_full_queue_and_the_end_behind_it(loop_name: str) -> None:
    """A connection whose endpoint does not receive reads no more, and goes on where it ended."""

    async def waiting(scope: Any, receive: Any, send: Any) -> None:
        await receive()
        await send({"type": "websocket.accept"})
        await going.wait()
        while (message := await receive())["type"] == "websocket.receive":
            heard.append(message["bytes"])

    async def case(service: Service) -> None:
        going.clear()
        heard.clear()
        (client,) = await service.opened(1)
        messages = [bytes([number % 256]) * 3_000 for number in range(300)]
        sending = asyncio.ensure_future(client.send_all(b"".join(frame(BINARY, one) for one in messages)))
        await until(lambda: not service.transports[0].is_reading())
        going.set()
        await sending
        client.sock.shutdown(socket.SHUT_WR)
        await until(lambda: not service.state.connections and not service.state.tasks)
        assert heard == messages

    heard: list[bytes] = []
    going = asyncio.Event()
    run(case, loop_name, waiting)


def test_an_interrupt_in_a_read_and_the_end_behind_it(loop_name: str) -> None:
    """A connection whose callback is interrupted still hears of the end, and the others of their bytes."""
    from wirefast.server import WebSocketProtocol

    class Interrupting(WebSocketProtocol):
        def begin(self, head: Any, rest: bytes) -> None:
            super().begin(head, rest)
            begun.append(self)
            if len(begun) == 40:
                raise KeyboardInterrupt

    async def main() -> None:
        service = Service(echo, ws=Interrupting)
        for _ in range(100):
            service.client().send(request())
            service.clients[-1].sock.shutdown(socket.SHUT_WR)
        await until(lambda: len(begun) == 100 and not service.state.connections)
        for client in service.clients:
            assert await client.ended()
        await service.stop()

    begun: list[Any] = []
    loop = LOOPS[loop_name]()
    assert interrupted(loop, loop.create_task(main())) == 1
    loop.close()


def test_a_connection_that_ends_others_between_the_read_and_its_callback(loop_name: str) -> None:
    """All are read before one is handed out. The first aborts some of the others and pauses the rest."""
    from wirefast.server import WebSocketProtocol

    class First(WebSocketProtocol):
        def begin(self, head: Any, rest: bytes) -> None:
            super().begin(head, rest)
            others = [one for one in service.transports if one is not self.transport]
            for number, other in enumerate(others):
                if number % 2:
                    other.abort()
                else:
                    other.pause_reading()
                    loop.call_later(0.02, other.resume_reading)

    service: Any = None
    loop: Any = None

    async def case(made: Service) -> None:
        nonlocal service, loop
        service, loop = made, asyncio.get_running_loop()
        clients = [service.client() for _ in range(9)]
        await until(lambda: len(service.state.connections) == 9)
        clients[0].send(request(), frame(TEXT, b"first"))
        for client in clients[1:]:
            client.send(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
        assert (await clients[0].response())[0] == 101
        assert await clients[0].message() == b"first"
        ends = []
        for client in clients[1:]:
            try:
                ends.append((await client.response())[0])
            except (EOFError, ConnectionError):
                ends.append(0)
        assert sorted(ends) == [0] * 4 + [200] * 4

    run(case, loop_name, http_and_echo, ws=First)


def test_requests_and_upgrades_on_one_connection(path: str | None, loop_name: str) -> None:
    """Keep-alive, requests that come together, a refused upgrade, and an upgrade with its frames behind a request."""

    def get(target: str) -> bytes:
        return f"GET {target} HTTP/1.1\r\nHost: a\r\n\r\n".encode()

    def post(body: bytes) -> bytes:
        return b"POST /post HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n" % len(body) + body

    async def case(service: Service) -> None:
        for step in (7, 1_000, 50_000, 1_000_000):
            client = service.client()
            data = get("/a") + post(bytes(60_000)) + get("/b") * 3 + request("/refused")
            sent = memoryview(data)
            while sent:
                await client.send_all(bytes(sent[:step]))
                sent = sent[step:]
                await asyncio.sleep(0) if step > 7 else None
            answers = [await client.response() for _ in range(5)]
            assert answers == [(200, body) for body in (b"/a", b"/post" + bytes(60_000), b"/b", b"/b", b"/b")]
            assert (await client.response())[0] == 403
            client = service.client()
            client.send(get("/a"), request("/ws"), frame(TEXT, b"1"), frame(TEXT, b"2"))
            assert await client.response() == (200, b"/a")
            assert (await client.response())[0] == 101
            assert [await client.message() for _ in range(2)] == [b"1", b"2"]
            client.send(frame(TEXT, b"3")[:-1])
            await asyncio.sleep(0)
            client.send(frame(TEXT, b"3")[-1:])
            assert await client.message() == b"3"
            client.sock.shutdown(socket.SHUT_WR)
            assert await client.ended()

    run(case, loop_name, http_and_echo, path=path)
