"""sentry-sdk as it is, initialised as its documentation says: it sees requests and sockets, by the route's path."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("sentry_sdk")
PROGRAM = Path(__file__).with_name("sentry.py")


def run(*arguments):
    done = subprocess.run([sys.executable, "-W", "ignore", PROGRAM, *arguments], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


@pytest.mark.parametrize("arguments", ["before", "after", "late", "before fastapi"])
def test_sentry_sees_requests_and_sockets(arguments):
    found = run(*arguments.split())
    said = '{"said":"hello"}'
    assert found["answers"] == [3, 500, {"body": said}, "KeyError", "KeyError"]
    assert found["steps"] == ["rolled back", "closed"]
    seen = {(event["type"], event["transaction"], *event["exceptions"]) for event in found["events"]}
    assert seen == {
        ("transaction", "/plain/{number}"),
        ("transaction", "/out/in/failing/{number}"),
        ("event", "/out/in/failing/{number}", "ValueError"),
        ("transaction", "/out/in/handled"),
        ("transaction", "/ws/{number}"),
        ("event", "/ws/{number}", "KeyError"),
        ("transaction", "/out/in/ws/{number}"),
        ("event", "/out/in/ws/{number}", "KeyError"),
    }
    operations = {event["operation"] for event in found["events"] if "/ws/" in event["transaction"]}
    assert operations == {"websocket.server"}
    if arguments != "late":  # what patches a route's making comes before it, with FastAPI too
        (failed,) = (event for event in found["events"] if event["exceptions"] == ["ValueError"])
        assert failed["data"] == {"said": "hello"}
