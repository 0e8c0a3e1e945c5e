"""Ten thousand sockets on one ``wirefast run`` process, by hand: ``python tests/wire/many_sockets.py [sockets]``.

The server has ``--limit-concurrency`` at exactly that number. The sockets come to several loopback addresses; each
gets a message and sends one back; one more is refused with 503 before its handshake, and gets in once another has left.
Needs as many file descriptors as sockets, here and in the server. Prints times and the server's resident memory.
"""

from __future__ import annotations

import resource
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from peer import PING, TEXT, Frame, Peer, close_frame, frame, request  # noqa: E402

from measures import cpu_seconds, resident  # noqa: E402
from processes import ServerProcess  # noqa: E402

SERVICE = """
from wirefast import App, WebSocket, WebSocketDisconnect

app = App()
sockets = set()

@app.websocket("/ws/{number}")
async def talk(websocket: WebSocket, number: int):
    await websocket.accept()
    sockets.add(websocket)
    try:
        async for message in websocket.iter_text():
            if message == "all":
                for other in list(sockets):
                    await other.send_text("to all")
            else:
                await websocket.send_text(f"{number}: {message}")
    finally:
        sockets.discard(websocket)
"""
ADDRESSES = [f"127.0.0.{last}" for last in range(1, 9)]
BATCH = 200


class Server:
    def __init__(self, limit: int, directory: Path) -> None:
        (directory / "service.py").write_text(SERVICE)
        arguments = ["service", "--host", "0.0.0.0", "--port", "0", "--no-access-log"]
        arguments += ["--limit-concurrency", str(limit), "--log-level", "info"]
        self.process = ServerProcess(*arguments, cwd=directory)
        self.port = int(self.process.wait_for(r"running on http://0\.0\.0\.0:(\d+)")[1])

    @property
    def memory(self) -> float:
        """Resident, in MiB."""
        return resident(self.process.process.pid) / 2**20

    @property
    def cpu(self) -> float:
        """Seconds, user and system."""
        return cpu_seconds(self.process.process.pid)

    def peer(self, number: int) -> Peer:
        return Peer((ADDRESSES[number % len(ADDRESSES)], self.port), timeout=60.0)


def message(peer: Peer) -> Frame:
    """The next frame that is not a keepalive ping."""
    while (found := peer.frame()).opcode == PING:
        pass
    return found


def main(count: int) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    with tempfile.TemporaryDirectory() as directory:
        server = Server(count, Path(directory))
        peers: list[Peer] = []
        try:
            with server.peer(0) as warm:
                warm.open("/ws/0")
                warm.send(close_frame()).frame()
            empty, cpu, started = server.memory, server.cpu, time.monotonic()

            def report(what: str) -> None:
                nonlocal cpu, started
                now, used = time.monotonic(), server.cpu
                print(f"{what:40} {now - started:6.2f} s, server CPU {used - cpu:5.2f} s, {server.memory:7.1f} MiB")
                cpu, started = used, now

            while len(peers) < count:
                batch = [server.peer(number) for number in range(len(peers), min(count, len(peers) + BATCH))]
                for number, peer in enumerate(batch, len(peers)):
                    peer.send(request(f"/ws/{number}"))
                for peer in batch:
                    response = peer.response()
                    assert response.status == 101, response
                peers += batch
            report(f"{count} sockets opened")
            print(f"{'':40} {(server.memory - empty) * 1024 / count:.2f} KiB a socket")
            for number, peer in enumerate(peers):
                peer.send(frame(TEXT, b"hello"))
                if number % BATCH == BATCH - 1 or number == count - 1:
                    for done in range(number - number % BATCH, number + 1):
                        assert message(peers[done]).data == b"%d: hello" % done
            report("a message from each, answered")
            peers[0].send(frame(TEXT, b"all"))
            assert all(message(peer).data == b"to all" for peer in peers)
            report("one message to all")
            print(f"{'':40} {(server.memory - empty) * 1024 / count:.2f} KiB a socket")
            with server.peer(3) as refused:
                assert refused.send(request(f"/ws/{count}")).response().status == 503
            peers.pop().send(close_frame()).frames()
            deadline = time.monotonic() + 10
            while True:
                peer = server.peer(5)
                status = peer.send(request(f"/ws/{count}")).response().status
                if status == 101 or time.monotonic() > deadline:
                    break
                peer.sock.close()
            assert status == 101, status
            peers.append(peer)
            report("one too many: 503; in another's place: 101")
            for peer in peers:
                peer.send(close_frame())
            for peer in peers:
                assert message(peer).code == 1000
                peer.sock.close()
            report("all closed")
        finally:
            for peer in peers:
                peer.sock.close()
            server.process.end()
        # The refusal is the only warning.
        assert "Traceback" not in server.process.log and "ERROR" not in server.process.log, server.process.log


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 10_000)
