"""Limits of bodies and forms: what may be declared, which one counts, what a client is told."""

import sys
from typing import Annotated, Any

import fastapi
import pytest
from fastapi._form_limits import _validate_form_limits as validate_theirs
from pydantic import ValidationError
from starlette.requests import Request

import wirefast
from exchanges import respond
from wirefast import App
from wirefast.limits.bodies import (
    body_limit_error,
    first_limit,
    inherit_form_limits,
    inherited_form_limits,
    limit_body,
    validate_form_limits,
    validate_max_body_size,
)

if sys.version_info < (3, 11):
    from exceptiongroup import ExceptionGroup


@pytest.mark.parametrize("size", [True, -1, 1.5, "1"])
def test_wrong_sizes(size: Any):
    with pytest.raises(ValueError, match="max_body_size must be a non-negative integer or None"):
        validate_max_body_size(size)


@pytest.mark.parametrize("size", [None, 0, 10**12])
def test_right_sizes(size: Any):
    validate_max_body_size(size)


@pytest.mark.parametrize(
    "limits", [None, {}, {"max_fields": 0, "max_files": 1, "max_part_size": 2}, {"max_fields": -1}, {"max": 1}, 1]
)
def test_form_limits_are_fastapis(limits: Any):
    outcomes = []
    for validate in (validate_form_limits, validate_theirs):
        try:
            outcomes.append(validate(limits))
        except ValidationError as exc:
            outcomes.append([{**error, "url": None} for error in exc.errors()])
    assert outcomes[0] == outcomes[1]


def test_innermost_limit():
    assert first_limit(None, 0, 5) == 0
    assert first_limit(None, None) is None
    app = object()
    assert limit_body(app, None) is app  # type: ignore[arg-type]


def test_inherited_form_limits_add_up():
    scope: dict[str, Any] = {}
    assert inherited_form_limits(scope) == {}
    inherit_form_limits(scope, {"max_fields": 1, "max_files": 2})
    inherit_form_limits(scope, {"max_files": 3})
    assert inherited_form_limits(scope) == {"max_fields": 1, "max_files": 3}


def new_app(framework: Any = wirefast, **options: Any) -> Any:
    app = framework.App(**options) if framework is wirefast else framework.FastAPI(**options)
    router = framework.APIRouter()

    async def length(request: Request) -> int:
        return len(await request.body())

    async def read(value: Annotated[str, framework.Form()]) -> str:
        return value

    router.post("/plain")(length)
    router.post("/small", max_body_size=3)(length)
    router.post("/form")(read)
    router.post("/form/small", form_limits={"max_part_size": 2})(read)
    app.include_router(router)
    app.include_router(router, prefix="/included", max_body_size=5)
    return app


@pytest.mark.parametrize(
    "app_limit, path, limit",
    [
        (None, "/plain", None), (None, "/small", 3), (None, "/included/plain", 5), (None, "/included/small", 3),
        (4, "/plain", 4), (4, "/small", 3), (4, "/included/plain", 5), (2, "/small", 3),
    ],
)  # fmt: skip
@pytest.mark.parametrize("declared", [True, False], ids=["content-length", "chunked"])
def test_which_body_limit_counts(app_limit: int | None, path: str, limit: int | None, declared: bool):
    ours, theirs = (new_app(framework, max_body_size=app_limit) for framework in (wirefast, fastapi))
    for size in (limit or 9, (limit or 9) + 1):
        headers = {"content-length": str(size)} if declared else {}
        answer, expected = (respond(app, "POST", path, body=[b"x"] * size, headers=headers) for app in (ours, theirs))
        assert answer.status == (200 if limit is None or size <= limit else 413)
        assert answer == expected


def test_form_limits_reach_the_parser():
    app = new_app(form_limits={"max_part_size": 4})
    part = b'--x\r\ncontent-disposition: form-data; name="value"\r\n\r\n%s\r\n--x--\r\n'
    headers = {"content-type": "multipart/form-data; boundary=x"}
    for path, size, status in [("/form", 4, 200), ("/form", 5, 400), ("/form/small", 2, 200), ("/form/small", 3, 400)]:
        assert respond(app, "POST", path, body=part % (b"v" * size), headers=headers).status == status


def test_mounts_of_an_included_router_have_its_limits():
    def build(framework: Any) -> Any:
        mounted = framework.App() if framework is wirefast else framework.FastAPI()

        @mounted.post("/")
        async def read(value: Annotated[str, framework.Form()]) -> str:
            return value

        router = framework.APIRouter(form_limits={"max_fields": 1})
        router.mount("/mounted", mounted)
        app = framework.App() if framework is wirefast else framework.FastAPI()
        app.include_router(router, prefix="/in", max_body_size=12, form_limits={"max_part_size": 9})
        return app

    ours, theirs = build(wirefast), build(fastapi)
    headers = {"content-type": "application/x-www-form-urlencoded"}
    for body, status in [(b"value=abcd", 200), (b"value=abcde", 400), (b"value=a&b=c", 400), (b"value=abc&12345", 413)]:
        answer, expected = (respond(app, "POST", "/in/mounted/", body=body, headers=headers) for app in (ours, theirs))
        assert answer.status == status
        assert answer == expected


def test_errors_inside_groups():
    from starlette.middleware.body_limit import MAX_BODY_SIZE_SCOPE_KEY, _RequestBodyTooLarge

    error = _RequestBodyTooLarge()
    scope = {MAX_BODY_SIZE_SCOPE_KEY: 1}
    assert body_limit_error(error, {}) is None
    assert body_limit_error(error, scope) is error
    assert body_limit_error(ExceptionGroup("", [ExceptionGroup("", [error])]), scope) is error
    assert body_limit_error(ExceptionGroup("", [error, KeyError()]), scope) is None
    assert body_limit_error(KeyError(), scope) is None


def test_limit_exceeded_inside_a_task_group():
    import anyio

    app = App(max_body_size=2)

    @app.post("/")
    async def endpoint(request: Request) -> None:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(request.body)

    answer = respond(app, "POST", "/", body=b"xxx")
    assert (answer.status, answer.json) == (413, {"detail": "Content Too Large"})
