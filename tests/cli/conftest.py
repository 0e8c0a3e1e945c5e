"""What `wirefast run` does to its process is undone when a test has run it in this one."""

from __future__ import annotations

import pytest

from wirefast.documents.assets import VARIABLE


@pytest.fixture(autouse=True)
def _environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(VARIABLE, "", prepend=None)
    monkeypatch.delenv(VARIABLE)
