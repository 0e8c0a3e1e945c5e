from typing import Any

AHEAD_MESSAGES: int
AHEAD_BYTES: int

class MessageReader:
    def noticed(self) -> None: ...
    def have_read(self, task: Any) -> None: ...
