"""A stream: the load of this machine, once a second for each socket."""

import asyncio
import os
from collections.abc import AsyncIterator
from typing import Annotated, Literal

from pydantic import BaseModel

from wirefast import App, Query

app = App()


class Reading(BaseModel):
    type: Literal["reading"] = "reading"
    sensor: str
    value: float


@app.websocket_stream("/live")
async def live(every: Annotated[float, Query(ge=0.01, le=60)] = 1.0) -> AsyncIterator[Reading]:
    while True:
        yield Reading(sensor="load", value=os.getloadavg()[0])
        await asyncio.sleep(every)
