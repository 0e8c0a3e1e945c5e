"""Names that FastAPI has and documents nowhere: there as thin functions, or with an error that says what to use."""

import pytest

from wirefast import _body_limit, encoders, exceptions


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
