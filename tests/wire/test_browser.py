"""A real browser: two pages of examples/chat.py talk to each other, until one goes and then the server does."""

from __future__ import annotations

import json
import signal
from pathlib import Path

import pytest

from browser import Browser, Page
from processes import ServerProcess

EXAMPLE = Path(__file__).parents[2] / "examples" / "chat.py"


class ChatPage(Page):
    """A page of the example, and what a user does there."""

    def state(self, text: str) -> None:
        self.wait_for(f"document.getElementById('state').textContent.startsWith({json.dumps(text)})")

    @property
    def number(self) -> str:
        return str(self.evaluate("document.getElementById('me').textContent"))

    def say(self, text: str) -> None:
        self.evaluate(f"document.getElementById('text').value = {json.dumps(text)}, null")
        self.evaluate("document.getElementById('form').requestSubmit()")

    def reads(self, *texts: str) -> None:
        """Wait until exactly these messages are listed."""
        listed = "JSON.stringify(Array.from(document.querySelectorAll('#messages li'), item => item.textContent))"
        self.wait_for(f"{listed} === {json.dumps(json.dumps(texts, ensure_ascii=False, separators=(',', ':')))}")


@pytest.mark.parametrize("deflate", [False, True], ids=["plain", "deflate"])
def test_two_pages_chat(browser: Browser, deflate: bool) -> None:
    server = ServerProcess(str(EXAMPLE), "--port", "0", "--ws-per-message-deflate", str(deflate).lower())
    try:
        url = f"http://127.0.0.1:{server.wait_for_port()}/"
        one, two = ChatPage(browser, url), ChatPage(browser, url)
        for page in (one, two):
            page.state("connected")
        hello, answer = "hello " * 100, "grüße 👋"
        one.say(hello)
        one.reads(f"You wrote: {hello}", f"Client #{one.number} says: {hello}")
        two.reads(f"Client #{one.number} says: {hello}")
        two.say(answer)
        heard = [f"Client #{one.number} says: {hello}", f"You wrote: {answer}", f"Client #{two.number} says: {answer}"]
        two.reads(*heard)
        assert two.evaluate("socket.extensions").startswith("permessage-deflate") is deflate
        gone = one.number
        one.close()
        two.reads(*heard, f"Client #{gone} left the chat")
        two.evaluate("window.ended = new Promise(resolve => socket.addEventListener('close', resolve)), null")
        server.process.send_signal(signal.SIGTERM)
        two.state("disconnected")
        assert two.evaluate("ended.then(event => [event.code, event.wasClean])") == [1012, True]
    finally:
        server.end()
    assert "Finished server process" in server.log
    assert "Traceback" not in server.log and "ERROR" not in server.log, server.log
