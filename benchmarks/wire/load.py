"""The load generator, ``load.c``, seen from Python: built once a run, started for each measurement."""

from __future__ import annotations

import base64
import hashlib
import json
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

from benchmarks.wire.processes import Server, cores

SOURCE = Path(__file__).with_name("load.c")
KEY = b"dGhlIHNhbXBsZSBub25jZQ=="
GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
ACCEPT = base64.b64encode(hashlib.sha1(KEY + GUID).digest())
MASK = b"\x37\xfa\x21\x3d"
TIMEOUT = 30.0


class LoadError(Exception):
    """The load met something that is not as it must be."""


def header(size: int, bit: int = 0) -> bytes:
    """The header of a text frame with a payload of this size; ``bit`` is 0x80 for a masked one."""
    if size < 126:
        return bytes([0x81, bit | size])
    if size < 65_536:
        return bytes([0x81, bit | 126]) + size.to_bytes(2, "big")
    return bytes([0x81, bit | 127]) + size.to_bytes(8, "big")


def masked_frame(payload: bytes) -> bytes:
    """A text frame as a client sends it."""
    size = len(payload)
    repeated = (MASK * (size // 4 + 1))[:size]
    masked = int.from_bytes(payload, "big") ^ int.from_bytes(repeated, "big")
    return header(size, 0x80) + MASK + masked.to_bytes(size, "big")


def upgrade_request(target: str, headers: list[tuple[str, str]]) -> bytes:
    """What a browser sends, without an offer of compression."""
    lines = [
        f"GET {target} HTTP/1.1",
        "Host: 127.0.0.1:8000",
        "Connection: Upgrade",
        "Upgrade: websocket",
        "User-Agent: Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0",
        "Origin: http://127.0.0.1:8000",
        "Sec-WebSocket-Version: 13",
        "Accept-Encoding: gzip, deflate, br",
        "Accept-Language: en-GB,en;q=0.9",
        f"Sec-WebSocket-Key: {KEY.decode()}",
        *[f"{name}: {value}" for name, value in headers],
    ]
    return "\r\n".join([*lines, "", ""]).encode()


class Load:
    """The built generator and the files that it reads.

    Args:
        directory: for both; the caller removes it.
    """

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.program = directory / "load"
        compiler = shutil.which(os.environ.get("CC", "cc"))
        if compiler is None:
            raise LoadError("the load generator is a C program and there is no C compiler (cc, or $CC)")
        subprocess.run([compiler, "-std=c11", "-O2", "-o", str(self.program), str(SOURCE)], check=True)

    def file(self, content: bytes) -> str:
        """The path of a file with this content."""
        path = self.directory / hashlib.sha256(content).hexdigest()[:20]
        if not path.exists():
            path.write_bytes(content)
        return str(path)

    def command(self, mode: str, server: Server, contents: dict[str, bytes], **values: Any) -> list[str]:
        arguments = {"port": server.port, "pids": ",".join(map(str, server.pids)), "timeout": TIMEOUT} | values
        arguments |= {name: self.file(content) for name, content in contents.items()}
        return [str(self.program), mode, *[f"{name}={value}" for name, value in arguments.items()]]

    def start(self, mode: str, server: Server, contents: dict[str, bytes], **values: Any) -> subprocess.Popen[str]:
        """Start it on its core, with pipes."""
        process = subprocess.Popen(
            self.command(mode, server, contents, **values),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        os.sched_setaffinity(process.pid, cores()[1])
        return process

    def run(self, mode: str, server: Server, contents: dict[str, bytes], limit: float, **values: Any) -> dict[str, Any]:
        """Run it to its end and return what it measured.

        Args:
            limit: seconds that it may take.

        Raises:
            LoadError: it refused an answer, or took too long.
        """
        process = self.start(mode, server, contents, **values)
        try:
            out, err = process.communicate(timeout=limit)
        except subprocess.TimeoutExpired:
            raise LoadError(f"{server.peer.name}: no end after {limit:.0f} s\n{server.log()}") from None
        finally:
            if process.poll() is None:
                process.kill()
                process.communicate()
        if process.returncode != 0:
            raise LoadError(f"{server.peer.name}: {err.strip()}\n{server.log()}".strip())
        measured: dict[str, Any] = json.loads(out)
        return measured


class Held:
    """Sockets that stay open: ``with Held(...) as held``, then ``held.message()``."""

    def __init__(self, load: Load, server: Server, contents: dict[str, bytes], **values: Any) -> None:
        self._server = server
        self._process = load.start("hold", server, contents, **values)

    def __enter__(self) -> Held:
        try:
            self._expect("ready")
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self._process.kill()
        self._process.communicate()

    def message(self) -> None:
        """A message to the server on every socket, and its answer."""
        assert self._process.stdin is not None
        self._process.stdin.write("\n")
        self._process.stdin.flush()
        self._expect("answered")

    def _expect(self, word: str) -> None:
        assert self._process.stdout is not None and self._process.stderr is not None
        if self._process.stdout.readline().strip() != word:  # bounded by the generator's own timeout
            error = self._process.stderr.read().strip()
            raise LoadError(f"{self._server.peer.name}: {error}\n{self._server.log()}".strip())
