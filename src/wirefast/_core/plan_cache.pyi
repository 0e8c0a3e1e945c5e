from collections.abc import Callable
from typing import Any, final

from wirefast._core.plan import Plan

@final
class PlanCache:
    dependant: Any
    def __init__(self, *, dependant: Any, make_plan: Callable[..., Plan], provider: Any) -> None: ...
