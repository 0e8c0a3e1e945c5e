"""What permessage-deflate costs: CPU of an echo, and memory of sockets that were used and are idle.

    python -m benchmarks.compression [--sockets 300] [--messages 20000] [--idle 25]

Beside us uvicorn with `websockets` and aiohttp, each in a process of its own. Every answer is inflated and compared.
"""

from __future__ import annotations

import argparse
import json
import os
import socket
import subprocess
import sys
import time
import zlib
from typing import Any

TEXT = json.dumps([{"id": number, "name": f"user {number}", "text": "alpha beta gamma"} for number in range(20)])
SERVERS = ["wirefast", "uvicorn", "aiohttp"]
HEAD = (
    b"GET /ws HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
    b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
    b"Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits\r\n\r\n"
)
MASK = b"\0\0\0\0"  # a key like any other, under which bytes stay as they are


# ---- The servers, in processes of their own ----


async def echo(scope: dict[str, Any], receive: Any, send: Any) -> None:
    """Echo texts: an ASGI application."""
    await receive()
    await send({"type": "websocket.accept"})
    while (message := await receive())["type"] == "websocket.receive":
        await send({"type": "websocket.send", "text": message["text"]})


def serve(name: str) -> None:
    """Serve on a port of the system's choice, and print it."""
    listening = socket.create_server(("127.0.0.1", 0), backlog=1024)
    print(listening.getsockname()[1], flush=True)
    if name == "aiohttp":
        from aiohttp import WSMsgType, web

        async def handler(request: web.Request) -> web.WebSocketResponse:
            response = web.WebSocketResponse()
            await response.prepare(request)
            async for message in response:
                if message.type is WSMsgType.TEXT:
                    await response.send_str(message.data)
            return response

        app = web.Application()
        app.router.add_get("/ws", handler)
        web.run_app(app, sock=listening, print=None, access_log=None)
        return
    import uvicorn

    if name == "wirefast":
        from wirefast.server.config import Config as OurConfig

        config: uvicorn.Config = OurConfig(
            echo,
            http="wirefast.server:HttpProtocol",
            ws="wirefast.server:WebSocketProtocol",
            ws_per_message_deflate=True,
            log_level="warning",
            access_log=False,
            lifespan="off",
        )
    else:
        config = uvicorn.Config(
            echo, ws_per_message_deflate=True, log_level="warning", access_log=False, lifespan="off"
        )
    uvicorn.Server(config).run([listening])


# ---- The clients ----


class Client:
    """A socket that compresses, with a context of 12 bits each way."""

    def __init__(self, port: int) -> None:
        self.socket = socket.create_connection(("127.0.0.1", port))
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.file = self.socket.makefile("rb")
        self.socket.sendall(HEAD)
        head = b""
        while not head.endswith(b"\r\n\r\n"):
            head += self.file.readline()
        if b" 101 " not in head or b"permessage-deflate" not in head:
            raise SystemExit(f"no compression: {head!r}")
        self.out, self.into = zlib.compressobj(wbits=-12), zlib.decompressobj(wbits=-15)

    def send(self) -> None:
        packed = (self.out.compress(TEXT.encode()) + self.out.flush(zlib.Z_SYNC_FLUSH))[:-4]
        size = len(packed)
        header = bytes([0xC1, 0x80 | size]) if size < 126 else bytes([0xC1, 0xFE]) + size.to_bytes(2, "big")
        self.socket.sendall(header + MASK + packed)

    def check(self) -> None:
        first, size = self.file.read(2)
        if size == 126:
            size = int.from_bytes(self.file.read(2), "big")
        payload = self.file.read(size)
        text = self.into.decompress(payload + b"\0\0\xff\xff") if first & 0x40 else payload
        if text != TEXT.encode():
            raise SystemExit("a wrong answer")


def cpu(pid: int) -> float:
    """Return the seconds of CPU that a process has used."""
    with open(f"/proc/{pid}/stat") as file:
        fields = file.read().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def memory(pid: int) -> int:
    """Return the bytes that a process alone has."""
    with open(f"/proc/{pid}/smaps_rollup") as file:
        return 1024 * sum(int(line.split()[1]) for line in file if line.startswith("Private"))


def measure(name: str, sockets: int, messages: int, idle: float) -> tuple[float, float, float]:
    """Return µs of CPU a message, and KiB a socket after one message and after a time without one."""
    command = [sys.executable, "-m", "benchmarks.compression", "--serve", name]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
        try:
            port = int(process.stdout.readline())  # type: ignore[union-attr]
            warm = [Client(port) for _ in range(8)]
            for client in warm * 50:
                client.send()
                client.check()
            before = cpu(process.pid)
            for _ in range(messages // len(warm)):
                for client in warm:
                    client.send()
                for client in warm:
                    client.check()
            used = (cpu(process.pid) - before) / (messages // len(warm) * len(warm))
            least = memory(process.pid)
            clients = [Client(port) for _ in range(sockets)]
            for client in clients:
                client.send()
                client.check()
            active = (memory(process.pid) - least) / sockets
            time.sleep(idle)  # what is measured is this time
            return used * 1e6, active / 1024, (memory(process.pid) - least) / sockets / 1024
        finally:
            process.kill()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sockets", type=int, default=300)
    parser.add_argument("--messages", type=int, default=20_000)
    parser.add_argument("--idle", type=float, default=25.0)
    parser.add_argument("--serve", choices=SERVERS, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.serve:
        serve(arguments.serve)
        return
    print(f"{len(TEXT)} bytes of JSON, {arguments.sockets} sockets\n")
    print(f"| server | µs of CPU an echo | KiB a socket after a message | after {arguments.idle:g} s |")
    print("|---|---:|---:|---:|")
    for name in SERVERS:
        used, active, idle = measure(name, arguments.sockets, arguments.messages, arguments.idle)
        print(f"| {name} | {used:.1f} | {active:.1f} | {idle:.1f} |", flush=True)


if __name__ == "__main__":
    main()
