"""A real browser opens the pages of documented_service.py, offline and under a strict Content-Security-Policy."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from browser import Browser, Page
from processes import ServerProcess
from wirefast.documents.assets import find_assets

pytestmark = pytest.mark.skipif(find_assets() is None, reason="the files of the pages are in the extra docs-assets")

SERVICE = Path(__file__).with_name("documented_service.py")
#: Before a page's own scripts: what the policy refused, what failed, and how a user fills in a field of React's.
WATCH = """
window.refused = []; window.failed = [];
const refuse = event => refused.push([event.violatedDirective, event.blockedURI]);
document.addEventListener("securitypolicyviolation", refuse);
window.addEventListener("error", event => failed.push(event.message || "error"));
window.fill = (field, text) => {
  Object.getOwnPropertyDescriptor(Object.getPrototypeOf(field), "value").set.call(field, text);
  field.dispatchEvent(new Event("input", {bubbles: true}));
  field.dispatchEvent(new FocusEvent("focusout", {bubbles: true}));  // Swagger UI waits for more, until it is left
};
"""


@pytest.fixture
def url() -> Iterator[str]:
    server = ServerProcess(str(SERVICE), "--port", "0", "--no-access-log")
    try:
        yield f"http://127.0.0.1:{server.wait_for_port()}"
    finally:
        server.end()
    assert "Traceback" not in server.log, server.log


def opened(browser: Browser, url: str) -> Page:
    page = Page(browser, "about:blank")
    browser.command("Page.enable", page.session)
    browser.command("Page.addScriptToEvaluateOnNewDocument", page.session, source=WATCH)
    browser.command("Page.navigate", page.session, url=url)
    return page


def loaded_from(page: Page) -> set[str]:
    """The hosts that a page asked for anything."""
    origins = "performance.getEntriesByType('resource').map(entry => new URL(entry.name).origin)"
    return set(page.evaluate(f"[...new Set({origins})]"))


def call(page: Page, path: str) -> str:
    """Open an operation, press "Try it out" and "Execute", and read the answer."""
    block = f"[...document.querySelectorAll('.opblock')].find(block => block.innerText.includes({json.dumps(path)}))"
    page.wait_for(block)
    page.evaluate(f"window.block = {block}; block.querySelector('.opblock-summary-control').click(); null")
    page.wait_for("block.querySelector('.try-out__btn')")
    page.evaluate("block.querySelector('.try-out__btn').click()")
    page.wait_for("block.querySelector('.execute')")
    page.evaluate("block.querySelectorAll('.parameters input').forEach(field => fill(field, '7')), null")
    page.evaluate("block.querySelector('.execute').click()")
    page.wait_for("block.querySelector('.live-responses-table .microlight')")
    status = page.evaluate("block.querySelector('.live-responses-table tbody .response-col_status').innerText")
    assert status.strip() == "200", page.evaluate("block.innerText")
    return str(page.evaluate("block.querySelector('.live-responses-table .microlight').innerText"))


def log_in(page: Page, scheme: str, **fields: str) -> None:
    """Open the dialog, fill in the form of a scheme, and wait until the page has its token."""
    page.wait_for("document.querySelector('.btn.authorize')")
    page.evaluate("document.querySelector('.btn.authorize').click()")
    form = (
        f"[...document.querySelectorAll('.auth-container')].find(form => form.innerText.includes({json.dumps(scheme)}))"
    )
    page.wait_for(form)
    page.evaluate(f"window.form = () => {form}, null")
    for name, text in fields.items():
        page.evaluate(f"fill(form().querySelector('input[name={name}], #{name}'), {json.dumps(text)}), null")
    page.evaluate("form().querySelector('.auth-btn-wrapper .authorize').click()")
    page.wait_for("form().querySelector('.auth-btn-wrapper').innerText.includes('Logout')")
    page.evaluate("document.querySelector('.dialog-ux .btn-done').click()")


def test_swagger_ui(browser: Browser, url: str) -> None:
    page = opened(browser, f"{url}/docs")
    page.wait_for("document.querySelectorAll('.opblock').length === 3")
    assert page.evaluate("document.title") == "Documented <service> - Swagger UI"
    answer = call(page, "/items/{item_id}")
    assert '"kept": 7' in answer and '"size": 3' in answer
    assert loaded_from(page) == {url}
    assert page.evaluate("[refused, failed]") == [[], []]


def test_logging_in_by_password(browser: Browser, url: str) -> None:
    page = opened(browser, f"{url}/docs")
    log_in(page, "Password", oauth_username="ada", oauth_password="secret")
    assert '"token": "ada-secret"' in call(page, "/by-password")
    assert page.evaluate("[refused, failed]") == [[], []]


def test_logging_in_by_code(browser: Browser, url: str) -> None:
    page = opened(browser, f"{url}/docs")
    log_in(page, "Code")
    assert '"token": "token-for-the-client-code"' in call(page, "/by-code")
    assert page.evaluate("[refused, failed]") == [[], []]


def test_redoc(browser: Browser, url: str) -> None:
    page = opened(browser, f"{url}/redoc")
    page.wait_for("document.querySelector('[data-section-id]')")
    text = page.evaluate("document.body.innerText")
    assert "Documented <service>" in text and "/items/{item_id}" in text
    assert page.evaluate("failed") == []
    # ReDoc asks for its maker's picture, and for rules of its scroll bar; the page does without both.
    assert {what for _, what in page.evaluate("refused")} <= {"inline", "https://cdn.redoc.ly/redoc/logo-mini.svg"}
