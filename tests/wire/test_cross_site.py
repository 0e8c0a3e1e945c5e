"""Cross-site WebSocket hijacking in a real Chromium: a page of another origin sends a visitor's cookie."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from serving import Served

from browser import Browser, Page
from wirefast import App, WebSocket
from wirefast.responses import HTMLResponse


def site(entered: list[str | None], **options: Any) -> App:
    app = App(**options)

    @app.get("/")
    def login() -> HTMLResponse:
        return HTMLResponse("<p>logged in</p>", headers={"set-cookie": "session=ada; Path=/"})

    @app.websocket("/socket")
    async def socket(websocket: WebSocket) -> None:
        entered.append(websocket.cookies.get("session"))
        await websocket.accept()
        await websocket.send_text(f"hello {websocket.cookies.get('session')}")
        await websocket.receive_text()

    return app


def connect(page: Page, port: Any) -> str:
    """What a script of the page gets from the socket: its first message, or the code of its close."""
    return str(
        page.evaluate(
            f"new Promise(done => {{ const socket = new WebSocket('ws://127.0.0.1:{port}/socket');"
            "socket.onmessage = event => done(event.data); socket.onclose = event => done('closed ' + event.code) })"
        )
    )


@pytest.mark.parametrize("listed", [False, True], ids=["nothing set", "listed"])
def test_a_page_of_another_origin(browser: Browser, serve: Callable[..., Served], listed: bool) -> None:
    evil = serve(site([]), loop="uvloop")
    entered: list[str | None] = []
    origins = [f"http://127.0.0.1:{evil.address[1]}"] if listed else None
    bank = serve(site(entered, origins=origins), loop="uvloop")
    own = Page(browser, f"http://127.0.0.1:{bank.address[1]}/")
    own.wait_for("document.body.innerText === 'logged in'")
    # Another port of one host is the same site, so that the cookie comes along, and another origin.
    page = Page(browser, f"http://127.0.0.1:{evil.address[1]}/")
    page.wait_for("document.body.innerText === 'logged in'")
    assert connect(page, bank.address[1]) == ("hello ada" if listed else "closed 1006")
    assert entered == (["ada"] if listed else [])
    if not listed:
        assert connect(own, bank.address[1]) == "hello ada"
