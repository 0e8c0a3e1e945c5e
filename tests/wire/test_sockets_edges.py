"""Sockets that the poller reports by their edge: each byte arrives once, at its own connection, and none stalls.

The server runs in the loop of the test. The clients are sockets that do not block. The server reads what they send
between two turns of the loop in one turn.
"""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import hashlib
import os
import random
import socket
import subprocess
import sys
import termios
import zlib
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
import uvicorn
from pairs import LOOPS, PATIENCE, reset, until
from peer import BINARY, CLOSE, CONT, PING, PONG, TEXT, Frame, close_frame, frame, request
from uvicorn.server import ServerState

from slower import SLOWER
from wirefast.server.arrival import Reception
from wirefast.server.sockets.listening import SocketServer

# As in poller.pxd.
READ_SIZE, EVENTS_PER_TURN, READ_ROOM = 262_144, 64, 65_536
DEFLATE = [("Sec-WebSocket-Extensions", "permessage-deflate")]


async def echo(scope: Any, receive: Any, send: Any) -> None:
    await receive()
    await send({"type": "websocket.accept"})
    while (message := await receive())["type"] == "websocket.receive":
        await send({**message, "type": "websocket.send"})


async def digests(scope: Any, receive: Any, send: Any) -> None:
    """Answer each message with its digest."""
    await receive()
    await send({"type": "websocket.accept"})
    while (message := await receive())["type"] == "websocket.receive":
        await send({"type": "websocket.send", "text": digest(message["bytes"])})


def digest(data: bytes) -> str:
    return hashlib.md5(data, usedforsecurity=False).hexdigest()


async def http_and_echo(scope: Any, receive: Any, send: Any) -> None:
    if scope["type"] == "websocket":
        if scope["path"] == "/refused":
            await receive()
            await send({"type": "websocket.close"})
        else:
            await echo(scope, receive, send)
        return
    body = scope["path"].encode()
    while (message := await receive()).get("more_body"):
        body += message["body"]
    body += message["body"]
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"%d" % len(body))]})
    await send({"type": "http.response.body", "body": body})


class Client:
    """One connection to a service."""

    def __init__(self, address: Any, rcvbuf: int | None = None) -> None:
        self.sock = socket.socket(socket.AF_UNIX if isinstance(address, str) else socket.AF_INET)
        if rcvbuf is not None:
            self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, rcvbuf)
        self.sock.connect(address)
        if not isinstance(address, str):
            self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.sock.setblocking(False)
        self.got = bytearray()
        self.inflate = zlib.decompressobj(-15)

    def send(self, *data: bytes) -> None:
        """Send now. The system takes all of it, or the test fails."""
        whole = b"".join(data)
        assert self.sock.send(whole) == len(whole)

    async def send_all(self, data: bytes) -> None:
        await asyncio.get_running_loop().sock_sendall(self.sock, data)

    async def take(self, size: int) -> bytes:
        while len(self.got) < size:
            more = await asyncio.wait_for(asyncio.get_running_loop().sock_recv(self.sock, 262_144), PATIENCE * SLOWER)
            if not more:
                raise EOFError(bytes(self.got))
            self.got += more
        found = bytes(self.got[:size])
        del self.got[:size]
        return found

    async def response(self) -> tuple[int, bytes]:
        """The status and the body of the next HTTP response."""
        head = b""
        while not head.endswith(b"\r\n\r\n"):
            head += await self.take(1)
        length = head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0]
        return int(head.split()[1]), await self.take(int(length or 0))

    async def frame(self) -> Frame:
        """The next frame; its data without compression."""
        first, second = await self.take(2)
        size = second & 127
        if size >= 126:
            size = int.from_bytes(await self.take(2 if size == 126 else 8), "big")
        data = await self.take(size)
        if first & 0x40:
            data = self.inflate.decompress(data + b"\0\0\xff\xff")
        return Frame(first & 15, data, bool(first & 128), first & 0x70)

    async def message(self) -> bytes:
        """The data of the next message in one frame; no control frame but a pong may come before it."""
        while (found := await self.frame()).opcode == PONG:
            pass
        assert found.opcode in (TEXT, BINARY), found
        return found.data

    async def open(self, *args: Any, **options: Any) -> Client:
        self.send(request(*args, **options))
        status, _ = await self.response()
        assert status == 101
        return self

    async def ended(self) -> bool:
        """Whether the server ends the connection, after any bytes."""
        try:
            while True:
                await self.take(1)
        except (EOFError, ConnectionError):
            return True


