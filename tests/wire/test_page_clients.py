"""The clients on the pages of docs/: the JavaScript in a real browser, the Python beside it, one server for both."""

from __future__ import annotations

import asyncio
import json
import re
import sys
import threading
import time
import types
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from serving import Served

from browser import PATIENCE, Browser, Page
from examples_here import forget_tables
from processes import ServerProcess

DOCS = Path(__file__).parents[2] / "docs"
BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


class Read(NamedTuple):
    """A page: its program, as a module with the client in Python, and its clients."""

    module: Any
    server: str
    python: Callable[..., Any]
    javascript: str


@pytest.fixture(autouse=True)
def no_tables() -> Iterator[None]:
    """A page with a database is run by other tests too."""
    forget_tables()
    yield
    forget_tables()


def read(name: str) -> Read:
    text = (DOCS / f"{name}.md").read_text(encoding="utf-8")
    tabs = text[text.index("::::{tab-set}") : text.index("\n::::\n")]
    clients = dict(BLOCK.findall(tabs))
    server = [code for language, code in BLOCK.findall(text.replace(tabs, "")) if language == "python"]
    module = types.ModuleType(f"page_{re.sub('[^a-z]', '_', name)}")
    sys.modules[module.__name__] = module  # where models look names up
    for code in [*server, clients["python"]]:
        if named := re.match(r"# (\w+)/(\w+)\.py\n", code):  # a file of a package, which the next one imports
            sys.modules[named[1]] = sys.modules[f"{named[1]}.{named[2]}"] = module
        exec(compile(code, f"docs/{name}.md", "exec"), vars(module))
    (function,) = re.findall(r"^async def (\w+)\(url, show\)", clients["python"], re.MULTILINE)
    return Read(module, server[0], getattr(module, function), clients["javascript"])


def post(url: str, body: Any) -> None:
    content = None if body is None else json.dumps(body).encode()
    headers = {"Content-Type": "application/json"}
    request = urllib.request.Request(url.replace("ws", "http", 1), content, headers, method="POST")
    urllib.request.urlopen(request, timeout=PATIENCE).close()


#: Page -> what both clients show, in any order, once what the page is about has happened.
SHOWN: dict[str, list[Any]] = {
    "howto/notifications": ["nice"],
    "howto/presence": ["ada"],
    "howto/browser-login": ["hello ada"] * 3,
    "howto/jwt": ["hello ada"],
    "howto/kick": ["not welcome: blocked"],
    "howto/push-only": [0, 1, 2],
    "howto/progress": ["done at 100 %"],
    "howto/binary": ["2 samples, sum 4"],
    "howto/files": ["tea for ada"],
    "howto/workers": ["hello"] * 8,
    "admission": ["I am ada"],
    "authentication": ["let in by t1"],
    "dependencies": ["5 lines for the user of t"],
    "message-requests": ["Grace"],
    "message-streams": [2, 0, 1, 1000],
    "messages": ["Bob: hello"],
    "parameters": ["room 7, at most 5 of a and b"],
    "rooms": ["news"],
    "websockets": ["HI", "cba", '{"got":[1,2]}'],
}
#: The application that the clients of a page talk to, where a page has several.
NAMES = {"admission": "api"}
#: Page -> what happens meanwhile, again and again until both have shown it.
TRIGGERS: dict[str, list[tuple[str, Any]]] = {
    "howto/notifications": [("/comments/ada?text=nice", None)],
    "howto/kick": [("/kick/ada", None)],
    "howto/files": [("/api/orders?item=tea&token=t-ada", None)],
    "rooms": [(f"/notify/{room}", {"text": "news"}) for room in (1, 2)],
}


def test_every_page_has_its_clients_run() -> None:
    pages = {path.relative_to(DOCS).with_suffix("").as_posix(): path.read_text() for path in DOCS.rglob("*.md")}
    with_clients = {name for name, text in pages.items() if "{tab-item} JavaScript\n```javascript" in text}
    assert with_clients == set(SHOWN)
    without = {"howto/index", "howto/debug"}
    assert {name for name in pages if name.startswith("howto/")} - without <= with_clients


class Both:
    """The two clients at work."""

    def __init__(self, browser: Browser, page: Read, url: str) -> None:
        self.python: list[Any] = []
        self.failed: list[BaseException] = []
        self.page = Page(browser, f"{url.replace('ws', 'http', 1)}/nothing")
        self.page.wait_for("true")
        script = (
            f"window.shown = []; window.show = text => shown.push(text); (async () => {{ {page.javascript} }})(); null"
        )
        self.page.evaluate(script)
        self.loop = asyncio.new_event_loop()
        self.task = self.loop.create_task(page.python(url, self.python.append))
        self.thread = threading.Thread(target=self._run)
        self.thread.start()

    def _run(self) -> None:
        try:
            self.loop.run_until_complete(self.task)
        except asyncio.CancelledError:
            pass
        except BaseException as exc:
            self.failed.append(exc)
        finally:
            self.loop.run_until_complete(self._end_what_is_left())
            self.loop.close()

    async def _end_what_is_left(self) -> None:
        """The client's own tasks, which would keep its connection open."""
        left = asyncio.all_tasks() - {asyncio.current_task()}
        for task in left:
            task.cancel()
        await asyncio.gather(*left, return_exceptions=True)
        await asyncio.get_running_loop().shutdown_asyncgens()

    def shown(self) -> tuple[list[Any], list[Any]]:
        assert not self.failed, self.failed
        return self.page.evaluate("shown"), self.python

    def end(self) -> None:
        with suppress(RuntimeError):  # the client has ended, and its loop with it
            self.loop.call_soon_threadsafe(self.task.cancel)
        self.thread.join(PATIENCE)
        self.page.close()


@contextmanager
def both(browser: Browser, page: Read, url: str) -> Iterator[Both]:
    clients = Both(browser, page, url)
    try:
        yield clients
    finally:
        clients.end()


def show_all(clients: Both, wanted: list[Any], trigger: Callable[[], None]) -> None:
    deadline = time.monotonic() + PATIENCE
    while not all(found[: len(wanted)] == wanted for found in clients.shown()):
        assert time.monotonic() < deadline, (clients.shown(), wanted)
        trigger()
        time.sleep(0.02)


@pytest.mark.parametrize("name", [name for name in SHOWN if name != "howto/workers"])
def test_both_clients_do_what_the_page_says(name: str, browser: Browser, serve: Callable[..., Served]) -> None:
    page = read(name)
    served = serve(getattr(page.module, NAMES.get(name, "app")))
    with both(browser, page, served.url) as clients:

        def trigger() -> None:
            for path, body in TRIGGERS.get(name, ()):
                post(served.url + path, body)

        show_all(clients, SHOWN[name], trigger)


def test_two_workers(browser: Browser, tmp_path: Path) -> None:
    page = read("howto/workers")
    (tmp_path / "service.py").write_text(page.server)
    server = ServerProcess("service.py", "--workers", "2", "--port", "0", "--no-access-log", cwd=tmp_path)
    try:
        with both(browser, page, f"ws://127.0.0.1:{server.wait_for_port()}") as clients:
            show_all(clients, SHOWN["howto/workers"], lambda: None)
    finally:
        server.end()
