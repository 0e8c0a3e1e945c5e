"""The examples that can run with the Starlette that is installed."""

from __future__ import annotations

import importlib.util
from pathlib import Path

from sqlmodel import SQLModel

#: Whether Starlette has body limits, as the store needs them; those at the least version have not.
HAS_BODY_LIMITS = importlib.util.find_spec("starlette.middleware.body_limit") is not None

EXAMPLES = [
    path
    for path in sorted((Path(__file__).parents[1] / "examples").glob("*.py"))
    if HAS_BODY_LIMITS or path.stem != "store"
]


def forget_tables() -> None:
    """Let an example with tables be imported once more: SQLModel knows the tables of all that were imported."""
    SQLModel.metadata.clear()
    SQLModel._sa_registry.dispose()
