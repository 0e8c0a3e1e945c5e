"""The plugin under pytest-asyncio, anyio's plugin and none; what it costs who does not use it."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from textwrap import indent

CONFTEST = """
import pytest
from wirefast import App, WebSocket

def make_app():
    app = App()

    @app.websocket("/echo")
    async def echo(websocket: WebSocket):
        await websocket.accept()
        async for text in websocket.iter_text():
            await websocket.send_text(text)

    return app

@pytest.fixture
def live_app():
    return make_app

@pytest.fixture
def anyio_backend():
    return "asyncio"
"""
TALK = """
    async with live.connect("/echo") as ann:
        await ann.send("hi")
        await ann.expect("hi")
"""
TESTS = {
    "plain": f"async def test_it(live):{TALK}",
    "method": f"class TestIt:\n    async def test_it(self, live):{indent(TALK, '    ')}",
    "pytest-asyncio": f"import pytest\n@pytest.mark.asyncio\nasync def test_it(live):{TALK}",
    "pytest-asyncio's fixture": """
import pytest, pytest_asyncio
@pytest_asyncio.fixture
async def ann(live):
    async with live.connect("/echo") as ann:
        yield ann
@pytest.mark.asyncio
async def test_it(ann, live):
    await ann.send("hi")
    await ann.expect("hi")
""",
    "anyio": f"import pytest\n@pytest.mark.anyio\nasync def test_it(live):{TALK}",
    "anyio's fixture": """
import pytest
@pytest.fixture
async def ann(live):
    async with live.connect("/echo") as ann:
        yield ann
@pytest.mark.anyio
async def test_it(ann):
    await ann.send("hi")
    await ann.expect("hi")
""",
    "a plain function": f"def test_it(live):\n  async def talk():{TALK}\n  live.run(talk())",
    "a marker": f"""
import pytest
from conftest import make_app
@pytest.mark.live(make_app(), mode="asgi")
async def test_it(live):
    assert live.mode == "asgi"{TALK}""",
    "an application of the test": f"""
import pytest
from conftest import make_app
@pytest.fixture
def live_app():
    return None
async def test_it(live):
    app = await live.start(make_app)
    assert live.app is app{TALK}""",
}


def run(directory: Path, tests: dict[str, str], *options: str, conftest: str = CONFTEST) -> str:
    """What pytest says of some files of tests."""
    (directory / "conftest.py").write_text(conftest)
    for number, test in enumerate(tests.values()):
        (directory / f"test_{number}.py").write_text(test)
    alone = ["-p", "no:cacheprovider", "-c", "/dev/null", "--rootdir", str(directory)]
    command = [sys.executable, "-m", "pytest", "-q", *alone, "-o", "asyncio_default_fixture_loop_scope=function"]
    done = subprocess.run(
        [*command, "-W", "error", *options, str(directory)], cwd=directory, capture_output=True, text=True, timeout=200
    )
    return done.stdout + done.stderr


def test_every_kind_of_test_runs(tmp_path: Path) -> None:
    said = run(tmp_path, TESTS)
    assert f"{len(TESTS)} passed" in said, said


def test_pytest_asyncio_in_its_auto_mode(tmp_path: Path) -> None:
    said = run(tmp_path, {name: TESTS[name] for name in ("plain", "method")}, "-o", "asyncio_mode=auto")
    assert "2 passed" in said, said


def test_the_other_half_of_anyios_auto_mode_says_what_to_do(tmp_path: Path) -> None:
    """Where nobody says otherwise, anyio runs each test on asyncio and on trio, which has no clock for `live`."""
    conftest = CONFTEST.partition("@pytest.fixture\ndef anyio_backend")[0]
    said = run(tmp_path, {"plain": TESTS["plain"]}, "-o", "anyio_mode=auto", conftest=conftest)
    assert "1 failed, 1 passed" in said and "FAILED test_0.py::test_it[trio]" in said, said
    advice = "wirefast.testing runs on asyncio's event loop; under anyio's plugin let the fixture anyio_backend return"
    assert f'RuntimeError: {advice} "asyncio"' in said, said


LEAVES = {
    "plain": "async def test_it(live):\n    await live.connect('/echo', name='plain')",
    "pytest-asyncio": """
import pytest
@pytest.mark.asyncio
async def test_it(live):
    await live.connect('/echo', name='asyncio')
""",
    "anyio": """
import pytest
@pytest.mark.anyio
async def test_it(live):
    await live.connect('/echo', name='anyio')
""",
    "a plain function": """
def test_it(live):
    async def talk():
        await live.connect('/echo', name='function')
    live.run(talk())
""",
    "a failure": """
async def test_it(live):
    async with live.connect("/echo", name="ann") as ann, live.connect("/echo", name="bob") as bob:
        await ann.send("hi")
        await bob.send("you")
        await ann.expect("hi")
        await ann.expect("more", within=0.05)
""",
}


def test_what_is_left_fails_the_test_and_a_failure_has_both_transcripts(tmp_path: Path) -> None:
    said = run(tmp_path, LEAVES)
    for name in ("plain", "asyncio", "anyio", "function"):
        assert f"a socket: {name}, /echo, was not closed" in said, said
    lines = [line[1:].strip() for line in said.splitlines() if line[:1] == "E"]
    shown = re.sub(r"\d+\.\d+ ([<>])", r"\1", "\n".join(lines))
    failure = (
        "TimedOut: ann expected 'more' within 0.05 s, but nothing came\n\nann\n> GET /echo\n< 101\n> hi\n< hi\n\nbob"
    )
    assert failure in shown, shown
    assert "> you\n< you" in shown


SERVICE = CONFTEST.split("@pytest.fixture")[0] + "\napp = make_app()\n"


def test_where_the_application_is_named(tmp_path: Path) -> None:
    (tmp_path / "service.py").write_text(SERVICE)
    plain = {"plain": TESTS["plain"]}
    assert "the fixture `live` has no application: define a fixture `live_app`" in run(tmp_path, plain, conftest="")
    assert "1 passed" in run(tmp_path, plain, "-o", "live_app=service:app", conftest="")
    fixture = "import pytest\nfrom service import make_app\n@pytest.fixture\ndef app():\n    return make_app()\n"
    assert "1 passed" in run(tmp_path, plain, conftest=fixture)


def test_the_plugin_imports_nothing_of_wirefast() -> None:
    """Who has wirefast installed and does not use the fixture pays for one small module."""
    code = """
import sys, pytest
before = set(sys.modules)
import pytest_wirefast
print(*sorted(set(sys.modules) - before))
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout.split() == ["pytest_wirefast"]
