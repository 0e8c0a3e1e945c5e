"""The examples do what they say, over TestClient; the chat also in a real server with real clients."""

from __future__ import annotations

import importlib.util
import json
import re
import shutil
import socket
import struct
import sys
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import connect

from examples_here import EXAMPLES as EXAMPLES_HERE
from examples_here import HAS_BODY_LIMITS, forget_tables
from processes import TIMEOUT, ServerProcess, running
from wirefast.testclient import TestClient
from wirefast.websockets import WebSocketDisconnect

EXAMPLES = Path(__file__).parents[2] / "examples"


def load(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(f"example_{name}", EXAMPLES / f"{name}.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # where annotations find the module's names
    spec.loader.exec_module(module)
    return module


def test_pages_name_their_icon() -> None:
    """Without one the browser asks for /favicon.ico, and the log of a first try has a 404."""
    pages = [
        path
        for path in EXAMPLES.rglob("*.*")
        if path.is_file() and "<title>" in path.read_text(encoding="utf-8", errors="ignore")
    ]
    assert len(pages) >= 3
    assert [path.name for path in pages if 'rel="icon"' not in path.read_text(encoding="utf-8")] == []


def test_the_files_that_the_page_on_testing_names_are_enough(tmp_path: Path) -> None:
    page = (EXAMPLES.parent / "docs" / "testing.md").read_text(encoding="utf-8")
    (line,) = [line for line in page.splitlines() if line.startswith("from chat import app")]
    for name in re.findall(r"examples/([\w.]+)", line):
        shutil.copy(EXAMPLES / name, tmp_path)
    spec = importlib.util.spec_from_file_location("copied_chat", tmp_path / "chat.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    assert TestClient(module.app).get("/").status_code == 200


def test_echo() -> None:
    client = TestClient(load("echo").app)
    with client.websocket_connect("/text") as websocket:
        websocket.send_text("grüße")
        assert websocket.receive_text() == "grüße"
    with client.websocket_connect("/bytes") as websocket:
        websocket.send_bytes(b"\x00\xff")
        assert websocket.receive_bytes() == b"\x00\xff"
    for path, mode in (("/json", "text"), ("/json?mode=binary", "binary")):
        with client.websocket_connect(path) as websocket:
            websocket.send_json({"n": [1, None, "é"]}, mode=mode)
            message = websocket.receive()
            kind = "bytes" if mode == "binary" else "text"
            assert json.loads(message[kind]) == {"n": [1, None, "é"]}


@pytest.mark.parametrize(
    ("query", "headers"),
    [
        ("?token=rosebud", {}),
        ("", {"Cookie": "session=rosebud"}),
        ("", {"X-Token": "rosebud"}),
    ],
)
def test_dependencies(query: str, headers: dict[str, str]) -> None:
    example = load("dependencies")
    with TestClient(example.app).websocket_connect(f"/notes{query}", headers=headers) as websocket:
        assert websocket.receive_text() == "Hello, Ada"
        websocket.send_text("remember")
        assert websocket.receive_text() == "1: remember"
    assert example.Notes.saved == {"Ada": ["remember"]}


@pytest.mark.parametrize(
    ("path", "reason"),
    [
        ("/notes", "a token is needed"),
        ("/notes?token=wrong", "unknown token"),
        ("/notes?token=rosebud&greeting=123456789012345678901", "at most 20 characters"),
    ],
)
def test_dependencies_refuse(path: str, reason: str) -> None:
    with pytest.raises(WebSocketDisconnect) as caught:
        with TestClient(load("dependencies").app).websocket_connect(path):
            pass
    assert caught.value.code == 1008
    assert reason in str(caught.value.reason)


def test_dependencies_security() -> None:
    client = TestClient(load("dependencies").app)
    with client.websocket_connect("/private", headers={"Authorization": "Bearer open-sesame"}) as websocket:
        websocket.send_json([1])
        assert websocket.receive_json() == {"user": "Grace", "heard": [1]}
    with pytest.raises(WebSocketDisconnect) as caught:
        with client.websocket_connect("/private", headers={"Authorization": "Bearer wrong"}):
            pass
    assert caught.value.code == 1008


def test_migration() -> None:
    pytest.importorskip("fastapi")
    client = TestClient(load("migration").app)
    assert client.get("/hello?name=ada").json() == {"hello": "Ada"}
    with client.websocket_connect("/before?name=ada") as websocket:
        websocket.send_text("hi")
        assert websocket.receive_text() == "Ada: hi"
    with client.websocket_connect("/live/rooms/7?name=ada") as websocket:
        websocket.send_text("hi")
        assert websocket.receive_json() == {"room": 7, "name": "Ada", "text": "hi"}
    for path in ("/live/rooms/x", "/live/rooms/7?name=a"):
        with pytest.raises(WebSocketDisconnect) as caught:
            with client.websocket_connect(path):
                pass
        assert caught.value.code == 1008


def test_only_the_migration_imports_fastapi() -> None:
    for path in EXAMPLES.glob("*.py"):
        assert ("import fastapi" in path.read_text(encoding="utf-8")) == (path.name == "migration.py")


def test_chat() -> None:
    with TestClient(load("chat").app) as client:
        page = client.get("/")
        assert page.headers["content-type"].startswith("text/html")
        assert "new WebSocket(" in page.text
        with client.websocket_connect("/ws/7") as seven:
            with client.websocket_connect("/ws/8") as eight:
                eight.send_text("hello")
                assert eight.receive_text() == "You wrote: hello"
                assert eight.receive_text() == "Client #8 says: hello"
                assert seven.receive_text() == "Client #8 says: hello"
                # Before the block ends, since then TestClient cancels the endpoint, whether it has finished or not.
                eight.close()
                assert seven.receive_text() == "Client #8 left the chat"


@pytest.fixture
def chat_server() -> Iterator[tuple[ServerProcess, int]]:
    with running(str(EXAMPLES / "chat.py"), "--port", "0") as server:
        yield server, server.wait_for_port()


def test_chat_for_real(chat_server: tuple[ServerProcess, int]) -> None:
    server, port = chat_server
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/", timeout=TIMEOUT) as response:
        assert response.headers["content-type"].startswith("text/html")
        assert b"new WebSocket(" in response.read()

    url = f"ws://127.0.0.1:{port}/ws/"
    with pytest.raises(InvalidStatus) as refused:
        connect(f"{url}seven")
    assert refused.value.response.status_code == 403

    with connect(f"{url}7") as seven:
        with connect(f"{url}8") as eight, connect(f"{url}9") as nine:
            eight.send("hello")
            assert eight.recv(TIMEOUT) == "You wrote: hello"
            for client in (seven, eight, nine):
                assert client.recv(TIMEOUT) == "Client #8 says: hello"

            # Nine vanishes without a close frame: its connection is reset.
            nine.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            nine.socket.close()
            eight.send("still there?")
            heard = {eight.recv(TIMEOUT) for _ in range(3)}
            assert heard == {"You wrote: still there?", "Client #8 says: still there?", "Client #9 left the chat"}
            assert {seven.recv(TIMEOUT) for _ in range(2)} == heard - {"You wrote: still there?"}
        assert seven.recv(TIMEOUT) == "Client #8 left the chat"
        with connect(f"{url}10") as ten:
            ten.send(b"\x00")
            with pytest.raises(ConnectionClosed) as closed:
                ten.recv(TIMEOUT)
            assert closed.value.rcvd is not None and closed.value.rcvd.code == 1003
        assert seven.recv(TIMEOUT) == "Client #10 left the chat"
        seven.send("alone")
        assert [seven.recv(TIMEOUT), seven.recv(TIMEOUT)] == ["You wrote: alone", "Client #7 says: alone"]
    server.end()
    assert "Traceback" not in server.log


def test_every_example_starts() -> None:
    for path in EXAMPLES_HERE:
        if path.name == "chat_redis.py":  # in wire/test_rooms_redis.py: it needs a Redis
            continue
        if path.name == "migration.py" and importlib.util.find_spec("fastapi") is None:
            continue
        with running(str(path), "--port", "0") as server:
            server.wait_for_port()


def test_typed_chat() -> None:
    with TestClient(load("typed_chat").app) as client:
        with client.websocket_connect("/rooms/1?name=ada") as ada:
            assert ada.receive_json() == {"type": "joined", "by": "ada", "text": ""}
            with client.websocket_connect("/rooms/1?name=bob") as bob:
                for websocket in (ada, bob):
                    assert websocket.receive_json() == {"type": "joined", "by": "bob", "text": ""}
                bob.send_json({"type": "say", "text": "hello"})
                for websocket in (ada, bob):
                    assert websocket.receive_json() == {"type": "said", "by": "bob", "text": "hello"}
                bob.send_json({"type": "say", "text": "", "ref": 1})
                assert bob.receive_json()["code"] == "invalid"
            assert ada.receive_json() == {"type": "left", "by": "bob", "text": ""}


def test_the_typed_chat_has_thirty_lines() -> None:
    source = (EXAMPLES / "typed_chat.py").read_text(encoding="utf-8")
    code = [line for line in source.partition('"""\n\n')[2].splitlines() if line.strip()]
    assert len([line for line in code if not line.startswith(("from ", "import "))]) <= 30


def test_dashboard() -> None:
    client = TestClient(load("dashboard").app)
    with client.websocket_connect("/load?every=0.1") as websocket:
        assert [set(websocket.receive_json()) for _ in range(2)] == [{"one", "five", "fifteen"}] * 2


def test_orders(tmp_path: Path) -> None:
    forget_tables()
    example = load("orders")
    example.engine = example.create_engine(  # type: ignore[attr-defined]
        f"sqlite:///{tmp_path / 'orders.db'}", connect_args={"check_same_thread": False}
    )
    with TestClient(example.app).websocket_connect("/orders") as websocket:

        def ask(message: dict[str, object]) -> dict[str, object]:
            websocket.send_json(message)
            answer: dict[str, object] = websocket.receive_json()
            return answer

        ordered = {"ref": "a", "type": "ordered", "id": 1, "item": "tea", "amount": 2}
        assert ask({"type": "order", "item": "tea", "amount": 2, "ref": "a"}) == ordered
        assert ask({"type": "find", "id": 1, "ref": "b"}) == {**ordered, "ref": "b"}
        assert ask({"type": "find", "id": 2, "ref": "c"})["code"] == "unknown_order"
        assert ask({"type": "order", "item": "", "ref": "d"})["code"] == "invalid"
        assert ask({"type": "order", "item": "milk", "ref": "e"})["id"] == 2
        # A session is over with its message: at most that of the last one, whose reply is here, is not.
        assert example.engine.pool.checkedout() <= 1
    assert example.engine.pool.checkedout() == 0
    example.engine.dispose()


@pytest.mark.skipif(not HAS_BODY_LIMITS, reason="this Starlette has no body limits")
def test_store() -> None:
    client = TestClient(load("store").app)
    assert client.post("/items", json={"name": "lamp", "price": 5}).status_code == 401
    assert client.post("/token", data={"username": "ada", "password": "x"}).status_code == 401
    token = client.post("/token", data={"username": "ada", "password": "lovelace"}).json()["access_token"]
    client.headers["authorization"] = f"Bearer {token}"
    added = client.post("/items", json={"name": "lamp", "price": 5.0, "tags": ["old"]})
    assert (added.status_code, added.json()) == (201, {"id": 1, "name": "lamp", "price": 5, "tags": ["old"]})
    assert client.get("/items/1/photo").status_code == 204
    octets = {"content-type": "application/octet-stream"}
    assert client.put("/items/1/photo", content=b"\x00\xff", headers=octets).status_code == 204
    assert client.put("/items/1/photo", content=b"x" * 65_537, headers=octets).status_code == 413
    assert client.get("/items/1/photo").content == b"\x00\xff"
    assert client.get("/export").text.count("\n") == 1
    assert client.put("/items/1", json={"name": "lamp", "price": "5"}).status_code == 422
    assert client.delete("/items/1").status_code == 204 and client.get("/items/1").status_code == 404
    assert client.patch("/items/1").headers["allow"] == "GET, PUT, DELETE"
