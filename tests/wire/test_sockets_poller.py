"""Our sockets alone: what ends within a turn, what leaves together, whose turn it is, and what a loop leaves."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import logging
import os
import resource
import socket
import time
import warnings
from typing import Any

import pytest
from pairs import LOOPS, PATIENCE, Ends, Noting, run, tcp_pair, until

from wirefast.server.sockets.listener import Listener, adopt
from wirefast.server.sockets.listening import SocketServer

# As in poller.pyx and listener.pyx.
READ_SIZE, READ_PER_TURN, EVENTS_PER_TURN, ACCEPTS_PER_TURN = 262_144, 1_048_576, 64, 32


def test_a_closed_socket_gets_no_event_of_its_turn_nor_does_its_number(loop_name: str) -> None:
    """All are ready in one turn; the first that is read ends the others and opens new ones under their numbers."""

    class First(Noting):
        def data_received(self, data: bytes) -> None:
            super().data_received(data)
            for other in others:
                other.transport.abort()

    class Heir(Noting):
        def data_received(self, data: bytes) -> None:
            raise AssertionError("the event was for another socket")

    async def case(ends: Ends) -> None:
        pairs = [socket.socketpair() for _ in range(8)]
        everyone = [First() for _ in pairs]
        loop = asyncio.get_running_loop()
        for protocol, (ours, _) in zip(everyone, pairs, strict=True):
            adopt(loop, ours, protocol)
        for _, peer in pairs:
            peer.send(b"!")
        others.extend(everyone)
        await until(lambda: sum(len(protocol.data) for protocol in everyone) == 1)
        heirs = [Heir() for _ in range(16)]
        made = [socket.socketpair() for _ in heirs]
        for heir, (ours, _) in zip(heirs, made, strict=True):
            adopt(loop, ours, heir)
        await asyncio.sleep(0.02)
        assert sum(len(protocol.data) for protocol in everyone) == 1
        for heir in heirs:
            heir.transport.abort()
        for one in [*pairs, *made]:
            one[1].close()
        assert not ends.errors

    others: list[Any] = []
    run(case, loop_name, own=True)


def test_a_number_that_is_used_again_within_a_turn(loop_name: str) -> None:
    """The descriptor is closed and another connection has its number before the old one's event is served."""

    class First(Noting):
        def data_received(self, data: bytes) -> None:
            super().data_received(data)
            for other in everyone:
                if other is not self:
                    number = other.transport.get_extra_info("socket").fileno()
                    other.transport.abort()
                    other.transport.end()  # what the loop would call a moment later
                    ours, peer = socket.socketpair()
                    if ours.fileno() != number:
                        os.dup2(ours.fileno(), number)
                        ours.close()
                        ours = socket.socket(fileno=number)
                    heirs.append(Noting())
                    peers.append(peer)
                    adopt(asyncio.get_running_loop(), ours, heirs[-1])

    async def case(ends: Ends) -> None:
        loop = asyncio.get_running_loop()
        for _ in range(6):
            ours, peer = socket.socketpair()
            peers.append(peer)
            everyone.append(First())
            adopt(loop, ours, everyone[-1])
        for peer in peers[:]:
            peer.send(b"!")
        await until(lambda: heirs)
        await asyncio.sleep(0.02)
        assert sum(len(protocol.data) for protocol in everyone) == 1
        assert [heir.calls for heir in heirs] == [["made"]] * 5
        for heir, peer in zip(heirs, peers[6:], strict=True):
            peer.send(b"mine")
            await until(lambda heir=heir: heir.data == b"mine")
        for one in [*everyone, *heirs]:
            one.transport.abort()
        for peer in peers:
            peer.close()

    everyone: list[Any] = []
    heirs: list[Any] = []
    peers: list[socket.socket] = []
    run(case, loop_name, own=True)


def test_what_is_written_in_a_turn_leaves_by_one_call(loop_name: str) -> None:
    async def case(ends: Ends) -> None:
        ours, peer = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)  # one read for each call of the writer
        peer.settimeout(PATIENCE)
        transport = adopt(asyncio.get_running_loop(), ours, Noting())
        transport.write(b"head, ")
        transport.write(b"body, ")
        transport.writelines([b"tail"])
        await asyncio.sleep(0.01)
        assert peer.recv(100) == b"head, body, tail"
        transport.close()
        peer.close()

    run(case, loop_name, own=True)


