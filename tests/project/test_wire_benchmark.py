"""``python -m benchmarks.wire``: real servers are measured, wrong answers refused, and the report says what is true."""

from __future__ import annotations

import asyncio
import contextlib
import importlib
import importlib.util
import json
import os
import shutil
import socket
import subprocess
import sys
import threading
import time
import types
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
TIMEOUT = 300

pytestmark = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads /proc and pins processes")


@pytest.fixture
def wire(monkeypatch):
    """Imports a module of ``benchmarks.wire``, which lies beside the tests and is not installed."""
    monkeypatch.syspath_prepend(str(ROOT))
    return lambda name: importlib.import_module(f"benchmarks.wire.{name}")


@pytest.fixture(scope="module")
def compiler():
    """Wheels are tested where there is none; what else the tests say of the benchmark holds there too."""
    if shutil.which(os.environ.get("CC", "cc")) is None:
        pytest.skip("the load generator is a C program, and there is no C compiler")


@pytest.fixture(scope="module")
def built(compiler, tmp_path_factory):
    """The load generator."""
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(ROOT))
        return importlib.import_module("benchmarks.wire.load").Load(tmp_path_factory.mktemp("load"))


def run(*arguments):
    return subprocess.run(
        [sys.executable, "-m", "benchmarks.wire", *arguments],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=TIMEOUT,
    )


def test_a_small_run(compiler, tmp_path):
    scenes = "echo-json-128B,upgrade,latency-5000,typed-handlers,typed-hand"
    process = run(
        "--peers", "wirefast,raw", "--scenes", scenes, "--rounds", "1", "--seconds", "0.02", "--out", str(tmp_path)
    )
    assert process.returncode == 0, process.stdout + process.stderr
    found = json.loads((tmp_path / "results.json").read_text())
    assert found["failures"] == [] and found["left_out"] == [] and found["absent"] == {}
    figures = found["figures"]
    assert {scene: set(cells) for scene, cells in figures.items()} == {
        "echo-json-128B": {"wirefast", "raw"},
        "latency-5000": {"wirefast", "raw"},
        "upgrade": {"wirefast"},
        "typed-handlers": {"wirefast"},
        "typed-hand": {"wirefast"},
    }
    for cells in figures.values():
        for figure in cells.values():
            assert figure["median"] > 0 and figure["per_second"] > 0 and len(figure["rounds"]) == 1
            assert 0 < figure["latency"]["p50"] <= figure["latency"]["p99"] <= figure["latency"]["p99.9"]
    report = (tmp_path / "report.md").read_text()
    assert "| wirefast |" in report and "Absent peers: none." in report and "Failed: none." in report
    has_plots = importlib.util.find_spec("matplotlib") is not None
    assert (tmp_path / "echo-json-128B.svg").exists() == has_plots
    assert has_plots or "no plots" in process.stderr


def test_memory_and_broadcast(wire, built):
    """The two scenes that hold many sockets, with few."""
    peers, scenes, measure = wire("peers"), wire("scenes"), wire("measure")
    chat = scenes.BY_NAME["broadcast-1000"]
    few = [scenes.idle(20), type(chat)(**{**vars(chat), "name": "broadcast-5", "sockets": 5})]
    plan = measure.Plan([peers.BY_NAME["wirefast"]], few, rounds=1, seconds=0.02, warmup=0.0, limit=60.0)
    measuring = measure.Measuring(built, plan, lambda line: None)
    measuring.run()
    assert measuring.failures == [] and measuring.left_out == []
    memory, broadcast = measuring.measurements
    assert memory["units"] == 20 and memory["memory"] > 0
    assert broadcast["units"] > 0 and broadcast["server_cpu"] > 0


def test_a_server_ends_with_its_block(wire):
    processes, peers = wire("processes"), wire("peers")
    with processes.running(peers.BY_NAME["raw"], "scene") as server:
        socket.create_connection(("127.0.0.1", server.port), TIMEOUT).close()
        assert server.memory() > 2**20
    assert not any(Path(f"/proc/{pid}").exists() for pid in server.pids)


def test_a_server_that_does_not_start_says_why(wire):
    processes, peers = wire("processes"), wire("peers")
    nobody = peers.Peer("nobody", "nothing", "websockets", "")
    with pytest.raises(processes.ServerError, match="KeyError: 'nothing'"):
        processes.Server(nobody, "scene")


