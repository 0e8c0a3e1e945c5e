"""Built frontends, apart from what tests/compat compares with FastAPI: our own texts, order and bookkeeping."""

from pathlib import Path
from typing import Any

import pytest
from starlette.responses import PlainTextResponse
from starlette.routing import Match, NoMatchFound, Route

from exchanges import http_scope, respond
from wirefast import APIRouter, App, Depends
from wirefast.routes.frontend import FrontendRoutes, check_directory, first_match


@pytest.fixture
def site(tmp_path: Path) -> Path:
    (tmp_path / "index.html").write_text("index")
    (tmp_path / "app.js").write_text("script")
    return tmp_path


def test_no_route_is_asked_before_the_others_have_refused(site: Path):
    app = App()

    @app.get("/app.js")
    def route() -> str:
        return "route"

    app.frontend("/", directory=site)
    assert respond(app, "GET", "/app.js").json == "route"
    assert respond(app, "POST", "/app.js").status == 405
    assert respond(app, "GET", "/index.html").body == b"index"


def test_a_missing_directory_is_named_with_its_whole_path(site: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(site)
    with pytest.raises(RuntimeError, match="'missing' does not exist") as info:
        App().frontend("/", directory="missing")
    assert str(site / "missing") in str(info.value)
    with pytest.raises(RuntimeError, match="'404.html' does not exist"):
        App().frontend("/", directory=site, fallback="404.html")


def test_a_missing_directory_is_a_warning_in_development(site: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("FASTAPI_ENV", "development")
    for owner in (App(), APIRouter()):
        with pytest.warns(UserWarning, match="does not exist") as caught:
            owner.frontend("/", directory=site / "missing")
        assert [warning.filename for warning in caught] == [__file__]
    assert check_directory(site, "auto") is False
    assert check_directory(site / "missing", True) is True


def test_what_is_missing_only_when_it_is_asked_for(site: Path):
    app = App()
    app.frontend("/none", directory=site / "missing", check_dir=False)
    app.frontend("/page", directory=site, fallback="404.html", check_dir=False)
    assert isinstance(respond(app, "GET", "/none/x").raised, RuntimeError)
    assert "'404.html' does not exist" in str(respond(app, "GET", "/page/x").raised)


@pytest.mark.parametrize("path", ["", "app", "//"])
def test_a_path_begins_with_a_slash(site: Path, path: str):
    with pytest.raises(AssertionError, match="A frontend path"):
        App().frontend(path, directory=site)


def test_a_fallback_is_one_of_four(site: Path):
    with pytest.raises(AssertionError, match="fallback must be"):
        App().frontend("/", directory=site, fallback="app.js")  # type: ignore[arg-type]


def test_a_name_leads_nowhere(site: Path):
    frontends = FrontendRoutes()
    frontends.add("", directory=site, fallback=None, check_dir=True)
    for route in (frontends, frontends.routes[0]):
        with pytest.raises(NoMatchFound):
            route.url_path_for("frontend")


async def low(request: Any) -> PlainTextResponse:
    return PlainTextResponse("low")


def test_a_full_match_wins_over_a_longer_partial_one(site: Path):
    frontends = FrontendRoutes()
    frontends.add("/deep", directory=site, fallback=None, check_dir=True)
    post = Route("/deep/x", low, methods=["POST"])
    scope = http_scope("POST", "/deep/x")
    assert frontends.matches(scope)[0] is Match.PARTIAL
    assert first_match([frontends, post], scope) == post.handle
    assert first_match([frontends, post], http_scope("GET", "/deep/x")) == frontends.handle
    assert first_match([frontends, post], http_scope("GET", "/other")) is None


def test_low_priority_routes_of_included_routers_are_made_once_and_seen_when_added(site: Path):
    outer, inner, app = APIRouter(), APIRouter(), App()
    outer.include_router(inner, prefix="/inner")
    app.include_router(outer, prefix="/outer")
    (included,) = [route for route in app.router.routes if hasattr(route, "effective_low_priority_routes")]
    assert included.effective_low_priority_routes() == []
    assert respond(app, "GET", "/outer/inner/app.js").status == 404

    inner.frontend("/", directory=site)
    assert respond(app, "GET", "/outer/inner/app.js").body == b"script"
    routes = included.effective_low_priority_routes()
    assert len(routes) == 1 and included.effective_low_priority_routes() is routes

    inner.frontend("/again", directory=site)
    assert respond(app, "GET", "/outer/inner/again/app.js").body == b"script"


def test_dependencies_run_for_files_only(site: Path):
    calls: list[str] = []
    app = App(dependencies=[Depends(lambda path="default": calls.append(path))])
    app.frontend("/", directory=site)
    assert respond(app, "GET", "/app.js").body == b"script"
    assert respond(app, "GET", "/no").status == 404
    assert respond(app, "POST", "/app.js").status == 405
    assert calls == ["default", "default"]
