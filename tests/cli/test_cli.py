"""The ``wirefast`` command: every kind of target, every option of ours, every error line.

In processes of its own, but for what is refused, or kept from starting, before any code of the application runs.
"""

from __future__ import annotations

import http.client
import importlib
import importlib.metadata
import inspect
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest
from applications import ASGI
from uvicorn import Config
from uvicorn.config import HTTP_PROTOCOLS, LOOP_FACTORIES
from uvicorn.main import main as uvicorn_command
from websockets.sync.client import connect, unix_connect

from processes import TIMEOUT, environment, once_up, running, wirefast
from wirefast import cli
from wirefast.cli.errors import flag
from wirefast.extras import how_to_install
from wirefast.server.bounds import BOUNDS

UVICORN_OPTIONS = inspect.signature(Config).parameters


def get(port: int) -> str:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=TIMEOUT)
    try:
        connection.request("GET", "/")
        return connection.getresponse().read().decode()
    finally:
        connection.close()


@pytest.mark.parametrize(
    ("arguments", "name"),
    [
        (["service:app"], "service"),
        (["service"], "service"),
        (["service:holder.app"], "service"),
        (["service:make", "--factory"], "service"),
        (["pack.inner.web:app"], "pack.inner.web"),
        (["pack"], "pack.inner.web"),
        (["service.py"], "service"),
        (["./service.py:holder.app"], "service"),
        (["pack/inner/web.py"], "pack.inner.web"),
        (["pack/__init__.py"], "pack.inner.web"),
    ],
)
def test_target(project: Path, arguments: list[str], name: str) -> None:
    with running(*arguments, "--port", "0", cwd=project) as server:
        port = server.wait_for_port()
        assert get(port).split()[0] == name
        with connect(f"ws://127.0.0.1:{port}/") as client:
            client.send("from ")
            assert client.recv() == f"from {name}"
    assert "Traceback" not in server.log


def test_target_file_is_found_from_any_directory(project: Path) -> None:
    with running(str(project / "service.py"), "--port", "0", cwd=project / "elsewhere") as server:
        assert get(server.wait_for_port()).startswith("service ")


def test_file_outside_the_working_directory_starts_without_a_word_about_reload(project: Path) -> None:
    with running(str(project / "service.py"), "--port", "0", cwd=project / "elsewhere") as server:
        server.wait_for_port()
    assert "reload" not in server.log


def test_app_dir(project: Path) -> None:
    with running("service:app", "--app-dir", "..", "--port", "0", cwd=project / "elsewhere") as server:
        assert get(server.wait_for_port()).startswith("service ")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_signals_end_it_cleanly(project: Path, number: signal.Signals) -> None:
    with running("service", "--port", "0", cwd=project) as server:
        server.wait_for_port()
        # uvicorn's convention: it finishes, then lets the signal have its usual effect.
        assert server.end(number) == (0 if number == signal.SIGINT else -number)
    assert "Application shutdown complete." in server.log
    assert "Traceback" not in server.log


def test_log_level(project: Path, short_path: Path) -> None:
    path = str(short_path / "quiet.sock")
    with running("service", "--uds", path, "--log-level", "critical", cwd=project) as server:
        deadline = time.monotonic() + TIMEOUT
        while True:
            with socket.socket(socket.AF_UNIX) as client:
                if client.connect_ex(path) == 0:
                    break
            assert time.monotonic() < deadline
    assert server.log == ""


def test_workers(project: Path) -> None:
    with running("service.py", "--workers", "2", "--port", "0", cwd=project) as server:
        port = server.wait_for_port()
        seen = set()
        deadline = time.monotonic() + TIMEOUT
        while len(seen) < 2:
            seen.add(once_up(lambda: get(port)).split()[1])
            assert time.monotonic() < deadline
        assert str(server.process.pid) not in seen
        assert server.end() == 0
    assert "Traceback" not in server.log


