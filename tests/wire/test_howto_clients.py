"""The clients on the pages of docs/howto: the JavaScript in a real browser, the Python beside it, one server."""

from __future__ import annotations

import asyncio
import re
import sys
import threading
import time
import types
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from serving import Served

from browser import PATIENCE, Browser, Page
from processes import ServerProcess

HOWTO = Path(__file__).parents[2] / "docs" / "howto"
PAGES = sorted(path.stem for path in HOWTO.glob("*.md") if path.stem != "index")
BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


class Read(NamedTuple):
    """A page: its program, as a module, and its clients."""

    module: Any
    server: str
    javascript: str


def read(name: str) -> Read:
    text = (HOWTO / f"{name}.md").read_text(encoding="utf-8")
    tabs = text[text.index("::::{tab-set}") : text.rindex("::::")]
    clients = dict(BLOCK.findall(tabs))
    server = [code for language, code in BLOCK.findall(text.replace(tabs, "")) if language == "python"]
    module = types.ModuleType(f"howto_{name.replace('-', '_')}")
    sys.modules[module.__name__] = module  # where models look names up
    for code in [*server, clients["python"]]:
        exec(compile(code, f"docs/howto/{name}.md", "exec"), vars(module))
    return Read(module, server[0], clients["javascript"])


def post(url: str) -> None:
    urllib.request.urlopen(
        urllib.request.Request(url.replace("ws", "http", 1), method="POST"), timeout=PATIENCE
    ).close()


#: Page -> what both clients show, in any order, once what the page is about has happened.
SHOWN: dict[str, list[Any]] = {
    "notifications": ["nice"],
    "presence": ["ada"],
    "browser-login": ["hello ada"] * 3,
    "kick": ["not welcome: blocked"],
    "push-only": [0, 1, 2],
    "progress": ["done at 100 %"],
    "binary": ["2 samples, sum 4"],
    "workers": ["hello"] * 8,
}
#: Page -> what happens meanwhile, again and again until both have shown it.
TRIGGERS: dict[str, str] = {"notifications": "/comments/ada?text=nice", "kick": "/kick/ada"}


def test_every_page_has_its_clients_run() -> None:
    assert sorted(SHOWN) == PAGES


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
        self.task = self.loop.create_task(page.module.client(url, self.python.append))
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
            self.loop.close()

    def shown(self) -> tuple[list[Any], list[Any]]:
        assert not self.failed, self.failed
        return self.page.evaluate("shown"), self.python

    def end(self) -> None:
        if self.thread.is_alive():
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


@pytest.mark.parametrize("name", [name for name in PAGES if name != "workers"])
def test_both_clients_do_what_the_page_says(name: str, browser: Browser, serve: Callable[..., Served]) -> None:
    page = read(name)
    served = serve(page.module.app)
    with both(browser, page, served.url) as clients:
        path = TRIGGERS.get(name)
        show_all(clients, SHOWN[name], lambda: None if path is None else post(served.url + path))


def test_two_workers(browser: Browser, tmp_path: Path) -> None:
    page = read("workers")
    (tmp_path / "service.py").write_text(page.server)
    server = ServerProcess("service.py", "--workers", "2", "--port", "0", "--no-access-log", cwd=tmp_path)
    try:
        with both(browser, page, f"ws://127.0.0.1:{server.wait_for_port()}") as clients:
            show_all(clients, SHOWN["workers"], lambda: None)
    finally:
        server.end()
