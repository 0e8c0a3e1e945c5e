"""The console in a real browser with a real server: connect, send, errors, closes, refusals, links, narrow and dark."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from node_tools import package

from browser import Browser, Page
from processes import ServerProcess
from slower import SLOWER

SERVICE = Path(__file__).with_name("client_service.py")
#: Where the pictures of the documentation are written, where it is asked for.
PICTURES = os.environ.get("WIREFAST_PICTURES")
WATCH = """
window.refused = []; window.failed = [];
const refuse = event => refused.push([event.violatedDirective, event.blockedURI]);
document.addEventListener("securitypolicyviolation", refuse);
window.addEventListener("error", event => failed.push(event.message || "error"));
window.addEventListener("unhandledrejection", event => failed.push(String(event.reason)));
window.fill = (field, text) => { field.value = text; field.dispatchEvent(new Event("input", {bubbles: true})); };
window.button = text => [...document.querySelectorAll("main button")].find(button => button.textContent === text);
window.field = text => document.getElementById([...document.querySelectorAll("label")]
  .find(label => label.textContent.startsWith(text)).htmlFor);
window.lines = () => [...document.querySelectorAll(".transcript li")].map(line =>
  `${line.className}|${line.querySelector("code").textContent}`);
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
    page.wait_for("document.querySelector('main article')")
    return page


def connect(page: Page, **fields: str) -> None:
    for name, text in fields.items():
        page.evaluate(f"fill(field({json.dumps(name)}), {json.dumps(text)}), null")
    page.evaluate("button('Connect').click(), null")


def send(page: Page, kind: str, text: str | None = None) -> None:
    choose = f"var kind = field('Message'); kind.value = {json.dumps(kind)}; kind.dispatchEvent(new Event('change'))"
    page.evaluate(f"{choose}; null")
    if text is not None:
        page.evaluate(f"fill(field('Text'), {json.dumps(text)}), null")
    page.evaluate("button('Send').click(), null")


def fine(page: Page) -> None:
    assert page.evaluate("[refused, failed]") == [[], []]


def test_talking(browser: Browser, url: str) -> None:
    page = opened(browser, f"{url}/asyncapi")
    assert page.evaluate("document.title") == "Clients - Sockets"
    assert page.evaluate("[...document.querySelectorAll('nav a code')].map(item => item.textContent)") == [
        "/rooms/{room_id}", "/private", "/ticketed", "/ticks/{last}", "/echo/{path}",
        "/tokens/header", "/tokens/subprotocol", "/tokens/message", "/tokens/query",
    ]  # fmt: skip
    assert page.evaluate("button('Send').disabled")
    connect(page, room_id="7", name="bob")
    page.wait_for("lines().some(line => line === 'note|open')")
    send(page, "Say")  # the template as it is
    page.wait_for("lines().length === 4")
    assert page.evaluate("lines().slice(2)") == [
        'sent|{"type":"say","text":"text","ref":1}',
        'heard answer|{"ref":1,"type":"said","by":"bob","text":"text"}',
    ]
    # What does not fit is said before it is sent, and can be sent all the same; its error stands below it.
    page.evaluate("fill(field('Text'), '{\"type\": \"say\"}'), null")
    assert page.evaluate("[button('Send').disabled, document.querySelector('.faults').textContent]") == [
        True, "text is missing",
    ]  # fmt: skip
    page.evaluate("field('Send although').click(), null")
    page.evaluate("button('Send').click(), null")
    page.wait_for("lines().length === 6")
    assert page.evaluate("lines()[5]").startswith('error answer|{"ref":2,"type":"error","code":"invalid"')
    # Another connection beside the first; each has its transcript.
    connect(page, room_id="8")
    page.wait_for("document.querySelectorAll('.tabs button').length === 2 && lines().includes('note|open')")
    page.evaluate("document.querySelector('.tabs button').click(), null")
    assert page.evaluate("lines().length") == 6
    send(page, "Leave", '{"type": "leave", "code": 1013, "reason": "retry=50"}')
    page.wait_for("lines().at(-1).includes('the server is busy: come back later: retry=50')")
    if PICTURES:
        browser.command(
            "Emulation.setDeviceMetricsOverride",
            page.session,
            width=1200,
            height=1300,
            deviceScaleFactor=1,
            mobile=False,
        )
        page.picture(Path(PICTURES) / "console.png")
    fine(page)


