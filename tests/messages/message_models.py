"""What the tests of typed messages share: messages, and errors without their words."""

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


def invalid(*loc: str, type: str = "string_too_long") -> Any:
    """What an error of one member looks like, its words apart."""
    return {"type": type, "loc": list(loc)}


def told(reply: Any) -> Any:
    """A reply without the words of its errors."""
    for error in reply.get("errors", ()):
        assert error.pop("msg")
    return reply
