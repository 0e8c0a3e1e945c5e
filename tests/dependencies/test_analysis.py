"""From a signature to a Dependant: what each parameter becomes, and the sentences of a wrong declaration.

tests/compat compares what clients see; here stands the structure, against FastAPI's ``get_dependant``.
"""
# ruff: noqa: B008

import functools
import inspect
from typing import TYPE_CHECKING, Annotated, Any, Literal

import fastapi
import fastapi.dependencies.utils as oracle
import fastapi.security
import pytest
from pydantic import AliasChoices, BaseModel
from typing_extensions import TypeAliasType

import wirefast
import wirefast.security
from wirefast import Depends, Query, Security, WebSocket
from wirefast.dependencies.analysis import (
    analyze_param,
    flat_body_params,
    get_dependant,
    get_endpoint_dependant,
    get_parameterless_sub_dependant,
    typed_return_annotation,
    typed_signature,
)
from wirefast.exceptions import DependencyScopeError, FastAPIError

if TYPE_CHECKING:
    from decimal import Decimal

EMPTY = inspect.Signature.empty
FIELDS = ["path_params", "query_params", "header_params", "cookie_params", "body_params"]
NAMES = [
    "request_param_name", "websocket_param_name", "http_connection_param_name", "response_param_name",
    "background_tasks_param_name", "security_scopes_param_name",
]  # fmt: skip


class Model(BaseModel):
    a: int


Alias = TypeAliasType("Alias", Annotated[int, fastapi.Query(ge=1)])


def endpoints(f):
    """Endpoints written with the names of a framework."""

    def leaf(x: int, y: Annotated[str, f.Cookie()] = ""): ...

    async def scoped(scopes: f.security.SecurityScopes): ...

    def places(
        p: int,
        q,
        b: Model,
        h: Annotated[str, f.Header()],
        c: Annotated[str, f.Cookie()],
        many: Annotated[list[int], f.Query()],
        s: str = "x",
        old: int = f.Query(5, alias="Old"),
        form_like: dict[str, int] = f.Body({}),
    ): ...

    def specials(
        r: f.Request,
        w: f.WebSocket,
        h: f.requests.HTTPConnection,
        resp: f.Response,
        tasks: f.BackgroundTasks,
        scopes: f.security.SecurityScopes,
    ): ...

    def last_special_wins(a: f.WebSocket, b: f.WebSocket): ...

    def tree(
        a: Annotated[Any, f.Depends(leaf)],
        b: Annotated[Any, f.Security(scoped, scopes=["one"])],
        c: Any = f.Depends(leaf, use_cache=False),
        d: Annotated[Any, f.Security(scoped, scopes=["two", "three"])] = None,
    ): ...

    def by_class(model: Annotated[Model, f.Depends()], other: Model = f.Depends()): ...

    def strings(x: "int", z: "int" = None): ...

    def headers(user_agent: Annotated[str, f.Header()], x_a: Annotated[str, f.Header(convert_underscores=False)]): ...

    def partial_base(fixed, p: int, q: str = "x"): ...

    def aliased(p: Alias, q: Annotated[int, f.Path(validation_alias=AliasChoices("nope", "p"))] = ...): ...

    return [
        places, specials, last_special_wins, tree, by_class, strings, headers, functools.partial(partial_base, 1),
        leaf, scoped, Model, lambda p, q=3: None,
    ]  # fmt: skip


def structure(dependant):
    """Everything about a Dependant that can be compared between the two frameworks."""

    def of_field(field):
        info = field.field_info
        return (
            type(info).__name__,
            field.name,
            field.alias,
            str(info.annotation),
            repr(field.default),
            info.is_required(),
        )

    return {
        **{name: [of_field(field) for field in getattr(dependant, name)] for name in FIELDS},
        **{name: getattr(dependant, name) for name in NAMES},
        "name": dependant.name,
        "use_cache": dependant.use_cache,
        "scopes": (dependant.own_oauth_scopes, dependant.parent_oauth_scopes),
        "scope": dependant.scope,
        "dependencies": [structure(child) for child in dependant.dependencies],
    }


@pytest.mark.parametrize("index", range(12))
@pytest.mark.parametrize("path", ["/{p}", "/"])
def test_the_structure_is_fastapis(index, path):
    ours = get_dependant(path=path, call=endpoints(wirefast)[index])
    theirs = oracle.get_dependant(path=path, call=endpoints(fastapi)[index])
    expected = structure(theirs)
    found = structure(ours)
    # Empty lists of scopes and none are the same thing to both.
    assert normalised(found) == normalised(expected)


def normalised(value):
    if isinstance(value, dict):
        return {
            key: tuple(scopes or None for scopes in item) if key == "scopes" else normalised(item)
            for key, item in value.items()
        }
    return [normalised(item) for item in value] if isinstance(value, list) else value


@pytest.mark.parametrize("index", range(12))
def test_fastapis_own_markers_give_the_same(index):
    mixed = get_dependant(path="/{p}", call=endpoints(fastapi)[index])
    assert normalised(structure(mixed)) == normalised(
        structure(oracle.get_dependant(path="/{p}", call=endpoints(fastapi)[index]))
    )


# ---- Wrong declarations: the sentences are FastAPI's ----


