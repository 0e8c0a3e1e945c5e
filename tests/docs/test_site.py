"""The pages as Sphinx builds them: words lead to pages, links lead to the source, nothing is wider than a phone."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from browser import Browser, Page, chromium

ROOT = Path(__file__).parents[2]
REPOSITORY = "https://code.example/wirefast"

for package in ("sphinx", "furo", "myst_parser", "sphinx_copybutton", "sphinx_design"):
    pytest.importorskip(package, reason="what builds the documentation is in the extra docs")


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the pages are, built as a code host builds them."""
    out = tmp_path_factory.mktemp("site")
    command = [sys.executable, "-m", "sphinx", "--fail-on-warning", "-q", "-b", "html", "docs", str(out)]
    environment = os.environ | {"WIREFAST_REPOSITORY": REPOSITORY}
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stdout + done.stderr
    return out


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    with chromium(tmp_path_factory.mktemp("browser")) as found:
        yield found


def index_of(site: Path) -> dict[str, Any]:
    text = (site / "searchindex.js").read_text(encoding="utf-8")
    found: dict[str, Any] = json.loads(text[text.index("(") + 1 : text.rindex(")")])
    return found


#: What people search for, and the page that has it.
WORDS = {
    "broadcast": "rooms",
    "heartbeat": "limits",
    "keepalive": "limits",
    "metrics": "operating",
    "Prometheus": "operating",
    "rate limit": "admission",
    "reconnect": "tutorial/09-clients",
    "presence": "howto/presence",
    "kick": "howto/kick",
    "Redis": "scaling",
    "CORS": "admission",
    "graceful shutdown": "deployment",
    "compression": "websockets",
    "JWT": "howto/jwt",
    "debugging": "howto/debug",
    "traceback": "howto/debug",
    "disconnect": "howto/push-only",
    "middleware": "application",
    "workers": "howto/workers",
    "APIRouter": "howto/files",
    "testing": "testing",
}


@pytest.mark.parametrize("word", WORDS)
def test_a_word_leads_to_its_page(word: str, site: Path) -> None:
    """The word is a term of the glossary, which the search shows first, and the term's text links the page."""
    index = index_of(site)
    pages = {index["docnames"][entry[0]] for entry in index["indexentries"].get(word.lower(), [])}
    assert "words" in pages, f"{word} is not in docs/words.md"
    html = (site / "words.html").read_text(encoding="utf-8")
    anchor = re.search(rf'id="term-{re.escape(word.replace(" ", "-"))}".*?</dd>', html, re.DOTALL | re.IGNORECASE)
    assert anchor and f'href="{WORDS[word]}.html' in anchor[0]


@pytest.mark.parametrize("word", ["broadcast", "heartbeat", "reconnect", "presence", "progress"])
def test_the_search_itself_finds_them(word: str, site: Path, browser: Browser) -> None:
    page = Page(browser, f"file://{site}/search.html?q={word}")
    page.wait_for("document.querySelector('#search-results li a')")
    links = page.evaluate("[...document.querySelectorAll('#search-results li a')].slice(0, 3).map(a => a.href)")
    page.close()
    assert any(f"{end}.html" in link for link in links for end in ("words", WORDS.get(word, f"howto/{word}"))), links


def test_every_page_leads_to_its_source(site: Path) -> None:
    for page in ("index", "rooms", "howto/kick", "tutorial/03-room"):
        html = (site / f"{page}.html").read_text(encoding="utf-8")
        assert f"{REPOSITORY}/edit/main/docs/{page}.md" in html or f"{REPOSITORY}/blob/main/docs/{page}.md" in html
        assert f'href="{REPOSITORY}"' in html and "changelog.html" in html and "favicon.svg" in html
        assert "copybutton" in html


def test_steps_show_lines_that_there_are() -> None:
    """What a page includes and highlights is within the file, and begins with something."""
    found = 0
    for page in (ROOT / "docs" / "tutorial").glob("*.md"):
        text = page.read_text(encoding="utf-8")
        for file, options in re.findall(r"^```\{literalinclude\} (\S+)\n((?::.*\n)*)", text, re.MULTILINE):
            lines = (page.parent / file).read_text(encoding="utf-8").splitlines()
            for numbers in re.findall(r"^:(?:emphasize-)?lines: (.*)$", options, re.MULTILINE):
                for part in numbers.split(","):
                    first, _, last = part.partition("-")
                    assert lines[int(first) - 1].strip() and lines[int(last or first) - 1].strip(), (page.name, part)
                    found += 1
    assert found > 20


def pages_of(site: Path) -> list[str]:
    found = sorted(path.relative_to(site).as_posix() for path in site.rglob("*.html"))
    return [page for page in found if not page.startswith(("_", "genindex", "py-modindex"))]


def test_no_page_is_wider_than_a_phone(site: Path, browser: Browser) -> None:
    page = Page(browser, "about:blank")
    browser.command(
        "Emulation.setDeviceMetricsOverride", page.session, width=390, height=844, deviceScaleFactor=1, mobile=True
    )
    wide = {}
    for name in pages_of(site):
        browser.command("Page.navigate", page.session, url=f"file://{site}/{name}")
        page.wait_for(f"location.pathname.endsWith({json.dumps('/' + name)})")
        width = page.evaluate("document.documentElement.scrollWidth")
        if width > 390:
            wide[name] = width
    page.close()
    assert wide == {}
