"""Names that FastAPI has and documents nowhere: there as thin functions, or with an error that says what to use."""

import inspect

import pytest
from pydantic.fields import FieldInfo

from wirefast import App, UploadFile, _body_limit, _compat, applications, encoders, exceptions, params
from wirefast.responses import HTMLResponse
from wirefast.testclient import TestClient


def test_body_limits():
    assert _body_limit.get_body_size_limit(None, 0, 5) == 0 and _body_limit.get_body_size_limit(None) is None
    assert _body_limit.wrap_app_with_body_limit(encoders, None) is encoders
    assert _body_limit.get_body_limit_error(ValueError()) is None
    limiter = pytest.importorskip("starlette.middleware.body_limit")
    error = limiter._RequestBodyTooLarge.__new__(limiter._RequestBodyTooLarge)
    assert _body_limit.get_body_limit_error(error) is error
    with pytest.raises(ValueError, match="non-negative"):
        _body_limit.validate_max_body_size(-1)


@pytest.mark.parametrize("name", ["Request", "WebSocket"])
def test_error_models(name):
    model = getattr(exceptions, f"{name}ErrorModel")
    assert model is getattr(exceptions, f"{name}ErrorModel") and model.__name__ == name and model().model_dump() == {}


@pytest.mark.parametrize("name", ["encoders_by_class_tuples", "generate_encoders_by_class_tuples"])
def test_the_second_table_of_encoders(name):
    with pytest.raises(AttributeError, match="Put encoders into ENCODERS_BY_TYPE"):
        getattr(encoders, name)


@pytest.mark.parametrize("module", [encoders, exceptions])
def test_other_names(module):
    with pytest.raises(AttributeError, match="no attribute 'other'"):
        getattr(module, "other")  # noqa: B009


def test_what_compat_says_of_annotations_and_fields():
    theirs = pytest.importorskip("fastapi._compat")
    field = _compat.ModelField(field_info=FieldInfo(annotation=int), name="a")
    assert _compat.is_scalar_field(field) and not _compat.is_scalar_field(
        _compat.ModelField(field_info=params.Body(annotation=int), name="a")
    )
    for annotation in (int, list[int], list[dict], bytes, bytes | None, list[bytes], UploadFile, str, dict[str, int]):
        for name in (
            "field_annotation_is_scalar",
            "field_annotation_is_scalar_sequence",
            "field_annotation_is_sequence",
            "is_bytes_or_nonable_bytes_annotation",
            "is_bytes_sequence_annotation",
            "annotation_is_pydantic_v1",
        ):
            assert getattr(_compat, name)(annotation) == getattr(theirs, name)(annotation), (name, annotation)
    for value in ([1], (1,), "x", b"x", {1}, 1, {}):
        assert _compat.value_is_sequence(value) == theirs.value_is_sequence(value)
    assert _compat.get_missing_field_error(("body", "a")) == theirs.get_missing_field_error(("body", "a"))
    model = _compat.create_body_model(fields=[field], model_name="Body_x")
    assert model.__name__ == "Body_x" and model(a=1).model_dump() == {"a": 1}
    assert [known.name for known in _compat.get_cached_model_fields(model)] == ["a"]


@pytest.mark.parametrize("assets", ["0", "1"])
@pytest.mark.parametrize(
    ("name", "path"),
    [
        ("get_swagger_ui_html", "/docs"),
        ("get_redoc_html", "/redoc"),
        ("get_swagger_ui_oauth2_redirect_html", "/docs/oauth2-redirect"),
    ],
)
def test_pages_that_a_program_replaces(monkeypatch, assets, name, path):
    monkeypatch.setenv("WIREFAST_DOCS_ASSETS", assets)
    original, client = getattr(applications, name), TestClient(App(title="T"), root_path="/in")
    taken = {}

    def replaced(**options):
        taken.update(options)
        return HTMLResponse("replaced")

    assert client.get(f"/in{path}").text != "replaced"
    monkeypatch.setattr(applications, name, replaced)
    assert client.get(f"/in{path}").text == "replaced"
    if taken:
        assert taken["openapi_url"] == "/in/openapi.json" and taken["title"].startswith("T - ")
        assert set(taken) <= set(inspect.signature(original).parameters)
