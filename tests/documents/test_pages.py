"""The HTML of the pages: FastAPI's arguments, and nothing that breaks out of where it stands."""

from __future__ import annotations

import importlib
import inspect
import json
import re
from html.parser import HTMLParser
from typing import Any

import pytest

from wirefast.documents import pages
from wirefast.openapi import docs

oracle = importlib.import_module("fastapi.openapi.docs")
HOSTILE = "</script></title>'\"><script>alert(1)</script>\\<!--&amp;\u2028"


class Reader(HTMLParser):
    """What a browser sees: elements, and the text inside them."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.texts: dict[str, str] = {}
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        self.texts[tag] = ""

    def handle_data(self, data: str) -> None:
        if self.elements:
            self.texts[self.elements[-1][0]] += data


def read(response: Any) -> Reader:
    return Reader(bytes(response.body).decode())


@pytest.mark.parametrize("name", ["get_swagger_ui_html", "get_redoc_html", "get_swagger_ui_oauth2_redirect_html"])
def test_signatures(name: str) -> None:
    ours, theirs = (inspect.signature(getattr(module, name), eval_str=True) for module in (docs, oracle))
    assert [(p.name, p.kind, p.default) for p in ours.parameters.values()] == [
        (p.name, p.kind, p.default) for p in theirs.parameters.values()
    ]


def test_defaults_of_swagger_ui() -> None:
    assert docs.swagger_ui_default_parameters == oracle.swagger_ui_default_parameters


def options_of(page: str) -> dict[str, str]:
    """The options that a page starts Swagger UI with, as they are written."""
    inside = re.search(r"SwaggerUIBundle\(\{(.*?)\n\s*presets", page, re.DOTALL)
    assert inside is not None, page
    pairs = re.findall(r"^\s*\"?(\w+)\"?: (.*?),?\s*$", inside[1], re.MULTILINE)
    return dict(pairs)


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"oauth2_redirect_url": "/back"},
        {"swagger_ui_parameters": {"deepLinking": False, "syntaxHighlight": {"theme": "obsidian"}, "n": None}},
        {"init_oauth": {"clientId": "i", "usePkceWithAuthorizationCodeGrant": True}},
    ],
)
def test_swagger_ui_is_started_as_fastapi_starts_it(options: dict[str, Any]) -> None:
    ours, theirs = (
        bytes(module.get_swagger_ui_html(openapi_url="/o.json", title="T", **options).body).decode()
        for module in (docs, oracle)
    )
    assert options_of(ours) == options_of(theirs)
    started = [re.findall(r"ui\.initOAuth\((.*)\)", page) for page in (ours, theirs)]
    assert started[0] == started[1]


def test_nothing_breaks_out_of_swagger_ui() -> None:
    page = read(
        docs.get_swagger_ui_html(
            openapi_url=HOSTILE,
            title=HOSTILE,
            swagger_js_url=HOSTILE,
            swagger_css_url=HOSTILE,
            swagger_favicon_url=HOSTILE,
            oauth2_redirect_url=HOSTILE,
            init_oauth={"appName": HOSTILE},
            swagger_ui_parameters={HOSTILE: HOSTILE},
        )
    )
    plain = read(docs.get_swagger_ui_html(openapi_url="/o.json", title="T"))
    assert [tag for tag, _ in page.elements] == [tag for tag, _ in plain.elements]
    assert page.texts["title"].removesuffix("\n") == HOSTILE
    assert [attrs["src"] for tag, attrs in page.elements if tag == "script" and "src" in attrs] == [HOSTILE]
    assert [attrs["href"] for tag, attrs in page.elements if tag == "link"] == [HOSTILE, HOSTILE]


def test_nothing_breaks_out_of_redoc() -> None:
    page = read(
        docs.get_redoc_html(openapi_url=HOSTILE, title=HOSTILE, redoc_js_url=HOSTILE, redoc_favicon_url=HOSTILE)
    )
    plain = read(docs.get_redoc_html(openapi_url="/o.json", title="T"))
    assert [tag for tag, _ in page.elements] == [tag for tag, _ in plain.elements]
    assert [attrs["spec-url"] for tag, attrs in page.elements if tag == "redoc"] == [HOSTILE]


@pytest.mark.parametrize("text", ["/o.json", "it's", 'a "b"', "</script>", "\\", "\u2028", "\n", "\ud800"])
def test_quoted(text: str) -> None:
    quoted = pages._quoted(text)
    assert quoted[0] == quoted[-1] == "'"
    assert not set(quoted[1:-1]) & set("'<>&\n\u2028")
    # What JavaScript reads is what JSON reads between double quotes.
    assert json.loads('"' + quoted[1:-1].replace('"', '\\"') + '"') == text


def test_google_fonts() -> None:
    def hosts(**options: Any) -> bool:
        return "fonts.googleapis.com" in str(docs.get_redoc_html(openapi_url="/", title="T", **options).body)

    assert hosts() and not hosts(with_google_fonts=False)


def test_oauth2_redirect() -> None:
    page = docs.get_swagger_ui_oauth2_redirect_html()
    assert "window.opener.swaggerUIRedirectOauth2" in str(page.body)