def test_a_terminated_run_ends_its_servers_and_reports(wire, compiler, tmp_path):
    processes = wire("processes")
    arguments = ["--peers", "raw", "--scenes", "echo-text-128B", "--seconds", "60", "--out", str(tmp_path)]
    command = [sys.executable, "-m", "benchmarks.wire", *arguments]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as process:
        deadline = time.monotonic() + TIMEOUT
        while processes.listening_port(pids := processes.children(process.pid)) is None:
            assert time.monotonic() < deadline and process.poll() is None
            time.sleep(0.02)
        process.terminate()
        out, _ = process.communicate(timeout=TIMEOUT)
    assert process.returncode == 1, out
    assert json.loads((tmp_path / "results.json").read_text())["left_out"] == ["everything after an interrupt"]
    while any(Path(f"/proc/{pid}").exists() for pid in pids):
        assert time.monotonic() < deadline
        time.sleep(0.02)


FRAMEWORKS = [name for name in ("wirefast", "fastapi", "starlette", "litestar") if importlib.util.find_spec(name)]


@pytest.mark.parametrize(
    ("framework", "subject", "path"),
    [
        *[(name, "routes-3", "/service2/42/ws") for name in FRAMEWORKS],
        *[(name, "chat", "/ws/0") for name in FRAMEWORKS],
        *[(name, "rooms", "/ws/0") for name in FRAMEWORKS if name in ("wirefast", "fastapi")],
        *[(name, "dependencies-3", "/ws") for name in FRAMEWORKS if name in ("wirefast", "fastapi")],
        *[(name, "parameters-3", "/ws") for name in FRAMEWORKS if name in ("wirefast", "fastapi")],
    ],
)
def test_the_applications_accept_what_the_load_sends(wire, framework, subject, path):
    app = wire("apps").build(framework, subject)
    asgi = importlib.import_module("benchmarks.asgi")
    with contextlib.closing(asyncio.new_event_loop()) as loop:
        opening = asgi.Opening(loop, app, asgi.scope_of(path, b"v0=0&v1=1&v2=2"))
        assert [message["type"] for message in opening.answer()] == ["websocket.accept"]


class Fake:
    """A server of one connection that answers an upgrade, then each message with the same bytes.

    Attributes:
        port, pids, peer: as of a real one.
    """

    def __init__(self, accept, answer):
        self.peer = types.SimpleNamespace(name="fake")
        self.pids = [os.getpid()]
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        self.accept, self.answer = accept, answer
        self.thread = threading.Thread(target=self.serve)
        self.thread.start()

    def serve(self):
        connection, _ = self.listener.accept()
        with connection:
            connection.recv(65_536)
            connection.sendall(
                b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                b"Sec-WebSocket-Accept: " + self.accept + b"\r\n\r\n"
            )
            while connection.recv(65_536):
                connection.sendall(self.answer)

    def log(self):
        return ""

    def close(self):
        self.thread.join(TIMEOUT)
        self.listener.close()


RIGHT = b"s3pPLMBiTxaQ9kYGzzhZRbK+xOo="


@pytest.mark.parametrize(
    ("accept", "answer", "error"),
    [
        (b"wrong", b"", "Sec-WebSocket-Accept"),
        (RIGHT, b"\x81\x05hallo", "a wrong answer: hallo"),
        (RIGHT, b"\x81\x04hell", "a message of 4 bytes, not 5"),
        (RIGHT, b"\x81\x06hello!", "a wrong answer"),
        (RIGHT, b"\x82\x05hello", "opcode 2"),
        (RIGHT, b"\xc1\x05hello", "reserved bits"),
        (RIGHT, b"\x81\x85\0\0\0\0hello", "a masked frame"),
        (RIGHT, b"\x81\x05hello\x81\x05hello", "not asked for"),
        (RIGHT, b"\x88\x02\x03\xe8", "closed with a close frame"),
    ],
)
def test_the_load_refuses_what_is_wrong(wire, built, accept, answer, error):
    module = wire("load")
    request = module.upgrade_request("/", [])
    contents = {"request": request, "accept": module.ACCEPT, "answer": b"hello"}
    contents["message"] = module.masked_frame(b"hello")
    server = Fake(accept, answer)
    try:
        with pytest.raises(module.LoadError, match=error):
            built.run("echo", server, contents, limit=TIMEOUT, seconds=5)
    finally:
        server.close()


