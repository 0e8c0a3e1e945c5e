from collections.abc import Callable
from typing import Any

def dumps(value: Any, jsonable_encoder: Callable[[Any], Any]) -> bytes: ...