def test_an_interrupt_within_a_turn_leaves_the_others_to_the_next() -> None:
    class Interrupting(Noting):
        def data_received(self, data: bytes) -> None:
            super().data_received(data)
            if len(read) == 0:
                read.append(self)
                raise KeyboardInterrupt
            read.append(self)

    read: list[Any] = []
    loop = asyncio.new_event_loop()

    async def main() -> None:
        for _ in range(5):
            ours, peer = socket.socketpair()
            peers.append(peer)
            protocols.append(Interrupting())
            adopt(loop, ours, protocols[-1])
            peer.send(b"!")
        await asyncio.sleep(60)

    async def rest() -> None:
        await until(lambda: len(read) == 5)
        for protocol in protocols:
            protocol.transport.abort()
        await asyncio.sleep(0.01)

    peers: list[socket.socket] = []
    protocols: list[Any] = []
    with pytest.raises(KeyboardInterrupt):
        loop.run_until_complete(main())
    assert len(read) == 1
    loop.run_until_complete(rest())
    for task in asyncio.all_tasks(loop):
        task.cancel()
    loop.run_until_complete(asyncio.sleep(0))
    loop.close()
    for peer in peers:
        peer.close()


def test_an_interrupt_while_it_writes_leaves_the_others_to_the_next_turn() -> None:
    class Interrupting(Noting):
        def resume_writing(self) -> None:
            raise KeyboardInterrupt

    loop = asyncio.new_event_loop()
    pairs = [socket.socketpair() for _ in range(3)]
    protocols: list[Any] = []

    async def main() -> None:
        for ours, _ in pairs:
            protocols.append(Noting() if protocols else Interrupting())
            adopt(loop, ours, protocols[-1]).write(b"!")
        protocols[0].transport.set_write_buffer_limits(0)  # it pauses now, and goes on once all is written
        await asyncio.sleep(60)

    async def rest() -> None:
        for _, peer in pairs:
            peer.setblocking(False)
            assert await asyncio.wait_for(loop.sock_recv(peer, 10), PATIENCE) == b"!"
        for protocol in protocols:
            protocol.transport.abort()
        await asyncio.sleep(0.01)

    with pytest.raises(KeyboardInterrupt):
        loop.run_until_complete(main())
    loop.run_until_complete(rest())
    for task in asyncio.all_tasks(loop):
        task.cancel()
    loop.run_until_complete(asyncio.sleep(0))
    loop.close()
    for _, peer in pairs:
        peer.close()


def test_a_turn_has_its_bounds(loop_name: str) -> None:
    """No more events, bytes and accepted connections than the bounds, before the loop has its turn."""

    class Counting(Noting):
        def data_received(self, data: bytes) -> None:
            nonlocal events, size
            events, size = events + 1, size + len(data)
            if not asked:
                asked.append(1)
                asyncio.get_running_loop().call_soon(note)

    def note() -> None:
        nonlocal events, size
        turns.append((events, size))
        events = size = 0
        asked.clear()

    async def case(ends: Ends) -> None:
        loop = asyncio.get_running_loop()
        protocols, peers = [], []
        for _ in range(150):
            ours, peer = socket.socketpair()
            protocols.append(Counting())
            peers.append(peer)
            adopt(loop, ours, protocols[-1])
        for peer in peers:
            peer.send(b"!")
        await until(lambda: sum(turn[0] for turn in turns) == 150)
        assert max(turn[0] for turn in turns) == EVENTS_PER_TURN
        turns.clear()

        big = []
        for _ in range(30):
            ours, peer = tcp_pair()
            ours.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4 * READ_SIZE)
            peer.setblocking(False)
            sent = 0
            while sent < READ_SIZE:
                try:
                    sent += peer.send(bytes(READ_SIZE))
                except BlockingIOError:
                    break
            big.append((ours, peer, sent))
        for ours, _, _ in big:
            protocols.append(Counting())
            adopt(loop, ours, protocols[-1])
        await until(lambda: sum(turn[1] for turn in turns) == sum(sent for _, _, sent in big))
        assert READ_PER_TURN <= max(turn[1] for turn in turns) < READ_PER_TURN + READ_SIZE
        for protocol in protocols:
            protocol.transport.abort()
        for peer in [*peers, *(peer for _, peer, _ in big)]:
            peer.close()

    events = size = 0
    asked: list[int] = []
    turns: list[tuple[int, int]] = []
    run(case, loop_name, own=True)


