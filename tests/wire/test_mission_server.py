"""The same examples behind a real server process, with a real client: what the wire shows."""

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import connect

TESTS = Path(__file__).parent.parent
SECONDS = 15


@pytest.fixture(scope="module", params=["websockets-sansio", "wirefast.server:WebSocketProtocol"])
def server(request) -> Iterator[str]:
    """The base URL of a server that mounts every example, with uvicorn's own protocol and with ours."""
    command = [sys.executable, "-m", "uvicorn", "mission.everything:app", "--app-dir", str(TESTS)]
    command += ["--host", "127.0.0.1", "--port", "0", "--ws", request.param]
    with subprocess.Popen(command, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True) as process:
        try:
            yield f"ws://127.0.0.1:{_port(process)}"
        finally:
            process.terminate()
            process.communicate(timeout=SECONDS)


def _port(process: subprocess.Popen) -> int:
    lines = []
    for line in process.stderr:
        lines.append(line)
        if running := re.search(r"running on http://127\.0\.0\.1:(\d+)", line):
            return int(running[1])
    raise RuntimeError("the server did not start:\n" + "".join(lines))


@pytest.fixture
def open_(server):
    """Connect to a path of the server; the connection is closed with the ``with`` block."""

    def opened(path, **options):
        return connect(server + path, open_timeout=SECONDS, close_timeout=SECONDS, **options)

    return opened


def refusal(open_, path, **options):
    with pytest.raises(InvalidStatus) as caught:
        open_(path, **options)
    return caught.value.response


def closing(session):
    with pytest.raises(ConnectionClosed) as caught:
        session.recv(timeout=SECONDS)
    return caught.value.rcvd


@pytest.mark.parametrize(
    "path, sent, received",
    [
        ("/echo/ws", ["a", "é" * 1000], ["echo: a", "echo: " + "é" * 1000]),
        ("/basic/ws", ["hi"], ["Message text was: hi"]),
        ("/routing/ws", ["hi"], ["Message text was: hi"]),
        ("/path_parameters/ws/7", ["hi"], ["Client 7: hi"]),
        ("/prefixes/chat/room/red", [], ["Welcome to room red"]),
        ("/prefixes/v2/chat/room/red", [], ["Welcome to room red"]),
        ("/query_parameters/ws?room=r&user_id=3", ["x"], ["Welcome to room r, user 3!", "[r] User 3: x"]),
        ("/dependencies/items?session=s", [], ["Session: s"]),
        ("/manager/ws/1", ["x"], ["You wrote: x", "Client #1 says: x"]),
        ("/custom_close/ws/custom-close", ["x"], ["Received: x"]),
        ("/connection/iterate/json", ["[1]"], ['{"kind":"json","message":[1]}']),
        ("/safe/ws/safe", ["{", "{}"], ['{"error":"Invalid JSON format"}', '{"error":"Missing \'action\' field"}']),
    ],
)
def test_conversations(open_, path, sent, received):
    with open_(path) as session:
        for text in sent:
            session.send(text)
        assert [session.recv(timeout=SECONDS) for _ in received] == received


def test_json_both_ways(open_):
    with open_("/json_messages/ws/json") as session:
        session.send('{"é": [1]}')
        assert json.loads(session.recv(timeout=SECONDS))["original_message"] == {"é": [1]}


@pytest.mark.parametrize(
    "text, code, reason", [("close", 1000, "Client requested close"), ("error", 1011, "Server error occurred")]
)
def test_close_frames_carry_code_and_reason(open_, text, code, reason):
    with open_("/custom_close/ws/custom-close") as session:
        session.send(text)
        frame = closing(session)
    assert (frame.code, frame.reason) == (code, reason)


def test_bearer_token(open_):
    with open_("/bearer/ws", additional_headers={"Authorization": "Bearer valid-token"}) as session:
        assert session.recv(timeout=SECONDS) == "Authenticated with token: valid-token"
    response = refusal(open_, "/bearer/ws")
    assert (response.status_code, response.body) == (401, b'{"detail":"Not authenticated"}')
    assert response.headers["www-authenticate"] == "Bearer"


@pytest.mark.parametrize(
    "path", ["/nothing", "/path_parameters/ws/x", "/query_parameters/ws", "/dependencies/items", "/overview/refused"]
)
def test_refused_handshakes_are_http_403(open_, path, request):
    ours = request.node.callspec.params["server"] == "wirefast.server:WebSocketProtocol"
    assert refusal(open_, path).status_code == (404 if ours and path == "/nothing" else 403)


def test_websocket_exception_after_accept(open_):
    with open_("/overview/refused?after_accept=1") as session:
        frame = closing(session)
    assert (frame.code, frame.reason) == (1008, "not for you")


def test_two_clients_of_the_manager(open_):
    with open_("/manager/ws/1") as one, open_("/manager/ws/2") as two:
        two.send("hello")
        assert two.recv(timeout=SECONDS) == "You wrote: hello"
        assert one.recv(timeout=SECONDS) == "Client #2 says: hello"
        assert two.recv(timeout=SECONDS) == "Client #2 says: hello"
        two.close()
        assert one.recv(timeout=SECONDS) == "Client #2 left the chat"


def test_subprotocol_headers_and_binary(open_):
    with open_("/connection/members/n", subprotocols=["chat"], additional_headers={"Cookie": "c=d"}) as session:
        assert session.subprotocol == "chat" and session.response.headers["x-served-by"] == "wirefast"
        assert json.loads(session.recv(timeout=SECONDS))["cookies"] == {"c": "d"}
        assert session.recv(timeout=SECONDS) == b'{"mode":"binary"}'
        assert session.recv(timeout=SECONDS) == b"\x00\x01"
        assert closing(session).code == 4000
