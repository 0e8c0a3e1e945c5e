"""The client's side of the wire: requests and masked frames out, responses and frames in (RFC 6455, RFC 7692).

wirefast only.
"""

from __future__ import annotations

import struct
import zlib
from dataclasses import dataclass
from http import HTTPStatus

__all__ = [
    "BINARY",
    "CLOSE",
    "CONTINUATION",
    "PING",
    "PONG",
    "TEXT",
    "Broken",
    "Frame",
    "Reader",
    "Response",
    "close_body",
    "encode",
]

CONTINUATION, TEXT, BINARY, CLOSE, PING, PONG = 0x0, 0x1, 0x2, 0x8, 0x9, 0xA

#: The most bytes of the head of a response.
MAX_HEAD = 1 << 20


class Broken(Exception):
    """The server sent bytes that no client accepts."""


@dataclass(frozen=True, slots=True)
class Frame:
    """One frame from the server. The payload of a whole compressed message is inflated."""

    opcode: int
    data: bytes
    fin: bool = True
    rsv: int = 0


@dataclass(slots=True)
class Response:
    """The answer to a request.

    Attributes:
        status: the status as a number.
        headers: the headers in their order, names in small letters.
        body: the whole body; empty for a 101.
    """

    status: int
    headers: list[tuple[str, str]]
    body: bytes = b""

    def header(self, name: str) -> str | None:
        """Return the first header of a name."""
        return next((value for key, value in self.headers if key == name.lower()), None)

    @property
    def phrase(self) -> str:
        """The status in words."""
        try:
            return HTTPStatus(self.status).phrase
        except ValueError:
            return ""


def encode(
    opcode: int, data: bytes = b"", *, fin: bool = True, rsv: int = 0, mask: bytes | None = b"\x01\x02\x03\x04"
) -> bytes:
    """Return the bytes of a frame from a client. If ``mask`` is None the frame has no mask, which is an error."""
    size = len(data)
    first, flag = bytes([fin << 7 | rsv | opcode]), 0 if mask is None else 0x80
    if size < 126:
        head = first + bytes([flag | size])
    elif size < 65536:
        head = first + struct.pack("!BH", flag | 126, size)
    else:
        head = first + struct.pack("!BQ", flag | 127, size)
    if mask is None or not size:
        return head + (mask or b"") + data
    pad = (mask * (size // 4 + 1))[:size]
    return head + mask + (int.from_bytes(data, "big") ^ int.from_bytes(pad, "big")).to_bytes(size, "big")


def close_body(code: int | None, reason: str = "") -> bytes:
    """Return the payload of a close frame; empty without a code."""
    return b"" if code is None else struct.pack("!H", code) + reason.encode()


class Reader:
    """Reads the bytes of a server: one response, and frames after a 101."""

    def __init__(self) -> None:
        self._buffer = bytearray()
        self.response: Response | None = None
        self._length: int | None = None
        self._inflate: zlib._Decompress | None = None
        self._kept = True
        self._message = bytearray()
        self._packed = False

    def feed(self, data: bytes) -> list[Frame]:
        """Take bytes, and return the frames that are whole now. ``response`` is set once its head and body are whole.

        Raises:
            Broken: the bytes are no response or no frame of a server.
        """
        self._buffer += data
        if self.response is None and not self._read_response():
            return []
        if self.response is None:
            raise AssertionError
        if self.response.status != 101:
            return []
        frames = []
        while (frame := self._read_frame()) is not None:
            frames.append(frame)
        return frames

    def end(self) -> None:
        """Note that the stream has ended. A body without a length ends with it."""
        if self.response is None and self._length == -1:
            self._finish(bytes(self._buffer))

    def _read_response(self) -> bool:
        if self._length is None:
            head, end, rest = self._buffer.partition(b"\r\n\r\n")
            if not end:
                if len(self._buffer) > MAX_HEAD:
                    raise Broken(f"the head of the response is longer than {MAX_HEAD} bytes")
                return False
            self._begin(bytes(head))
            self._buffer = bytearray(rest)
        if self._length == -1:
            return False
        if self._length is None:
            raise AssertionError
        if len(self._buffer) < self._length:
            return False
        body = bytes(self._buffer[: self._length])
        del self._buffer[: self._length]
        self._finish(body)
        return True

    def _begin(self, head: bytes) -> None:
        first, *lines = head.decode("latin-1").split("\r\n")
        parts = first.split(" ", 2)
        if len(parts) < 2 or not parts[0].startswith("HTTP/1.") or not parts[1].isdigit():
            raise Broken(f"the response begins with {first[:80]!r}")
        headers = [(name.lower(), value.strip()) for name, _, value in (line.partition(":") for line in lines)]
        self._read = Response(int(parts[1]), headers)
        length = self._read.header("content-length")
        empty = self._read.status in (101, 204, 304)
        self._length = 0 if empty else -1 if length is None else int(length)
        for part in (self._read.header("sec-websocket-extensions") or "").split(","):
            name, *options = [item.strip() for item in part.split(";")]
            if name == "permessage-deflate":
                self._inflate = zlib.decompressobj(wbits=-15)
                self._kept = "server_no_context_takeover" not in options

    def _finish(self, body: bytes) -> None:
        self._read.body = body
        self.response = self._read

    def _read_frame(self) -> Frame | None:
        buffer = self._buffer
        if len(buffer) < 2:
            return None
        first, second = buffer[0], buffer[1]
        start, size = 2, second & 127
        if size > 125:
            start = 4 if size == 126 else 10
            if len(buffer) < start:
                return None
            size = int.from_bytes(buffer[2:start], "big")
        if second & 128:
            raise Broken("the server masked a frame (RFC 6455, section 5.1)")
        if len(buffer) < start + size:
            return None
        data = bytes(buffer[start : start + size])
        del buffer[: start + size]
        frame = Frame(first & 15, data, bool(first & 128), first & 0x70)
        return self._unpacked(frame) if frame.opcode < CLOSE else frame

    def _unpacked(self, frame: Frame) -> Frame | None:
        if frame.opcode != CONTINUATION:
            self._packed = bool(frame.rsv & 0x40)
        if not self._packed:
            return frame
        if self._inflate is None:
            raise Broken("a compressed message, which was not negotiated (RFC 7692)")
        self._message += frame.data
        if not frame.fin:
            return Frame(frame.opcode, b"", False, frame.rsv)
        try:
            data = self._inflate.decompress(bytes(self._message) + b"\x00\x00\xff\xff")
        except zlib.error as exc:
            raise Broken(f"a compressed message is malformed: {exc}") from None
        self._message.clear()
        if not self._kept:
            self._inflate = zlib.decompressobj(wbits=-15)
        return Frame(frame.opcode, data, True, frame.rsv)
