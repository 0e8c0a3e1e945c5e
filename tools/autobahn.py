"""Autobahn's test suite against ``wirefast run``, over our own sockets and over the loop's transports.

    python tools/autobahn.py                                   all cases but those of speed and compression
    python tools/autobahn.py --cases '12.*' --transport loop   some cases, over one of them

The program is `wstest`, of the package autobahntestsuite, which needs Python 2.7; ``--wstest`` says where it is. The
last lines are a table of the results. The exit code is 0 only where each case passed and
closed as it has to, and the server's log has no error.
"""

from __future__ import annotations

import argparse
import json
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from pathlib import Path
from typing import Any

from wirefast import App, WebSocket

#: Everything but 9.*, which measures speed, and 12.* and 13.*, compression, which take many minutes.
CASES = ["1.*", "2.*", "3.*", "4.*", "5.*", "6.*", "7.*", "10.*"]
TRANSPORTS = ["sockets", "loop"]
#: What is no failure: INFORMATIONAL has no right answer, NON-STRICT is one of two that the standard allows, and
#: UNIMPLEMENTED is an offer of compression that a server may refuse.
PASSED = {"OK", "NON-STRICT", "INFORMATIONAL", "UNIMPLEMENTED"}

app = App()


@app.websocket("/")
async def echo(websocket: WebSocket) -> None:
    """Send each message back, text as text and bytes as bytes."""
    await websocket.accept()
    while (message := await websocket.receive())["type"] == "websocket.receive":
        if message.get("text") is not None:
            await websocket.send_text(message["text"])
        else:
            await websocket.send_bytes(message["bytes"])


class Server:
    """A running server, its port, and the lines of its log that are no news."""

    def __init__(self, transport: str) -> None:
        command = [sys.executable, "-m", "wirefast", "run", f"{Path(__file__).resolve()}:app", "--port", "0"]
        command += ["--transport", transport, "--no-access-log", "--ws-per-message-deflate", "true"]
        command += ["--ws-max-size", str(2**25), "--ws-ping-interval", "0"]
        self.process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
        self.errors: list[str] = []
        self.port = self.read()
        # Someone has to read the log, else the server waits for room in the pipe.
        self.reader = threading.Thread(target=self.read, daemon=True)
        self.reader.start()

    def read(self) -> int:
        """Read the log up to the port, or to its end: 0."""
        assert self.process.stderr is not None
        for line in self.process.stderr:
            if found := re.search(r"running on http://[^ ]*:(\d+)", line):
                return int(found[1])
            if not line.startswith(("INFO:", "WARNING:")):
                self.errors.append(line)
        return 0

    def stop(self) -> None:
        self.process.send_signal(signal.SIGTERM)
        self.process.wait(60)
        self.reader.join()


def run(wstest: str, transport: str, cases: list[str], folder: Path) -> dict[str, dict[str, Any]]:
    """Return what each case ended with.

    Raises:
        SystemExit: Autobahn failed, or the server, or the server's log has an error.
    """
    server = Server(transport)
    reports = folder / transport
    try:
        agent = {"agent": transport, "url": f"ws://127.0.0.1:{server.port}/"}
        spec = {"outdir": str(reports), "servers": [agent], "cases": cases, "exclude-cases": []}
        path = folder / f"{transport}.json"
        path.write_text(json.dumps(spec), encoding="utf-8")
        done = subprocess.run([wstest, "-m", "fuzzingclient", "-s", str(path)], capture_output=True, text=True)
    finally:
        server.stop()
    if server.errors:
        raise SystemExit("the log of the server has\n" + "".join(server.errors))
    if done.returncode or not (reports / "index.json").exists():
        raise SystemExit(done.stdout[-3000:] + done.stderr[-3000:])
    found: dict[str, dict[str, Any]] = json.loads((reports / "index.json").read_text(encoding="utf-8"))[transport]
    return found


def order(case: str) -> list[int]:
    return [int(number) for number in case.split(".")]


def main() -> int:
    parser = argparse.ArgumentParser(description="Run Autobahn's cases against wirefast.")
    parser.add_argument("--cases", nargs="+", default=CASES, help=f"patterns of Autobahn's; default: {' '.join(CASES)}")
    parser.add_argument("--transport", choices=TRANSPORTS, action="append", help="default: each, one after the other")
    parser.add_argument("--wstest", default="wstest", help="the program; default: the one in PATH")
    options = parser.parse_args()
    wstest = shutil.which(options.wstest)
    if wstest is None:
        raise SystemExit(f"there is no {options.wstest!r}: python2.7 -m pip install --user autobahntestsuite")
    failed = False
    table = []
    with tempfile.TemporaryDirectory(prefix="wirefast-autobahn-") as name:
        for transport in options.transport or TRANSPORTS:
            started = time.monotonic()
            found = run(wstest, transport, options.cases, Path(name))
            seconds = time.monotonic() - started
            for case in sorted(found, key=order):
                result = found[case]
                if {result["behavior"], result["behaviorClose"]} != {"OK"}:
                    print(f"{transport} {case}: {result['behavior']}, its close: {result['behaviorClose']}")
                failed |= not {result["behavior"], result["behaviorClose"]} <= PASSED
            failed |= not found
            counts = Counter(result["behavior"] for result in found.values())
            told = ", ".join(f"{count} {name}" for name, count in counts.most_common())
            table.append(f"| {transport} | {len(found)} | {told or 'none ran'} | {seconds:.0f} |")
    print("| transport | cases | results | seconds |", "|---|---|---|---|", *table, sep="\n")
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())
