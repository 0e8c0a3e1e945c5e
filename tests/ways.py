"""The ways over which a test with the fixture ``live`` runs: in memory, on real sockets, and on another server."""

from __future__ import annotations

from typing import Any

import pytest

from wirefast.testing import Live


def way(name: str, **options: Any) -> Any:
    return pytest.param(name, marks=pytest.mark.live(**options), id=name)


ASGI = way("asgi", mode="asgi")
MEMORY = way("memory")
REAL = way("real", server="real")
OURS = [MEMORY, REAL]
#: The protocols of uvicorn.
FOREIGN = way("uvicorn", server="real", http="h11", ws="websockets-sansio")


def live_by(*ways: Any) -> Any:
    """Make the fixture ``live`` of a folder or a file: each test that has it runs by each of these ways."""

    @pytest.fixture(name="live", params=ways)
    def live(live: Live) -> Live:
        return live

    return live
