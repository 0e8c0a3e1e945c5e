"""A stream for each socket: the load of this machine, once a second, until the browser goes.

    wirefast run examples/dashboard.py

Then connect to ``ws://127.0.0.1:8000/load?every=0.5``.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator
from typing import Annotated

from pydantic import BaseModel

from wirefast import App, Query

app = App()


class Load(BaseModel):
    one: float
    five: float
    fifteen: float


@app.websocket_stream("/load")
async def load(every: Annotated[float, Query(ge=0.1, le=60)] = 1.0) -> AsyncIterator[Load]:
    while True:
        one, five, fifteen = os.getloadavg()
        yield Load(one=one, five=five, fifteen=fifteen)
        await asyncio.sleep(every)
