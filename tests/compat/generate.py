"""Random applications and handshakes for test_random.py, drawn by hypothesis as source text that a reader can run."""

from __future__ import annotations

import dataclasses
from urllib.parse import quote

from hypothesis import strategies as st

from compat.harness import Handshake, handshake

# Few names, so that query, headers and cookies of different functions meet. p, x and y stand in paths, at most once in
# each; a function that names one of them gets the path's value, or a query parameter where the path has none.
NAMES = ["a", "b", "c_d"]
PATH_NAMES = ["p", "x", "y"]
VALUES = ["1", "2", "2", "4", "4", "red", "ab", "", "true", "1.5", "-3", "é"]

# annotation: a default, and the constraints that go with it
SCALARS = {
    "int": ("3", ["ge=2", "lt=9", "multiple_of=2"]),
    "str": ("'d'", ["min_length=2", "max_length=3", "pattern='^[a-z]+$'"]),
    "float": ("0.5", ["gt=1"]),
    "bool": ("False", []),
    "Optional[int]": ("None", ["ge=2"]),
    "int | str": ("'u'", []),
    "Literal['1', 'x']": ("'x'", []),
    "Colour": ("Colour.BLUE", []),
    "Annotated[int, Ge(2)]": ("5", []),
    "Annotated[str, AfterValidator(short)]": ("'s'", []),
    "Any": ("None", []),
    "": ("'bare'", []),
}
SEQUENCES = {"list[int]": "[7]", "set[str]": "{'s'}", "Optional[list[str]]": "None", "tuple[int, ...]": "(1,)"}
MODELS = ["Item", "Strict", "Aliased", "Optional[Item]"]
SPECIALS = ["WebSocket", "HTTPConnection", "Response", "BackgroundTasks", "SecurityScopes"]

FAILURES = ["ValueError('boom')", "HTTPException(403, 'no')", "WebSocketException(4001, 'bye')"]

# How a dependency is written. {name}, {signature}, {body} and {keyword} ("yield" or "return") are filled in.
FUNCTION = "{keyword_def} {name}({signature}):\n{body}"
METHOD = "class Class_{name}:\n    {keyword_def} {method}({self}{signature}):\n{indented}\n"
KINDS = {
    "function": FUNCTION,
    "instance": METHOD + "{name} = Class_{name}()",
    "method": METHOD + "{name} = Class_{name}().method",
    "partial": "{keyword_def} base_{name}(bound, {signature}):\n{body}\n{name} = partial(base_{name}, 'bound')",
    "wrapped": FUNCTION.replace("{name}", "base_{name}")
    + "\n@wraps(base_{name})\ndef {name}(*args, **kwargs):\n    return base_{name}(*args, **kwargs)",
    "wrapped async": FUNCTION.replace("{name}", "base_{name}")
    + "\n@wraps(base_{name})\nasync def {name}(*args, **kwargs):\n    value = base_{name}(*args, **kwargs)\n"
    "    return await value if hasattr(value, '__await__') else value",
    "class": "class {name}:\n    def __init__(self, {signature}):\n{indented}\n"
    "    def __repr__(self):\n        return '<{name}>'",
}


@dataclasses.dataclass(frozen=True)
class Case:
    source: str
    connections: tuple[Handshake, ...]
    mixed: bool  # FastAPI's markers and classes in the application of either framework


@st.composite
def parameters(draw: st.DrawFn) -> tuple[str, str]:
    """One parameter as (annotation, default), each possibly empty."""
    where = draw(st.sampled_from(["", "", "Query", "Query", "Header", "Cookie", "model", "special"]))
    if where == "special":
        return draw(st.sampled_from(SPECIALS)), ""
    marker = where if where in ("Query", "Header", "Cookie") else draw(st.sampled_from(["Query", "Header", "Cookie"]))
    options = []
    if where == "model":
        annotation, default = draw(st.sampled_from(MODELS)), ""
        if annotation == "Optional[Item]":
            default = "None"
        elif draw(st.booleans()):
            annotation, default = "Item", "Item(name='d')"
        where = marker
    elif where and draw(st.integers(0, 3)) == 0:
        annotation, default = draw(st.sampled_from(sorted(SEQUENCES.items())))
    else:
        annotation = draw(st.sampled_from([*sorted(SCALARS), *["int", "str", "Any", "Optional[int]"] * 2]))
        default, constraints = SCALARS[annotation]
        if where and constraints and draw(st.booleans()):
            options.append(draw(st.sampled_from(constraints)))
    if where and draw(st.integers(0, 4)) == 0:
        options.append(draw(st.sampled_from(["alias='al'", "alias='X-Al'", "validation_alias='va'"])))
    if where == "Header" and draw(st.integers(0, 4)) == 0:
        options.append("convert_underscores=False")
    if draw(st.integers(0, 3)) == 0:
        default = ""
    if not where:
        return annotation, default
    if not annotation or draw(st.booleans()):  # in the default
        return annotation, f"{where}({', '.join([default] * bool(default) + options)})"
    return f"Annotated[{annotation}, {where}({', '.join(options)})]", default


