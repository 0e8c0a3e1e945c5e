"""Our sockets while calls of the system fail: run by test_sockets_faults.py with faults.c loaded before the C library.

Arguments: the loop, the library.
"""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import errno
import logging
import os
import socket
import sys
from typing import Any

import edges
from apps import echo
from pairs import LOOPS, PATIENCE, Ends, Noting, run, until
from peer import TEXT, frame, request

from wirefast.server import WebSocketProtocol
from wirefast.server.sockets.listening import SocketServer

LOOP, LIBRARY = sys.argv[1:]
faults = ctypes.CDLL(LIBRARY)
PASSING = (errno.EINTR, errno.EAGAIN)
ENDING = (errno.EPIPE, errno.ECONNRESET, errno.ENOBUFS, errno.ENOMEM, errno.EIO, errno.ETIMEDOUT)


def fail(call: str, error: int, times: int = 1) -> None:
    faults.faults_set(call.encode(), error, times)


def seen(call: str) -> int:
    return int(faults.faults_seen(call.encode()))


async def both_ways(ends: Ends, what: Any, peer: socket.socket) -> None:
    """A connection works."""
    before = len(what.data)
    peer.send(b"to")
    await until(lambda: len(what.data) == before + 2)
    what.transport.write(b"fro")
    assert await ends.read(peer, 3) == b"fro"


async def reading(ends: Ends) -> None:
    bystander, _, its_peer = await ends.open(tcp=True)
    for error in (0, *PASSING):
        protocol, _, peer = await ends.open(tcp=True)
        fail("recv", error, times=3)
        peer.send(b"0123456789")
        await until(lambda protocol=protocol: protocol.data == b"0123456789")
        assert seen("recv") == 3
        protocol.transport.abort()
    for error in ENDING:
        protocol, _, peer = await ends.open(tcp=True)
        fail("recv", error)
        peer.send(b"!")
        told = await protocol.lost
        assert isinstance(told, OSError) and told.errno == error, told
        with contextlib.suppress(ConnectionResetError):  # what it sent was not read
            assert await ends.read(peer, 1) == b""
        await both_ways(ends, bystander, its_peer)
    assert not ends.errors


async def writing(ends: Ends, call: str, pieces: list[bytes]) -> None:
    whole = b"".join(pieces)
    bystander, _, its_peer = await ends.open(tcp=True)
    for error in (0, *PASSING):
        protocol, transport, peer = await ends.open(tcp=True)
        fail(call, error, times=3)
        transport.writelines(pieces)
        transport.close()
        assert await ends.read(peer, len(whole) + 1) == whole
        assert await protocol.lost is None
        assert seen(call) >= 1
        fail(call, 0, 0)
    for error in ENDING:
        protocol, transport, peer = await ends.open(tcp=True)
        fail(call, error)
        transport.writelines(pieces)
        told = await protocol.lost
        assert isinstance(told, OSError) and told.errno == error, told
        assert transport.get_write_buffer_size() == 0
        assert await ends.read(peer, 1) == b""
        await both_ways(ends, bystander, its_peer)
    assert not ends.errors


async def watching(ends: Ends) -> None:
    bystander, _, its_peer = await ends.open(tcp=True)
    for error in (errno.ENOSPC, errno.ENOMEM):
        fail("epoll_ctl", error)
        protocol, _, peer = await ends.open(tcp=True)
        told = await protocol.lost
        assert isinstance(told, OSError) and told.errno == error, told
        assert await ends.read(peer, 1) == b""
        protocol, transport, peer = await ends.open(tcp=True)
        transport.pause_reading()
        fail("epoll_ctl", error)
        transport.resume_reading()
        told = await protocol.lost
        assert isinstance(told, OSError) and told.errno == error, told
        await both_ways(ends, bystander, its_peer)
    fail("epoll_wait", errno.EINTR, times=3)
    await both_ways(ends, bystander, its_peer)
    assert seen("epoll_wait") == 3
    assert not ends.errors


