"""A service whose names, texts and types are as awkward as they can be; what it hears, it answers with the same type.

``SAMPLES`` has a message of each type, as a client sends it.
"""

from __future__ import annotations

import datetime
import enum
import uuid
from dataclasses import dataclass
from decimal import Decimal
from typing import Annotated, Any, Generic, Literal, NamedTuple, Optional, TypeVar, Union

from pydantic import BaseModel, ConfigDict, Field, RootModel, computed_field, create_model
from pydantic.alias_generators import to_camel
from pydantic.networks import AnyUrl
from typing_extensions import NotRequired, TypeAliasType, TypedDict

from wirefast import App, Query

#: Ends comments and strings of every language that it is written into, and is markup besides.
WICKED = (
    "*/ \"\"\" ''' \\ \\u0022 ` ${alert(1)} {title} %s </script><img src=x onerror=hacked=1> <b>\u2028 \x00\x07 -->\n"
    "# endregion\n    */ hacked = 1\n\"\"\"\nhacked = 1\n''' #\\"
)


class Colour(str, enum.Enum):
    """Colours, */ and \"\"\" others."""

    RED = "red"
    QUOTED = 'a"b\\c'
    NEW_LINE = "a\nb"


class Level(enum.IntEnum):
    LOW = -1
    HIGH = 2


class Mixed(enum.Enum):
    ONE = 1
    TWO = "two"


class Times(BaseModel):
    type: Literal["times"]
    moment: datetime.datetime
    day: datetime.date
    time: datetime.time
    span: datetime.timedelta
    maybe: datetime.date | None = None


class Numbers(BaseModel):
    type: Literal["numbers"]
    exact: Decimal
    small: Annotated[int, Field(ge=-5, lt=10, multiple_of=2)]
    ratio: Annotated[float, Field(gt=0, le=1.5)] = 0.5
    digit: Literal[1, 2, -3]
    yes: Literal[True]
    either: Literal["a", 1, None]
    both: bool | int | str
    far: float = float("inf")


class Bytes(BaseModel):
    type: Literal["bytes"]
    raw: bytes
    safe: Annotated[bytes, Field(max_length=10)] = b"x"
    identity: uuid.UUID
    where: AnyUrl


class Enums(BaseModel):
    type: Literal["enums"]
    colour: Colour
    level: Level = Level.LOW
    mixed: Mixed
    one: Literal[Colour.RED]
    many: list[Colour] = []


class Presence(BaseModel):
    """Optional, nullable, both, neither."""

    type: Literal["presence"]
    needed: str
    nullable: str | None
    optional: str = "given"
    both: Optional[str] = None  # noqa: UP045
    listed: list[int] = Field(default_factory=lambda: [1])
    text: Annotated[str, Field(description=WICKED, title=WICKED, examples=[WICKED])] = WICKED


class Pair(NamedTuple):
    left: int
    right: str = "r"


class Typed(TypedDict):
    needed: int
    maybe: NotRequired[str]


@dataclass
class Data:
    number: int
    text: str = "t"


class Containers(BaseModel):
    type: Literal["containers"]
    by_name: dict[str, int]
    by_number: dict[int, list[str]]
    by_colour: dict[Colour, int] = {}
    pair: tuple[int, str]
    row: tuple[float, ...]
    empty: tuple[()] = ()
    unique: set[int]
    frozen: frozenset[str] = frozenset()
    named: Pair
    typed: Typed
    data: Data
    anything: Any
    bare_list: list
    bare_dict: dict
    matrix: list[list[Union[int, None]]]  # noqa: UP007


class Tree(BaseModel):
    name: str
    children: list[Tree] = []
    parent: Tree | None = None


class Here(BaseModel):
    there: There | None = None


class There(BaseModel):
    here: Here | None = None


Json = TypeAliasType("Json", "dict[str, Json] | list[Json] | str | int | float | bool | None")


class Recursive(BaseModel):
    type: Literal["recursive"]
    tree: Tree
    here: Here
    json_: Annotated[Json, Field(alias="json")]


