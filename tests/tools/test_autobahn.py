"""tools/autobahn.py, with a program in the place of Autobahn's that speaks to the server and writes a report."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from processes import TIMEOUT, environment

ROOT = Path(__file__).parents[2]
TOOL = ROOT / "tools" / "autobahn.py"
WSTEST = """#!{python}
import json
import sys
from pathlib import Path
from urllib.parse import urlsplit

sys.path[:0] = [{tests!r}, {wire!r}]
from peer import BINARY, PING, TEXT, Peer, close_frame, frame

assert sys.argv[1:4] == ["-m", "fuzzingclient", "-s"]
spec = json.loads(Path(sys.argv[4]).read_text())
(server,) = spec["servers"]
with Peer(("127.0.0.1", urlsplit(server["url"]).port)) as peer:
    peer.open("/")
    # Text, bytes, and a text longer than wirefast's default, 16 MiB, as 9.1.6 has; then a clean close.
    for opcode, data in ((TEXT, b"text"), (BINARY, b"\\0\\xff"), (TEXT, b"x" * (2**24 + 1))):
        peer.send(frame(opcode, data))
        answer = peer.frame()
        assert (answer.opcode, answer.data) == (opcode, data), answer.opcode
    peer.send(close_frame())
    assert peer.frame().code == 1000
results = {{case: {{"behavior": {behavior!r}, "behaviorClose": "OK"}} for case in spec["cases"]}}
Path(spec["outdir"]).mkdir(parents=True)
Path(spec["outdir"], "index.json").write_text(json.dumps({{server["agent"]: results}}))
"""


def run(folder: Path, behavior: str) -> subprocess.CompletedProcess[str]:
    wstest = folder / "wstest"
    tests = str(ROOT / "tests")
    wstest.write_text(
        WSTEST.format(python=sys.executable, tests=tests, wire=f"{tests}/wire", behavior=behavior), encoding="utf-8"
    )
    wstest.chmod(0o755)
    command = [sys.executable, str(TOOL), "--wstest", str(wstest), "--cases", "2.10", "2.9"]
    return subprocess.run(command, env=environment(), capture_output=True, text=True, timeout=TIMEOUT)


@pytest.mark.parametrize(("behavior", "code"), [("INFORMATIONAL", 0), ("FAILED", 1)])
def test_it_serves_both_ways_and_tells_what_fails(tmp_path: Path, behavior: str, code: int) -> None:
    done = run(tmp_path, behavior)
    assert done.returncode == code, done.stdout + done.stderr
    *named, head, _, sockets, loop = done.stdout.splitlines()
    assert head == "| transport | cases | results | seconds |"
    assert sockets.startswith(f"| sockets | 2 | 2 {behavior} | ")
    assert loop.startswith(f"| loop | 2 | 2 {behavior} | ")
    transports_and_cases = [(transport, case) for transport in ("sockets", "loop") for case in ("2.9", "2.10")]
    told = [f"{transport} {case}: {behavior}, its close: OK" for transport, case in transports_and_cases]
    assert named == told


def test_a_program_that_fails_is_a_failure(tmp_path: Path) -> None:
    wstest = tmp_path / "wstest"
    wstest.write_text("#!/bin/sh\necho it is broken\nexit 3\n", encoding="utf-8")
    wstest.chmod(0o755)
    command = [sys.executable, str(TOOL), "--wstest", str(wstest)]
    done = subprocess.run(command, env=environment(), capture_output=True, text=True, timeout=TIMEOUT)
    assert done.returncode == 1 and "it is broken" in done.stderr
    missing = subprocess.run([*command[:-1], str(tmp_path / "none")], capture_output=True, text=True, timeout=TIMEOUT)
    assert missing.returncode == 1 and "autobahntestsuite" in missing.stderr
