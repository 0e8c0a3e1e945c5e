"""The responses FastAPI adds to Starlette's."""

from types import SimpleNamespace
from typing import Any

import fastapi.responses as oracle
import pytest
import starlette.responses

from wirefast import responses
from wirefast.exceptions import FastAPIDeprecationWarning


@pytest.mark.parametrize("name", responses.__all__)
def test_names(name: str) -> None:
    ours, theirs = getattr(responses, name), getattr(oracle, name)
    if hasattr(starlette.responses, name):
        assert ours is theirs
    assert issubclass(ours, starlette.responses.Response)
    assert ours.media_type == theirs.media_type


def test_orjson_response_is_deprecated() -> None:
    with pytest.warns(FastAPIDeprecationWarning, match="ORJSONResponse is deprecated") as caught:
        response = responses.ORJSONResponse({1: [1.5, None]})
    assert caught[0].filename == __file__
    assert response.body == b'{"1":[1.5,null]}'


def test_ujson_response_is_deprecated(monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[Any] = []

    def dumps(content: Any, **options: Any) -> str:
        calls.append((content, options))
        return "é"

    def importing(name: str) -> Any:
        return SimpleNamespace(dumps=dumps)

    monkeypatch.setattr(responses, "importlib", SimpleNamespace(import_module=importing))
    with pytest.warns(FastAPIDeprecationWarning, match="UJSONResponse is deprecated"):
        response = responses.UJSONResponse({"a": 1})
    assert response.body == "é".encode()
    assert calls == [({"a": 1}, {"ensure_ascii": False})]


def test_ujson_is_needed(monkeypatch: pytest.MonkeyPatch) -> None:
    def importing(name: str) -> Any:
        raise ModuleNotFoundError(name)

    monkeypatch.setattr(responses, "importlib", SimpleNamespace(import_module=importing))
    with (
        pytest.warns(FastAPIDeprecationWarning),
        pytest.raises(AssertionError, match="^ujson must be installed to use UJSONResponse$"),
    ):
        responses.UJSONResponse({})
