from asyncio import Future, TimerHandle, Transport
from enum import IntEnum

from wirefast.server.frames import FrameStream

class WireState(IntEnum):
    CONNECTING = 0
    OPEN = 1
    CLOSING = 2
    CLOSED = 3
    LOST = 4

def cancel_timer(timer: TimerHandle, future: Future[None]) -> None: ...

class Outgoing(FrameStream):
    @property
    def transport(self) -> Transport: ...
    @property
    def state(self) -> WireState: ...
    def on_send_timeout(self, future: Future[None]) -> None: ...
    def pause_writing(self) -> None: ...
    def resume_writing(self) -> None: ...