class Circle(BaseModel):
    kind: Literal["circle"] = "circle"
    radius: float


class Square(BaseModel):
    kind: Literal["square", "box"] = "square"
    side: float


class Group(BaseModel):
    kind: Literal["group"] = "group"
    shapes: list[Shape]


Shape = Annotated[Circle | Square | Group, Field(discriminator="kind")]


class Unions(BaseModel):
    type: Literal["unions"]
    shape: Shape
    deep: dict[str, list[int | list[str | dict[str, Circle | None]]]]
    nested: Shape | list[Shape] | None = None


Item = TypeVar("Item")


class Box(BaseModel, Generic[Item]):
    """A box </textarea>."""

    item: Item
    others: list[Item] = []


class Numbered(RootModel[list[int]]):
    """Only a list."""


class Keyed(RootModel[dict[str, Numbered]]):
    pass


class Generics(BaseModel):
    type: Literal["generics"]
    number: Box[int]
    colour: Box[Colour]
    deep: Box[Box[str | None]]
    numbered: Numbered
    keyed: Keyed


class Computed(BaseModel):
    type: Literal["computed"]
    width: int
    height: int = 2

    @computed_field  # type: ignore[prop-decorator]
    @property
    def area(self) -> int:
        """How large */ it is."""
        return self.width * self.height


class Camel(BaseModel):
    model_config = ConfigDict(alias_generator=to_camel, populate_by_name=True)

    type: Literal["camel"]
    long_name: str
    other_name: int = 1


class Aliased(BaseModel):
    type: Literal["aliased"]
    one: Annotated[int, Field(validation_alias="in-one", serialization_alias="out-one")]
    two: Annotated[str, Field(alias="@two")] = "2"


class Open(BaseModel):
    model_config = ConfigDict(extra="allow")

    type: Literal["open"]
    known: int


class Shut(BaseModel):
    model_config = ConfigDict(extra="forbid")

    type: Literal["shut"]
    known: int


#: Members that are words of a language, attributes of pydantic's models, or no identifiers.
AWKWARD = [
    "class", "def", "await", "async", "None", "True", "lambda", "function", "default", "constructor", "toString",
    "self", "cls", "copy", "json", "schema", "dict", "model_dump", "model_fields", "model_config", "validate",
    "_private", "__dunder__", "with-dash", "with_dash", "with space", "1st", "ünïcode", "日本", 'quo"te',
    "back\\slash", "*/", "//", "new\nline", "${x}", "`", "\u2028", "💥", "str", "int", "list", "Any", "Field",
    "Literal", "Model", "datetime", "message", "field", "type_", "id", "hash",
]  # fmt: skip
Awkward = create_model(
    "Awkward",
    __doc__=WICKED,
    type=(Literal["awkward"], ...),
    **{f"member{n}": (int, Field(alias=name, description=WICKED)) for n, name in enumerate(AWKWARD)},
)

#: Names of types that the clients or the languages have, or that are the same once they are identifiers.
NAMES = [
    "Promise", "Socket", "Options", "Address", "Record", "Error", "ErrorMessage", "ConnectionLost", "Say_", "Größe",
    "Grüße", "日本", "1a", "class", "Model", "BaseModel", "Union", "TypesSocket", "Readonly", "Partial", "Dict",
    "Socket2", "SocketModel", "undefined", "string", "number", "any", "Symbol", "Uint8Array", "Tuple", "property",
]  # fmt: skip
NAMED = [create_model(name, type=(Literal[name], ...), value=(int, ...)) for name in NAMES]

Twin1 = create_model("Twin", type=(Literal["twin1"], ...), one=(int, ...), __module__="first.module")
Twin2 = create_model("Twin", type=(Literal["twin2"], ...), two=(str, ...), __module__="second.module")

#: Values of the tag.
TAGS = [
    "message", "state", "dropped", "constructor", "__proto__", "hasOwnProperty", "a b", 'quo"te', "1", "*/",
    '"""', "new\nline", "ünï", "back\\slash", "",
]  # fmt: skip
TAGGED = [create_model(f"Tagged{n}", type=(Literal[tag], ...)) for n, tag in enumerate(TAGS)]