def test_the_load_takes_fragments_and_pings(wire, built):
    """An answer in two fragments with a ping between them is an answer; the ping gets its pong."""
    module = wire("load")
    contents = {"request": module.upgrade_request("/", []), "accept": module.ACCEPT, "answer": b"hello"}
    contents["message"] = module.masked_frame(b"hello")
    heard = []

    class Pinging(Fake):
        def serve(self):
            connection, _ = self.listener.accept()
            with connection, connection.makefile("rb") as stream:
                while stream.readline() != b"\r\n":
                    pass
                connection.sendall(b"HTTP/1.1 101 x\r\nSec-WebSocket-Accept: " + RIGHT + b"\r\n\r\n")
                while len(head := stream.read(6)) == 6:
                    payload = bytes(a ^ b for a, b in zip(stream.read(head[1] & 0x7F), head[2:] * 32, strict=False))
                    heard.append((head[0] & 0x0F, payload))
                    if head[0] == 0x88:
                        connection.sendall(b"\x88\x02" + payload)
                        return
                    if head[0] == 0x81:
                        connection.sendall(b"\x01\x03hel" + b"\x89\x01p" + b"\x80\x02lo")

    server = Pinging(RIGHT, b"")
    try:
        measured = built.run("echo", server, contents, limit=TIMEOUT, seconds=0.05)
    finally:
        server.close()
    assert measured["units"] >= 1
    assert (10, b"p") in heard and heard[-1] == (8, b"\x03\xe8")
    assert {message for message in heard if message[0] == 1} == {(1, b"hello")}


@pytest.mark.parametrize("size", [0, 1, 125, 126, 65_535, 65_536])
def test_masked_frames_have_the_right_length_and_bytes(wire, size):
    payload = bytes(number % 251 for number in range(size))
    frame = wire("load").masked_frame(payload)
    extended = {126: 2, 127: 8}.get(frame[1] & 0x7F, 0)
    assert frame[0] == 0x81 and frame[1] & 0x80
    assert (int.from_bytes(frame[2 : 2 + extended], "big") if extended else frame[1] & 0x7F) == size
    mask, masked = frame[2 + extended : 6 + extended], frame[6 + extended :]
    assert bytes(byte ^ mask[at % 4] for at, byte in enumerate(masked)) == payload


def measured(server_cpu, load_cpu=0.1, units=1_000, **more):
    latency = {"p50": 0.001, "p99": 0.002, "p99.9": 0.003}
    return {"units": units, "seconds": 1.0, "server_cpu": server_cpu, "load_cpu": load_cpu} | (
        {"server_waited": 0.0, "latency": latency} | more
    )


def run_of(wire, figures, **more):
    """A run of one round, as the report gets it."""
    return {
        "command": "python -m benchmarks.wire",
        "environment": wire("results").environment([wire("peers").BY_NAME["wirefast"]]),
        "plan": {"rounds": 1, "seconds": 1.0, "server_cores": "0", "load_cores": "1"},
        "minutes": 1.0,
        "load_average": [0.0, 1.0],
        "peers": ["wirefast"],
        "absent": {},
        "left_out": [],
        "failures": [],
        "figures": figures,
    } | more


def test_a_summary_has_median_and_quartiles_of_the_rounds(wire):
    figure = wire("results").summary([measured(cpu) for cpu in (0.010, 0.020, 0.030, 0.040, 0.900)])
    assert figure["median"] == pytest.approx(30) and figure["spread"] == pytest.approx(20)
    assert figure["rounds"] == [10, 20, 30, 40, 900] and figure["unit"] == "CPU µs"


@pytest.mark.parametrize(("server", "load", "valid"), [(0.5, 0.95, False), (0.95, 0.95, True), (0.5, 0.85, True)])
def test_a_figure_whose_bottleneck_was_the_load_is_invalid(wire, server, load, valid):
    figure = wire("results").summary([measured(server, load)])
    assert figure["valid"] is valid
    assert ("invalid" in wire("report").cost(figure, None)) is not valid


def test_a_load_that_spins_is_always_busy_and_marks_no_figure(wire):
    results, report = wire("results"), wire("report")
    figures = results.summaries([{"scene": "upgrade", "peer": "wirefast", "round": 0} | measured(0.5, 1.0)], True)
    assert figures["upgrade"]["wirefast"]["valid"] is True
    run = run_of(wire, figures)
    for run["plan"]["spin"] in (True, False):
        method = report.markdown(run, []).partition("## How it was measured")[2]
        assert ("The load spins" in method) is run["plan"]["spin"] is ("busier than 90 %" not in method)


