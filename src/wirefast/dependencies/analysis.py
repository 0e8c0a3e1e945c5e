"""From a signature to a Dependant. Runs once per declaration; every declaration error is raised here.

The texts of the errors are FastAPI's, so that programs and tests that match them keep working.
"""

from __future__ import annotations

import dataclasses
import inspect
import sys
from collections.abc import Callable, Sequence
from copy import copy
from dataclasses import dataclass
from typing import Annotated, Any, Literal, get_args, get_origin

from pydantic import AliasChoices
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined as Undefined
from starlette.background import BackgroundTasks
from starlette.requests import HTTPConnection, Request
from starlette.responses import Response
from starlette.websockets import WebSocket

from wirefast import params
from wirefast._core.scope import FromScope
from wirefast._core.source_location import describe, note
from wirefast.concurrency import DependencyConcurrency
from wirefast.dependencies import forms, shapes
from wirefast.dependencies.annotations import UnresolvedAnnotation, evaluated, is_unresolved, namespace_of, signature
from wirefast.dependencies.fields import ModelField, create_model_field, merge_annotation
from wirefast.dependencies.markers import is_marker, security_scopes_classes
from wirefast.dependencies.models import Dependant, computed_scope, is_generator_kind
from wirefast.dependencies.places import PLACES
from wirefast.exceptions import DependencyScopeError
from wirefast.utils import get_path_param_names

_EMPTY = inspect.Signature.empty
# typing's own name for "Annotated[T, ...]" keeps the alias object of PEP 695 in its private module.
_TYPE_ALIAS_TYPES = tuple(
    alias_type
    for module in ("typing", "typing_extensions")
    if (alias_type := getattr(sys.modules.get(module), "TypeAliasType", None)) is not None
)


def typed_annotation(annotation: Any, namespace: dict[str, Any]) -> Any:
    """Return the annotation, its strings evaluated in ``namespace``; unknown names stay forward references."""
    return evaluated(annotation, namespace)


def typed_signature(call: Callable[..., Any]) -> inspect.Signature:
    """Return the signature of ``call`` with string annotations evaluated as far as their names can be found."""
    found = signature(call)
    namespace: dict[str, Any] | None = None
    parameters = []
    for parameter in found.parameters.values():
        annotation = parameter.annotation
        if isinstance(annotation, str) or is_unresolved(annotation):
            namespace = namespace_of(call) if namespace is None else namespace
            annotation = typed_annotation(annotation, namespace)
        parameters.append(
            inspect.Parameter(
                name=parameter.name, kind=parameter.kind, default=parameter.default, annotation=annotation
            )
        )
    return inspect.Signature(parameters)


def typed_return_annotation(call: Callable[..., Any]) -> Any:
    """Return the evaluated return annotation of ``call``, None if there is none."""
    annotation = signature(call).return_annotation
    if annotation is _EMPTY:
        return None
    if isinstance(annotation, str) or is_unresolved(annotation):
        return typed_annotation(annotation, namespace_of(call))
    return annotation


def require_resolved(call: Callable[..., Any], what: str, annotation: Any, default: Any = _EMPTY) -> None:
    """Refuse an annotation with unknown names, which could mean anything.

    A parameter with a marker as its default is read in the same way without its type. So the error waits while the
    names may still be defined, and is not raised if they never are.

    Raises:
        UnresolvedAnnotation: names that cannot be found.
    """
    if not is_unresolved(annotation):
        return
    error = UnresolvedAnnotation(call, what, annotation)
    marked = isinstance(default, FieldInfo) or (is_marker(default, "Depends") and default.dependency is not None)
    if error.may_come or not marked:
        raise error