async def accepting(ends: Ends) -> None:
    made: list[Any] = []

    def make() -> Noting:
        made.append(Noting())
        return made[-1]

    class Records(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            lines.append(record.getMessage())

    lines: list[str] = []
    logging.getLogger("uvicorn.error").addHandler(Records())
    server = SocketServer([socket.create_server(("127.0.0.1", 0))], make, 10)
    loop = asyncio.get_running_loop()
    passing = (errno.EINTR, errno.EAGAIN, errno.ECONNABORTED, errno.EPROTO, errno.EPERM, errno.ENETDOWN)
    full = (errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM)
    for error in (*passing, *full):
        made.clear()
        lines.clear()
        fail("accept4", error)
        with socket.create_connection(server.sockets[0].getsockname()) as client:
            began = loop.time()
            client.setblocking(False)
            await until(lambda: made)
            took = loop.time() - began
            assert seen("accept4") == 1
            await both_ways(ends, made[0], client)
            assert (took > 0.8) == (error in full), (error, took)
            assert lines == (
                [f"No connection is accepted until there is room: {os.strerror(error)}"] if error in full else []
            )
        await made[0].lost
    server.close()
    assert not ends.errors


async def messages(service: edges.Service) -> None:
    """WebSockets, which the poller reports by their edge."""

    async def open_again() -> edges.Client:
        return (await service.opened(1))[0]

    async def talk(*clients: edges.Client) -> None:
        for client in clients:
            client.send(frame(TEXT, b"a message"))
        for client in clients:
            assert await client.message() == b"a message"

    others = await service.opened(3)
    for error in (0, *PASSING):
        fail("recv", error, times=5)
        await talk(await open_again(), *others)
        assert seen("recv") == 5
    for error in ENDING:
        client = await open_again()
        fail("recv", error)
        client.send(frame(TEXT, b"lost"))
        assert await client.ended()
        await talk(*others)
    for error in (errno.ENOSPC, errno.ENOMEM):
        client = await open_again()
        fail("epoll_ctl", error)
        client.send(frame(TEXT, b"a part")[:-1])
        assert await client.ended()
        assert seen("epoll_ctl") == 1
        await talk(*others)
    fail("epoll_wait", errno.EINTR, times=3)
    await talk(*others)
    for call in ("send", "sendmsg"):
        for error in (0, *PASSING):
            fail(call, error, times=3)
            await talk(*others)
        fail(call, 0, times=0)
    assert service.errors == []
    fail("epoll_wait", errno.ENOMEM, times=3)
    await talk(*others)
    assert [type(context["exception"]) for context in service.errors] == [OSError] * 3
    service.errors.clear()
    await until(lambda: len(service.state.connections) == 3 + len(PASSING) + 1)


class Interrupting(WebSocketProtocol):
    """An interrupt comes while bytes are read, and the system cannot watch the socket again."""

    def begin(self, head: Any, rest: bytes) -> None:
        super().begin(head, rest)
        fail("epoll_ctl", errno.ENOMEM)
        raise KeyboardInterrupt


def interrupting() -> None:
    async def main() -> None:
        service = edges.Service(echo, ws=Interrupting)
        client = service.client()
        client.send(request())
        assert await client.ended()
        assert seen("epoll_ctl") == 1
        await service.stop()

    loop = LOOPS[LOOP]()
    assert edges.interrupted(loop, loop.create_task(asyncio.wait_for(main(), PATIENCE))) == 1
    loop.close()


for case in (reading, watching, accepting):
    run(case, LOOP, own=True)
run(lambda ends: writing(ends, "send", [b"0123456789"]), LOOP, own=True)
run(lambda ends: writing(ends, "sendmsg", [b"012", b"3456", b"7", b"89"]), LOOP, own=True)
edges.run(messages, LOOP)
interrupting()
print("no call of the system is missed")