_SAMPLES: list[tuple[Any, dict[str, Any]]] = [
    (Times, {"moment": "2026-11-29T12:00:00Z", "day": "2026-11-29", "time": "12:30:00", "span": "PT1H"}),
    (Numbers, {"exact": "12.50", "small": -4, "digit": -3, "yes": True, "either": None, "both": 7, "far": 1.5}),
    (Bytes, {"raw": "grün", "identity": str(uuid.UUID(int=7)), "where": "https://example.org/a?b"}),
    (Enums, {"colour": 'a"b\\c', "mixed": "two", "one": "red", "many": ["a\nb"]}),
    (Presence, {"needed": "n", "nullable": None}),
    (
        Containers,
        {
            "by_name": {"a": 1, "constructor": 2}, "by_number": {"7": ["x"]}, "by_colour": {"red": 1}, "pair": [1, "x"],
            "row": [1.5, 2.5], "unique": [3], "named": [1, "z"], "typed": {"needed": 1}, "data": {"number": 2},
            "anything": {"a": [None]}, "bare_list": [1, "x"], "bare_dict": {"k": None}, "matrix": [[1, None], []],
        },
    ),
    (
        Recursive,
        {
            "tree": {"name": "a", "children": [{"name": "b", "parent": {"name": "c"}}]},
            "here": {"there": {"here": {}}}, "json": {"a": [1, "x", None, {"b": True}]},
        },
    ),
    (
        Unions,
        {
            "shape": {"kind": "group", "shapes": [{"kind": "circle", "radius": 1.5}, {"kind": "box", "side": 2.5}]},
            "deep": {"a": [1, ["x", {"y": {"kind": "circle", "radius": 2.5}, "z": None}]]},
            "nested": [{"kind": "square", "side": 1.5}],
        },
    ),
    (
        Generics,
        {
            "number": {"item": 1, "others": [2]}, "colour": {"item": "red"}, "deep": {"item": {"item": None}},
            "numbered": [1, 2], "keyed": {"k": [3]},
        },
    ),
    (Computed, {"width": 3}),
    (Camel, {"longName": "l"}),
    (Aliased, {"in-one": 1, "@two": "two"}),
    (Open, {"known": 1, "more": {"a": 1}}),
    (Shut, {"known": 1}),
    (Awkward, {name: number for number, name in enumerate(AWKWARD)}),
    (Twin1, {"one": 1}),
    (Twin2, {"two": "2"}),
    *((model, {"value": 1}) for model in NAMED),
    *((model, {}) for model in TAGGED),
]  # fmt: skip
SAMPLES = [
    (model, {"type": model.model_fields["type"].annotation.__args__[0], **members}) for model, members in _SAMPLES
]

app = App(title=f"Hostile {WICKED}", version='1"""*/', description=WICKED)
room = app.messages("/types", summary=WICKED, description=WICKED, tags=[WICKED])


def add_echo(model: Any) -> None:
    """Answer each message of a type with one of the same."""

    async def echo(message: Any) -> Any:
        return message

    echo.__annotations__ = {"message": model, "return": model}
    echo.__name__ = f"echo_{model.__name__}"
    echo.__doc__ = WICKED
    room.on(summary=WICKED)(echo)


for of_sample, _ in SAMPLES:
    add_echo(of_sample)

odd = app.messages("/od'd/`$x`/*/{class}/{url}/{token}", tag="class", operation_id='odd*/"""')


@odd.on("add", description=WICKED)
async def add(
    a: int,
    b: Annotated[str, Field(description=WICKED)] = "\\",
    from_: Annotated[str, Query(alias="from", description=WICKED)] = WICKED,
    values: Annotated[list[int] | None, Query()] = None,
    self_: Annotated[int | None, Query(alias="self")] = None,
    dashed: Annotated[int, Query(alias="x-y")] = 0,
    class_: Annotated[str, Query(alias="class")] = "",
) -> dict[str, int]:
    return {"sum": a + dashed}
