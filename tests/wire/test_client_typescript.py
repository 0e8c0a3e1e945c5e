"""The generated TypeScript client: strict, formatted, and right in Node and in a browser, against a real server."""

from __future__ import annotations

import http.server
import json
import re
import shutil
import threading
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest
from node_tools import FOLDER, compile_typescript, node, run, tool

from browser import Browser, Page
from processes import ServerProcess, running, wirefast

HERE = Path(__file__).parent
SERVICE = HERE / "client_service.py"


@pytest.fixture
def url() -> Iterator[str]:
    with running(str(SERVICE), "--port", "0", "--no-access-log") as server:
        yield f"ws://127.0.0.1:{server.wait_for_port()}"


@pytest.fixture(scope="module")
def compiled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The client and its scenario as modules."""
    tool("tsc")
    folder = tmp_path_factory.mktemp("client")
    done = wirefast("client", str(SERVICE), "-o", str(folder / "socket.ts"))
    assert done.returncode == 0, done.stderr
    shutil.copy(HERE / "client_scenario.ts", folder)
    (folder / "package.json").write_text('{"type": "module"}')
    compile_typescript(folder / "client_scenario.ts", out=folder)
    script = (
        "import {scenario} from './client_scenario.js'; console.log(await scenario(process.argv[2])); process.exit();"
    )
    (folder / "main.js").write_text(script)
    (folder / "page.html").write_text("<!doctype html><title>client</title>")
    return folder


def test_in_node(compiled: Path, url: str) -> None:
    assert node(compiled / "main.js", url).strip() == "all well"


def test_in_a_browser(compiled: Path, browser: Browser) -> None:
    class Quiet(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *_: object) -> None: ...

    files = http.server.ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(compiled)))
    threading.Thread(target=files.serve_forever, daemon=True).start()
    server = ServerProcess(str(SERVICE), "--port", "0", "--no-access-log")
    try:
        page = Page(browser, f"http://127.0.0.1:{files.server_port}/page.html")
        page.wait_for("document.title === 'client'")
        url = json.dumps(f"ws://127.0.0.1:{server.wait_for_port()}")
        script = f"import('./client_scenario.js').then(module => module.scenario({url})).catch(error => String(error))"
        assert page.evaluate(script) == "all well"
    finally:
        files.shutdown()
        files.server_close()
        server.end()


def test_it_is_formatted_and_stable(compiled: Path) -> None:
    run(tool("prettier"), "--print-width", "120", "--check", compiled / "socket.ts")
    again = wirefast("client", str(SERVICE), "--lang", "ts")
    assert again.stdout == (compiled / "socket.ts").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("line", "error"),
    [
        ('room.send({ type: "say" });', "text"),
        ('room.send({ type: "shout", text: "x" });', '"shout"'),
        ('connect("/rooms/{room_id}", { url: "ws://x" });', "params"),
        ('connect("/nowhere", { url: "ws://x" });', "/nowhere"),
        ('room.on("said", (message) => message.nothing);', "nothing"),
        ('room.request({ type: "ask", number: 1 }).then((answer) => answer.text);', "text"),
    ],
)
def test_mistakes_are_errors(compiled: Path, tmp_path: Path, line: str, error: str) -> None:
    shutil.copy(compiled / "socket.ts", tmp_path)
    begin = 'import { connect } from "./socket.js";\n'
    begin += 'const room = connect("/rooms/{room_id}", { params: { room_id: 1 } });\n'
    (tmp_path / "wrong.ts").write_text(begin + line)
    with pytest.raises(AssertionError, match=r"wrong\.ts\(3,") as raised:
        compile_typescript(tmp_path / "wrong.ts", out=tmp_path / "out")
    assert error in str(raised.value)


def test_the_examples_for_frameworks() -> None:
    tool("tsc")
    folder = FOLDER / "examples"  # beside the packages, where the compiler looks for them
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(HERE.parents[1] / "examples" / "clients", folder)
    example = HERE.parents[1] / "examples" / "typed_chat.py"
    assert wirefast("client", str(example), "-o", str(folder / "socket.ts")).returncode == 0
    files = sorted(folder.glob("*.ts"))
    assert [path.stem for path in files] == ["socket", "socketOf", "useSocket"]
    run(tool("prettier"), "--print-width", "120", "--check", *files)
    compile_typescript(*files, out=folder / "out")


def test_the_page_of_the_documentation(compiled: Path, tmp_path: Path) -> None:
    shutil.copy(compiled / "socket.ts", tmp_path)
    text = (HERE.parents[1] / "docs" / "clients.md").read_text(encoding="utf-8")
    section = text.partition("\n## TypeScript\n")[2]
    code = re.findall(r"```typescript\n(.*?)```", section, re.DOTALL)[0]
    imports, _, rest = code.partition("\n\n")
    whole = f"{imports}\ndeclare function fetchToken(): Promise<string>;\nexport async function page() {{\n{rest}}}\n"
    (tmp_path / "page.ts").write_text(whole)
    compile_typescript(tmp_path / "page.ts", out=tmp_path / "out")


def test_the_way_from_a_service_to_a_page(tmp_path: Path, browser: Browser) -> None:
    tool("tsc")
    text = (HERE.parents[1] / "docs" / "clients.md").read_text(encoding="utf-8")
    text = text.partition("## From a service to a page")[2].partition("\n## ")[0]
    commands = [line.split() for code in re.findall(r"```sh\n(.*?)```", text, re.DOTALL) for line in code.splitlines()]
    (tmp_path / "public").mkdir()
    for _, code in re.findall(r"```(python|typescript|html)\n(.*?)```", text, re.DOTALL):
        if name := re.match(r"(?:#|//|<!--) (\S+)", code):
            (tmp_path / name[1]).write_text(code)
    (client,) = [words[1:] for words in commands if words[1] == "client"]
    assert wirefast(*client, cwd=tmp_path).returncode == 0
    (compiler,) = [words[2:] for words in commands if words[:2] == ["npx", "tsc"]]
    run(tool("tsc"), *compiler, cwd=tmp_path)
    (server,) = [words[2:] for words in commands if words[1] == "run"]
    with running(*server, "--port", "0", cwd=tmp_path) as process:
        page = Page(browser, f"http://127.0.0.1:{process.wait_for_port()}/")
        page.wait_for("document.title === 'open' && document.body.textContent === 'room 7: HI'")


def test_it_may_be_imported_and_used_where_there_is_no_websocket(compiled: Path, tmp_path: Path) -> None:
    script = tmp_path / "server.mjs"
    script.write_text(
        "delete globalThis.WebSocket;\n"
        f"const {{connect}} = await import({json.dumps((compiled / 'socket.js').as_uri())});\n"
        "const room = connect('/rooms/{room_id}', {url: 'ws://127.0.0.1:9', params: {room_id: 1}});\n"
        "console.log(room.state, room.send({type: 'say', text: 'x'}));\n"
    )
    assert node(script).split() == ["waiting", "queued"]
