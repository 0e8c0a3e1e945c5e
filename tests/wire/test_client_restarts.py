"""Generated clients under a server that is restarted: each request is answered once or fails once, never in silence.

``WIREFAST_RESTARTS=100`` restarts it so often; the suite does less.
"""

from __future__ import annotations

import asyncio
import importlib.util
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

from node_tools import compile_typescript, node_command, tool

from processes import TIMEOUT, ServerProcess, foreign, wirefast

HERE = Path(__file__).parent
SERVICE = HERE / "client_service.py"
RESTARTS = int(os.environ.get("WIREFAST_RESTARTS", "3"))
#: Requests at once.
LOAD = 20


class Restarted:
    """A server on one port, which is stopped by SIGTERM and by SIGKILL in turns."""

    def __init__(self) -> None:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        self.server = self.start()

    def start(self) -> ServerProcess:
        server = ServerProcess(str(SERVICE), "--port", str(self.port), "--no-access-log")
        server.wait_for_port()
        return server

    def restart(self, number: int) -> None:
        self.server.end(signal.SIGKILL if number % 2 else signal.SIGTERM)
        self.server = self.start()


def check(counts: dict[str, int]) -> None:
    assert counts["answered"] + counts["failed"] == counts["asked"]
    assert counts["wrong"] == 0 and counts["twice"] == 0
    assert counts["answered"] > counts["failed"]
    assert counts["opened"] > RESTARTS / 2


def test_python(tmp_path: Path) -> None:
    path = tmp_path / "restarted_client.py"
    assert wirefast("client", str(SERVICE), "-o", str(path)).returncode == 0
    spec = importlib.util.spec_from_file_location("restarted_client", path)
    assert spec is not None and spec.loader is not None
    client: Any = importlib.util.module_from_spec(spec)
    sys.modules["restarted_client"] = client
    spec.loader.exec_module(client)
    counts = dict.fromkeys(("asked", "answered", "failed", "wrong", "twice", "opened"), 0)

    async def ask(room: Any, over: asyncio.Event, worker: int) -> None:
        number = worker
        while not over.is_set():
            number += LOAD
            counts["asked"] += 1
            try:
                answer = await room.request(client.Ask(number=number), timeout=TIMEOUT)
                counts["answered"] += 1
                counts["wrong"] += answer.number != number
            except client.ConnectionLost:
                counts["failed"] += 1

    async def work() -> None:
        restarted, over = Restarted(), asyncio.Event()
        try:
            url = f"ws://127.0.0.1:{restarted.port}"
            async with client.connect("/rooms/{room_id}", url=url, room_id=1, retry_base=0.02, retry_max=0.1) as room:
                room.on("state", lambda change: counts.update(opened=counts["opened"] + (change.state == "open")))
                # An answer that comes although its request has ended is heard as a message.
                room.on("answer", lambda message: counts.update(twice=counts["twice"] + 1))
                workers = [asyncio.create_task(ask(room, over, number)) for number in range(LOAD)]
                for number in range(RESTARTS):
                    await asyncio.to_thread(restarted.restart, number)
                    before = counts["answered"]
                    while counts["answered"] == before:
                        await asyncio.sleep(0.005)
                over.set()
                await asyncio.gather(*workers)
        finally:
            restarted.server.end()

    asyncio.run(work())
    print(json.dumps(counts))
    check(counts)


SCRIPT = """
import { connect, ConnectionLost } from './socket.js';
const options = { url: process.argv[2], params: { room_id: 1 }, retry: { base: 20, max: 100 } };
const room = connect('/rooms/{room_id}', options);
const counts = { asked: 0, answered: 0, failed: 0, wrong: 0, twice: 0, opened: 0 };
let over = false;
room.on('state', (change) => { if (change.state === 'open') console.log('open', ++counts.opened); });
room.on('answer', () => counts.twice++);
process.stdin.on('data', () => (over = true));
async function ask(number) {
  for (; !over; number += LOAD) {
    counts.asked++;
    try {
      const answer = await room.request({ type: 'ask', number }, { timeout: 60000 });
      if (answer.number !== number) counts.wrong++;
      if (counts.answered++ % 100 === 0) console.log('answered');
    } catch (error) {
      if (!(error instanceof ConnectionLost)) throw error;
      counts.failed++;
    }
  }
}
await Promise.all(Array.from({ length: LOAD }, (_, number) => ask(number)));
await room.close();
console.log(JSON.stringify(counts));
process.exit();
"""


def test_typescript(tmp_path: Path) -> None:
    tool("tsc")
    assert wirefast("client", str(SERVICE), "-o", str(tmp_path / "socket.ts")).returncode == 0
    (tmp_path / "package.json").write_text('{"type": "module"}')
    compile_typescript(tmp_path / "socket.ts", out=tmp_path)
    (tmp_path / "load.js").write_text(SCRIPT.replace("LOAD", str(LOAD)))
    restarted = Restarted()
    command = [*node_command(), str(tmp_path / "load.js"), f"ws://127.0.0.1:{restarted.port}"]
    process = subprocess.Popen(command, env=foreign(), stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdin is not None and process.stdout is not None

        def wait_for(word: str) -> str:
            line = word and process.stdout.readline()  # type: ignore[union-attr]
            while not line.startswith(word):
                assert line, "the client ended"
                line = process.stdout.readline()  # type: ignore[union-attr]
            return line

        wait_for("answered")
        for number in range(RESTARTS):
            restarted.restart(number)
            wait_for("open")
            wait_for("answered")
        process.stdin.write("over\n")
        process.stdin.flush()
        counts = json.loads(wait_for("{"))
        print(json.dumps(counts))
        check(counts)
    finally:
        process.kill()
        process.wait()
        for stream in (process.stdin, process.stdout):
            if stream is not None:
                stream.close()
        restarted.server.end()
    assert shutil.which("node")