def test_workers_that_do_not_start_are_an_error(project: Path) -> None:
    (project / "refuses.py").write_text(
        "async def app(scope, receive, send):\n"
        "    await receive()\n"
        "    await send({'type': 'lifespan.startup.failed', 'message': 'no database'})\n"
    )
    with running("refuses", "--workers", "2", "--port", "0", cwd=project) as server:
        server.wait_for("no database")
        assert server.process.wait(TIMEOUT) == 3
    alone = wirefast("run", "refuses", "--port", "0", cwd=project)
    assert alone.returncode == 3
    assert 0 < alone.stderr.find("no database") < alone.stderr.find("Application startup failed")


def test_reload(project: Path) -> None:
    target = str(project / "service.py")
    with running(target, "--reload", "--reload-delay", "0.05", "--port", "0", cwd=project / "elsewhere") as server:
        port = server.wait_for_port()
        server.wait_for("Application startup complete")
        assert once_up(lambda: get(port)).startswith("service ")
        (project / "service.py").write_text(ASGI.replace("NAME = __name__", "NAME = 'changed'"))
        server.wait_for("detected changes in .*service.py")
        server.wait_for("Application startup complete")
        assert once_up(lambda: get(port)).startswith("changed ")
        assert server.end(signal.SIGTERM) == 0


def test_uds(project: Path, short_path: Path) -> None:
    path = short_path / "wire.sock"
    with running("service", "--uds", str(path), cwd=project) as server:
        server.wait_for("Uvicorn running on unix socket .*wire.sock")
        with unix_connect(str(path), "ws://localhost/") as client:
            client.send("over a path, ")
            assert client.recv() == "over a path, service"
        second = wirefast("run", "service", "--uds", str(path), cwd=project)
        assert_one_line(second, 1, f"--uds '{path}' is already in use; stop the other process or choose another path")
        server.end(signal.SIGINT)
    assert not path.exists()


@pytest.mark.parametrize("workers", ["1", "2"])
def test_uds_left_behind_by_a_dead_server(project: Path, short_path: Path, workers: str) -> None:
    path = short_path / "stale.sock"
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(str(path))
    with running("service", "--uds", str(path), "--workers", workers, cwd=project) as server:
        server.wait_for("Application startup complete")


