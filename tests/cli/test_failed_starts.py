"""What an operator and a developer read when the application does not start: its own frames, once, and what follows."""

from __future__ import annotations

import re
import signal
import sys
from pathlib import Path

import pytest

from processes import TIMEOUT, ServerProcess, running, wirefast

APP = "from wirefast import App\napp = App()\n"
SYNTAX = f"{APP}def f()\n    return 1\n"
DEPENDS = """\
from wirefast import App, Depends
def number():
    return 1
app = App()
@app.get("/")
def root(a=Depends(number())):
    return a
"""
LISTED = """\
from wirefast import App, Depends
def number():
    return 1
app = App(dependencies=[Depends(number())])
@app.get("/")
def root():
    return 1
"""
HANDLER = """\
from wirefast import App, Depends
def number():
    return 1
app = App()
room = app.messages("/room")
@room.on("say")
def say(text: str, a=Depends(number())):
    return a
"""
OF_ROUTE = """\
from wirefast import App, Depends
def number():
    return 1
app = App()
room = app.messages("/room", dependencies=[Depends(number())])
"""
LIFESPAN = """\
from contextlib import asynccontextmanager
from wirefast import App
@asynccontextmanager
async def life(app):
    raise RuntimeError("no database")
    yield
app = App(lifespan=life)
"""
AWAITED = "WARNING:  Waiting for a change of a file to start again"


def files_of(log: str) -> list[str]:
    return re.findall(r'^ *File "(.*)", line', log, re.MULTILINE)


def reloading(target: str, folder: Path) -> ServerProcess:
    return ServerProcess(target, "--reload", "--reload-delay", "0.05", "--port", "0", cwd=folder)


def test_a_syntax_error_under_the_reloader(tmp_path: Path) -> None:
    file = tmp_path / "main.py"
    file.write_text(SYNTAX)
    server = reloading("main.py", tmp_path)
    try:
        server.wait_for("Started reloader process")
        server.wait_for(AWAITED)
        said = server.lines[-6:]
        file.write_text(APP)
        server.wait_for("detected changes in 'main.py'")
        server.wait_for("Application startup complete")
    finally:
        assert server.end(signal.SIGTERM) == 0
    assert said[0] == "ERROR:    The application raised SyntaxError while it was loaded"
    assert said[1:3] == [f'  File "{file}", line 3', "    def f()"]
    assert said[3].strip() == "^" and said[4].startswith("SyntaxError: ")


def test_an_import_error_under_the_reloader_has_the_frames_of_the_application(tmp_path: Path) -> None:
    (tmp_path / "main.py").write_text("import other\n")
    (tmp_path / "other.py").write_text("import importlib\nimportlib.import_module('third')\n")
    (tmp_path / "third.py").write_text("1 / 0\n")
    server = reloading("main.py", tmp_path)
    try:
        server.wait_for(AWAITED)
    finally:
        server.end(signal.SIGTERM)
    files = files_of(server.log)
    assert files[:2] == [str(tmp_path / "main.py"), str(tmp_path / "other.py")]
    assert files[-1] == str(tmp_path / "third.py")
    assert server.log.count("ZeroDivisionError: ") == 1 and "uvicorn" not in "".join(files)


@pytest.mark.parametrize(
    ("program", "said"), [(LIFESPAN, "Application startup failed"), ("App = 1\n", "Error loading ASGI app")]
)
def test_the_reloader_says_that_it_waits(tmp_path: Path, program: str, said: str) -> None:
    (tmp_path / "main.py").write_text(program)
    server = reloading("main.py", tmp_path)
    try:
        server.wait_for(said)
        server.wait_for(AWAITED)
    finally:
        server.end(signal.SIGTERM)
    assert server.log.count(AWAITED) == 1


@pytest.mark.parametrize(
    ("workers", "raised"), [(1, "RuntimeError"), (3, "RuntimeError"), (1, "TypeError"), (2, "TypeError")]
)
def test_a_factory_that_raises(tmp_path: Path, workers: int, raised: str) -> None:
    (tmp_path / "main.py").write_text(f"def make():\n    raise {raised}('no settings')\n")
    with running("main:make", "--factory", "--workers", str(workers), "--port", "0", cwd=tmp_path) as server:
        server.wait_for("no settings")
        assert server.process.wait(TIMEOUT) == (1 if workers == 1 else 3)
    assert server.log.count(f"{raised}: no settings") == 1
    assert files_of(server.log) == [str(tmp_path / "main.py")]
    assert AWAITED not in server.log
    assert (server.lines[-1] == "wirefast: error: the application did not load, see above") == (workers == 1)


def test_a_factory_that_takes_arguments(tmp_path: Path) -> None:
    (tmp_path / "main.py").write_text("def make(settings): ...\n")
    ended = wirefast("run", "main:make", "--factory", "--port", "0", cwd=tmp_path)
    assert ended.returncode == 3 and "missing 1 required positional argument: 'settings'" in ended.stderr
    assert "Traceback" not in ended.stderr


def test_an_application_that_is_said_to_be_a_factory(tmp_path: Path) -> None:
    (tmp_path / "main.py").write_text("from wirefast import App\n\napp = App()\n")
    ended = wirefast("run", "main:app", "--factory", "--port", "0", cwd=tmp_path)
    assert ended.returncode == 3 and "'main:app' is an application and no factory; leave --factory out" in ended.stderr
    assert "Traceback" not in ended.stderr


