"""Evaluate the annotations of a callable, and decide about annotations with unknown names.

An unknown name must not change the meaning of a parameter silently. The declaration is refused; while the module that
may define the name is still running, the analysis waits until the first use of the route.
"""

from __future__ import annotations

import ast
import builtins
import dis
import inspect
import sys
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from types import FrameType, GenericAlias
from typing import Annotated, Any, ForwardRef, Literal, get_args, get_origin

from wirefast._core.foreign import typing_extra
from wirefast.exceptions import FastAPIError

_EMPTY = inspect.Signature.empty


class UnresolvedAnnotation(FastAPIError):
    """An annotation has an unknown name.

    Attributes:
        may_come: whether the module of the callable is still running and may define the names.
    """

    def __init__(self, call: Callable[..., Any], what: str, annotation: Any) -> None:
        names = sorted(set(_names(annotation)))
        missing = [name for name in names if not hasattr(builtins, name) and name not in namespace_of(call)]
        text = annotation if isinstance(annotation, str) else getattr(annotation, "__forward_arg__", repr(annotation))
        callable_name = getattr(call, "__qualname__", repr(call))
        cause = f"{', '.join(map(repr, missing))} cannot be found" if missing else "it cannot be evaluated"
        super().__init__(
            f"The annotation {text!r} of {what} of {callable_name} is unknown: {cause}. Define or import each name "
            "where the module sees it when it runs: names of a surrounding function, and imports under "
            "TYPE_CHECKING, are not seen."
        )
        self.may_come = _may_come(call, missing)


def signature(call: Callable[..., Any]) -> inspect.Signature:
    """Return the signature, with strings evaluated if all of them can be."""
    try:
        return inspect.signature(call, eval_str=True)
    except (TypeError, ValueError):
        if not callable(call) or _has_no_signature(call):
            raise
    except Exception:
        pass  # an unknown name, a name that is not defined yet, or a type that refuses its arguments
    if sys.version_info >= (3, 14):
        from annotationlib import Format  # Python 3.14 has it

        return inspect.signature(call, annotation_format=Format.FORWARDREF)
    return inspect.signature(call)


def _has_no_signature(call: Callable[..., Any]) -> bool:
    try:
        inspect.signature(call)
    except (TypeError, ValueError):
        return True
    return False


def evaluated(annotation: Any, namespace: dict[str, Any]) -> Any:
    """Return the annotation with its strings evaluated, those inside (``Optional["Item"]``) too, as far as possible."""
    if not isinstance(annotation, str):
        if not any(True for _ in _unknown(annotation)):
            return annotation
        reference = annotation
    else:
        reference = ForwardRef(annotation)
    try:
        found = typing_extra.try_eval_type(reference, namespace, namespace)[0]
    except Exception:  # an attribute that a module does not have yet, or a value that is no type
        return reference
    return None if found is type(None) else found


def is_unresolved(annotation: Any) -> bool:
    """Whether a name of the annotation is still unknown."""
    return any(True for _ in _unknown(annotation))


def _unknown(annotation: Any) -> Iterator[Any]:
    """Return the forward references in an annotation, those of ``list["Item"]`` included."""
    if isinstance(annotation, ForwardRef):
        yield annotation
        return
    origin = get_origin(annotation)
    if origin is None or origin is Literal:
        return
    arguments = get_args(annotation)
    for argument in arguments[:1] if origin is Annotated else arguments:
        if isinstance(argument, str) and isinstance(annotation, GenericAlias):
            yield argument
        elif isinstance(argument, list):  # of a Callable
            for item in argument:
                yield from _unknown(item)
        else:
            yield from _unknown(argument)


def _names(annotation: Any) -> Iterator[str]:
    """Return the first names of all parts of an annotation that are not evaluated."""
    for item in [annotation] if isinstance(annotation, str) else _unknown(annotation):
        text = item if isinstance(item, str) else item.__forward_arg__
        try:
            tree = ast.parse(text, mode="eval")
        except SyntaxError:
            continue
        for node in ast.walk(tree):
            if isinstance(node, ast.Name):
                yield node.id
            elif isinstance(node, ast.Constant) and isinstance(node.value, str) and node.value.isidentifier():
                yield node.value


def function_of(call: Any) -> Any:
    """Return the function whose signature a callable has: behind partial, wraps, a class, or ``__call__``."""
    while True:
        if isinstance(call, partial):
            call = call.func
        elif hasattr(call, "__wrapped__"):
            call = inspect.unwrap(call)
        elif isinstance(call, type):
            own: Any = getattr(call, "__init__")  # noqa: B009 - a checker takes that of the class for an object's
            return inspect.unwrap(call.__new__ if own is object.__init__ else own)
        elif not hasattr(call, "__globals__") and not inspect.isbuiltin(call):
            inner = getattr(call, "__call__", None)  # noqa: B004 - the bound method itself is looked into
            if not hasattr(inner, "__func__"):
                return inner
            call = inner
        else:
            return call


def namespace_of(call: Any) -> dict[str, Any]:
    """Return the names that the annotations of a callable can use: those of its module and of its closure."""
    function = function_of(call)
    names: dict[str, Any] = {}
    if isinstance(call, type):
        names.update(vars(sys.modules.get(call.__module__, builtins)))
    names.update(getattr(function, "__globals__", {}))
    code, cells = getattr(function, "__code__", None), getattr(function, "__closure__", None)
    for name, cell in zip(getattr(code, "co_freevars", ()), cells or (), strict=False):
        try:
            names[name] = cell.cell_contents
        except ValueError:  # not assigned yet
            continue
    return names


def _may_come(call: Any, missing: list[str]) -> bool:
    """Whether the module of a callable is running now, and has a line that defines each of the names."""
    namespace: Mapping[str, Any] | None = getattr(function_of(call), "__globals__", None)
    frame: FrameType | None = sys._getframe()
    while frame is not None:
        if frame.f_globals is namespace and frame.f_code.co_name == "<module>":
            defined = set()
            for instruction in dis.get_instructions(frame.f_code):
                if instruction.opname in ("STORE_NAME", "STORE_GLOBAL"):
                    defined.add(instruction.argval)
                elif "IMPORT_STAR" in (instruction.opname, str(instruction.argrepr).removeprefix("INTRINSIC_")):
                    return True
            return defined.issuperset(missing)
        frame = frame.f_back
    return False
