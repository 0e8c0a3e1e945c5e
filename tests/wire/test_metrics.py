"""Metrics and the local socket of a real ``wirefast run``, alone and with workers."""

from __future__ import annotations

import asyncio
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from peer import PING, TEXT, Frame, Peer, close_frame, frame
from peer import request as handshake
from prometheus_client.parser import text_string_to_metric_families

from processes import ServerProcess, running, wirefast
from slower import SLOWER
from wirefast.server import serving
from wirefast.server.config import Config

SERVICE = """
import asyncio
from typing import Literal
from pydantic import BaseModel
from wirefast import App, WebSocket, WebSocketException
from wirefast.rooms import Hub

hub = Hub()
app = App(metrics="/metrics", hub=hub)
well = True

class Say(BaseModel):
    type: Literal["say"] = "say"
    text: str

@app.websocket("/echo/{name}")
async def echo(websocket: WebSocket, name: str):
    if name == "nobody":
        raise WebSocketException(1008)
    websocket.state.user = name
    await websocket.accept()
    await hub.join("lobby", websocket)
    async for text in websocket.iter_text():
        if text == "enough":
            await websocket.close(4000, "enough\\nnow")
            return
        if text.startswith("publish"):
            await hub.publish("lobby", text[7:])
        else:
            await websocket.send_text(text)

chat = app.messages("/chat")

@chat.on
async def say(message: Say) -> Say:
    return message

@app.post("/ill")
async def ill():
    global well
    well = False

@app.readiness
async def is_well():
    return well
"""


