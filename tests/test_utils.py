"""`wirefast.utils` beside FastAPI's."""

from types import SimpleNamespace
from typing import Any

import fastapi.utils as oracle
import pytest
from fastapi.datastructures import Default as OracleDefault

from wirefast import utils
from wirefast.datastructures import Default


@pytest.mark.parametrize(
    "status", [None, "default", "1XX", "2XX", "5XX", 100, 199, 200, 201, 204, 205, 206, 304, 404, 500, "204", "200"]
)
def test_is_body_allowed(status: Any) -> None:
    assert utils.is_body_allowed_for_status_code(status) is oracle.is_body_allowed_for_status_code(status)


def test_is_body_allowed_refuses_other_words() -> None:
    with pytest.raises(ValueError, match="invalid literal"):
        utils.is_body_allowed_for_status_code("often")


@pytest.mark.parametrize("path", ["/", "/items/{item_id}", "/a-b/c.d"])
def test_unique_id(path: str) -> None:
    route: Any = SimpleNamespace(name="read item", path_format=path, methods=["GET"])
    assert utils.generate_unique_id(route) == oracle.generate_unique_id(route)


def test_unique_id_needs_a_method() -> None:
    route: Any = SimpleNamespace(name="a", path_format="/", methods=[])
    with pytest.raises(AssertionError):
        utils.generate_unique_id(route)


def test_value_or_default() -> None:
    first, second = Default(1), Default(2)
    assert utils.get_value_or_default(first, second) is first
    assert utils.get_value_or_default(first, None, 3) is None
    assert utils.get_value_or_default(5, 6) == 5
    assert oracle.get_value_or_default(OracleDefault(1), None, 3) is None