def get_dependant(
    *,
    path: str,
    call: Callable[..., Any],
    name: str | None = None,
    own_oauth_scopes: list[str] | None = None,
    parent_oauth_scopes: list[str] | None = None,
    use_cache: bool = True,
    scope: Literal["function", "request", "message"] | None = None,
    concurrency: DependencyConcurrency | None = None,
) -> Dependant:
    """Analyse a callable and, recursively, what it depends on. FastAPI's ``get_dependant``.

    Args:
        path: the path of the route; the names in its braces are path parameters.
        call: the callable.
        name: the name of the parameter with the dependency, if there is one.
        own_oauth_scopes, parent_oauth_scopes: the scopes of its own declaration, and of those above it.
        use_cache: see `params.Depends`.
        scope: when the dependency ends, if it yields; see `params.Depends`.
        concurrency: the limit of the dependency, or None.

    Raises:
        AssertionError: a marker in a wrong place (FastAPI's texts).
        FastAPIError: a type that pydantic cannot validate.
        DependencyScopeError: a request-scoped generator that depends on a function-scoped dependency.
        UnresolvedAnnotation: an annotation with a name that cannot be found.
    """
    dependant = Dependant(
        call=call,
        name=name,
        path=path,
        use_cache=use_cache,
        scope=scope,
        concurrency=concurrency,
        own_oauth_scopes=own_oauth_scopes,
        parent_oauth_scopes=parent_oauth_scopes,
    )
    oauth_scopes = [*(parent_oauth_scopes or ()), *(own_oauth_scopes or ())]
    in_path = get_path_param_names(path)
    for parameter in typed_signature(call).parameters.values():
        require_resolved(call, f"parameter {parameter.name!r}", parameter.annotation, parameter.default)
        details = analyze_param(
            param_name=parameter.name,
            annotation=parameter.annotation,
            value=parameter.default,
            path_param_names=in_path,
        )
        if details.depends is not None:
            dependant.dependencies.append(_sub_dependant(dependant, parameter.name, details.depends, oauth_scopes))
        elif _add_special(dependant, parameter.name, details.type_annotation):
            if details.field is not None:
                raise AssertionError(f"Cannot specify multiple FastAPI annotations for {parameter.name!r}")
        else:
            if details.field is None:
                raise AssertionError
            _add_field(dependant, details.field)
    return dependant


def _sub_dependant(parent: Dependant, name: str, depends: params.Depends, oauth_scopes: list[str]) -> Dependant:
    if not depends.dependency:
        raise AssertionError
    if not callable(depends.dependency):
        error = TypeError(f"{depends.dependency!r} is not a callable object")
        _note_parentheses(error, depends, f"Depends() of the parameter {name!r} of {describe(parent.call)}")
        raise error
    if depends.scope == "function" and is_generator_kind(parent.call) and computed_scope(parent) == "request":
        parent_name = getattr(parent.call, "__name__", "<unnamed_callable>")
        raise DependencyScopeError(
            f'The dependency "{parent_name}" has a scope of "request", '
            'it cannot depend on dependencies with scope "function".'
        )
    return get_dependant(
        path=parent.path or "",
        call=depends.dependency,
        name=name,
        own_oauth_scopes=list(getattr(depends, "scopes", None) or ()),
        parent_oauth_scopes=oauth_scopes,
        use_cache=depends.use_cache,
        scope=depends.scope,
        concurrency=depends._concurrency,
    )


def _note_parentheses(error: BaseException, depends: params.Depends, where: str) -> None:
    """Say under the error of a dependency that was called where it is declared that the function itself is wanted."""
    given: Any = depends.dependency
    if inspect.iscoroutine(given):
        given.close()  # otherwise Python warns that it was never awaited
    note(error, f"{where} takes the function itself: leave out the parentheses behind it.")


def get_parameterless_sub_dependant(*, depends: params.Depends, path: str) -> Dependant:
    """Return the Dependant of one entry of a ``dependencies=[...]`` list.

    Args:
        depends: the entry. Its ``use_cache`` is not read, as in FastAPI.
        path: the path of the route; the names in its braces are path parameters.

    Raises:
        AssertionError: the entry names no callable.
    """
    if not callable(depends.dependency):
        error = AssertionError("A parameter-less dependency must have a callable dependency")
        if depends.dependency is None:
            note(error, "Depends() in a list of dependencies takes a function.")
        else:
            _note_parentheses(error, depends, "Depends() in a list of dependencies")
        raise error
    return get_dependant(
        path=path,
        call=depends.dependency,
        scope=depends.scope,
        concurrency=depends._concurrency,
        own_oauth_scopes=list(getattr(depends, "scopes", None) or ()),
    )


def get_endpoint_dependant(
    *, path: str, call: Callable[..., Any], dependencies: Sequence[params.Depends], has_messages: bool = False
) -> tuple[Dependant, list[ModelField], bool]:
    """Return the Dependant of an endpoint with its route's ``dependencies`` in front.

    Args:
        path, call, dependencies: the path, call and dependencies of the route.
        has_messages: whether dependencies may have the scope ``"message"``.

    Returns:
        The Dependant, the body fields of the whole tree, and whether the body is an object of those fields.
    """
    dependant = get_dependant(path=path, call=call, scope="function")
    dependant.dependencies[:0] = [get_parameterless_sub_dependant(depends=item, path=path) for item in dependencies]
    if not has_messages:
        _refuse_message_scope(dependant, path)
    body_params = flat_body_params(dependant)
    return dependant, body_params, forms.should_embed(body_params)