def test_a_token_stays_out_of_links_and_storage(browser: Browser, url: str) -> None:
    page = opened(browser, f"{url}/asyncapi#private")
    page.wait_for("document.querySelector('article h2').textContent === 'Private'")
    script = "navigator.clipboard.writeText = async text => { window.copied = text; }; null"
    page.evaluate(script)
    connect(page, Token="good")
    page.wait_for("lines().includes('note|open')")
    page.evaluate('fill(field(\'Text\'), \'{"type": "hello", "name": "x"}\'); button(\'Send\').click(), null')
    page.wait_for("lines().some(line => line.startsWith('heard answer'))")
    page.evaluate(
        "button('Copy link').click(), document.querySelector('section details:last-of-type').open = true, null"
    )
    page.wait_for("window.copied")
    stored = "JSON.stringify(sessionStorage), JSON.stringify(localStorage)"
    held = f"[copied, {stored}, location.href, document.body.innerText].join()"
    assert "good" not in page.evaluate(held)
    page.evaluate("field('Keep the token').click(), null")
    assert page.evaluate("sessionStorage.token") == "good"
    page.evaluate("field('Keep the token').click(), null")
    assert page.evaluate("sessionStorage.length") == 0
    connect(page, Token="old")
    page.wait_for("lines().at(-1).includes('4401, the token is missing or has expired: the token has expired')")
    # The link fills the form in again.
    again = opened(browser, page.evaluate("copied"))
    assert again.evaluate("[field('Text').value, field('Token').value]") == ['{"type":"hello","name":"x"}', ""]
    fine(page)


@pytest.mark.parametrize("place", ["subprotocol", "message", "query"])
def test_tokens_go_where_the_document_says(browser: Browser, url: str, place: str) -> None:
    page = opened(browser, f"{url}/asyncapi#tokens_{place}")
    connect(page, Token="a?>~")
    page.wait_for("lines().some(line => line.startsWith('note|open'))")
    send(page, "which")
    page.wait_for("lines().some(line => line.startsWith('heard answer'))")
    assert '"text":"a?>~"' in page.evaluate("lines().at(-1)")
    fine(page)


def test_a_ticket(browser: Browser, url: str) -> None:
    page = opened(browser, f"{url}/asyncapi#ticketed")
    ticket = page.evaluate("fetch('/tickets', {method: 'POST'}).then(response => response.json())")
    connect(page, Token=ticket)
    page.wait_for("lines().some(line => line.startsWith('note|open'))")
    send(page, "whose")
    page.wait_for("lines().some(line => line.startsWith('heard answer'))")
    assert '"text":"ada"' in page.evaluate("lines().at(-1)")
    connect(page)  # with the ticket that was used
    page.wait_for("lines().some(line => line.startsWith('error|the server refused the handshake'))")
    assert ticket not in page.evaluate("[location.href, document.body.innerText].join()")
    fine(page)


def test_a_refusal_in_words(browser: Browser, url: str) -> None:
    page = opened(browser, f"{url}/asyncapi#ticks_last")
    connect(page, last="x")
    page.wait_for("lines().some(line => line.startsWith('error|the server refused the handshake'))")
    connect(page, last="3")
    page.wait_for("lines().at(-1).startsWith('note|closed: 1000, normal end')")
    assert [line for line in page.evaluate("lines()") if line.startswith("heard")] == [
        'heard|{"number":0}', 'heard|{"number":1}', 'heard|{"number":2}',
    ]  # fmt: skip
    fine(page)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_narrow_dark_and_accessible(browser: Browser, url: str, scheme: str) -> None:
    page = opened(browser, f"{url}/asyncapi")
    features = [{"name": "prefers-color-scheme", "value": scheme}]
    browser.command("Emulation.setEmulatedMedia", page.session, features=features)
    browser.command(
        "Emulation.setDeviceMetricsOverride", page.session, width=390, height=844, deviceScaleFactor=2, mobile=True
    )
    assert page.evaluate("document.documentElement.scrollWidth") == 390
    dark = page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert (dark == "rgb(20, 24, 31)") is (scheme == "dark")
    unnamed = (
        "[...document.querySelectorAll('input, select, textarea, button, a')].filter(item => !item.labels?.length && "
        "!item.textContent.trim() && !item.getAttribute('aria-label')).map(item => item.outerHTML)"
    )
    assert page.evaluate(unnamed) == []
    if PICTURES:
        page.picture(Path(PICTURES) / f"console-narrow-{scheme}.png")
    fine(page)


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [390, 1200])
def test_axe_finds_nothing(browser: Browser, url: str, scheme: str, width: int) -> None:
    source = (package("axe-core", "^4.10.0") / "axe.min.js").read_text(encoding="utf-8")
    page = opened(browser, f"{url}/asyncapi")
    features = [{"name": "prefers-color-scheme", "value": scheme}]
    browser.command("Emulation.setEmulatedMedia", page.session, features=features)
    browser.command(
        "Emulation.setDeviceMetricsOverride", page.session, width=width, height=900, deviceScaleFactor=1, mobile=False
    )
    connect(page, room_id="7")
    page.wait_for("lines().includes('note|open')")
    send(page, "Say")
    page.wait_for("lines().some(line => line.startsWith('heard answer'))")
    page.evaluate("field('Send although').click(), null")
    send(page, "Say", "{")
    page.evaluate("document.querySelectorAll('details').forEach(item => item.open = true), null")
    page.evaluate(source + "; null")
    found = page.evaluate(
        "axe.run().then(found => found.violations.map(one => [one.id, one.help, one.nodes.map(node => node.html)]))"
    )
    assert found == []
    fine(page)


