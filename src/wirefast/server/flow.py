"""Flow control of an HTTP connection, and the end of a peer that is not read."""

from __future__ import annotations

import asyncio
import select

from uvicorn.protocols.http.flow_control import FlowControl

__all__ = ["Flow", "has_ended"]


class Flow(FlowControl):
    """uvicorn's flow control, and a pause of reading that the application's ``receive`` does not end (``held``)."""

    def __init__(self, transport: asyncio.Transport) -> None:
        super().__init__(transport)
        self.held = False

    def resume_reading(self) -> None:
        """Read again, unless reading is held."""
        if not self.held:
            super().resume_reading()


def has_ended(transport: asyncio.BaseTransport) -> bool:
    """Whether the peer has ended its side of a connection that is not read; False if the system cannot tell."""
    connection = transport.get_extra_info("socket")
    told: int = getattr(select, "POLLRDHUP", 0)
    if connection is None or not told:
        return False
    poll = select.poll()
    poll.register(connection.fileno(), told)
    return bool(poll.poll(0))
