"""Rooms on real sockets with FastAPI's application and FastAPI's WebSocket, on our protocol and on uvicorn's."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import fastapi
import pytest
from rooms_cases import CASES

from wirefast.rooms import Hub


def make(hub: Hub) -> tuple[fastapi.FastAPI, Any]:
    @asynccontextmanager
    async def lifespan(_: fastapi.FastAPI) -> AsyncIterator[None]:
        async with hub:
            yield

    return fastapi.FastAPI(lifespan=lifespan), fastapi.WebSocket


@pytest.mark.parametrize("settings", [{}, {"ws": "websockets-sansio"}], ids=["ours", "uvicorn's"])
@pytest.mark.parametrize("case", CASES)
def test_case(case: Callable[..., None], settings: Any, serve: Any) -> None:
    case(make, serve, **settings)