@pytest.fixture
def run_dir(short_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("WIREFAST_RUN_DIR", str(short_path / "run"))
    return short_path / "run"


@pytest.fixture
def opened() -> Iterator[Callable[..., Peer]]:
    peers: list[Peer] = []

    def open_one(port: int, path: str) -> Peer:
        peers.append(Peer(("127.0.0.1", port), timeout=20.0 * SLOWER))
        peers[-1].open(path)
        return peers[-1]

    yield open_one
    for peer in peers:
        peer.sock.close()


@contextmanager
def service(directory: Path, *more: str) -> Iterator[tuple[ServerProcess, int, int]]:
    """A service, its port and that of its metrics."""
    (directory / "service.py").write_text(SERVICE)
    with running("service", "--port", "0", "--metrics-port", "0", *more, cwd=directory) as server:
        if "--workers" in more:
            port = server.wait_for_port()
            metrics = int(server.wait_for(r"Metrics on http://127.0.0.1:(\d+)")[1])
            for _ in range(int(more[more.index("--workers") + 1])):
                server.wait_for("Application startup complete")
        else:
            metrics = int(server.wait_for(r"Metrics on http://127.0.0.1:(\d+)")[1])
            port = server.wait_for_port()
        yield server, port, metrics
        server.process.send_signal(signal.SIGTERM)
        server.process.send_signal(signal.SIGTERM)


def fetch(port: int, path: str = "/metrics", **headers: str) -> tuple[int, str]:
    request = urllib.request.Request(f"http://127.0.0.1:{port}{path}", headers=headers)
    try:
        with urllib.request.urlopen(request, timeout=20 * SLOWER) as response:
            return response.status, response.read().decode()
    except urllib.error.HTTPError as exc:
        return exc.code, exc.read().decode()


def scraped(port: int) -> dict[tuple[str, ...], float]:
    """The samples by name and label values."""
    status, text = fetch(port)
    assert status == 200
    return {
        (sample.name, *(sample.labels[name] for name in sorted(sample.labels))): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def until(port: int, found: Callable[[dict[tuple[str, ...], float]], Any]) -> dict[tuple[str, ...], float]:
    """Scrape until a condition holds."""
    deadline = time.monotonic() + 20 * SLOWER
    while not found(samples := scraped(port)):
        assert time.monotonic() < deadline, samples
        time.sleep(0.05)
    return samples


def test_what_is_counted(opened: Callable[..., Peer], run_dir: Path, tmp_path: Path) -> None:
    with service(tmp_path) as (_, port, metrics):
        ada, bob = opened(port, "/echo/ada"), opened(port, "/echo/bob")
        for _ in range(3):
            ada.send(frame(TEXT, b"hello"))
            assert ada.frame().data == b"hello"
        with Peer(("127.0.0.1", port)) as refused:
            refused.send(handshake("/echo/nobody"))
            assert refused.response().status == 403
        chat = opened(port, "/chat")
        chat.send(frame(TEXT, b'{"type":"say","text":"x"}'))
        assert b'"x"' in chat.frame().data
        bob.send(close_frame(4711))
        route = "/echo/{name}"
        samples = until(metrics, lambda found: ("wirefast_closes_total", "private", "client") in found)
        assert samples["wirefast_sockets_open", route] == 1
        assert samples["wirefast_handshakes_total", "accepted"] == 3
        assert samples["wirefast_handshakes_total", "refused"] == 1
        assert samples["wirefast_messages_total", "in", route] == 3
        assert samples["wirefast_message_bytes_total", "out", route] == 15
        assert samples["wirefast_handler_seconds_count", "/chat", "say"] == 1
        assert samples["wirefast_rooms",] == 1 and samples["wirefast_room_members",] == 1
        assert samples["wirefast_workers",] == 1
        assert samples["wirefast_resident_memory_bytes", "0"] > 10_000_000
        assert 0 <= samples["wirefast_loop_busy_ratio", "0"] < 5
        # The application's page has the same.
        assert scraped(port)["wirefast_handshakes_total", "accepted"] == 3
        status, text = fetch(port, Accept="application/openmetrics-text; version=1.0.0")
        assert status == 200 and text.endswith("# EOF\n")


def test_one_answer_for_all_workers_also_after_one_has_died(
    opened: Callable[..., Peer], run_dir: Path, tmp_path: Path
) -> None:
    with service(tmp_path, "--workers", "3") as (server, port, metrics):
        until(metrics, lambda found: found["wirefast_workers",] == 3)
        peers = [opened(port, f"/echo/{number}") for number in range(30)]
        for peer in peers:
            peer.send(frame(TEXT, b"hello"))
            assert peer.frame().data == b"hello"
        samples = until(metrics, lambda found: found["wirefast_messages_total", "in", "/echo/{name}"] == 30)
        assert samples["wirefast_sockets_open", "/echo/{name}"] == 30
        assert len([key for key in samples if key[0] == "wirefast_resident_memory_bytes"]) == 3
        status = json.loads(wirefast("status", "--json").stdout)
        victim = max(status["workers"], key=lambda worker: worker["sockets"])
        os.kill(victim["pid"], signal.SIGKILL)
        server.wait_for(r"WARNING: .*Child process \[\d+\] died: SIGKILL")
        samples = until(metrics, lambda found: found.get(("wirefast_sockets_open", "/echo/{name}"), 0) < 30)
        assert samples["wirefast_worker_deaths_total",] == 1
        # What it had counted at the last scrape is kept: a counter that went back would look like millions of messages.
        assert samples["wirefast_messages_total", "in", "/echo/{name}"] == 30
        assert samples["wirefast_handshakes_total", "accepted"] == 30


def test_no_counter_goes_back_in_a_scrape_during_a_reload(
    opened: Callable[..., Peer], run_dir: Path, tmp_path: Path
) -> None:
    def workers() -> set[int]:
        return {worker["pid"] for worker in json.loads(wirefast("status", "--json").stdout)["workers"]}

    with service(tmp_path, "--workers", "2") as (server, port, metrics):
        until(metrics, lambda found: found["wirefast_workers",] == 2)
        for number in range(10):
            peer = opened(port, f"/echo/{number}")
            peer.send(frame(TEXT, b"hello"))
            assert peer.frame().data == b"hello"
            peer.sock.close()
        key = ("wirefast_messages_total", "in", "/echo/{name}")
        until(metrics, lambda found: found.get(key) == 10)
        before = workers()
        server.process.send_signal(signal.SIGHUP)

        def renewed(found: dict[tuple[str, ...], float]) -> bool:
            assert found[key] == 10
            now = workers()
            return len(now) == 2 and not now & before

        until(metrics, renewed)


def test_probes(run_dir: Path, tmp_path: Path) -> None:
    with service(tmp_path, "--health", "/healthz") as (_, port, metrics):
        for where in (port, metrics):
            assert fetch(where, "/healthz") == (200, "alive\n")
            assert fetch(where, "/readyz") == (200, "ready\n")
        urllib.request.urlopen(urllib.request.Request(f"http://127.0.0.1:{port}/ill", method="POST")).close()
        for where in (port, metrics):
            assert fetch(where, "/healthz") == (200, "alive\n")
            assert fetch(where, "/readyz") == (503, "not ready\n")
        assert fetch(metrics, "/else")[0] == 404


def closing(peer: Peer) -> Frame:
    """Return the next frame but for pings: on a busy machine the test takes longer than from one to the next."""
    while (found := peer.frame()).opcode == PING:
        pass
    return found


def test_looking_inside(opened: Callable[..., Peer], run_dir: Path, tmp_path: Path) -> None:
    with service(tmp_path, "--workers", "2") as (server, port, _):
        peers = [opened(port, f"/echo/{name}") for name in ("ada", "ada", "bob")]
        assert oct((run_dir / str(server.process.pid)).stat().st_mode)[-3:] == "700"
        deadline = time.monotonic() + 20 * SLOWER
        while True:
            status = json.loads(wirefast("status", "--json").stdout)
            if sum(worker["sockets"] for worker in status["workers"]) == 3:
                break
            assert time.monotonic() < deadline, status
        shown = wirefast("top", "--rounds", "2", "--every", "0.2").stdout
        assert f"wirefast {server.process.pid}" in shown and "/echo/{name}" in shown and "lobby" in shown
        kicked = wirefast("kick", "--user", "ada", "--code", "4001", "--reason", "go")
        assert kicked.stdout == "closed 2 sockets of ada\n"
        for peer in peers[:2]:
            found = closing(peer)
            assert (found.code, found.reason) == (4001, "go")
        again = wirefast("kick", "--user", "eve")
        assert again.returncode == 1 and "no socket of a user 'eve'" in again.stderr
        wrong = wirefast("kick", "--user", "bob", "--code", "1005")
        assert "closed 0" in wrong.stdout or "not a close code" in wrong.stderr
        assert wirefast("drain").stdout == "draining\n"
        assert closing(peers[2]).code == 1012
        peers[2].send(close_frame(1012))
        assert server.end(0) == 0
    assert list(run_dir.iterdir()) == []  # nothing is left behind
    assert "no service of this user runs" in wirefast("status").stderr
    assert (
        "--socket 1: no service of this user has this number; these run: none"
        in wirefast("status", "--socket", "1").stderr
    )


def test_what_a_killed_service_left_is_removed(run_dir: Path, tmp_path: Path) -> None:
    with service(tmp_path) as (server, _, _):
        server.process.kill()
        server.process.wait()
    assert len(list(run_dir.iterdir())) == 1
    with service(tmp_path) as (server, _, _):
        assert [path.name for path in run_dir.iterdir()] == [str(server.process.pid)]


def test_a_directory_that_others_may_enter_is_not_used(run_dir: Path, tmp_path: Path) -> None:
    run_dir.mkdir(mode=0o755)
    run_dir.chmod(0o755)
    (tmp_path / "service.py").write_text(SERVICE)
    with running("service", "--port", "0", cwd=tmp_path) as server:
        server.wait_for("No control socket, so no `wirefast top`: .*mode 0700")
        server.wait_for_port()
    assert list(run_dir.iterdir()) == []


PROMETHEUS = """
scrape_configs:
  - job_name: wirefast
    scrape_interval: 1s
    static_configs: [{{targets: ["127.0.0.1:{port}"]}}]
"""


@pytest.mark.parametrize(
    ("more", "answers"),
    [
        ([], {"/healthz": 404, "/readyz": 404}),
        (["--ready", "/up"], {"/up": 200, "/healthz": 404, "/readyz": 404}),
        (["--health", "/healthz"], {"/healthz": 200, "/readyz": 200}),
    ],
    ids=["neither", "ready", "health"],
)
def test_the_options_that_turn_probes_on(
    run_dir: Path, tmp_path: Path, more: list[str], answers: dict[str, int]
) -> None:
    """The application of this service has a check, which turns no probe on."""
    with service(tmp_path, *more) as (_, port, metrics):
        assert {path: fetch(port, path)[0] for path in answers} == answers
        assert {fetch(metrics, path)[0] for path in ("/healthz", "/readyz")} == {200}


@pytest.mark.skipif(shutil.which("prometheus") is None, reason="Debian's package prometheus is not installed")
def test_prometheus_scrapes_it(opened: Callable[..., Peer], run_dir: Path, tmp_path: Path) -> None:
    with service(tmp_path, "--workers", "2") as (_, port, metrics):
        peers = [opened(port, f"/echo/{number}") for number in range(5)]
        (tmp_path / "prometheus.yml").write_text(PROMETHEUS.format(port=metrics))
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            own = free.getsockname()[1]
        arguments = [f"--config.file={tmp_path}/prometheus.yml", f"--storage.tsdb.path={tmp_path}/data"]
        process = subprocess.Popen(
            ["prometheus", *arguments, f"--web.listen-address=127.0.0.1:{own}"],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        try:
            deadline = time.monotonic() + 60 * SLOWER
            while True:
                try:
                    answer = json.loads(fetch(own, "/api/v1/query?query=sum(wirefast_sockets_open)")[1])
                except (urllib.error.URLError, OSError, ValueError):
                    answer = {}
                result = answer.get("data", {}).get("result", [])
                if result and result[0]["value"][1] == "5":
                    break
                assert time.monotonic() < deadline, answer
                time.sleep(0.2)
            targets = json.loads(fetch(own, "/api/v1/targets")[1])["data"]["activeTargets"]
            assert [target["health"] for target in targets] == ["up"]
        finally:
            process.terminate()
            process.wait()
        assert len(peers) == 5


def test_the_end_of_a_socket_is_a_line(opened: Callable[..., Peer], run_dir: Path, tmp_path: Path) -> None:
    with service(tmp_path, "--request-id", "--log-format", "json") as (server, port, _):
        peer = opened(port, "/echo/ada%0Aforged")
        peer.send(frame(TEXT, b"hello"), close_frame(1001))
        line = json.loads(server.wait_for("websocket_closed").string)
        server.end(0) if server.process.poll() is not None else None
    assert re.fullmatch(r"127\.0\.0\.1:\d+", line["client"])
    assert line["path"] == "/echo/ada%0Aforged"
    assert (line["code"], line["side"]) == (1001, "client")
    assert (line["messages_in"], line["bytes_in"]) == (1, 5)
    assert 0 <= line["seconds"] < 60 and len(line["request_id"]) == 32
    assert line["level"] == "info" and line["logger"] == "uvicorn.error"


def test_a_sockets_lines_agree_about_the_client(run_dir: Path, tmp_path: Path) -> None:
    """The client that a trusted proxy tells, in each line; and why the server closed."""
    with service(tmp_path, "--log-format", "json") as (server, port, _):
        for path, said in (("/echo/ada?token=a", b"enough"), ("/echo/nobody?token=a", None)):
            with Peer(("127.0.0.1", port)) as peer:
                peer.send(handshake(path, headers=[("X-Forwarded-For", "9.9.9.9")]))
                peer.response()
                if said is not None:
                    peer.send(frame(TEXT, said)).frame()
                    peer.send(close_frame(4000))
        lines = [
            json.loads(server.wait_for(f"websocket_{event}").string) for event in ("accepted", "closed", "refused")
        ]
    assert {line["client"] for line in lines} == {"9.9.9.9:0"}
    assert [line["path"] for line in lines] == ["/echo/ada?token=***", "/echo/ada", "/echo/nobody?token=***"]
    assert (lines[1]["code"], lines[1]["side"], lines[1]["reason"]) == (4000, "server", "enough\nnow")
    assert "closed 4000 (enough\\nnow) by server" in lines[1]["message"]
    assert (lines[2]["status"], lines[2]["reason"]) == (403, "1008")


def test_a_metrics_port_that_is_taken(tmp_path: Path) -> None:
    (tmp_path / "service.py").write_text(SERVICE)
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        number = str(taken.getsockname()[1])
        ended = wirefast("run", "service", "--port", "0", "--metrics-port", number, cwd=tmp_path)
    assert ended.returncode == 1 and f"port {number} on 127.0.0.1 is already in use" in ended.stderr
    assert ended.stderr.rstrip().endswith("choose another --metrics-port")


def test_the_clients_request_id_is_taken_where_it_is_well_formed(run_dir: Path, tmp_path: Path) -> None:
    with service(tmp_path, "--request-id") as (_, port, _):
        for given, kept in (("abc-123", True), ("a b", False), ("x" * 129, False)):
            request = urllib.request.Request(f"http://127.0.0.1:{port}/nowhere", headers={"X-Request-ID": given})
            with pytest.raises(urllib.error.HTTPError) as info:
                urllib.request.urlopen(request, timeout=20)
            info.value.close()
            assert (info.value.headers["x-request-id"] == given) is kept


def test_a_handshakes_answer_says_the_id(opened: Callable[..., Peer], run_dir: Path, tmp_path: Path) -> None:
    with service(tmp_path, "--request-id") as (_, port, metrics):
        for path, status in (("/echo/ada", 101), ("/echo/nobody", 403)):
            with Peer(("127.0.0.1", port)) as peer:
                peer.send(handshake(path, headers=[("X-Request-ID", "abc-123")]))
                answer = peer.response()
                assert (answer.status, answer.header("x-request-id")) == (status, "abc-123")
        opened(port, "/echo/bob")
        until(metrics, lambda found: found.get(("wirefast_sockets_open", "/echo/{name}")) == 1)
        assert scraped(metrics)["wirefast_handshakes_total", "refused"] == 1
        with Peer(("127.0.0.1", port)) as peer:  # refused before it is a connection of the application
            peer.send(handshake("/echo/ada", Sec_WebSocket_Version="7"))
            answer = peer.response()
            assert (answer.status, answer.header("x-request-id")) == (426, None)


def test_another_implementations_handshake_says_the_id(run_dir: Path, tmp_path: Path) -> None:
    with (
        service(tmp_path, "--request-id", "--ws", "websockets-sansio") as (_, port, _),
        Peer(("127.0.0.1", port)) as peer,
    ):
        peer.send(handshake("/echo/ada", headers=[("X-Request-ID", "abc-123")]))
        assert peer.response().header("x-request-id") == "abc-123"
        peer.send(frame(TEXT, b"hello"))
        assert peer.frame().data == b"hello"


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--health", "healthz"), "--health 'healthz' is no path"),
        (("--health", "/x", "--ready", "/x"), "two questions, which need two paths"),
        (("--metrics-port", "70000"), "--metrics-port 70000 is not between 0 and 65535"),
        (("--port", "70", "--metrics-port", "70"), "--port and --metrics-port are the same"),
        (("--metrics-port", "0", "--no-control"), "--metrics-port asks the workers by the control socket"),
        (("--log-format", "json", "--log-config", "service.py"), "leave one out"),
    ],
)
def test_what_makes_no_sense_is_refused(arguments: tuple[str, ...], words: str, tmp_path: Path) -> None:
    (tmp_path / "service.py").write_text(SERVICE)
    ended = wirefast("run", "service", *arguments, cwd=tmp_path)
    assert ended.returncode == 2 and words in ended.stderr


def test_bytes_are_those_of_the_payloads(opened: Callable[..., Peer], run_dir: Path, tmp_path: Path) -> None:
    with service(tmp_path) as (_, port, metrics):
        ada = opened(port, "/echo/ada")
        for size in (1, 125, 126, 65535, 65536):
            ada.send(frame(TEXT, b"publish" + b"x" * size))
            assert len(ada.frame().data) == size
        route = "/echo/{name}"
        until(
            metrics,
            lambda found: found.get(("wirefast_message_bytes_total", "out", route)) == 1 + 125 + 126 + 65535 + 65536,
        )


@pytest.mark.parametrize(("computed", "late"), [(0.3, 0.0), (0.1, 0.15), (1.0, 0.1)])
def test_a_loop_is_busy_where_it_computes_or_stands_still(
    monkeypatch: pytest.MonkeyPatch, computed: float, late: float
) -> None:
    passed = 0.0
    clock = SimpleNamespace(
        monotonic=lambda: 100.0 + passed, thread_time=lambda: 50.0 + passed * computed, time=time.time
    )
    monkeypatch.setattr(serving, "time", clock)
    server = serving.Server(Config(app=lambda: None))

    async def ticks() -> None:
        nonlocal passed
        for counter in range(11):
            await server.on_tick(counter)
            passed += 0.1 + late

    asyncio.run(ticks())
    assert server.lag == pytest.approx(late)
    assert server.busy == pytest.approx(max(computed, late / (0.1 + late)))