@st.composite
def depends(draw: st.DrawFn, names: list[str], listed: bool = False) -> str:
    """A ``Depends(...)`` or ``Security(...)`` on one of the names."""
    name = draw(st.sampled_from(names))
    options = []
    if draw(st.integers(0, 3)) == 0:
        options.append("use_cache=False")
    if draw(st.integers(0, 3)) == 0:
        options.append(f"scopes={draw(st.lists(st.sampled_from('rw'), max_size=2))}")
        return f"Security({', '.join([name, *options])})"
    if draw(st.integers(0, 11)) == 0:
        options.append(draw(st.sampled_from(["scope='function'", "scope='request'"])))
    return f"Depends({', '.join([name, *options])})"


@st.composite
def signatures(draw: st.DrawFn, dependencies: list[str], endpoint: bool = False) -> tuple[str, list[str]]:
    """A parameter list as text, and the names in it."""
    arguments: list[tuple[str, str, str]] = []
    for name in draw(st.lists(st.sampled_from(NAMES), unique=True, max_size=3)):
        arguments.append((name, *draw(parameters())))
    for name in draw(st.lists(st.sampled_from(PATH_NAMES), unique=True, max_size=1)):
        annotation = draw(st.sampled_from(["", "", "Any", "str", "int | str", "float"]))
        arguments.append((name, annotation, draw(st.sampled_from(["", "'7'"]))))
    for number in range(draw(st.integers(0, 3)) if dependencies else 0):
        marker = draw(depends(dependencies))
        arguments.append(
            (f"d{number}", "", marker) if draw(st.booleans()) else (f"d{number}", f"Annotated[Any, {marker}]", "")
        )
    if endpoint:
        arguments.append(("websocket", "WebSocket", ""))
    # FastAPI fills one of several; we fill them all (compat/test_endpoints.py).
    for special in ("WebSocket", "HTTPConnection"):
        for extra in [argument for argument in arguments if argument[1] == special][:-1]:
            arguments.remove(extra)
    arguments = draw(st.permutations(arguments))
    keyword_only = draw(st.booleans()) and bool(arguments)
    if not keyword_only:
        arguments = sorted(arguments, key=lambda argument: bool(argument[2]))
    parts = [
        name + (f": {annotation}" if annotation else "") + (f" = {default}" if default else "")
        for name, annotation, default in arguments
    ]
    return ", ".join(["*"] * keyword_only + parts), [argument[0] for argument in arguments]


@st.composite
def dependency(draw: st.DrawFn, name: str, below: list[str]) -> str:
    """The source of one dependency that may depend on those ``below`` it."""
    kind = draw(st.sampled_from(sorted(KINDS)))
    asynchronous, generator = draw(st.booleans()), draw(st.booleans())
    if kind == "class":
        asynchronous = generator = False
    if kind == "wrapped async":
        generator = False
    signature, arguments = draw(signatures(below))
    failure = draw(st.sampled_from([*[""] * 57, *FAILURES]))
    values = ", ".join(arguments)
    lines = [f"trace({name!r}, [{values}])"]
    if failure:
        lines.append(f"raise {failure}")
    if generator:
        ending = draw(st.sampled_from(["raise", "raise", "raise", "raise", "pass", "raise KeyError('converted')"]))
        after = draw(st.sampled_from([*[""] * 9, "raise WebSocketException(4002)", "raise ValueError('after')"]))
        lines += ["try:", f"    yield ({name!r}, next(count))", "except BaseException as error:"]
        lines += [f"    trace({name!r}, 'thrown', type(error).__name__)", f"    {ending}", "finally:"]
        lines += [f"    trace({name!r}, 'exit')"] + [after] * bool(after)
    elif kind != "class":
        lines.append(f"return ({name!r}, next(count))")
    body = "\n".join("    " + line for line in lines)
    return KINDS[kind].format(
        name=name,
        signature=signature,
        keyword_def="async def" if asynchronous else "def",
        method="__call__" if kind == "instance" else "method",
        self="self, " if signature else "self",
        body=body,
        indented="\n".join("    " + line for line in body.splitlines()),
    )


