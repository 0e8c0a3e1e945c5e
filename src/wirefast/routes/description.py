"""The description of a socket in documents, merged with that of the routers above."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from enum import Enum
from typing import Any

__all__ = ["Described", "Tags"]

Tags = Sequence[str | Enum]


@dataclass(frozen=True)
class Described:
    """The options of `WebSocketOptions` that are for documents, merged with those of the routers above."""

    tags: list[str | Enum] = field(default_factory=list)
    summary: str | None = None
    description: str | None = None
    operation_id: str | None = None
    deprecated: bool | None = None
    include_in_schema: bool = True
    receives: Any = None
    sends: Any = None

    @classmethod
    def of(cls, options: Any) -> Described:
        """Take the options from a ``WebSocketOptions``."""
        return cls(
            tags=list(options.tags or ()),
            summary=options.summary,
            description=options.description,
            operation_id=options.operation_id,
            deprecated=options.deprecated,
            include_in_schema=options.include_in_schema is not False,
            receives=options.receives,
            sends=options.sends,
        )

    def under(self, router: Any) -> Described:
        """Return the description below a router, or below an include: ``router`` has tags, ``deprecated`` and the
        rest."""
        return replace(
            self,
            tags=[*router.tags, *self.tags],
            deprecated=self.deprecated or router.deprecated,
            include_in_schema=self.include_in_schema and router.include_in_schema,
        )
