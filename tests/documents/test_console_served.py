"""How the console is served: its policy, its files and no others; when there is none; whether its pictures are new."""

from __future__ import annotations

import hashlib
import re
from pathlib import Path
from typing import Any

import pytest

from wirefast import App
from wirefast._core import close
from wirefast.testclient import TestClient

ROOT = Path(__file__).parents[2]
FILES = sorted(path for path in (ROOT / "src/wirefast/documents/console").iterdir() if path.suffix in (".js", ".css"))


def test_the_page() -> None:
    page = TestClient(App(title="A <b>"), root_path="/behind").get("/asyncapi")
    policy = page.headers["content-security-policy"]
    assert "default-src 'none'" in policy and "unsafe" not in policy and "frame-ancestors 'none'" in policy
    assert "<title>A &lt;b&gt; - Sockets</title>" in page.text
    assert 'data-url="/behind/asyncapi.json" data-root="/behind"' in page.text
    # Nothing stands inside the page, and nothing comes from elsewhere.
    assert not re.search(r"<style|style=|\son\w+=|https?:", page.text)
    assert re.findall(r"<script[^>]*>(.*?)</script>", page.text, re.DOTALL) == [""]


def test_without_a_title_of_its_own() -> None:
    app = App()
    assert "<title>wirefast - Sockets</title>" in TestClient(app).get("/asyncapi").text
    assert app.asyncapi()["info"]["title"] == "wirefast"
    # FastAPI's document, key for key.
    assert app.openapi()["info"]["title"] == "FastAPI"


def test_its_files() -> None:
    client = TestClient(App())
    for path in FILES:
        response = client.get(f"/asyncapi/console/{path.name}")
        assert response.content == path.read_bytes()
        assert response.headers["content-type"].startswith("text/javascript" if path.suffix == ".js" else "text/css")
        assert response.headers["x-content-type-options"] == "nosniff"
    for name in ("__init__.py", "nothing.js", "..%2fconsole%2fpage.js", "%2e%2e/console/page.js", "page.jsx", ".js"):
        assert client.get(f"/asyncapi/console/{name}").status_code == 404, name


@pytest.mark.parametrize(
    "options", [{"docs_url": None}, {"asyncapi_docs_url": None}, {"asyncapi_url": None}, {"openapi_url": None}]
)
def test_there_is_none(options: dict[str, Any]) -> None:
    client = TestClient(App(**options))
    assert client.get("/asyncapi").status_code == 404
    assert client.get("/asyncapi/console/page.js").status_code == 404


def test_another_address() -> None:
    client = TestClient(App(asyncapi_url="/own.json", asyncapi_docs_url="/talk/"))
    assert 'src="/talk/console/page.js"' in client.get("/talk/").text
    assert client.get("/talk/console/page.js").status_code == 200


def test_each_close_code_of_ours_has_words() -> None:
    text = next(path for path in FILES if path.name == "connection.js").read_text()
    table = re.search(r"const CODES = \{(.*?)\};", text, re.DOTALL)
    assert table
    ours = {code for code in vars(close).values() if isinstance(code, int) and 4000 <= code < close.LAST_PRIVATE}
    assert {close.TIMED_OUT, close.REPLACED} <= ours
    assert {int(code) for code in re.findall(r"(\d+):", table[1])} == ours | close.CODES.keys() - {close.RESERVED}


def test_the_pictures_are_of_this_console() -> None:
    """After a change: WIREFAST_PICTURES=docs/pictures pytest tests/wire/test_console.py; then note the new digest."""
    digest = hashlib.sha256(b"".join(path.read_bytes() for path in FILES)).hexdigest()
    assert (ROOT / "docs/pictures/console.sha256").read_text().split() == [digest]
    for name in ("console", "console-narrow-light", "console-narrow-dark"):
        assert (ROOT / f"docs/pictures/{name}.png").read_bytes().startswith(b"\x89PNG")