def wrong(f):
    yield "depends twice", lambda x=f.Depends(int): None, {"x": Annotated[int, f.Depends(int)]}
    yield "marker and depends", lambda x=f.Depends(int): None, {"x": Annotated[int, f.Query()]}
    yield "marker twice", lambda x=f.Query(): None, {"x": Annotated[int, f.Query()]}
    yield "default in Annotated", lambda x: None, {"x": Annotated[int, f.Query(5)]}
    yield "path with a default", lambda p=3: None, {"p": Annotated[int, f.Path()]}
    yield "query for a path", lambda p: None, {"p": Annotated[int, f.Query()]}
    yield "marker on a special", lambda w: None, {"w": Annotated[f.requests.HTTPConnection, f.Query()]}
    yield "model in a path", lambda p: None, {"p": Model}
    yield "odd query", lambda q: None, {"q": Annotated[dict[str, int], f.Query()]}
    yield "no schema", lambda w: None, {"w": f.requests.HTTPConnection | None}
    yield "path that is a list", lambda p: None, {"p": Annotated[list[int], f.Path()]}


@pytest.mark.parametrize("index", range(11))
def test_errors_are_fastapis(index):
    raised = []
    for f, analyse in ((wirefast, get_dependant), (fastapi, oracle.get_dependant)):
        _, call, annotations = list(wrong(f))[index]
        call.__annotations__ = annotations
        with pytest.raises((AssertionError, RuntimeError)) as caught:
            analyse(path="/{p}", call=call)
        raised.append(
            (caught.type.__name__, str(caught.value).partition("\nassert")[0].replace("fastapi.", "wirefast."))
        )
    assert raised[0] == raised[1]


def test_scopes_of_generators_and_functions():
    def function_scoped():
        yield

    def asks(x: Annotated[Any, Depends(function_scoped, scope="function")]):
        yield

    def endpoint(x: Annotated[Any, Depends(asks)]): ...

    with pytest.raises(DependencyScopeError, match='The dependency "asks" has a scope of "request"'):
        get_dependant(path="/", call=endpoint)

    def fine(x: Annotated[Any, Depends(asks, scope="function")]): ...

    get_dependant(path="/", call=fine)


def test_a_parameterless_dependency_must_be_callable():
    with pytest.raises(AssertionError, match="must have a callable dependency"):
        get_parameterless_sub_dependant(depends=Depends(), path="/")
    dependant = get_parameterless_sub_dependant(depends=Security(len, scopes=["a"], use_cache=False), path="/")
    assert (dependant.call, dependant.name, dependant.use_cache, dependant.own_oauth_scopes) == (len, None, True, ["a"])


def test_routes_dependencies_come_first():
    def first(): ...

    def second(): ...

    def endpoint(x: Annotated[Any, Depends(second)], body: Model): ...

    dependant, body_fields, embed = get_endpoint_dependant(path="/", call=endpoint, dependencies=[Depends(first)])
    assert [child.call for child in dependant.dependencies] == [first, second]
    assert [field.name for field in body_fields] == ["body"]
    assert embed is False
    assert dependant.scope == "function"


def test_body_fields_of_the_whole_tree():
    def leaf(a: Model): ...

    def endpoint(b: Model, x: Annotated[Any, Depends(leaf)]): ...

    dependant, body_fields, embed = get_endpoint_dependant(path="/", call=endpoint, dependencies=())
    assert [field.name for field in flat_body_params(dependant)] == [field.name for field in body_fields] == ["b", "a"]
    assert embed is True


# ---- Signatures ----


def test_names_that_only_a_type_checker_knows_stay_unevaluated():
    def endpoint(a: "Decimal", b: "int"): ...

    parameters = typed_signature(endpoint).parameters
    assert parameters["b"].annotation is int
    assert getattr(parameters["a"].annotation, "__forward_arg__", parameters["a"].annotation) == "Decimal"


def test_return_annotations():
    def none(): ...

    def text() -> "list[str]": ...

    def nothing() -> None: ...

    assert typed_return_annotation(none) is None
    assert typed_return_annotation(text) == list[str]
    assert typed_return_annotation(nothing) is None


@pytest.mark.parametrize(
    ("annotation", "value", "kind"),
    [
        (int, EMPTY, "Query"),
        (EMPTY, EMPTY, "Query"),
        (Literal["a"], "a", "Query"),
        (Model, EMPTY, "Body"),
        (list[int], EMPTY, "Body"),
        (fastapi.UploadFile, EMPTY, "File"),
        (list[fastapi.UploadFile] | None, None, "File"),
    ],
)
def test_what_has_no_marker(annotation, value, kind):
    details = analyze_param(param_name="x", annotation=annotation, value=value, path_param_names=set())
    assert type(details.field.field_info).__name__ == kind
    assert details.depends is None


def test_the_last_marker_in_annotated_counts():
    annotation = Annotated[int, Query(ge=1), "noise", Query(ge=5)]
    details = analyze_param(param_name="x", annotation=annotation, value=EMPTY, path_param_names=set())
    assert details.field.validate("4")[1]
    assert not details.field.validate("5")[1]


def test_markers_can_be_shared():
    """One Annotated alias in several signatures: each parameter has its own name."""
    limit = Annotated[int, Query(ge=1)]

    def endpoint(a: limit, b: limit = 5): ...

    dependant = get_dependant(path="/", call=endpoint)
    assert [(field.alias, field.field_info.is_required()) for field in dependant.query_params] == [
        ("a", True), ("b", False),
    ]  # fmt: skip


def test_subclasses_of_special_types_are_filled_too():
    class Mine(WebSocket): ...

    def endpoint(websocket: Mine): ...

    assert get_dependant(path="/", call=endpoint).websocket_param_name == "websocket"


def test_fastapi_errors_are_ours():
    assert issubclass(FastAPIError, RuntimeError)
