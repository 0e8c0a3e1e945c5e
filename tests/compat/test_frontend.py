"""Built frontends: what is served where no route matches, and what is run before it."""

from pathlib import Path
from typing import Annotated, Any

import pytest

from compat.exchange import compare, request

HTML = {"accept": "text/html"}


@pytest.fixture
def site(tmp_path: Path) -> Path:
    """Files, directories with and without an index, and a link that leads out."""
    root = tmp_path / "site"
    for name in ("index.html", "app.js", "guide/index.html", "empty/file.txt", "space here.txt"):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(name)
    (tmp_path / "secret.txt").write_text("secret")
    (root / "link.txt").symlink_to(tmp_path / "secret.txt")
    return root


PATHS = [
    "/", "/index.html", "/app.js", "/guide", "/guide/", "/guide/index.html", "/empty", "/empty/", "/nothing",
    "/app.js/", "/space%20here.txt", "/link.txt", "/../secret.txt", "/%2e%2e/secret.txt", "//app.js",
    "/guide//index.html", "/%00", "/" + "x" * 300, "/.", "/guide/..", "/app.js?query=1",
]  # fmt: skip
ACCEPTS = [
    "", "*/*", "text/*", "text/html", "TEXT/HTML", "text/html;q=0", "text/html;q=0.0, application/xhtml+xml",
    "text/html; Q=0", 'text/html;q="0"', "text/html;q=x", "text/html;level=1;q=0", "text/html;q=", "text/html/x",
    "application/json, text/html;q=0.1", "text/html;q=1;q=0", " text / html",
]  # fmt: skip


@pytest.mark.parametrize("fallback", ["auto", "index.html", "404.html", None])
@pytest.mark.parametrize("not_found", [True, False])
@pytest.mark.parametrize("prefix", ["", "/app"])
def test_files_and_fallbacks(site: Path, fallback: Any, not_found: bool, prefix: str):
    if not_found:
        (site / "404.html").write_text("not found")

    def build(f: Any, trace: Any) -> Any:
        app = f.App()
        app.frontend(prefix or "/", directory=site, fallback=fallback, check_dir=not_found or fallback != "404.html")
        return app

    targets = [prefix + path for path in PATHS] + ["/app", "/apple", "/app/", ""]
    methods = ["GET", "HEAD", "POST", "OPTIONS"]
    if not_found or fallback != "404.html":  # the text of the error that a missing fallback raises is our own
        compare(build, *(request(method, target) for method in methods for target in targets if target))
        compare(build, *(request("GET", target, headers=HTML) for target in targets if target))
        compare(build, *(request("GET", f"{prefix}/no", headers={"accept": accept}) for accept in ACCEPTS))


def test_below_a_root_path(site: Path):
    def build(f: Any, trace: Any) -> Any:
        app = f.App()
        app.root_path = "/root"
        app.frontend("/app", directory=site)
        outer = f.App()
        outer.mount("/mounted", app)
        return outer

    targets = ["/app", "/app/guide", "/root/app/guide", "/mounted/app/guide", "/mounted/root/app/guide"]
    compare(build, *(request("GET", target) for target in targets))


def test_routes_come_first_and_the_longest_prefix_wins(site: Path, tmp_path: Path):
    other = tmp_path / "other"
    other.mkdir()
    (other / "index.html").write_text("other")

    def build(f: Any, trace: Any) -> Any:
        app, router, inner = f.App(), f.APIRouter(prefix="/r"), f.APIRouter()
        app.frontend("/", directory=site)
        inner.frontend("/deep", directory=other)
        router.frontend("/", directory=other)
        router.frontend("/guide/", directory=site, fallback=None)
        router.include_router(inner, prefix="/inner")
        app.include_router(router, prefix="/p")
        app.include_router(inner)
        inner.frontend("/later", directory=other)

        @router.post("/app.js")
        def post() -> str:
            return "posted"

        @app.get("/app.js/")
        def slashed() -> str:
            return "slashed"

        @app.get("/items/{item}")
        def item(item: int) -> int:
            raise f.HTTPException(404, "no item")

        @app.websocket("/ws")
        async def ws(websocket: f.WebSocket) -> None:
            await websocket.accept()

        return app

    targets = ["/p/r", "/p/r/", "/p/r/app.js", "/p/r/guide", "/p/r/guide/", "/p/r/guide/no", "/p/r/guideno", "/app.js",
               "/items/1", "/items/x", "/items", "/p/r/inner/deep", "/p/r/inner/deep/no", "/p/r/inner", "/deep/",
               "/later/", "/p/r/inner/later/", "/ws", "/guide/"]  # fmt: skip
    compare(build, *(request(method, target, headers=HTML) for method in ("GET", "POST") for target in targets))


@pytest.mark.parametrize("overridden", [True, False])
def test_dependencies(site: Path, overridden: bool):
    def build(f: Any, trace: Any) -> Any:
        async def user(token: str, response: f.Response, tasks: f.BackgroundTasks) -> str:
            response.headers["x-user"] = token
            response.status_code = 202
            tasks.add_task(trace, "task")
            return token

        async def around(user: Annotated[str, f.Depends(user)], path: str = "default"):
            if user == "nobody":
                raise f.HTTPException(401)
            trace("enter", user, path)
            try:
                yield
            finally:
                trace("exit")

        def listed(request: f.Request) -> None:
            trace("listed", request.url.path)

        app = f.App(dependencies=[f.Depends(listed)])
        router = f.APIRouter(dependencies=[f.Depends(around)])
        router.frontend("/", directory=site)
        app.include_router(router, prefix="/r", dependencies=[f.Depends(listed)])
        app.frontend("/", directory=site)
        if overridden:
            app.dependency_overrides[user] = lambda: "replaced"
        return app

    targets = ["/app.js", "/no", "/r/app.js", "/r/app.js?token=t", "/r/no?token=t&path=p", "/r/app.js?token=nobody"]
    requests = [request(method, target) for method in ("GET", "POST", "HEAD") for target in targets]
    compare(build, *requests, request("GET", "/r/no?token=t", headers=HTML))


@pytest.mark.parametrize("path", ["", "app", "/app//", "//"])
def test_paths(site: Path, path: str):
    def build(f: Any, trace: Any) -> Any:
        app = f.App()
        try:
            app.frontend(path, directory=site)
        except AssertionError as exc:
            trace(str(exc))
        return app

    compare(build, request("GET", "/app/app.js"), request("GET", "/app.js"))


def test_a_fastapi_router_with_a_frontend(site: Path):
    import fastapi

    router = fastapi.APIRouter()
    router.frontend("/site", directory=site)

    def build(f: Any, trace: Any) -> Any:
        app = f.App()
        app.include_router(router, prefix="/p", dependencies=[f.Depends(lambda: trace("dependency"))])
        return app

    compare(build, *(request("GET", target) for target in ("/p/site", "/p/site/app.js", "/p/site/no", "/p/no")))