def test_a_load_that_spins_does_not_sleep(wire, built):
    peers, scenes, measure = wire("peers"), wire("scenes"), wire("measure")
    options = wire("__main__").parse(["--spin", "--peers", "wirefast", "--scenes", "echo-json-128B"])
    scene, found = scenes.BY_NAME["echo-json-128B"], []
    for plan in (wire("__main__").make_plan(options)[0], measure.Plan([], [], 1, 0.2, 0.0, 60.0)):
        measuring = measure.Measuring(built, plan, lambda line: None)
        try:
            server = measuring.servers.get(peers.BY_NAME["wirefast"], scene.subject)
            found.append(measuring._load(scene, server, "paced", rate=100.0))
        finally:
            measuring.servers.stop()
    spinning, sleeping = (each["load_cpu"] / each["seconds"] for each in found)
    assert spinning > 3 * sleeping
    assert all(each["units"] > 0 for each in found)


@pytest.mark.parametrize(("waited", "marked"), [(0.10, False), (0.11, True)])
def test_a_disturbed_run_says_so_in_its_first_line(wire, waited, marked):
    results, report = wire("results"), wire("report")
    rounds = [
        {"scene": "upgrade", "peer": "wirefast", "round": n} | measured(0.1, server_waited=waited) for n in range(3)
    ]
    run = run_of(wire, results.summaries(rounds))
    run["plan"]["rounds"] = 3
    text = report.markdown(run, [])
    assert ("do not quote" in text.splitlines()[0]) is marked
    assert ("| 100 ± 0.00 (do not quote: kept waiting 11%) |" in text) is marked
    assert text.index("## What it costs") < text.index("## How it was measured")


def test_a_spread_needs_three_rounds(wire):
    results = wire("results")
    assert results.summary([measured(0.01), measured(0.03)])["spread"] is None
    assert results.summary([measured(cpu) for cpu in (0.01, 0.02, 0.03)])["spread"] == pytest.approx(10)


def test_the_kernels_share_is_of_all_rounds_together(wire):
    rounds = [measured(0.1, kernel_ticks=10, ticks=40), measured(0.1, kernel_ticks=40, ticks=60)]
    results, report = wire("results"), wire("report")
    figure = results.summary(rounds)
    assert (
        figure["kernel_share"] == 0.5
        and results.summary([measured(0.1, kernel_ticks=1, ticks=40)])["kernel_share"] is None
    )
    assert "| wirefast | 50.0 | 50.0 | 50% |" in report.parts_table({"upgrade": {"wirefast": figure}})


def test_what_one_core_is_good_for(wire):
    results = wire("results")
    capable = results.summary([measured(0.1, capacity=rate) for rate in (10_000.0, 12_340.0, 20_000.0)])
    idle = {"unit": "KiB", "median": 6.0, "spread": None, "valid": True, "opened": 5.0}
    figures = {"capacity-10ms": {"wirefast": capable}, "idle-1000": {"wirefast": idle}}
    assert "| wirefast | 12,300 | 175,000 |" in wire("report").user_table(figures)


def test_the_highest_rate_that_holds_is_found(wire):
    """Of a server that takes 7,000 messages a second: the search ends near that."""
    measure, scenes, peers = wire("measure"), wire("scenes"), wire("peers")

    class Limited(measure.Measuring):
        tried = []

        def _load(self, scene, server, mode, **values):
            rate = values.get("rate", 5_000.0)
            self.tried.append(rate)
            if rate > 20_000:
                raise measure.Overloaded("too much")
            latency = {"p50": 0.001, "p99": 0.002 if rate <= 7_000 else 0.5, "p99.9": 0.9}
            return measured(0.1, units=rate) | {"latency": latency}

    plan = measure.Plan([peers.BY_NAME["wirefast"]], [], rounds=1, seconds=0.1, warmup=0.0, limit=1.0)
    found = Limited(None, plan, lambda line: None)._capacity(scenes.BY_NAME["capacity-10ms"], None)
    assert 7_000 / measure.CLOSE_ENOUGH <= found["capacity"] <= 7_000
    assert len(Limited.tried) <= 1 + measure.PROBES


def test_a_quick_run_has_rooms_before_what_takes_long(wire):
    scenes = wire("scenes")
    names = [scene.name for scene in scenes.chosen(scenes.QUICK)]
    assert names.index("rooms-1000") < names.index("broadcast-1000")


def test_every_name_has_a_legend(wire):
    for peer in wire("peers").PEERS:
        assert peer.legend and peer.does


def test_growth_is_the_slope_between_the_ends(wire):
    figures = {
        name: {"wirefast": {"median": median}, **others}
        for name, median, others in [
            ("routes-10", 100.0, {"fastapi/websockets": {"median": 200.0}}),
            ("routes-1000", 150.0, {}),
            ("routes-10000", 199.9, {}),
        ]
    }
    results = wire("results")
    assert results.growth(figures, "routes") == {"wirefast": pytest.approx(0.01)}
    assert results.growth({"routes-10": {}}, "routes") == {}


