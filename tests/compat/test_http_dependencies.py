"""Dependencies of HTTP operations: those that yield, and overrides."""

from collections.abc import AsyncIterator, Iterator
from typing import Annotated, Any

import pytest
from pydantic import BaseModel

from compat.exchange import compare, request

PLACES = ["", "enter outer", "enter inner", "dependency", "endpoint", "task", "exit inner", "exit outer"]


class Item(BaseModel):
    name: str
    price: float = 1.5


@pytest.mark.parametrize("fail", PLACES)
@pytest.mark.parametrize("error", ["KeyError", "HTTPException", "ValueError"])
@pytest.mark.parametrize(
    "scopes, swallow",
    [
        (("request", "function"), ""), (("request", "function"), "outer"), (("request", "request"), ""),
        (("request", "request"), "outer"),
        # Swallowed in the function scope FastAPI raises UnboundLocalError; wirefast what it raises for the others.
        (("function", "function"), ""),
    ],
)  # fmt: skip
def test_dependencies_that_yield(fail: str, error: str, scopes: tuple[str, str], swallow: str):
    def build(f: Any, trace: Any) -> Any:
        app = f.App()

        def step(name: str) -> str:
            trace(name)
            if name == fail:
                raise {"KeyError": KeyError, "ValueError": ValueError}.get(error, lambda _: f.HTTPException(418))(name)
            return name

        async def outer() -> AsyncIterator[str]:
            step("enter outer")
            try:
                yield "outer"
            except Exception as exc:
                trace("outer saw", type(exc).__name__)
                if swallow != "outer":
                    raise
            finally:
                step("exit outer")

        def inner(value: Annotated[str, f.Depends(outer, scope=scopes[0])]) -> Iterator[str]:
            step("enter inner")
            try:
                yield f"inner of {value}"
            except Exception as exc:
                trace("inner saw", type(exc).__name__)
                raise
            finally:
                step("exit inner")

        async def plain(value: Annotated[str, f.Depends(inner, scope=scopes[1])]) -> str:
            return step("dependency")

        @app.get("/")
        async def endpoint(
            tasks: f.BackgroundTasks,
            value: Annotated[str, f.Depends(plain)],
            again: Annotated[str, f.Depends(outer, scope=scopes[0])],
        ) -> list[str]:
            step("endpoint")
            tasks.add_task(step, "task")
            return [value, again]

        @app.exception_handler(KeyError)
        def handle(request: f.Request, exc: KeyError) -> Any:
            trace("handled", str(exc))
            return f.load("responses").PlainTextResponse("handled", status_code=419)

        return app

    compare(build, request("GET", "/"), request("GET", "/"))


def test_overrides():
    def build(f: Any, trace: Any) -> Any:
        async def original(q: int = 1) -> int:
            return q

        async def other(z: int) -> int:
            return z * 10

        app = f.App()
        router = f.APIRouter()

        @router.get("/")
        async def endpoint(value: Annotated[int, f.Depends(original)]) -> int:
            return value

        app.include_router(router, prefix="/r")
        app.get("/")(endpoint)
        app.dependency_overrides[original] = other
        return app

    compare(build, *(request("GET", target) for target in ("/?z=2", "/?q=2", "/r/?z=3", "/r/?z=x")))


@pytest.mark.parametrize("asks", [True, False], ids=["endpoint asks too", "only the override asks"])
@pytest.mark.parametrize("fail", [None, "override", "endpoint"])
def test_an_override_set_on_the_way(asks: bool, fail: str | None):
    def build(f: Any, trace: Any) -> Any:
        app = f.App()

        async def original() -> str:
            return "original"

        async def replacement(
            response: f.Response, tasks: f.BackgroundTasks, item: Item, n: int = 1
        ) -> AsyncIterator[str]:
            response.headers["x-override"] = "set"
            response.status_code = 202
            tasks.add_task(trace, "task")
            if fail == "override":
                raise f.HTTPException(418)
            try:
                yield f"{item.name} {n}"
            finally:
                trace("exit replacement")

        def around() -> Iterator[None]:
            yield
            trace("exit around")

        async def configure() -> None:
            app.dependency_overrides[original] = replacement

        async def endpoint(
            item: Item,
            _: Annotated[None, f.Depends(around)],
            c: Annotated[None, f.Depends(configure)],
            value: Annotated[str, f.Depends(original)],
            again: Annotated[str, f.Depends(original)],
        ) -> list[str]:
            trace("endpoint", item.name)
            if fail == "endpoint":
                raise f.HTTPException(418)
            return [value, again]

        async def asking(
            response: f.Response, tasks: f.BackgroundTasks, given: Annotated[list[str], f.Depends(endpoint)]
        ) -> list[str]:
            response.headers["x-endpoint"] = "set"
            tasks.add_task(trace, "own task")
            return given

        app.post("/")(asking if asks else endpoint)
        return app

    item = {"name": "n", "price": 1}
    compare(
        build, *(request("POST", target, json_body=item) for target in ("/", "/?n=2", "/?n=x")), request("POST", "/")
    )
