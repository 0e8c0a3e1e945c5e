"""``wirefast dev``, and a target in a command's place: reload, and the addresses of the pages."""

from __future__ import annotations

import http.client
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from uvicorn import Config

from processes import TIMEOUT, ServerProcess, once_up, wirefast
from wirefast import cli
from wirefast.cli import developing, serving

APP = "from wirefast import App\napp = App()\n"
FASTAPI = "from fastapi import FastAPI\napp = FastAPI()\n"
BARE = "from wirefast import App\napp = App(openapi_url=None)\n"


class Dev(ServerProcess):
    def __init__(self, *arguments: str, cwd: Path) -> None:
        self.words = list(arguments)
        super().__init__(cwd=cwd)

    def command(self, arguments: tuple[str, ...]) -> list[str]:
        return [sys.executable, "-m", "wirefast", *self.words]


def page(url: str) -> int:
    address, _, path = url.removeprefix("http://").partition("/")
    connection = http.client.HTTPConnection(address, timeout=TIMEOUT)
    try:
        connection.request("GET", f"/{path}")
        return connection.getresponse().status
    finally:
        connection.close()


@pytest.mark.parametrize("words", [["main.py"], ["dev", "main.py"], ["dev"], ["main:app"]], ids=" ".join)
def test_it_reloads_and_says_where_the_pages_are(tmp_path: Path, words: list[str]) -> None:
    (tmp_path / "main.py").write_text(APP)
    server = Dev(*words, "--reload-delay", "0.05", "--port", "0", cwd=tmp_path)
    try:
        for said in ("Try the requests: ", "Try the WebSockets: "):
            url = server.wait_for(f"INFO: *{said}(.*)$")[1]
            assert once_up(lambda url=url: page(url)) == 200  # type: ignore[misc]
        (tmp_path / "main.py").write_text(f"{APP}# changed\n")
        server.wait_for("detected changes in 'main.py'")
        server.wait_for("Try the requests: ")
    finally:
        assert server.end(signal.SIGTERM) == 0


@pytest.mark.parametrize(("program", "pages"), [(APP, 2), (FASTAPI, 1), (BARE, 0)], ids=["ours", "theirs", "bare"])
def test_a_page_that_is_not_there_is_not_named(tmp_path: Path, program: str, pages: int) -> None:
    if "fastapi" in program:
        pytest.importorskip("fastapi", reason="it needs Python 3.11")
    (tmp_path / "main.py").write_text(program)
    server = Dev("dev", "--no-reload", "--port", "0", cwd=tmp_path)
    try:
        server.wait_for_port()
    finally:
        server.end(signal.SIGINT)
    assert server.log.count("Try the ") == pages


@pytest.mark.parametrize("file", developing.USUAL_FILES)
def test_the_usual_files(configs: list[Config], monkeypatch: pytest.MonkeyPatch, tmp_path: Path, file: str) -> None:
    monkeypatch.chdir(tmp_path)
    Path(file).parent.mkdir(exist_ok=True)
    Path(file).write_text(APP)
    assert cli.main(["dev", "--port", "0"]) == 0
    config = configs[0]
    assert config.reload and config.shows_pages and config.app == f"{Path(file).stem}:app"
    assert config.timeout_graceful_shutdown == serving.RELOAD_TIMEOUT


def test_no_usual_file(configs: list[Config], capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["dev", "--port", "0"]) == 2 and not configs
    files = "main.py, app.py, api.py, app/main.py, app/app.py or app/api.py"
    assert capsys.readouterr().err == f"wirefast: error: there is no {files} here; name a .py file\n"


def test_run_shows_no_pages(configs: list[Config]) -> None:
    assert cli.main(["run", "service", "--port", "0"]) == 0
    assert not configs[0].shows_pages and not configs[0].reload


@pytest.mark.parametrize(
    ("target", "code", "hint"),
    [
        ("other.py", "application = App()", "did you mean other:application?"),
        ("other", "application = App()", "did you mean other:application?"),
        ("other:xyz", "application = App()", "did you mean other:application?"),
        ("sub/other.py", "application = App()", "did you mean sub/other.py:application?"),
        ("other", "one = App()\ntwo = App()", "did you mean other:one or other:two?"),
        ("other", "def create_app(): return App()", "did you mean other:create_app with --factory?"),
        ("other", "def served(x=1) -> App: return App()", "did you mean other:served with --factory?"),
        ("other", "def served() -> 'wirefast.App': return App()", "did you mean other:served with --factory?"),
        ("other", "def create_app(settings): return App()", "name the application: other:NAME"),
    ],
)
def test_an_application_of_another_name(tmp_path: Path, target: str, code: str, hint: str) -> None:
    (tmp_path / "sub").mkdir()
    for folder in (tmp_path, tmp_path / "sub"):
        (folder / "other.py").write_text(f"from wirefast import App\n{code}\n")
    ended = wirefast("run", target, "--port", "0", cwd=tmp_path)
    name = target.partition(":")[2] or "app"
    assert ended.stderr == f"wirefast: error: 'other' has no attribute {name!r}; {hint}\n"
    assert ended.returncode == 2


def test_a_word_that_is_neither(tmp_path: Path) -> None:
    ended = wirefast("main", cwd=tmp_path)
    assert ended.returncode == 2 and "'main'" in ended.stderr and ended.stderr.count("\n") == 1


def test_a_word_that_is_the_name_of_a_file(tmp_path: Path) -> None:
    (tmp_path / "main.py").write_text(APP)
    ended = wirefast("main", cwd=tmp_path)
    assert ended.returncode == 2
    assert ended.stderr == (
        "wirefast: error: No such command 'main'; did you mean 'wirefast main.py'; see 'wirefast --help'\n"
    )


def test_version_has_what_a_report_needs() -> None:
    lines = wirefast("--version").stdout.splitlines()
    assert [line.partition(" ")[0] for line in lines] == ["wirefast", "compiled:", "event", "server:", "Python:"]
    assert int(lines[1].split()[1]) > 40 and "orjson" in lines[1]


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_of_the_shell(shell: str) -> None:
    done = subprocess.run(
        [str(Path(sys.executable).with_name("wirefast"))],
        env={**os.environ, "_WIREFAST_COMPLETE": f"{shell}_source"},
        capture_output=True,
        text=True,
        timeout=TIMEOUT,
    )
    assert done.returncode == 0 and "_WIREFAST_COMPLETE" in done.stdout, done.stderr