def test_the_report_names_who_is_absent_what_failed_and_what_was_left_out(wire):
    results, report = wire("results"), wire("report")
    figures = results.summaries(
        [
            {"scene": "upgrade", "peer": name, "round": 0} | measured(cpu)
            for name, cpu in (("aiohttp", 0.2), ("wirefast", 0.1))
        ]
    )
    text = report.markdown(
        run_of(
            wire,
            figures,
            peers=["wirefast", "aiohttp"],
            absent={"picows": "picows"},
            left_out=["idle-10000: needs 10300 file descriptors, 1024 allowed"],
            failures=[{"scene": "upgrade", "peer": "socketify", "error": "refused\nlog"}],
        ),
        ["upgrade.svg"],
    )
    assert "Absent peers: picows (needs picows)." in text
    assert "Failed: socketify in upgrade: refused." in text
    assert "Left out: idle-10000: needs 10300 file descriptors, 1024 allowed." in text
    assert "| aiohttp | 200 (×2.00) |" in text and "which needs 3 rounds" in text
    assert "![upgrade](upgrade.svg)" in text


def test_an_absent_package_makes_a_peer_absent(wire, monkeypatch):
    peers = wire("peers")
    found = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == "picows" else found(name))
    assert peers.BY_NAME["picows"].absent == ["picows"]
    assert peers.BY_NAME["wirefast"].absent == []
    module = wire("__main__")
    plan, absent = module.make_plan(module.parse(["--peers", "picows,wirefast", "--quick"]))
    assert absent == {"picows": "picows"} and [peer.name for peer in plan.peers] == ["wirefast"]


def test_scenes_that_need_more_descriptors_than_allowed_are_named(wire, monkeypatch):
    measure, peers, scenes = wire("measure"), wire("peers"), wire("scenes")
    monkeypatch.setattr(measure.resource, "getrlimit", lambda which: (1_024, 1_024))
    plan = measure.Plan([peers.BY_NAME["wirefast"]], scenes.chosen(["idle-10000"]), 1, 0.1, 0.0, 60.0)
    measuring = measure.Measuring(None, plan, lambda line: None)
    measuring.run()
    assert measuring.left_out == ["idle-10000: needs 10300 file descriptors, 1024 allowed"]


def test_time_that_ran_out_is_named(wire):
    measure, peers, scenes = wire("measure"), wire("peers"), wire("scenes")
    plan = measure.Plan([peers.BY_NAME["wirefast"]], scenes.chosen(["upgrade"]), 3, 0.1, 0.0, limit=-1.0)
    measuring = measure.Measuring(None, plan, lambda line: None)
    measuring.run()
    assert measuring.left_out == ["upgrade: 3 of 3 rounds, out of time"]


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        (["--peers", "nobody"], "no such peer: nobody"),
        (["--scenes", "nothing"], "no such scene: nothing"),
        (["--rounds", "0"], "--rounds must be at least 1"),
        (["--seconds", "0"], "--seconds must be between"),
    ],
)
def test_wrong_arguments_are_refused(arguments, error):
    process = run(*arguments)
    assert process.returncode == 2 and error in process.stderr


def test_the_list_names_every_peer_and_scene(wire):
    text = wire("__main__").listing()
    for name in [*wire("peers").BY_NAME, *wire("scenes").BY_NAME]:
        assert name in text


def test_a_framework_of_typed_messages_takes_no_other_scene(wire):
    peers, scenes = wire("peers"), wire("scenes")
    chanx = peers.BY_NAME["chanx/websockets-sansio"]
    taken = [scene for scene in scenes.SCENES if scene.taken_by(chanx)]
    assert [scene.name for scene in taken] == ["typed-handlers", "typed-handlers-16"]
    # As many bytes as the others are sent, in its own shape.
    own, others = (taken[0].contents(peer) for peer in (chanx, peers.BY_NAME["wirefast"]))
    assert len(own["message"]) == len(others["message"]) and own["message"] != others["message"]
    assert b'"payload"' in own["answer"] and b'"payload"' not in others["answer"]


def test_a_framework_without_a_package_that_it_needs_is_absent(wire, monkeypatch):
    chanx = wire("peers").BY_NAME["chanx/websockets-sansio"]
    found = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == "structlog" else found(name))
    assert "structlog" in chanx.absent
