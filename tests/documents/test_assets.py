"""The files of the pages: from which package, what is served of it, and what the pages then look like."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import pytest

from wirefast import App
from wirefast.documents import assets
from wirefast.testclient import TestClient

FILES = ["swagger-ui-bundle.js", "swagger-ui.css", "favicon.png", "redoc.standalone.js"]


def install(directory: Path, package: str, without: str = "") -> None:
    """A package with its files, each of which holds its own name; importing it fails."""
    for name, place in assets.PACKAGES[package].items():
        path = directory / package / place
        path.parent.mkdir(parents=True, exist_ok=True)
        if name != without:
            path.write_text(name)
    (directory / package / "__init__.py").write_text("raise ImportError('nothing imports this')")


@pytest.fixture
def packages(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A directory that is the only place to look for packages."""
    monkeypatch.setattr(sys, "path", [str(tmp_path)])
    for name in assets.PACKAGES:  # another test may have imported one
        monkeypatch.delitem(sys.modules, name, raising=False)
    monkeypatch.setenv(assets.VARIABLE, "1")
    return tmp_path


def test_which_package(packages: Path) -> None:
    assert assets.find_assets() is None
    install(packages, "drf_spectacular_sidecar")
    found = assets.find_assets()
    assert found is not None and sorted(found) == sorted(FILES)
    assert found["redoc.standalone.js"].is_relative_to(packages / "drf_spectacular_sidecar")
    install(packages, "fastapi_offline", without="swagger-ui.css")
    assert assets.find_assets() == found
    install(packages, "fastapi_offline")
    assert assets.find_assets() != found
    assert not [name for name in assets.PACKAGES if name in sys.modules]


@pytest.mark.parametrize("value", ["", "0", "true", None])
def test_not_asked_for(packages: Path, monkeypatch: pytest.MonkeyPatch, value: str | None) -> None:
    install(packages, "fastapi_offline")
    if value is None:
        monkeypatch.delenv(assets.VARIABLE)
    else:
        monkeypatch.setenv(assets.VARIABLE, value)
    client = TestClient(App())
    assert "https://cdn.jsdelivr.net/" in client.get("/docs").text
    assert client.get("/docs/docs-assets/swagger-ui.css").status_code == 404


def test_not_installed(packages: Path) -> None:
    assert "https://cdn.jsdelivr.net/" in TestClient(App()).get("/redoc").text


def test_pages_name_the_files(packages: Path) -> None:
    install(packages, "fastapi_offline")
    client = TestClient(App(swagger_ui_init_oauth={"clientId": "c"}), root_path="/root")
    for path, number in (("/docs", 4), ("/redoc", 3), ("/docs/oauth2-redirect", 1)):
        page = client.get(path).text
        assert "https://" not in page and "<style" not in page and not re.search(r"<script>|<script [^>]*>[^<]", page)
        urls = re.findall(r'(?:src|href)="([^"]*)"', page)
        assert len(urls) == number
        for url in urls:
            assert url.startswith("/root/docs/docs-assets/")
            assert client.get(url.removeprefix("/root")).status_code == 200
    script = client.get("/docs/docs-assets/swagger-initializer.js").text
    assert "url: '/root/openapi.json'" in script and 'ui.initOAuth({"clientId": "c"})' in script


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("swagger-ui-bundle.js", "javascript"),
        ("swagger-ui.css", "text/css"),
        ("favicon.png", "image/png"),
        ("swagger-initializer.js", "javascript"),
        ("oauth2-redirect.js", "javascript"),
        ("redoc.css", "text/css"),
    ],
)
def test_files(packages: Path, name: str, kind: str) -> None:
    install(packages, "fastapi_offline")
    client = TestClient(App())
    found = client.get(f"/docs/docs-assets/{name}")
    assert found.status_code == 200 and kind in found.headers["content-type"]
    assert (found.text == name) is (name in FILES)


@pytest.mark.parametrize("name", ["", "none.js", "__init__.py", "..%2f__init__.py", "%2e%2e/%2e%2e/x", "favicon.png/x"])
def test_nothing_else_is_served(packages: Path, name: str) -> None:
    install(packages, "fastapi_offline")
    assert TestClient(App()).get(f"/docs/docs-assets/{name}").status_code == 404


@pytest.mark.parametrize(
    ("options", "place"),
    [
        ({"docs_url": "/"}, "/docs-assets/"),
        ({"docs_url": None}, "/redoc/docs-assets/"),
        ({"docs_url": None, "redoc_url": None}, None),
        ({"openapi_url": None}, None),
    ],
)
def test_where(packages: Path, options: dict[str, str | None], place: str | None) -> None:
    install(packages, "fastapi_offline")
    app = App(**options)  # type: ignore[arg-type]
    found = [route.path for route in app.routes if route.name == "docs_assets"]  # type: ignore[attr-defined]
    assert found == ([] if place is None else [place + "{file}"])


def test_the_extra_has_the_files() -> None:
    found = assets.find_assets()
    if found is None:
        pytest.skip("the extra docs-assets is not installed")
    assert "SwaggerUIBundle" in found["swagger-ui-bundle.js"].read_text(encoding="utf-8")