@st.composite
def cases(draw: st.DrawFn) -> Case:
    """An application with dependencies, nested routers and overrides, and handshakes that mostly reach its routes."""
    names: list[str] = []
    parts = ["count = iter(range(1000))"]
    for number in range(draw(st.integers(0, 6))):
        parts.append(draw(dependency(f"dep{number}", list(names))))
        names.append(f"dep{number}")

    def listed() -> str:
        markers = draw(st.lists(depends(names), max_size=2)) if names and draw(st.integers(0, 2)) == 0 else []
        return f"dependencies=[{', '.join(markers)}]"

    routers = [("app", "")]
    parts.append(f"app = App({listed()})")
    for number in range(draw(st.integers(0, 3))):
        prefix = draw(st.sampled_from(["", "/v1", *["/{p}"] * (number == 0)]))
        parts.append(f"r{number} = APIRouter(prefix={prefix!r}, {listed()})")
        routers.append((f"r{number}", prefix))
    paths: dict[str, list[str]] = {name: [] for name, _ in routers}
    for number in range(draw(st.integers(1, 3))):
        router, prefix = draw(st.sampled_from(routers))
        template = draw(st.sampled_from(["/e{n}", "/e{n}/{{y}}", "/e{n}/{{y:int}}", "/e{n}/{{y:path}}", "/{{y}}"]))
        path = template.format(n=number)
        signature, arguments = draw(signatures(names, endpoint=True))
        values = ", ".join(argument for argument in arguments if argument != "websocket")
        failure = draw(st.sampled_from([*[""] * 12, *FAILURES]))
        decorator = f"@{router}.websocket({path!r}, {listed()})"
        lines = [decorator, f"async def endpoint{number}({signature}):", f"    trace('endpoint{number}', [{values}])"]
        lines += [f"    raise {failure}"] if failure else []
        lines += ["    await websocket.accept()", "    await websocket.send_text(await websocket.receive_text())"]
        lines += draw(st.sampled_from([[], ["    await websocket.close(4000)"], ["    raise ValueError('late')"]]))
        parts.append("\n".join(lines))
        paths[router].append(prefix + path)
    # Each router is included in one that came before it.
    for index in range(len(routers) - 1, 0, -1):
        name = routers[index][0]
        parent, parent_prefix = routers[draw(st.integers(0, index - 1))]
        prefix = draw(st.sampled_from(["", "/v2", *["/a/{x:int}"] * (index == 2)]))
        parts.append(f"{parent}.include_router({name}, prefix={prefix!r}, {listed()})")
        paths[parent] += [parent_prefix + prefix + path for path in paths[name]]
    if names and draw(st.integers(0, 2)) == 0:
        # What replaces a dependency comes before it, or it would depend on itself.
        first = draw(st.integers(0, len(names) - 1))
        parts.append(draw(dependency("replacement", names[:first])))
        for name in draw(st.lists(st.sampled_from(names[first:]), unique=True, min_size=1, max_size=2)):
            replacement = draw(st.sampled_from(["replacement", *names[:first]]))
            parts.append(f"app.dependency_overrides[{name}] = {replacement}")
    connections = draw(st.lists(handshakes(paths["app"] or ["/nothing"]), min_size=1, max_size=3))
    return Case("\n".join(parts), tuple(connections), draw(st.booleans()))


@st.composite
def handshakes(draw: st.DrawFn, paths: list[str]) -> Handshake:
    values = st.sampled_from(VALUES)
    target = draw(st.sampled_from(paths))
    for template in ("{p}", "{x:int}", "{y}", "{y:int}", "{y:path}"):
        choices = {"int": ["1", "5", "5", "x"], "path": ["", "a/b", "7"]}.get(template[3:-1], ["1", "2", "red", "a b"])
        target = target.replace(template, quote(draw(st.sampled_from(choices))))
    keys = [*NAMES, *PATH_NAMES, "al", "va", "name", "x-a", "size", "tags"]
    most = [key for key in keys[:-2] if draw(st.integers(0, 4))]
    query = [(key, draw(values)) for key in draw(st.permutations(most))]
    query += draw(st.lists(st.tuples(st.sampled_from(keys), values), max_size=2))
    headers = [(key, draw(values)) for key in most if draw(st.booleans())]
    headers += draw(st.lists(st.tuples(st.sampled_from([*keys, "c-d", "X-Al"]), values), max_size=3))
    cookies = {key: draw(st.sampled_from(["1", "2", "4", "red"])) for key in most if draw(st.integers(0, 3))}
    text = "&".join(f"{key}={quote(value)}" for key, value in query)
    return handshake(f"{target}?{text}", "message", headers=headers, cookies=cookies)
