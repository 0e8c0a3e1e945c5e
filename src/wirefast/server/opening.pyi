from typing import Any

from wirefast.server.connection import Connection

class Opening(Connection):
    def configure(
        self,
        *,
        per_message_deflate: bool | None = None,
        max_size: int | None = None,
        send_timeout: float | None = None,
    ) -> None: ...
    def explain_refusal(self, closing: str, reason: str, errors: list[Any]) -> None: ...
    def __deepcopy__(self, memo: dict[int, Any]) -> Opening: ...
