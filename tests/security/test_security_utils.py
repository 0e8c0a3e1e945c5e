"""Reading an ``Authorization`` header, beside FastAPI's."""

import pytest
from fastapi.security.utils import get_authorization_scheme_param as oracle

from wirefast.security.utils import get_authorization_scheme_param


@pytest.mark.parametrize("value", [None, "", " ", "Bearer", "Bearer ", "Bearer a", " a b", "A  b c ", "A\tb"])
def test_same_as_fastapi(value: str | None) -> None:
    assert get_authorization_scheme_param(value) == oracle(value)