def listening(**options: Any) -> socket.socket:
    return socket.create_server(("127.0.0.1", 0), **options)


def test_a_listener_accepts_some_a_turn(loop_name: str) -> None:
    class Counting(Noting):
        def connection_made(self, transport: Any) -> None:
            nonlocal accepted
            super().connection_made(transport)
            made.append(self)
            accepted += 1
            if accepted == 1:
                asyncio.get_running_loop().call_soon(note)

    def note() -> None:
        nonlocal accepted
        turns.append(accepted)
        accepted = 0

    async def case(ends: Ends) -> None:
        server_socket = listening(backlog=200)
        clients = [socket.create_connection(server_socket.getsockname()) for _ in range(100)]
        server = SocketServer([server_socket], Counting, 200)
        assert server.is_serving() and server.get_loop() is asyncio.get_running_loop()
        assert [one.getsockname() for one in server.sockets] == [server_socket.getsockname()]
        await until(lambda: len(made) == 100)
        assert max(turns) == ACCEPTS_PER_TURN
        known = {protocol.transport.get_extra_info("peername") for protocol in made}
        assert known == {client.getsockname() for client in clients}
        server.close()
        await server.wait_closed()
        assert not server.is_serving() and server.sockets == ()
        for client in clients:
            client.close()
        for protocol in made:
            await protocol.lost

    accepted = 0
    turns: list[int] = []
    made: list[Any] = []
    run(case, loop_name, own=True)


@pytest.mark.parametrize("address", [("0.0.0.0", "127.0.0.1"), ("::", "::1"), ("::1", "::1")])
def test_addresses_of_a_connection(address: tuple[str, str], loop_name: str) -> None:
    bound, reached = address
    family = socket.AF_INET6 if ":" in bound else socket.AF_INET

    async def case(ends: Ends) -> None:
        server_socket = socket.create_server((bound, 0), family=family)
        made: list[Any] = []

        def make() -> Noting:
            made.append(Noting())
            return made[-1]

        server = SocketServer([server_socket], make, 10)
        client = socket.create_connection((reached, server_socket.getsockname()[1]))
        await until(lambda: made and made[0].calls)
        transport = made[0].transport
        assert transport.get_extra_info("peername") == client.getsockname()
        assert transport.get_extra_info("sockname") == client.getpeername()
        nodelay = transport.get_extra_info("socket").getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
        assert nodelay != 0
        server.close()
        client.close()
        await made[0].lost

    run(case, loop_name, own=True)


def test_a_protocol_that_cannot_be_made(loop_name: str) -> None:
    async def case(ends: Ends) -> None:
        def make() -> Any:
            raise ZeroDivisionError

        server_socket = listening()
        server = SocketServer([server_socket], make, 10)
        client = socket.create_connection(server_socket.getsockname())
        client.setblocking(False)
        assert await ends.read(client, 1) == b""
        assert [type(error["exception"]) for error in ends.errors] == [ZeroDivisionError]
        server.close()
        client.close()

    run(case, loop_name, own=True)


def test_a_protocol_that_cannot_begin(loop_name: str) -> None:
    class Failing(Noting):
        def connection_made(self, transport: Any) -> None:
            super().connection_made(transport)
            raise ZeroDivisionError

    async def case(ends: Ends) -> None:
        protocol, _, peer = await ends.open(Failing())
        assert isinstance(await protocol.lost, ZeroDivisionError)
        assert await ends.read(peer, 1) == b""
        assert [type(error["exception"]) for error in ends.errors] == [ZeroDivisionError]

    run(case, loop_name, own=True)


