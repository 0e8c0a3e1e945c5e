"""Bodies over HTTP: every way to declare one, and what clients send to it."""

import itertools
from typing import Annotated, Any, Literal

import pytest
from pydantic import BaseModel, ConfigDict, Discriminator, Field, Json, Tag

from compat.exchange import compare, request


class Item(BaseModel):
    name: str
    price: float = 1.0


class Strict(BaseModel):
    model_config = ConfigDict(extra="forbid")
    name: str
    tags: list[str] = []


class Open(BaseModel):
    model_config = ConfigDict(extra="allow", populate_by_name=True)
    name: str = Field(alias="theName")
    count: int | None = None


class Cat(BaseModel):
    kind: Literal["cat"]
    lives: int = 9


class Dog(BaseModel):
    kind: Literal["dog"]
    good: bool = True


def by_kind(value: Any) -> str:
    return value.get("kind", "?") if isinstance(value, dict) else getattr(value, "kind", "?")


# name -> annotation of the parameter "value" in terms of the framework, and its default if it has one.
JSON = {
    "model": lambda f: Item,
    "model or None": lambda f: (Item | None, None),
    "list of models": lambda f: list[Item],
    "dict": lambda f: dict[str, int],
    "scalar": lambda f: Annotated[int, f.Body()],
    "scalar with bounds": lambda f: Annotated[int, f.Body(gt=3)],
    "scalar with a default": lambda f: (Annotated[int, f.Body()], 7),
    "embedded": lambda f: Annotated[Item, f.Body(embed=True)],
    "embedded under an alias": lambda f: Annotated[Item, f.Body(embed=True, alias="it-em")],
    "union": lambda f: Item | Strict,
    "tagged union": lambda f: Annotated[Cat | Dog, f.Body(discriminator="kind")],
    "callable tags": lambda f: Annotated[
        Annotated[Cat, Tag("cat")] | Annotated[Dog, Tag("dog")], Discriminator(by_kind), f.Body()
    ],
    "Json": lambda f: Annotated[Json[list[int]], f.Body()],
    "any": lambda f: Annotated[Any, f.Body()],
    "bytes": lambda f: Annotated[bytes, f.Body()],
    "aliases and extras": lambda f: Open,
    "default factory": lambda f: Annotated[list[int], f.Body(default_factory=lambda: [1])],
}
SENT = [
    b"", b"null", b"7", b'"7"', b'"[1, 2]"', b"[]", b"[1]", b"{}", b"{",
    b'{"name": "a"}', b'{"name": 1}', b'{"name": "a", "price": "2.5", "extra": 1}', b'{"value": {"name": "a"}}',
    b'{"it-em": {"name": "a"}}', b'{"kind": "cat"}', b'{"kind": "dog", "good": "no"}', b'{"kind": "cow"}',
    b'{"theName": "a", "x": 1}', b'{"name": "a", "count": null}', b'[{"name": "a"}, {"price": 1}]', b'"\xff"',
]  # fmt: skip


@pytest.mark.parametrize("case", JSON)
@pytest.mark.parametrize("content_type", ["application/json", "text/plain", None])
def test_json(case: str, content_type: str | None):
    def build(f: Any, trace: Any) -> Any:
        declared = JSON[case](f)
        annotation, *default = declared if isinstance(declared, tuple) else (declared,)
        app = f.App()

        async def endpoint(value):
            trace(value)
            return {"value": str(value)}

        endpoint.__annotations__["value"] = annotation
        if default:
            endpoint.__defaults__ = tuple(default)
        app.post("/")(endpoint)
        return app

    headers = {} if content_type is None else {"content-type": content_type}
    compare(build, *(request("POST", "/", body=body, headers=headers) for body in SENT))


def test_several():
    def build(f: Any, trace: Any) -> Any:
        app = f.App()

        async def dependency(shared: Annotated[Item, f.Body()], token: Annotated[str, f.Body()] = "t") -> str:
            return shared.name + token

        @app.put("/items/{item_id}")
        async def endpoint(
            item_id: int,
            first: Item,
            shared: Annotated[Item, f.Body()],
            name: Annotated[str, f.Depends(dependency)],
            count: Annotated[int, f.Body(ge=1)] = 1,
            page: int = 1,
        ) -> list[Any]:
            return [item_id, first, shared, name, count, page]

        return app

    bodies: list[Any] = [
        {},
        {"first": {"name": "a"}, "shared": {"name": "b"}},
        {"first": {"name": "a"}, "shared": {"name": "b"}, "token": "x", "count": 0},
        {"first": 1, "shared": None, "token": []},
        [],
        7,
        "text",
    ]
    answers = compare(build, *(request("PUT", "/items/3?page=2", json_body=body) for body in bodies))
    assert answers[1].json == [3, {"name": "a", "price": 1.0}, {"name": "b", "price": 1.0}, "bt", 1, 2]


class Login(BaseModel):
    user: str
    age: int = 3
    tags: list[str] = []


class StrictLogin(Login):
    model_config = ConfigDict(extra="forbid")


class Other(BaseModel):
    other: int