def _refuse_message_scope(dependant: Dependant, path: str) -> None:
    """Refuse dependencies of messages for an operation without messages."""
    for child in dependant.dependencies:
        if child.scope == "message":
            name = getattr(child.call, "__qualname__", repr(child.call))
            raise DependencyScopeError(
                f'The dependency {name!r} of the route {path!r} has the scope "message", but an HTTP operation gets no '
                "messages. Leave the scope out."
            )
        _refuse_message_scope(child, path)


def adopt_foreign(dependant: Dependant) -> None:
    """Replace each Dependant of FastAPI that a package has added to a tree by one of ours.

    Args:
        dependant: the root of the tree, which is changed.
    """
    for index, child in enumerate(dependant.dependencies):
        if isinstance(child, Dependant):
            adopt_foreign(child)
        else:
            dependant.dependencies[index] = get_dependant(
                path=child.path or dependant.path or "",
                call=child.call,
                name=child.name,
                own_oauth_scopes=child.own_oauth_scopes,
                parent_oauth_scopes=child.parent_oauth_scopes,
                use_cache=child.use_cache,
                scope=child.scope,
            )


def flat_body_params(dependant: Dependant) -> list[ModelField]:
    """Return the body fields of a whole tree, a callable's own before those of its dependencies.

    Args:
        dependant: the root of the tree.
    """
    found = list(dependant.body_params)
    for child in dependant.dependencies:
        found.extend(flat_body_params(child))
    return found


_CONNECTIONS: tuple[tuple[str, str, type[Any]], ...] = (
    ("request_param_name", "http", Request),
    ("websocket_param_name", "websocket", WebSocket),
    ("http_connection_param_name", "any", HTTPConnection),
)


def _add_special(dependant: Dependant, name: str, annotation: Any) -> bool:
    """Note a parameter that gets its value by its type alone. Of several of a kind other than connections, the last one
    wins."""
    is_subclass = shapes.is_subclass
    for attribute, kind, connection in _CONNECTIONS:
        if is_subclass(annotation, connection):
            if (earlier := getattr(dependant, attribute)) is not None:
                dependant.other_connections.append((kind, earlier))
            setattr(dependant, attribute, name)
            return True
    if is_subclass(annotation, Response):
        dependant.response_param_name = name
    elif is_subclass(annotation, BackgroundTasks):
        dependant.background_tasks_param_name = name
    elif is_subclass(annotation, security_scopes_classes()):
        dependant.security_scopes_param_name = name
    elif is_subclass(annotation, FromScope):
        dependant.from_scope[name] = annotation
    else:
        return False
    return True


def _add_field(dependant: Dependant, field: ModelField) -> None:
    if is_marker(field.field_info, "Body"):
        dependant.body_params.append(field)
        return
    place = getattr(getattr(field.field_info, "in_", None), "value", None)
    if place not in PLACES:
        raise AssertionError(f"non-body parameters must be in path, query, header or cookie: {field.name}")
    dependant.params_of(place).append(field)


@dataclass
class ParamDetails:
    """The result of the analysis of one parameter.

    Attributes:
        type_annotation: its type, without markers.
        depends: its declaration, when it is a dependency.
        field: its field, when it is read from the connection. Without both it has a special type, such as WebSocket.
    """

    type_annotation: Any
    depends: params.Depends | None
    field: ModelField | None


def analyze_param(*, param_name: str, annotation: Any, value: Any, path_param_names: set[str]) -> ParamDetails:
    """Decide what one parameter is. FastAPI's ``analyze_param``, same order of decisions and errors.

    Args:
        param_name: its name.
        annotation, value: its annotation and default, ``inspect.Signature.empty`` if it has none.
        path_param_names: the names in the braces of the path.

    Raises:
        AssertionError: markers that contradict each other, the type or the place.
    """
    in_path = param_name in path_param_names
    if _TYPE_ALIAS_TYPES and isinstance(annotation, _TYPE_ALIAS_TYPES):
        annotation = annotation.__value__
    use_annotation: Any = Any if annotation is _EMPTY else annotation
    type_annotation: Any = use_annotation
    field_info: FieldInfo | None = None
    depends: params.Depends | None = None

    if get_origin(use_annotation) is Annotated:
        type_annotation, *metadata = get_args(use_annotation)
        markers = [item for item in metadata if is_marker(item, "Param", "Body", "Depends")]
        marker = markers[-1] if markers else None
        if isinstance(marker, FieldInfo):
            field_info = _annotated_field_info(marker, use_annotation, param_name, value, in_path)
        else:
            depends = marker

    if is_marker(value, "Depends"):
        if depends is not None:
            raise AssertionError(
                f"Cannot specify `Depends` in `Annotated` and default value together for {param_name!r}"
            )
        if field_info is not None:
            raise AssertionError(
                "Cannot specify a FastAPI annotation in `Annotated` and `Depends` as a default value "
                f"together for {param_name!r}"
            )
        depends = value
    elif isinstance(value, FieldInfo):
        if field_info is not None:
            raise AssertionError(
                f"Cannot specify FastAPI annotations in `Annotated` and default value together for {param_name!r}"
            )
        field_info = value
        field_info.annotation = type_annotation

    if depends is not None and depends.dependency is None:
        depends = dataclasses.replace(depends, dependency=type_annotation)

    if depends is None and shapes.is_subclass(
        type_annotation, (HTTPConnection, Response, BackgroundTasks, FromScope, *security_scopes_classes())
    ):
        if field_info is not None:
            raise AssertionError(f"Cannot specify FastAPI annotation for type {type_annotation!r}")
    elif depends is None and field_info is None:
        field_info = _inferred_field_info(use_annotation, type_annotation, value, in_path)

    field = None
    if field_info is not None:
        field = _create_field(field_info, param_name, use_annotation, in_path, path_param_names)
    return ParamDetails(type_annotation=type_annotation, depends=depends, field=field)


