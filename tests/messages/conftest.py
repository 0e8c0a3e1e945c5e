"""Applications of these tests, and each way that their messages come."""

from __future__ import annotations

import pytest

from ways import ASGI, FOREIGN, MEMORY, REAL, live_by
from wirefast import App

live = live_by(ASGI, MEMORY, REAL, FOREIGN)


@pytest.fixture
def app() -> App:
    """What the fixture ``live`` serves; a test declares its routes."""
    return App()
