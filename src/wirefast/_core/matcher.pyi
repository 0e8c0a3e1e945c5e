import re
from collections.abc import Iterable, Mapping
from typing import Any, final

from starlette.convertors import Convertor

@final
class Matcher:
    def __init__(self, routes: Iterable[tuple[str, Mapping[str, Convertor[Any]], re.Pattern[str]]]) -> None: ...
    @property
    def regex_places(self) -> tuple[int, ...]: ...
    def match(self, path: str, start: int = 0) -> tuple[int, dict[str, Any]] | None: ...