def _annotated_field_info(marker: FieldInfo, annotation: Any, name: str, value: Any, in_path: bool) -> FieldInfo:
    field_info = merge_annotation(marker, annotation)
    if not (field_info.default is Undefined or field_info.default is ...):
        raise AssertionError(
            f"`{field_info.__class__.__name__}` default value cannot be set in `Annotated` for {name!r}. "
            "Set the default value with `=` instead."
        )
    if value is _EMPTY:
        field_info.default = Undefined
    else:
        if in_path:
            raise AssertionError("Path parameters cannot have default values")
        field_info.default = value
    return field_info


def _inferred_field_info(annotation: Any, type_annotation: Any, value: Any, in_path: bool) -> FieldInfo:
    """Return the marker of a parameter without one: path for a name in the path, file, body for other types than
    scalars, else query."""
    default = Undefined if value is _EMPTY else value
    field_info: FieldInfo
    if in_path:
        field_info = params.Path(annotation=annotation)
    elif shapes.is_upload_file(type_annotation) or shapes.is_upload_file_sequence(type_annotation):
        field_info = params.File(annotation=annotation, default=default)
    elif not shapes.is_scalar(type_annotation):
        field_info = params.Body(annotation=annotation, default=default)
    else:
        field_info = params.Query(annotation=annotation, default=default)
    if get_origin(annotation) is Annotated:
        default = field_info.default
        field_info = merge_annotation(field_info, annotation)
        field_info.default = default
        if in_path:
            field_info.default_factory = None
    return field_info


def _create_field(
    field_info: FieldInfo, name: str, annotation: Any, in_path: bool, path_param_names: set[str]
) -> ModelField:
    if in_path:
        if not is_marker(field_info, "Path"):
            raise AssertionError(f"Cannot use `{field_info.__class__.__name__}` for path param {name!r}")
    elif is_marker(field_info, "Param") and getattr(field_info, "in_", None) is None:
        field_info.in_ = params.ParamTypes.query  # type: ignore[attr-defined]
    if is_marker(field_info, "Form"):
        forms.require_multipart()
        forms.prepare_unions(field_info)
    field_info = _resolve_path_alias(field_info, path_param_names)
    if not field_info.alias and getattr(field_info, "convert_underscores", False):
        field_info.alias = name.replace("_", "-")
    else:
        field_info.alias = field_info.alias or name
    field = create_model_field(
        name=name, type_=annotation, default=field_info.default, alias=field_info.alias, field_info=field_info
    )
    value_type = field.field_info.annotation
    if in_path:
        if not (shapes.is_scalar(value_type) and not is_marker(field_info, "Body")):
            raise AssertionError("Path params must be of one of the supported types")
    elif is_marker(field_info, "Query"):
        if not (
            shapes.is_scalar(value_type)
            or shapes.is_scalar_sequence(value_type)
            or shapes.model_of(value_type) is not None
        ):
            raise AssertionError(f"Query parameter {name!r} must be one of the supported types")
    return field


def _resolve_path_alias(field_info: FieldInfo, path_param_names: set[str]) -> FieldInfo:
    """Read a ``Path`` with ``AliasChoices`` under the choice that the path contains."""
    alias = field_info.validation_alias
    if is_marker(field_info, "Path") and isinstance(alias, AliasChoices):
        if all(isinstance(choice, str) for choice in alias.choices):
            for choice in alias.choices:
                if choice in path_param_names:
                    field_info = copy(field_info)
                    field_info.validation_alias = choice
                    break
    return field_info
