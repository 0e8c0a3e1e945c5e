"""A WebSocket client on a raw socket: it sends what no library would, and reads what came back."""

from __future__ import annotations

import base64
import os
import socket
import struct
import time
from collections.abc import Iterable
from typing import NamedTuple

CONT, TEXT, BINARY, CLOSE, PING, PONG = 0, 1, 2, 8, 9, 10


class Frame(NamedTuple):
    opcode: int
    data: bytes
    fin: bool = True
    rsv: int = 0

    @property
    def code(self) -> int | None:
        return struct.unpack("!H", self.data[:2])[0] if self.data else None

    @property
    def reason(self) -> str:
        return self.data[2:].decode()


def frame(
    opcode: int, data: bytes = b"", *, fin: bool = True, rsv: int = 0, mask: bytes | None = b"\x01\x02\x03\x04"
) -> bytes:
    """The bytes of one frame; unmasked when ``mask`` is None."""
    size = len(data)
    head = bytes([(fin << 7) | rsv | opcode])
    flag = 0 if mask is None else 0x80
    if size < 126:
        head += bytes([flag | size])
    elif size < 65536:
        head += struct.pack("!BH", flag | 126, size)
    else:
        head += struct.pack("!BQ", flag | 127, size)
    if mask is None:
        return head + data
    pad = (mask * (size // 4 + 1))[:size]
    return head + mask + (int.from_bytes(data, "big") ^ int.from_bytes(pad, "big")).to_bytes(size, "big")


def close_frame(code: int | None = 1000, reason: str = "") -> bytes:
    return frame(CLOSE, b"" if code is None else struct.pack("!H", code) + reason.encode())


def request(
    target: str = "/",
    *,
    method: str = "GET",
    version: str = "1.1",
    drop: Iterable[str] = (),
    headers: Iterable[tuple[str, str | bytes]] = (),
    **replace: str,
) -> bytes:
    """An upgrade request: ``drop`` and ``replace`` change the standard headers, ``headers`` come after them."""
    standard = {
        "Host": "127.0.0.1",
        "Upgrade": "websocket",
        "Connection": "Upgrade",
        "Sec-WebSocket-Key": base64.b64encode(os.urandom(16)).decode(),
        "Sec-WebSocket-Version": "13",
    }
    for name, value in replace.items():
        standard[name.replace("_", "-")] = value
    lines = [f"{method} {target} HTTP/{version}".encode()]
    for name, value in [*((n, v) for n, v in standard.items() if n not in drop), *headers]:
        lines.append(name.encode("latin-1") + b": " + (value if isinstance(value, bytes) else value.encode("latin-1")))
    return b"\r\n".join(lines) + b"\r\n\r\n"


class Response(NamedTuple):
    status: int
    headers: list[tuple[str, str]]
    body: bytes

    def header(self, name: str) -> str | None:
        return next((value for key, value in self.headers if key == name.lower()), None)


class Peer:
    """One connection. Everything that reads takes at most ``timeout`` seconds, then raises TimeoutError."""

    def __init__(self, address: tuple[str, int] | str, *, timeout: float = 20.0, rcvbuf: int | None = None) -> None:
        family = socket.AF_UNIX if isinstance(address, str) else socket.AF_INET
        self.sock = socket.socket(family)
        self.sock.settimeout(timeout)
        if rcvbuf is not None:
            self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, rcvbuf)
        self.sock.connect(address)
        if family == socket.AF_INET:
            self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.buffer = b""

    def __enter__(self) -> Peer:
        return self

    def __exit__(self, *_: object) -> None:
        self.sock.close()

    def send(self, *data: bytes) -> Peer:
        self.sock.sendall(b"".join(data))
        return self

    def reset(self) -> None:
        """End the connection with a TCP reset."""
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.sock.close()

    def fill(self) -> bool:
        """Read once; False at the end of the stream."""
        try:
            data = self.sock.recv(262144)
        except ConnectionResetError:
            return False
        self.buffer += data
        return bool(data)

    def take(self, size: int) -> bytes:
        while len(self.buffer) < size:
            if not self.fill():
                raise EOFError(f"the stream ended with {self.buffer!r}")
        data, self.buffer = self.buffer[:size], self.buffer[size:]
        return data

    def response(self) -> Response:
        """The HTTP response; its body unless it is a 101."""
        while b"\r\n\r\n" not in self.buffer:
            if not self.fill():
                raise EOFError(f"no response, but {self.buffer!r}")
        head, _, self.buffer = self.buffer.partition(b"\r\n\r\n")
        first, *lines = head.decode("latin-1").split("\r\n")
        headers = [(line.partition(":")[0].lower(), line.partition(":")[2].strip()) for line in lines]
        status = int(first.split()[1])
        found = Response(status, headers, b"")
        length = found.header("content-length")
        return found if status == 101 or length is None else found._replace(body=self.take(int(length)))

    def open(self, *args: object, **kwargs: object) -> Response:
        """Make the handshake, which has to succeed."""
        self.send(request(*args, **kwargs))  # type: ignore[arg-type]
        response = self.response()
        assert response.status == 101, response
        return response

    def frame(self) -> Frame:
        first, second = self.take(2)
        size = second & 127
        if size == 126:
            size = struct.unpack("!H", self.take(2))[0]
        elif size == 127:
            size = struct.unpack("!Q", self.take(8))[0]
        assert not second & 128, "a server does not mask"
        return Frame(first & 15, self.take(size), bool(first & 128), first & 0x70)

    def answer(self) -> Frame:
        """The next frame but for pings, which come where a test takes long."""
        while (found := self.frame()).opcode == PING:
            self.send(frame(PONG, found.data))
        return found

    def frames(self) -> list[Frame]:
        """All frames until the end of the stream."""
        found = []
        while True:
            try:
                found.append(self.frame())
            except EOFError:
                return found

    def ended(self, within: float = 20.0) -> bool:
        """Whether the stream ends within so many seconds, whatever comes before."""
        deadline = time.monotonic() + within
        while (left := deadline - time.monotonic()) > 0:
            self.sock.settimeout(left)
            try:
                if not self.fill():
                    return True
            except TimeoutError:
                break
        return False