def test_five_hundred_sockets(browser: Browser) -> None:
    server = ServerProcess(str(SERVICE.with_name("large_service.py")), "--port", "0", "--no-access-log")
    try:
        page = opened(browser, f"http://127.0.0.1:{server.wait_for_port()}/asyncapi")
        count = "Object.values(found.channels).flatMap(channel => Object.keys(channel.messages))"
        count = f"[Object.keys(found.channels).length, new Set({count}).size]"
        found = page.evaluate(f"fetch('/asyncapi.json').then(answer => answer.json()).then(found => {count})")
        assert found == [500, 2001]  # and the error
        took = "(begin => (fill(document.getElementById('filter'), 'rooms499'), performance.now() - begin))"
        assert page.evaluate(f"{took}(performance.now())") < 1000 * SLOWER
        left = "[...document.querySelectorAll('nav li:not([hidden]) code')].map(item => item.textContent)"
        assert page.evaluate(left) == ["/area19/rooms499/{room_id}"]
        page.evaluate("document.querySelector('nav li:not([hidden]) a').click(), null")
        page.wait_for("document.querySelector('article code').textContent === '/area19/rooms499/{room_id}'")
        connect(page, room_id="1")
        page.wait_for("lines().includes('note|open')")
        send(page, "Ask499")
        page.wait_for("lines().some(line => line.startsWith('heard answer'))")
        fine(page)
    finally:
        server.end()


def test_keyboard(browser: Browser, url: str) -> None:
    page = opened(browser, f"{url}/asyncapi")
    page.evaluate("field('room_id').focus(), fill(field('room_id'), '1'), null")
    for kind in ("keyDown", "keyUp"):
        browser.command(
            "Input.dispatchKeyEvent",
            page.session,
            type=kind,
            key="Enter",
            code="Enter",
            windowsVirtualKeyCode=13,
            text="\r",
        )
    page.wait_for("lines().includes('note|open')")
    page.evaluate("field('Text').focus(), null")
    for kind in ("keyDown", "keyUp"):
        browser.command(
            "Input.dispatchKeyEvent", page.session, type=kind, key="Enter", code="Enter", windowsVirtualKeyCode=13,
            modifiers=2,
        )  # fmt: skip
    page.wait_for("lines().some(line => line.startsWith('heard answer'))")
    fine(page)


def test_nothing_of_a_document_or_a_message_is_markup(browser: Browser) -> None:
    server = ServerProcess(str(SERVICE.with_name("hostile_service.py")), "--port", "0", "--no-access-log")
    try:
        page = opened(browser, f"http://127.0.0.1:{server.wait_for_port()}/asyncapi#types")
        connect(page)
        page.wait_for("lines().includes('note|open')")
        templates = page.evaluate("[...field('Message').options].map(option => option.value)")
        assert len(templates) > 60
        for number, kind in enumerate(templates, 1):
            send(page, kind)  # the template that the schema fills is what the server takes
            page.wait_for(f"document.querySelectorAll('.transcript .answer').length === {number}")
        assert page.evaluate("lines().filter(line => line.startsWith('error'))") == []
        wicked = json.dumps({"type": "open", "known": 1, "<img src=x onerror=hacked=1>": "<script>hacked = 1</script>"})
        send(page, "Open", wicked)
        page.wait_for("lines().at(-1).includes('<script>hacked')")
        page.evaluate("document.querySelectorAll('details').forEach(item => item.open = true), null")
        for name in page.evaluate("Object.keys(document.querySelectorAll('nav a'))"):
            page.evaluate(f"document.querySelectorAll('nav a')[{name}].click(), null")
        page.wait_for("document.querySelector('article code').textContent.startsWith('/od')")
        texts = "document.querySelectorAll('img, script:not([src]), main b').length"
        assert page.evaluate(f"[window.hacked, {texts}]") == [None, 0]
        fine(page)
    finally:
        server.end()
