"""What metrics cost: instructions of an upgrade and of an echo through the server's protocol, unseen and counted.

``python -m benchmarks.observed`` runs both under valgrind's callgrind, over a transport that only collects, and prints
instructions per unit. An echo is a masked text frame of 128 bytes and its answer; an upgrade is a handshake with its
match, its accept and the close.
"""

from __future__ import annotations

import asyncio
import ctypes
import gc
import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from wirefast import App, WebSocket
from wirefast.server.config import Config
from wirefast.server.http import HttpProtocol
from wirefast.server.protocol import WebSocketProtocol

HERE = Path(__file__).parent
UNITS, WARMUP = 300, 300
UPGRADE = (
    b"GET /echo/7 HTTP/1.1\r\nHost: example.com\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\nOrigin: http://example.com\r\n\r\n"
)
FRAME = b"\x81\xfe\x00\x80\0\0\0\0" + b"x" * 128
CLOSE = b"\x88\x82\0\0\0\0\x03\xe8"

app = App()


@app.websocket("/echo/{number}")
async def echo(websocket: WebSocket, number: int) -> None:
    await websocket.accept()
    async for text in websocket.iter_text():
        await websocket.send_text(text)


class Transport:
    """Collects how much was written."""

    written = 0
    closing = False

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        return ("127.0.0.1", 5000) if name in ("peername", "sockname") else default

    def write(self, data: bytes) -> None:
        self.written += len(data)

    def get_write_buffer_size(self) -> int:
        return 0

    def is_closing(self) -> bool:
        return self.closing

    def close(self) -> None:
        self.closing = True

    def set_protocol(self, protocol: Any) -> None:
        self.protocol = protocol

    def pause_reading(self) -> None: ...
    def resume_reading(self) -> None: ...


class State:
    """uvicorn's state of a server."""

    def __init__(self) -> None:
        self.connections: set[Any] = set()
        self.tasks: set[Any] = set()
        self.default_headers: list[tuple[bytes, bytes]] = []
        self.total_requests = 0


class Scene:
    """A server without a network."""

    def __init__(self, loop: asyncio.AbstractEventLoop, counted: bool) -> None:
        self.loop = loop
        ws: Any = WebSocketProtocol
        self.config = Config(app, http=HttpProtocol, ws=ws, log_config=None, access_log=False, lifespan="off")
        self.config.watched = counted
        self.config.load()
        self.state = State()

    def turn(self, times: int = 3) -> None:
        for _ in range(times):
            self.loop.call_soon(self.loop.stop)
            self.loop.run_forever()

    def open(self) -> Transport:
        transport: Any = Transport()
        protocol: Any = HttpProtocol(config=self.config, server_state=self.state, app_state={}, _loop=self.loop)
        protocol.connection_made(transport)
        protocol.data_received(UPGRADE)
        self.turn()
        return transport  # type: ignore[no-any-return]

    def upgrades(self, units: int) -> None:
        for _ in range(units):
            transport = self.open()
            transport.protocol.data_received(CLOSE)
            self.turn()
            assert transport.closing
            transport.protocol.connection_lost(None)

    def echoes(self, units: int) -> None:
        transport = self.open()
        for _ in range(units):
            before = transport.written
            transport.protocol.data_received(FRAME)
            self.turn(1)
            assert transport.written == before + 132
        transport.protocol.data_received(CLOSE)
        self.turn()
        transport.protocol.connection_lost(None)


def child(library: str, counted: bool) -> None:
    switch = ctypes.CDLL(library)
    loop = asyncio.new_event_loop()
    scene = Scene(loop, counted)
    for name, run in (("upgrade", scene.upgrades), ("echo", scene.echoes)):
        run(WARMUP)
        gc.collect()
        gc.disable()
        switch.start()
        run(1)
        switch.dump(b"warm")
        for units in (1, UNITS + 1):
            run(units)
            switch.dump(f"{name}:{units}".encode())
        switch.stop()
        gc.enable()
    os._exit(0)


def count(counted: bool) -> dict[str, float]:
    """Instructions per unit of each scene."""
    valgrind, compiler = shutil.which("valgrind"), shutil.which(os.environ.get("CC", "cc"))
    if valgrind is None or compiler is None:
        raise SystemExit("valgrind and a C compiler are needed")
    with tempfile.TemporaryDirectory() as temporary:
        library = f"{temporary}/switch.so"
        source = str(HERE / "callgrind_switch.c")
        subprocess.run([compiler, "-shared", "-fPIC", "-O2", "-o", library, source], check=True)
        subprocess.run(
            [valgrind, "--tool=callgrind", "--quiet", "--instr-atstart=no", f"--callgrind-out-file={temporary}/out"]
            + [sys.executable, "-m", "benchmarks.observed", library, str(int(counted))],
            env=os.environ | {"PYTHONHASHSEED": "0"},
            cwd=HERE.parent,
            check=True,
        )
        totals = {}
        for path in Path(temporary).glob("out.*"):
            text = path.read_text()
            if found := re.search(r"^desc: Trigger: Client Request: (.*)$", text, re.MULTILINE):
                summary = re.search(r"^(?:summary|totals): (\d+)", text, re.MULTILINE)
                assert summary is not None
                totals[found[1]] = int(summary[1])
    return {name: (totals[f"{name}:{UNITS + 1}"] - totals[f"{name}:1"]) / UNITS for name in ("upgrade", "echo")}


def main() -> None:
    if len(sys.argv) == 3:
        return child(sys.argv[1], sys.argv[2] == "1")
    unseen, counted = count(False), count(True)
    print(f"{'':>8} {'unseen':>12} {'counted':>12} {'more':>8}")
    for name, before in unseen.items():
        print(f"{name:>8} {before:>12,.0f} {counted[name]:>12,.0f} {counted[name] / before - 1:>8.2%}")
    return None


if __name__ == "__main__":
    main()