def assert_one_line(ended: subprocess.CompletedProcess[str], code: int, message: str) -> None:
    assert ended.stderr == f"wirefast: error: {message}\n"
    assert ended.returncode == code
    assert ended.stdout == ""


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ("nofile.py", "no such file: 'nofile.py'"),
        ("sevrice.py", "no such file: 'sevrice.py'; did you mean 'service.py'?"),
        ("pack/inner/wep.py:app", "no such file: 'pack/inner/wep.py'; did you mean 'pack/inner/web.py'?"),
        ("pack/inner/web", "no such file: 'pack/inner/web'; did you mean 'pack/inner/web.py'?"),
        ("sevrice", "no module named 'sevrice' in '{project}' or installed; did you mean 'service'?"),
        ("pakc", "no module named 'pakc' in '{project}' or installed; did you mean 'pack'?"),
        ("pack.iner:app", "no module named 'pack.iner' in '{project}' or installed; did you mean 'pack.inner'?"),
        ("service --loop foo", "--loop 'foo' is unknown; write {loops} or module:attribute"),
        ("service --http foo", "--http 'foo' is unknown; write {protocols} or module:attribute"),
        ("service.txt/x:app", "no such file: 'service.txt/x'"),
        ("./pack", "'pack' is a directory; name a .py file in it, or use module:app"),
        (
            "nomodule:app",
            "no module named 'nomodule' in '{project}' or installed; use --app-dir DIR or a path to a .py file",
        ),
        (
            "service.sub:app",
            "no module named 'service.sub' in '{project}' or installed; use --app-dir DIR or a path to a .py file",
        ),
        (
            "pack.sub:app",
            "no module named 'pack.sub' in '{project}' or installed; use --app-dir DIR or a path to a .py file",
        ),
        ("service:ap", "'service' has no attribute 'ap'; did you mean 'app'?"),
        ("service:zzz", "'service' has no attribute 'zzz'; name the application: service:NAME"),
        ("service:app.zzz", "'service:app' has no attribute 'zzz'; name the application: service:NAME"),
        ("service:number", "'service:number' is an int, which is not an application"),
        ("service:a-b", "'a-b' in 'service:a-b' is no attribute name; write module:app or a path to a .py file"),
        ("..service", "'..service' in '..service' is no module name; write module:app or a path to a .py file"),
        ("service --port 65536", "--port 65536 is not between 0 and 65535"),
        ("service --port x", "Invalid value for '--port': 'x' is not a valid integer; see 'wirefast run --help'"),
        ("service --app-dir nowhere", "--app-dir: no such directory: 'nowhere'"),
        ("service --fd 999", "--fd 999 is not an open file descriptor"),
        ("service --header nocolon --port 0", "--header 'nocolon' has no colon; write Name:Value"),
        pytest.param(
            "service --http2 --port 0",
            "--http2 needs --http zttp, which is `pip install zttp`",
            marks=pytest.mark.skipif("http2" not in UVICORN_OPTIONS, reason="this uvicorn has no --http2"),
        ),
        ("service --ssl-keyfile service.py --port 0", "--ssl-keyfile needs --ssl-certfile"),
        ("service --ssl-certfile none.pem --port 0", "--ssl-certfile: no such file: 'none.pem'"),
        (
            "service --ws nothing:Here --port 0",
            "--ws 'nothing:Here' cannot be used: Could not import module \"nothing\".",
        ),
        ("", "Missing argument 'TARGET'; see 'wirefast run --help'"),
    ],
)
def test_wrong_command_line(project: Path, arguments: str, message: str) -> None:
    known = {"loops": ", ".join(LOOP_FACTORIES), "protocols": ", ".join(HTTP_PROTOCOLS)}
    ended = wirefast("run", "--port", "0", *arguments.split(), cwd=project)
    assert_one_line(ended, 2, message.format(project=project, **known))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ("--ws-max-size -5", "--ws-max-size -5 is not 1 or more"),
        ("--ws-max-size 0", "--ws-max-size 0 is not 1 or more"),
        (f"--ws-max-size {2**64}", f"--ws-max-size {2**64} is not between 1 and {sys.maxsize // 2}"),
        ("--ws-max-queue -4", "--ws-max-queue -4 is not 0 or more"),
        ("--ws-ping-interval -0.5", "--ws-ping-interval -0.5 is not 0 or more"),
        ("--ws-ping-interval nan", "--ws-ping-interval nan is not 0 or more"),
        ("--ws-ping-timeout -1", "--ws-ping-timeout -1 is not 0 or more"),
        ("--workers 0", "--workers 0 is not 1 or more"),
        ("--limit-concurrency -1", "--limit-concurrency -1 is not 0 or more"),
        ("--limit-max-requests 0", "--limit-max-requests 0 is not 1 or more"),
        ("--limit-max-requests 1 --limit-max-requests-jitter -1", "--limit-max-requests-jitter -1 is not 0 or more"),
        ("--backlog 0", "--backlog 0 is not 1 or more"),
        (f"--backlog {2**31}", f"--backlog {2**31} is not between 1 and {2**31 - 1}"),
        ("--timeout-keep-alive -1", "--timeout-keep-alive -1 is not 0 or more"),
        ("--timeout-graceful-shutdown -1", "--timeout-graceful-shutdown -1 is not 0 or more"),
        ("--timeout-worker-healthcheck 0", "--timeout-worker-healthcheck 0 is not 1 or more"),
        ("--reload-delay nan", "--reload-delay nan is not 0 or more"),
        ("--fd -1", "--fd -1 is not 0 or more"),
        ("--port -1", "--port -1 is not 0 or more"),
        ("--ssl-cert-reqs 3", "--ssl-cert-reqs 3 is not between 0 and 2"),
        ("--ws none", "--ws none leaves the server without WebSockets; leave it out, or use uvicorn"),
    ],
)
def test_settings_that_would_only_harm_later(
    configs: list[Config], capsys: pytest.CaptureFixture[str], arguments: str, message: str
) -> None:
    assert cli.main(["run", "service", "--port", "0", *arguments.split()]) == 2
    assert capsys.readouterr() == ("", f"wirefast: error: {message}\n")
    assert not configs


def test_numbers_at_their_bounds(configs: list[Config]) -> None:
    options = {param.name for param in uvicorn_command.params}
    for end in (0, 1):
        for name, bounds in BOUNDS.items():
            if name in options - {"fd"} and (name, end) != ("port", 1):
                assert cli.main(["run", "service", "--port", "0", flag(name), str(bounds[end])]) == 0, name
                assert getattr(configs[-1], name) == bounds[end]


