"""What the tests of typed messages share: messages, a log of the application, errors without their words."""

import queue
from collections.abc import Callable
from typing import Annotated, Any, Literal

from pydantic import BaseModel, Field


class Say(BaseModel):
    type: Literal["say"]
    text: Annotated[str, Field(max_length=20)]


class Strict(BaseModel, extra="forbid"):
    type: Literal["strict"]
    n: int = 0


class Move(BaseModel):
    type: Literal["up", "down"]


class Said(BaseModel):
    type: Literal["said"] = "said"
    text: str
    by: str | None = None


class Deep(BaseModel, extra="forbid"):
    type: Literal["deep"]
    by_name: dict[str, int] = {}
    many: list[int] = []


class Circle(BaseModel):
    type: Literal["draw"]
    shape: Literal["circle"]
    radius: int


class Square(BaseModel):
    type: Literal["draw"]
    shape: Literal["square"]
    side: int


Shape = Annotated[Circle | Square, Field(discriminator="shape")]


class Plain(BaseModel, extra="forbid"):
    n: int


class Data(BaseModel, extra="forbid"):
    n: int


Open = Callable[..., Any]


class Log:
    """What the application did, for a test in another thread."""

    def __init__(self) -> None:
        self.queue: queue.Queue[Any] = queue.Queue()

    def __call__(self, entry: Any) -> None:
        self.queue.put(entry)

    def next(self) -> Any:
        return self.queue.get(timeout=20)

    def rest(self) -> list[Any]:
        return [self.queue.get_nowait() for _ in range(self.queue.qsize())]


def invalid(*loc: str, type: str = "string_too_long") -> Any:
    """What an error of one member looks like, its words apart."""
    return {"type": type, "loc": list(loc)}


def told(reply: Any) -> Any:
    """A reply without the words of its errors."""
    for error in reply.get("errors", ()):
        assert error.pop("msg")
    return reply