def test_workers_tell_one_failure_of_the_lifespan_once(tmp_path: Path) -> None:
    (tmp_path / "main.py").write_text(LIFESPAN)
    with running("main.py", "--workers", "3", "--port", "0", cwd=tmp_path) as server:
        server.wait_for("no database")
        assert server.process.wait(TIMEOUT) == 3
    assert server.log.count("RuntimeError: no database") == 1
    assert files_of(server.log) == [str(tmp_path / "main.py")]
    assert server.log.count("Traceback") == 1
    assert "Application startup failed. Exiting." in server.log


def test_a_lifespan_that_fails_has_the_frames_of_the_application(tmp_path: Path) -> None:
    (tmp_path / "main.py").write_text(LIFESPAN.replace("raise RuntimeError", "import json; json.loads"))
    ended = wirefast("run", "main.py", "--port", "0", cwd=tmp_path)
    assert ended.returncode == 3
    files = files_of(ended.stderr)
    assert files[0] == str(tmp_path / "main.py") and Path(files[-1]).name == "decoder.py"


def test_a_lifespan_may_say_why_it_failed(tmp_path: Path) -> None:
    (tmp_path / "main.py").write_text(
        "async def app(scope, receive, send):\n"
        "    await receive()\n"
        "    await send({'type': 'lifespan.startup.failed', 'message': 'no licence'})\n"
    )
    ended = wirefast("run", "main.py", "--port", "0", cwd=tmp_path)
    assert ended.returncode == 3 and "ERROR:    no licence\n" in ended.stderr


def test_an_application_that_ends_its_process_was_loaded(tmp_path: Path) -> None:
    ends = "import asyncio, sys; asyncio.get_running_loop().call_soon(sys.exit, 1)"
    (tmp_path / "main.py").write_text(LIFESPAN.replace('raise RuntimeError("no database")', ends))
    ended = wirefast("run", "main.py", "--port", "0", cwd=tmp_path)
    assert ended.returncode == 1 and "did not load" not in ended.stderr


def test_workers_tell_different_failures(tmp_path: Path) -> None:
    program = LIFESPAN.replace('"no database"', 'f"no database for {os.getpid()}"')
    (tmp_path / "main.py").write_text(f"import os\n{program}")
    with running("main.py", "--workers", "2", "--port", "0", cwd=tmp_path) as server:
        server.wait_for("RuntimeError: no database for")
        assert server.process.wait(TIMEOUT) == 3
    pids = re.findall(r"no database for (\d+)$", server.log, re.MULTILINE)
    assert len(pids) == len(set(pids))


@pytest.mark.skipif(sys.version_info < (3, 11), reason="exceptions get notes in Python 3.11")
@pytest.mark.parametrize(
    ("program", "line", "notes"),
    [
        (
            DEPENDS,
            5,
            [
                "Depends() of the parameter 'a' of root() in {file}, line 5 takes the function itself: "
                "leave out the parentheses behind it.",
                "Declared by root() in {file}, line 5 for the path '/'.",
            ],
        ),
        (
            LISTED,
            5,
            [
                "Depends() in a list of dependencies takes the function itself: leave out the parentheses behind it.",
                "Declared by root() in {file}, line 5 for the path '/'.",
            ],
        ),
        (
            HANDLER,
            6,
            [
                "Depends() of the parameter 'a' of say() in {file}, line 6 takes the function itself: "
                "leave out the parentheses behind it.",
                "Declared by say() in {file}, line 6 for the path '/room'.",
            ],
        ),
        (
            OF_ROUTE,
            5,
            [
                "Depends() in a list of dependencies takes the function itself: leave out the parentheses behind it.",
                "Declared for the path '/room'.",
            ],
        ),
    ],
    ids=["parameter", "list", "handler", "route"],
)
def test_an_error_of_a_declaration_names_its_place(tmp_path: Path, program: str, line: int, notes: list[str]) -> None:
    file = tmp_path / "main.py"
    file.write_text(program)
    ended = wirefast("run", "main.py", "--port", "0", cwd=tmp_path)
    assert ended.returncode == 1
    assert files_of(ended.stderr) == [str(file)] and f'"{file}", line {line}, in <module>' in ended.stderr
    assert ended.stderr.splitlines()[-len(notes) - 1 : -1] == [note.format(file=file) for note in notes]


@pytest.mark.skipif(sys.version_info < (3, 11), reason="exceptions get notes in Python 3.11")
def test_a_form_without_its_package_is_told_once_with_its_place(tmp_path: Path) -> None:
    file = tmp_path / "main.py"
    file.write_text(
        "import sys\nfrom wirefast import App, Form\n\n"
        "sys.modules['python_multipart'] = sys.modules['multipart'] = None\n"
        "app = App()\n\n\n@app.post('/')\nasync def root(name: str = Form()): ...\n"
    )
    ended = wirefast("run", "main.py", "--port", "0", cwd=tmp_path)
    assert ended.returncode == 1 and files_of(ended.stderr) == [str(file)]
    assert ended.stderr.count("pip install python-multipart") == 1
    assert f"Declared by root() in {file}, line 8 for the path '/'." in ended.stderr.splitlines()


def test_each_reload_tells_its_failure(tmp_path: Path) -> None:
    (tmp_path / "main.py").write_text(APP)
    with running("main.py", "--workers", "2", "--port", "0", cwd=tmp_path) as server:
        for _ in range(2):
            server.wait_for("Application startup complete")
        (tmp_path / "main.py").write_text(LIFESPAN)
        for count in (1, 2):
            server.process.send_signal(signal.SIGHUP)
            server.wait_for("did not start; keeping worker")
            assert server.log.count("RuntimeError: no database") == count