FORMS = {
    "one": lambda f: {"user": Annotated[str, f.Form()]},
    "several": lambda f: {"user": Annotated[str, f.Form(min_length=2)], "age": Annotated[int | None, f.Form()]},
    "list": lambda f: {"tags": Annotated[list[int], f.Form()]},
    "alias": lambda f: {"user": Annotated[str, f.Form(alias="us-er")]},
    "model": lambda f: {"data": Annotated[Login, f.Form()]},
    "strict model": lambda f: {"data": Annotated[StrictLogin, f.Form()]},
    "optional model": lambda f: {"data": (Annotated[Login | None, f.Form()], None)},
    "two models": lambda f: {"data": Annotated[Login, f.Form()], "more": Annotated[Other, f.Form()]},
    "union": lambda f: {"data": Annotated[Login | Other, f.Form()]},
    "model and field": lambda f: {"data": Annotated[Login, f.Form()], "note": (Annotated[str, f.Form()], "none")},
    "Json": lambda f: {"user": Annotated[Json[list[int]], f.Form()]},
    "bytes": lambda f: {"file": Annotated[bytes, f.File()]},
    "optional bytes": lambda f: {"file": (Annotated[bytes | None, f.File()], None)},
    "several bytes": lambda f: {"file": Annotated[list[bytes], f.File()]},
    "upload": lambda f: {"file": f.UploadFile},
    "several uploads": lambda f: {"file": list[f.UploadFile]},
    "optional upload and field": lambda f: {"file": (f.UploadFile | None, None), "user": Annotated[str, f.Form()]},
}


def multipart(*parts: tuple[str, bytes, str | None]) -> bytes:
    lines = []
    for name, content, filename in parts:
        file = "" if filename is None else f'; filename="{filename}"'
        lines.append(f'--x\r\ncontent-disposition: form-data; name="{name}"{file}\r\n\r\n'.encode() + content + b"\r\n")
    return b"".join(lines) + b"--x--\r\n"


URLENCODED = [
    b"", b"user=ab", b"user=", b"user=a&age=x", b"us-er=q", b"user=ab&age=5&tags=1&tags=2", b"tags=", b"other=1",
    b"user=%5B1%5D&extra=1", b"user=ab&other=2&note=n", b"data=ab", b"user=%FF",
]  # fmt: skip
MULTIPART = [
    multipart(), multipart(("user", b"ab", None)), multipart(("file", b"content", "a.txt")),
    multipart(("file", b"", "")), multipart(("file", b"", "empty.txt")), multipart(("file", b"text", None)),
    multipart(("file", b"1", "a"), ("file", b"2", "b"), ("user", b"me", None)), b"--x\r\nbroken", b"",
]  # fmt: skip


@pytest.mark.parametrize("case", FORMS)
def test_forms(case: str):
    def build(f: Any, trace: Any) -> Any:
        parameters = FORMS[case](f)
        app = f.App()

        async def shown(value: Any) -> Any:
            if isinstance(value, list):
                return [await shown(item) for item in value]
            if hasattr(value, "filename"):
                return [value.filename, value.size, await value.read()]
            return value

        async def record(**values: Any) -> list[Any]:
            found = [[name, await shown(value)] for name, value in values.items()]
            trace(found)
            return []

        required = [name for name, declared in parameters.items() if not isinstance(declared, tuple)]
        names = [*required, *(f"{name}=defaults[{name!r}]" for name in parameters if name not in required)]
        arguments = ", ".join(f"{name}={name}" for name in parameters)
        namespace: dict[str, Any] = {"record": record}
        namespace["defaults"] = {name: declared[1] for name, declared in parameters.items() if name not in required}
        exec(f"async def endpoint({', '.join(names)}):\n    return await record({arguments})", namespace)
        endpoint = namespace["endpoint"]
        endpoint.__annotations__ = {
            name: declared[0] if isinstance(declared, tuple) else declared for name, declared in parameters.items()
        }
        app.post("/")(endpoint)
        return app

    requests = [
        request("POST", "/", body=body, headers={"content-type": content_type})
        for bodies, content_type in [
            (URLENCODED, "application/x-www-form-urlencoded"),
            (MULTIPART, "multipart/form-data; boundary=x"),
            ([multipart()], "multipart/form-data"),
            ([b'{"user": "ab"}'], "application/json"),
        ]
        for body in bodies
    ]
    compare(build, *requests)


@pytest.mark.parametrize("chunk", [1, 7])
def test_chunks(chunk: int):
    def build(f: Any, trace: Any) -> Any:
        app = f.App()

        @app.post("/json")
        async def of_json(item: Item, raw: f.Request) -> Any:
            return [item, len(await raw.body())]

        @app.post("/form")
        async def of_form(user: Annotated[str, f.Form()], file: Annotated[bytes, f.File()]) -> Any:
            return [user, file.decode()]

        return app

    def chunks(body: bytes) -> list[bytes]:
        return [bytes(part) for part in itertools.zip_longest(*[iter(body)] * chunk, fillvalue=10)]

    form = multipart(("user", b"me", None), ("file", b"content", "a.txt"))
    compare(
        build,
        request("POST", "/json", body=chunks(b'{"name": "long enough"}'), headers={"content-type": "application/json"}),
        request("POST", "/form", body=chunks(form), headers={"content-type": "multipart/form-data; boundary=x"}),
    )


@pytest.mark.parametrize("strict", [True, False])
def test_strict_content_type(strict: bool):
    def build(f: Any, trace: Any) -> Any:
        app = f.App(strict_content_type=strict)

        @app.post("/")
        async def endpoint(item: Item) -> Item:
            return item

        return app

    compare(
        build,
        request("POST", "/", body=b'{"name": "a"}'),
        request("POST", "/", body=b'{"name": "a"}', headers={"content-type": ""}),
        request("POST", "/", body=b'{"name": "a"}', headers={"content-type": "text/plain"}),
    )
