"""Applications written as source text, for cases that differ only in a signature and for generated ones."""

from __future__ import annotations

import collections
import dataclasses
import datetime
import decimal
import enum
import functools
import typing
import uuid
from typing import Any

import annotated_types
import pydantic

from compat.harness import Build, Framework, Result, Trace, compare, handshake


class Colour(str, enum.Enum):
    RED = "red"
    BLUE = "blue"


class Level(enum.IntEnum):
    LOW = 1
    HIGH = 2


@dataclasses.dataclass
class Point:
    x: int = 0


class Item(pydantic.BaseModel):
    name: str
    size: int = 1


class Strict(pydantic.BaseModel):
    model_config = {"extra": "forbid"}
    a: int
    b_c: str = "x"


class Open(pydantic.BaseModel):
    model_config = {"extra": "allow"}
    a: int


class Aliased(pydantic.BaseModel):
    a: int = pydantic.Field(alias="x-a")
    tags: list[str] = []


class ByName(pydantic.BaseModel):
    model_config = {"populate_by_name": True}
    a: int = pydantic.Field(alias="alias-a")


def doubled(value: Any) -> Any:
    return value * 2


def short(value: str) -> str:
    if len(value) > 3:
        raise ValueError("too long")
    return value


NAMES = (
    "WebSocket Depends Security Query Path Header Cookie Body Form File UploadFile HTTPException WebSocketException "
)
NAMES += "BackgroundTasks Request Response APIRouter App"


#: The names that make an application; the others may come from FastAPI in a wirefast application.
OWN = {"App", "APIRouter"}


def namespace(f: Framework, trace: Trace, mixed: bool = False) -> dict[str, Any]:
    """What a case's source may use: the framework's names, typing, pydantic and the models above.

    With ``mixed``, all but ``App`` and ``APIRouter`` are FastAPI's own, whatever the framework.
    """
    markers = Framework("fastapi") if mixed else f
    names: dict[str, Any] = {name: getattr(f if name in OWN else markers, name) for name in NAMES.split()}
    names |= {name: getattr(typing, name) for name in ("Annotated", "Any", "Literal", "Optional", "Union")}
    for module in (annotated_types, pydantic):
        names |= {name: getattr(module, name) for name in module.__all__ if name[0].isupper() and name not in names}
    names |= {"AfterValidator": pydantic.AfterValidator, "BeforeValidator": pydantic.BeforeValidator}
    names |= {model.__name__: model for model in (Colour, Level, Point, Item, Strict, Open, Aliased, ByName)}
    names |= {"date": datetime.date, "datetime": datetime.datetime, "timedelta": datetime.timedelta}
    names |= {"UUID": uuid.UUID, "Decimal": decimal.Decimal, "deque": collections.deque, "partial": functools.partial}
    names |= {"SecurityScopes": markers.security.SecurityScopes, "HTTPConnection": markers.requests.HTTPConnection}
    names |= {
        "wraps": functools.wraps,
        "doubled": doubled,
        "short": short,
        "f": f,
        "trace": trace,
        "__name__": __name__,
    }
    return names


def define(f: Framework, trace: Trace, source: str, mixed: bool = False) -> dict[str, Any]:
    """Execute ``source`` as a module; returns its names."""
    names = namespace(f, trace, mixed)
    exec(compile(source, "<case>", "exec", dont_inherit=True), names)
    return names


def signature_app(f: Framework, trace: Trace, signature: str, path: str = "/ws", before: str = "") -> Any:
    """An application with one endpoint that records its arguments, accepts and closes."""
    source = f"""
{before}
app = App()
@app.websocket({path!r})
async def endpoint(websocket: WebSocket, {signature}):
    arguments = {{name: value for name, value in locals().items() if name != "websocket"}}
    trace("endpoint", arguments)
    await websocket.accept()
    await websocket.close()
"""
    return define(f, trace, source)["app"]


def written(source: str, mixed: bool = False) -> Build:
    """A build from source that defines ``app``."""
    return lambda f, trace: define(f, trace, source, mixed)["app"]


def names(result: Result, event: str) -> list[Any]:
    """The first values of one kind of recorded call, as in ``names(result, "exit")``."""
    return [call[1] for call in result.calls if call[0] == event]


def over(signature, *targets, path="/ws", before="", **options):
    """Run one endpoint signature over several handshakes (a str is a query string)."""

    def build(f, trace):
        return signature_app(f, trace, signature, path, before)

    connections = [handshake(f"/ws?{target}") if isinstance(target, str) else target for target in targets]
    result = compare(build, *connections, **options)
    return result if isinstance(result, list) else [result]


def outcome(result):
    """The endpoint's arguments, or the ``loc`` and type of each validation error."""
    for call in result.calls:
        if call[0] == "endpoint":
            return call[1]
    return [(tuple(error["loc"]), error["type"]) for error in result.errors]
