"""``wirefast.run``: what ``uvicorn.run`` takes, with the checks and the defaults of the command."""

from __future__ import annotations

import http.client
import inspect
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import uvicorn

import wirefast
from processes import TIMEOUT, ServerProcess, environment, once_up
from wirefast import App, cli
from wirefast.cli import serving
from wirefast.cli.options import own_options
from wirefast.run_options import RunOptions

MAIN = """
import wirefast
app = wirefast.FastAPI()
@app.get("/")
def read(): return {given!r}
if __name__ == "__main__":
    wirefast.run({given}, port=0{more})
"""


class Program(ServerProcess):
    def __init__(self, file: str, cwd: Path) -> None:
        self.file = file
        super().__init__(cwd=cwd)

    def command(self, arguments: tuple[str, ...]) -> list[str]:
        return [sys.executable, self.file]


def body(port: int) -> str:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=TIMEOUT)
    try:
        connection.request("GET", "/")
        return connection.getresponse().read().decode()
    finally:
        connection.close()


@pytest.mark.parametrize(
    ("given", "more"),
    [
        ("app", ""),
        ("lambda: app", ", factory=True"),
        ("'main:app'", ""),
        ("'main:app'", ", workers=2"),
        ("'main:app'", ", reload=True"),
    ],
)
def test_a_program_serves_itself(tmp_path: Path, given: str, more: str) -> None:
    (tmp_path / "main.py").write_text(MAIN.format(given=given, more=more))
    (tmp_path / "elsewhere").mkdir()
    server = Program(str(tmp_path / "main.py"), tmp_path / "elsewhere")
    try:
        port = server.wait_for_port()
        assert once_up(lambda: body(port)) == f'"{given}"'
    finally:
        server.end(signal.SIGINT)
    assert "Traceback" not in server.log, server.log


def python(program: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    (cwd / "prog.py").write_text(program)
    command = [sys.executable, "prog.py"]
    return subprocess.run(command, cwd=cwd, env=environment(), capture_output=True, text=True, timeout=TIMEOUT)


@pytest.mark.parametrize(
    ("call", "code", "said"),
    [
        (
            "run(app, reload=True)",
            2,
            "reload= starts processes that import the application, so pass its name instead of the object: "
            "wirefast.run('prog:app', ...)",
        ),
        (
            "run(app, workers=2)",
            2,
            "workers= starts processes that import the application, so pass its name instead of the object: "
            "wirefast.run('prog:app', ...)",
        ),
        (
            "run(app, as_fastapi=True)",
            2,
            "as_fastapi= has to come before the application is imported, so pass its name: 'prog:app'",
        ),
        ("run(app, port=-1)", 2, "--port -1 is not 0 or more"),
        ("run('prog:ap', port=0)", 2, "'prog' has no attribute 'ap'; did you mean 'app'?"),
    ],
)
def test_what_is_refused_is_one_line(tmp_path: Path, call: str, code: int, said: str) -> None:
    ended = python(f"import wirefast\napp = wirefast.App()\nif __name__ == '__main__': wirefast.{call}\n", tmp_path)
    assert (ended.returncode, ended.stderr) == (code, f"wirefast: error: {said}\n")


@pytest.mark.parametrize("more", ["", ", reload=True"])
def test_a_call_without_a_guard(tmp_path: Path, more: str) -> None:
    program = f"import wirefast\napp = wirefast.App()\nwirefast.run('prog:app', port=0{more})\n"
    if more:  # the reloader would wait for a change
        (tmp_path / "prog.py").write_text(program)
        server = Program("prog.py", tmp_path)
        try:
            said = server.wait_for("wirefast.run.. was called while")[0]
        finally:
            server.end()
    else:
        ended = python(program, tmp_path)
        assert ended.returncode == 1
        said = ended.stderr
        assert 'write it below: if __name__ == "__main__":' in said
    assert "wirefast.run() was called while" in said


def test_an_application_that_does_not_start_ends_the_program(tmp_path: Path) -> None:
    program = (
        "import wirefast\nasync def app(scope, receive, send):\n    await receive()\n"
        "    await send({'type': 'lifespan.startup.failed', 'message': 'no database'})\n"
        "wirefast.run(app, port=0)\n"
    )
    ended = python(program, tmp_path)
    assert ended.returncode == 3 and "no database" in ended.stderr


def test_it_takes_what_uvicorn_takes_and_what_is_ours() -> None:
    ours = {option.name for option in own_options()}
    theirs = set(inspect.signature(uvicorn.run).parameters) - {"app"}
    taken = set(RunOptions.__annotations__)
    assert theirs <= taken and ours <= taken
    # An older uvicorn has fewer.
    assert taken - ours <= theirs | {"http2", "limit_max_requests_jitter", "reset_contextvars", "ssl_context_factory"}


def test_an_unknown_option() -> None:
    with pytest.raises(TypeError, match="run.. has no option 'prot'; did you mean 'port'"):
        wirefast.run(App(), prot=1)  # type: ignore[call-arg]
    with pytest.raises(TypeError, match="run.. has no option 'zzzzzz' .--zzzzzz"):
        wirefast.run(App(), zzzzzz=1)  # type: ignore[call-arg]


def test_the_defaults_are_the_commands(configs: list[Any], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    assert cli.main(["run", "service", "--port", "0"]) == 0
    monkeypatch.setenv("UVICORN_WS_MAX_SIZE", "9")
    wirefast.run("service:app", port=0)
    app = App()
    wirefast.run(app, port=0, headers=[("X-A", "b")], reload_dirs=None)
    wirefast.run(app, port=0, log_config=None)
    assert configs.pop().log_config is None
    command, program, given = ({**vars(each)} for each in configs)
    assert program == command
    assert (given.pop("app"), given.pop("headers")) == (app, [("X-A", "b")])
    assert {**command, **given} == command
    assert serving.RELOAD_TIMEOUT != command["timeout_graceful_shutdown"]


def test_fastapi_is_app() -> None:
    from wirefast.applications import FastAPI

    assert wirefast.FastAPI is FastAPI is App