@pytest.mark.parametrize("number", ["-1", "0"])
def test_web_concurrency(
    configs: list[Config], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, number: str
) -> None:
    monkeypatch.setenv("WEB_CONCURRENCY", number)
    assert cli.main(["run", "service", "--port", "0"]) == 2
    assert capsys.readouterr().err == f"wirefast: error: WEB_CONCURRENCY {number} is not 1 or more\n"


def test_what_is_refused_touches_no_socket(configs: list[Config], short_path: Path) -> None:
    path = short_path / "stale.sock"
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(str(path))
    assert cli.main(["run", "service", "--uds", str(path), "--ssl-certfile", "none.pem"]) == 2
    assert path.exists() and not configs


def test_unknown_option_and_command(project: Path) -> None:
    ended = wirefast("run", "service", "--prt", "1", cwd=project)
    assert ended.returncode == 2 and ended.stderr.count("\n") == 1
    assert "'--prt'" in ended.stderr or "--prt" in ended.stderr
    assert ended.stderr.endswith("; see 'wirefast run --help'\n")
    ended = wirefast("serve")
    assert ended.returncode == 2 and ended.stderr.count("\n") == 1 and "'serve'" in ended.stderr


def test_log_configuration_that_is_none(project: Path) -> None:
    ended = wirefast("run", "service", "--log-config", "service.py", "--port", "0", cwd=project)
    assert ended.returncode == 2 and ended.stderr.count("\n") == 1
    assert ended.stderr.startswith("wirefast: error: uvicorn refuses these settings: ")


def test_file_whose_name_is_taken(project: Path) -> None:
    ended = wirefast("run", "shadows/json.py", "--port", "0", cwd=project)
    assert ended.returncode == 2 and ended.stderr.count("\n") == 1
    file = project / "shadows" / "json.py"
    assert ended.stderr.startswith(f"wirefast: error: '{file}' cannot be imported, because 'json' means ")
    assert ended.stderr.endswith("; rename the file\n")