def test_no_room_for_more_files(loop_name: str, caplog: pytest.LogCaptureFixture) -> None:
    """EMFILE: the listener rests, says once that it does, and accepts what waited when there is room."""
    caplog.set_level(logging.INFO, "uvicorn.error")

    async def case(ends: Ends) -> None:
        loop = asyncio.get_running_loop()
        server_socket = listening()
        made: list[Any] = []

        def make() -> Noting:
            made.append(Noting())
            return made[-1]

        server = SocketServer([server_socket], make, 10)
        await asyncio.sleep(0)
        client = socket.socket()
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        highest = max(map(int, os.listdir("/proc/self/fd")))
        resource.setrlimit(resource.RLIMIT_NOFILE, (highest + 1, hard))
        spare = []
        try:
            while True:
                try:
                    spare.append(os.dup(0))
                except OSError:
                    break
            client.setblocking(False)
            await loop.sock_connect(client, server_socket.getsockname())
            await until(lambda: caplog.records)
            server._listeners[0].resume()  # as after a rest
            began = loop.time()
            await asyncio.sleep(0.1)
            assert len(caplog.records) == 1 and not made
        finally:
            for descriptor in spare:
                os.close(descriptor)
            resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
        await until(lambda: made)
        assert 0.8 < loop.time() - began < 3
        await until(lambda: len(caplog.records) == 2)
        assert [record.getMessage() for record in caplog.records] == [
            "No connection is accepted until there is room: Too many open files",
            "Connections are accepted again",
        ]
        server.close()
        client.close()
        await made[0].lost

    run(case, loop_name, own=True)


def test_a_loop_that_is_closed_with_open_connections(loop_name: str) -> None:
    """As asyncio's: a ResourceWarning, and no descriptor is left."""
    loop = LOOPS[loop_name]()

    async def main() -> None:
        loop = asyncio.get_running_loop()
        for _ in range(3):
            ours, peer = socket.socketpair()
            peers.append(peer)
            adopt(loop, ours, Noting())
        listener = Listener(loop, listening(), Noting)
        listener.start()
        await asyncio.sleep(0.01)

    peers: list[socket.socket] = []
    before = len(os.listdir("/proc/self/fd"))
    gc.collect()  # what other tests left is not counted
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        loop.run_until_complete(main())
        loop.close()
        del loop
        gc.collect()
    assert sum("unclosed transport" in str(one.message) for one in caught) == 3
    del caught  # it has the transports
    gc.collect()
    for peer in peers:
        peer.settimeout(PATIENCE)
        assert peer.recv(1) == b""
        peer.close()
    assert len(os.listdir("/proc/self/fd")) <= before


def test_nothing_is_watched_when_nothing_is_open(loop_name: str) -> None:
    async def case(ends: Ends) -> None:
        before = len(os.listdir("/proc/self/fd"))
        for _ in range(3):
            protocol = Noting()
            ours, peer = socket.socketpair()
            transport = adopt(asyncio.get_running_loop(), ours, protocol)
            peer.send(b"!")
            await until(lambda protocol=protocol: protocol.data)
            transport.close()
            await protocol.lost
            peer.close()
            await until(lambda: len(os.listdir("/proc/self/fd")) == before)

    run(case, loop_name, own=True)


def turns_under_flood(loop_name: str) -> list[float]:
    """Seconds of CPU that the loop's thread takes from one turn of a canary to the next, sorted."""

    async def case(ends: Ends) -> None:
        protocol, transport, peer = await ends.open(tcp=True)
        peer.settimeout(PATIENCE)

        def flooding() -> None:
            with contextlib.suppress(OSError):
                while True:
                    peer.send(data)

        data, read = bytes(1 << 20), 0
        flooder = asyncio.get_running_loop().run_in_executor(None, flooding)
        while read < 100 * len(data):
            began = time.thread_time()
            await asyncio.sleep(0)  # timers and other tasks have their turn whenever this one has
            taken.append(time.thread_time() - began)
            read += len(protocol.data)
            protocol.data.clear()
        transport.abort()
        await protocol.lost
        await flooder

    taken: list[float] = []
    run(case, loop_name, own=True)
    return sorted(taken)


def test_a_flood_on_one_socket_delays_nobody(loop_name: str) -> None:
    """While 100 MiB come through one socket, 99 of 100 turns of all others come within 5 ms of CPU time."""
    taken = turns_under_flood(loop_name)
    assert len(taken) > 100
    assert taken[int(len(taken) * 0.99)] < 0.005
