"""Each extra alone is enough for what it promises: no import reaches a package that the extra does not bring."""

from __future__ import annotations

import importlib.metadata
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

#: Runs a program that finds none of the modules that are named first.
CHILD = """
import json, sys
hidden = set(json.loads(sys.argv[1]))

class Hidden:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in hidden:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)

sys.meta_path.insert(0, Hidden())
exec(sys.argv[2], {"__name__": "program"})
"""

APP = """
from wirefast import App, WebSocket
from wirefast.rooms import Hub
app = App(hub=Hub())
room = app.messages("/rooms/{room_id}")
@room.on_connect
async def joined(websocket: WebSocket, room_id: int, hub: Hub):
    await websocket.accept()
@app.websocket("/refuses")
async def refuses(websocket: WebSocket):
    await websocket.close(4001, "not today")
assert app.openapi() and app.asyncapi()
"""
README = re.findall(r"```python\n(.*?)```", (Path(__file__).parents[2] / "README.md").read_text(encoding="utf-8"), re.S)
PROMISES = {
    "": "",
    "server": """
from wirefast.cli import main
from wirefast.server import HttpProtocol, WebSocketProtocol
assert main(["--help"]) == 0
""",
    "testclient": f"""
import pydantic
{README[0]}
{README[1]}
from wirefast.testclient import WebSocketDenialResponse
try:
    with TestClient(app, wire=True).websocket_connect("/rooms/x"):
        raise AssertionError
except WebSocketDenialResponse as refused:
    assert refused.json()["code"] == 1008
""",
    "testing": """
import asyncio
import pytest_wirefast
from wirefast.testing import Refused, fuzz, live
async def test():
    async with live(app) as server:
        async with server.connect("/rooms/1"):
            pass
asyncio.run(test())
""",
    "forms": """
from wirefast import Form
@app.post("/")
def post(name: str = Form()) -> str:
    return name
assert "/" in app.openapi()["paths"]
""",
    "redis": "Hub('redis://localhost:1')",
    "nats": "Hub('nats://localhost:1')",
    "metrics": "App(metrics='/metrics')",
    "telemetry": "App(telemetry={}).websocket('/')(refuses)",
    "opentelemetry": "App(telemetry={'auto_configure': True}).websocket('/')(refuses)",
    "docs-assets": "from wirefast.documents import assets",
}


def brought(extra: str) -> set[str]:
    """Return the names of wirefast and all that it needs with an extra, as they are installed here."""
    found: set[tuple[str, str]] = set()
    todo = [("wirefast", extra), ("wirefast", "")]
    while todo:
        name, part = todo.pop()
        if (name, part) in found:
            continue
        found.add((name, part))
        for line in importlib.metadata.requires(name) or []:
            wanted = Requirement(line)
            if wanted.marker is None or wanted.marker.evaluate({"extra": part}):
                todo += [(canonicalize_name(wanted.name), each) for each in ("", *wanted.extras)]
    return {name for name, _ in found}


def run(program: str, extra: str) -> subprocess.CompletedProcess[str]:
    """Run a program with the packages of one extra."""
    names = brought(extra)
    hidden = [
        module
        for module, owners in importlib.metadata.packages_distributions().items()
        if not {canonicalize_name(owner) for owner in owners} & names
    ]
    assert "pytest_asyncio" in hidden
    # Plugins of packages that are hidden have entry points all the same.
    environment = {**os.environ, "HYPOTHESIS_NO_PLUGINS": "1"}
    command = [sys.executable, "-c", CHILD, json.dumps(hidden), program]
    return subprocess.run(command, capture_output=True, text=True, timeout=120, check=False, env=environment)


@pytest.mark.parametrize("extra", PROMISES)
def test_an_extra_alone_is_enough(extra: str) -> None:
    try:
        brought(extra)
    except importlib.metadata.PackageNotFoundError as missing:
        pytest.skip(f"{missing} is not installed for this Python")
    done = run(APP + PROMISES[extra], extra)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(
    ("statement", "extra", "missing"),
    [
        ("import wirefast.testing", "testclient", "uvicorn"),
        ("from wirefast.testing import fuzz", "server", "hypothesis"),
    ],
)
def test_the_error_names_the_extra(statement: str, extra: str, missing: str) -> None:
    done = run(statement, extra)
    last = done.stderr.splitlines()[-1]
    assert re.search(rf"^ModuleNotFoundError: wirefast\.testing.* needs {missing}: .*pip install .*\[testing\]", last)