@pytest.mark.parametrize("workers", ["1", "2"])
def test_port_taken(project: Path, workers: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        ended = wirefast("run", "service", "--port", str(port), "--workers", workers, cwd=project)
    assert_one_line(
        ended, 1, f"port {port} on 127.0.0.1 is already in use; stop the other process or choose another --port"
    )


def test_host_of_another_machine(project: Path) -> None:
    ended = wirefast("run", "service", "--port", "0", "--host", "192.0.2.1", cwd=project)
    assert ended.returncode == 1 and ended.stderr.count("\n") == 1
    assert ended.stderr.startswith("wirefast: error: cannot listen on --host '192.0.2.1': ")


def test_uds_that_cannot_be_made(project: Path) -> None:
    ended = wirefast("run", "service", "--uds", "nowhere/x.sock", cwd=project)
    assert_one_line(
        ended, 1, "--uds 'nowhere/x.sock' cannot be made: No such file or directory; choose a path that you may write"
    )
    ended = wirefast("run", "service", "--uds", "service.py", cwd=project)
    assert_one_line(ended, 1, "--uds 'service.py' exists and is not a socket; choose another path")
    assert (project / "service.py").read_text() == ASGI


def test_errors_of_the_users_module_stay_visible(project: Path) -> None:
    ended = wirefast("run", "needs.py", "--port", "0", cwd=project)
    assert ended.returncode == 1
    lines = ended.stderr.splitlines()
    assert lines[:3] == [
        "Traceback (most recent call last):",
        f'  File "{project / "needs.py"}", line 1, in <module>',
        "    import no_such_dependency",
    ]
    assert lines[-2:] == [
        "ModuleNotFoundError: No module named 'no_such_dependency'",
        f"wirefast: error: '{project / 'needs.py'}' raised ModuleNotFoundError while it was imported, see above",
    ]
    ended = wirefast("run", "broken:app", "--workers", "2", "--port", "0", cwd=project)
    assert ended.returncode == 1 and "def f(:" in ended.stderr
    assert ended.stderr.count("SyntaxError: ") == 1


@pytest.mark.parametrize("missing", ["uvicorn", "click"])
def test_missing_server_extra(missing: str) -> None:
    program = f"import sys; sys.modules[{missing!r}] = None; from wirefast.cli import main; sys.exit(main())"

    def without(*arguments: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-c", program, *arguments]
        return subprocess.run(command, env=environment(), capture_output=True, text=True, timeout=TIMEOUT)

    ended = without("run", "service:app")
    assert ended.returncode == 1 and ended.stderr.count("\n") == 1
    assert ended.stderr.startswith("wirefast: error: no server is installed (") and missing in ended.stderr
    assert ended.stderr.endswith(f"; install the server extra: {how_to_install('server')}\n")
    assert without("--version").stdout.startswith(f"wirefast {importlib.metadata.version('wirefast')}\n")


def test_version_and_help() -> None:
    script = Path(sys.executable).with_name("wirefast")
    for command in ([str(script)], [sys.executable, "-m", "wirefast"]):
        shown = subprocess.run([*command, "--version"], capture_output=True, text=True, timeout=TIMEOUT, check=True)
        assert shown.stdout.startswith(f"wirefast {importlib.metadata.version('wirefast')}\n")
    assert "run" in wirefast("--help").stdout
    help_text = wirefast("run", "--help").stdout
    for param in uvicorn_command.params:
        if param.name not in ("app", "version"):
            assert param.opts[0] in help_text


def test_every_uvicorn_option_reaches_the_configuration() -> None:
    names = {param.name for param in uvicorn_command.params} - {"app", "app_dir", "version"}
    assert names <= set(inspect.signature(Config).parameters)


def test_options_and_defaults(monkeypatch: pytest.MonkeyPatch, project: Path, configs: list[Config]) -> None:
    target = str(project / "service.py")
    assert cli.main(["run", target, "--port", "0"]) == 0
    reference = vars(Config("service:app", port=0, ws_per_message_deflate=False, timeout_graceful_shutdown=30))
    like_uvicorn = dict(reference["log_config"]["loggers"])
    reference["log_config"] = {
        **reference["log_config"],
        "loggers": {**like_uvicorn, "wirefast": like_uvicorn["uvicorn"]},
    }
    found = vars(configs[0])
    changed = {name: value for name, value in found.items() if name not in ("ws", "http") and name in reference}
    assert changed == {name: value for name, value in reference.items() if name not in ("ws", "http")}
    assert {name: value for name, value in found.items() if name not in reference} == {
        "timeout_body": 60.0, "drain_batch": 500, "drain_every": 0.5, "log_ends": True, "watched": True,
        "health_path": None, "ready_path": None, "request_ids": False, "counts": False, "shows_pages": False,
        "transport": "sockets" if sys.platform == "linux" else "loop",
        "watch_loop": 1.0,
    }  # fmt: skip

    arguments = [
        "--ws",
        "websockets-sansio",
        "--http",
        "h11",
        "--ws-per-message-deflate",
        "true",
        "--header",
        "X-A:b:c",
    ]
    assert cli.main(["run", target, "--port", "0", *arguments, "--ws-max-size", "7", "--no-access-log"]) == 0
    chosen = configs[1]
    assert (chosen.ws, chosen.http, chosen.ws_per_message_deflate) == ("websockets-sansio", "h11", True)
    assert (chosen.headers, chosen.ws_max_size, chosen.access_log) == ([("X-A", "b:c")], 7, False)

    monkeypatch.setenv("UVICORN_WS_MAX_SIZE", "9")
    monkeypatch.setenv("UVICORN_APP", target)
    assert cli.main(["run", "--port", "0"]) == 0
    assert (configs[2].app, configs[2].ws_max_size) == ("service:app", 9)


def test_protocols_are_ours(monkeypatch: pytest.MonkeyPatch) -> None:
    server = importlib.import_module("wirefast.server")
    for option, name in cli.PROTOCOLS.items():
        monkeypatch.setattr(server, name, type(name, (), {}), raising=False)
        defaults = cli.make_command().commands["run"].context_settings["default_map"]
        assert defaults[option] == f"wirefast.server:{name}"