class Service:
    """A server of an application, in the running loop.

    Attributes:
        errors: what the loop's exception handler was given.
    """

    def __init__(self, app: Any, path: str | None = None, **settings: Any) -> None:
        loop = asyncio.get_running_loop()
        settings = {"ws": "wirefast.server:WebSocketProtocol", "http": "wirefast.server:HttpProtocol"} | settings
        config = uvicorn.Config(app, lifespan="off", log_config=None, access_log=False, **settings)
        config.load()
        self.state = ServerState()
        self.errors: list[Any] = []
        loop.set_exception_handler(lambda _, context: self.errors.append(context))
        if path is None:
            listening = socket.create_server(("127.0.0.1", 0), backlog=1000)
        else:
            listening = socket.socket(socket.AF_UNIX)
            listening.bind(path)
        self.address = listening.getsockname()
        self.server = SocketServer([listening], Reception(config, self.state, {}, loop), 1000)
        self.clients: list[Client] = []

    def client(self, **options: Any) -> Client:
        self.clients.append(Client(self.address, **options))
        return self.clients[-1]

    async def opened(self, count: int, **options: Any) -> list[Client]:
        """Connections whose handshakes are made."""
        return [await self.client().open(**options) for _ in range(count)]

    @property
    def transports(self) -> list[Any]:
        return [protocol.transport for protocol in self.state.connections]

    async def stop(self) -> None:
        self.server.close()
        for client in self.clients:
            client.sock.close()
        await until(lambda: not self.state.connections and not self.state.tasks)
        asyncio.get_running_loop().set_exception_handler(None)


Case = Callable[[Service], Awaitable[None]]


def run(case: Case, loop_name: str, app: Any = echo, *, debug: bool = False, **settings: Any) -> None:
    """Run a case over a service in a loop of its own. The loop's exception handler may get nothing."""
    loop = LOOPS[loop_name]()
    loop.set_debug(debug)

    async def main() -> None:
        service = Service(app, **settings)
        try:
            await case(service)
        finally:
            await service.stop()
        assert service.errors == []

    try:
        loop.run_until_complete(asyncio.wait_for(main(), 60 * SLOWER))
    finally:
        loop.close()


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
        (client,) = await service.opened(1)
        (transport,) = service.transports
        messages = [bytes([number]) * (READ_ROOM - 8) for number in range(6)]
        sent = b"".join(frame(BINARY, one) for one in messages)
        assert len(sent) == READ_SIZE + 2 * READ_ROOM
        sock = transport.get_extra_info("socket")
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4 * READ_SIZE)
        if unread_room(sock) < len(sent):
            pytest.skip("the system gives a socket less room")
        transport.pause_reading()
        await client.send_all(sent)
        await until(lambda: unread(sock) == len(sent))
        transport.resume_reading()
        for message in messages:
            assert (await client.message()).decode() == digest(message)

    run(case, loop_name, digests)


def unread(sock: Any) -> int:
    return int.from_bytes(fcntl.ioctl(sock.fileno(), termios.FIONREAD, bytes(4)), sys.byteorder)


def unread_room(sock: Any) -> int:
    """About half of what the system counts is for the bytes themselves."""
    return sock.getsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF) // 2


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


def interrupted(loop: asyncio.AbstractEventLoop, task: asyncio.Task[Any]) -> int:
    """Run a task to its end; return how often the run was interrupted."""
    count = 0
    while not task.done():
        try:
            loop.run_until_complete(task)
        except (KeyboardInterrupt, SystemExit):
            count += 1
        except RuntimeError as exc:
            # uvloop, after two interrupts in one turn.
            if "stopped before" not in str(exc):
                raise
    task.result()
    return count


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


# ---- A row of steps ----


async def steps(scope: Any, receive: Any, send: Any) -> None:
    """Do what each message says, as the same current task all along, and send the message back."""
    mine = TASKS[scope["path"]] = asyncio.current_task()
    await receive()
    await send({"type": "websocket.accept"})
    while (message := await receive())["type"] == "websocket.receive":
        assert asyncio.current_task() is mine
        what, _, path = message["text"].partition(" ")
        if what == "sleep":
            await asyncio.sleep(0)
        elif what == "wait":
            # The message that this wait is for stays for the next one.
            with pytest.raises(asyncio.TimeoutError):
                await asyncio.wait_for(receive(), 0.005)
        elif what == "timeout" and sys.version_info >= (3, 11):
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0.005):
                    await asyncio.sleep(60)
        elif what == "group" and sys.version_info >= (3, 11):
            async with asyncio.TaskGroup() as group:
                made = [group.create_task(current()) for _ in range(2)]
            assert [task.result() for task in made] == made
        elif what == "task":
            task = asyncio.ensure_future(current())
            assert await task is task
        elif what == "interrupt":
            raise KeyboardInterrupt
        elif what == "exit":
            raise SystemExit
        elif what == "cancel":
            TASKS[path].cancel()
        assert asyncio.current_task() is mine
        await send({"type": "websocket.send", "text": message["text"]})


