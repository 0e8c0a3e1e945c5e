"""The id of a parametrised test's value: the same in every process, so that several can share the tests."""

from __future__ import annotations

import re
from typing import Any


def shown(value: Any) -> str:
    """The value's repr without addresses, a set in a dict sorted."""
    if isinstance(value, dict):
        return "{" + ", ".join(f"{shown(key)}: {shown(member)}" for key, member in value.items()) + "}"
    if isinstance(value, (set, frozenset)) and value:
        return f"{type(value).__name__}({', '.join(sorted(map(shown, value)))})"
    return re.sub(r" at 0x[0-9a-f]+", "", repr(value))