async def current() -> Any:
    return asyncio.current_task()


TASKS: dict[str, Any] = {}


def eagerly(loop: Any, coroutine: Any, **options: Any) -> Any:
    options.pop("eager_start", None)
    return asyncio.Task(coroutine, loop=loop, eager_start=loop.is_running(), **options)


@pytest.fixture(params=["plain", "debug", "eager"])
def kind(request: pytest.FixtureRequest) -> str:
    if request.param == "eager" and sys.version_info < (3, 12):
        pytest.skip("Python 3.12 has eager tasks")
    return request.param


def test_each_step_of_a_row_has_its_own_current_task(kind: str, loop_name: str) -> None:
    async def case(service: Service) -> None:
        if kind == "eager":
            asyncio.get_running_loop().set_task_factory(eagerly)
        clients = [await service.client().open(f"/{number}") for number in range(2 * EVENTS_PER_TURN)]
        rng = random.Random(1)
        for _ in range(4):
            asked = [rng.choice(["text", "text", "sleep", "wait", "timeout", "group", "task"]) for _ in clients]
            for client, what in zip(clients, asked, strict=True):
                client.send(frame(TEXT, what.encode()))
            for client, what in zip(clients, asked, strict=True):
                assert (await client.message()).decode() == what
        assert asyncio.current_task() is not None
        asyncio.get_running_loop().set_task_factory(None)

    run(case, loop_name, steps, debug=kind == "debug")


def test_an_endpoint_cancels_another_of_its_row(kind: str, loop_name: str) -> None:
    """The one before and the one behind it in the row, with a message each and without."""

    async def case(service: Service) -> None:
        if kind == "eager":
            asyncio.get_running_loop().set_task_factory(eagerly)
        clients = [await service.client().open(f"/{number}") for number in range(12)]
        for number, client in enumerate(clients):
            if number % 3 == 1:
                client.send(frame(TEXT, b"cancel /%d" % (number - 1)), frame(TEXT, b"cancel /%d" % (number + 1)))
            elif number < 6:
                client.send(frame(TEXT, b"text"))
        for number in (1, 4, 7, 10):
            for other in (number - 1, number + 1):
                assert (await clients[number].message()).decode() == f"cancel /{other}"
                while (found := await clients[other].frame()).opcode == TEXT:
                    pass
                assert found.code == 1012
        for number in (1, 4, 7, 10):
            clients[number].send(frame(TEXT, b"still here"))
            assert await clients[number].message() == b"still here"
        asyncio.get_running_loop().set_task_factory(None)

    run(case, loop_name, steps, debug=kind == "debug")


@pytest.mark.parametrize("what", [b"interrupt", b"exit"])
def test_an_endpoint_interrupts_its_row(what: bytes, kind: str, loop_name: str) -> None:
    """The others of the row, and of the turns behind it, get their messages and send their answers."""

    async def main() -> None:
        service = Service(steps)
        clients = [await service.client().open(f"/{number}") for number in range(2 * EVENTS_PER_TURN + 20)]
        if kind == "eager":
            loop.set_task_factory(eagerly)
        for number, client in enumerate(clients):
            client.send(frame(TEXT, what if number in (3, 40, 90) else b"task" if number % 2 else b"text"))
        for number, client in enumerate(clients):
            if number in (3, 40, 90):
                assert (await client.frame()).code == 1011
            else:
                assert await client.message() == (b"task" if number % 2 else b"text")
        loop.set_task_factory(None)
        await service.stop()

    loop = LOOPS[loop_name]()
    loop.set_debug(kind == "debug")
    assert 1 <= interrupted(loop, loop.create_task(main())) <= 3
    assert asyncio.all_tasks(loop) == set()
    loop.close()


NO_DICT = """
import _asyncio, asyncio.tasks

asyncio.current_task = asyncio.tasks.current_task = _asyncio.current_task
del _asyncio._current_tasks
asyncio.tasks._current_tasks = {}

import test_sockets_edges

test_sockets_edges.test_each_step_of_a_row_has_its_own_current_task("plain", "asyncio")
"""


@pytest.mark.skipif(sys.version_info < (3, 12), reason="asyncio has a dict that it uses")
def test_steps_where_asyncio_does_not_use_its_dict_of_current_tasks() -> None:
    """As Python 3.14, whose `asyncio.tasks._current_tasks` is for tasks in Python alone."""
    here = Path(__file__).parent
    paths = [str(here), str(here.parent), *filter(None, [os.environ.get("PYTHONPATH")])]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(paths)}
    command = [sys.executable, "-c", NO_DICT]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60 * SLOWER, env=environment)
    assert done.returncode == 0, done.stderr
