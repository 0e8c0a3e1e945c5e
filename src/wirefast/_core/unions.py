"""The members of a union in any form."""

from __future__ import annotations

import sys
import types
from typing import Annotated, Any, Union, get_args, get_origin

_ALIASES = tuple(
    kind
    for module in ("typing", "typing_extensions")
    if (kind := getattr(sys.modules.get(module), "TypeAliasType", None)) is not None
)


def is_union(annotation: Any) -> bool:
    return get_origin(annotation) in (Union, types.UnionType)


def plain(annotation: Any) -> Any:
    """Return the annotation without ``Annotated`` and without the name of an alias (PEP 695)."""
    while True:
        if _ALIASES and isinstance(annotation, _ALIASES):
            annotation = annotation.__value__
        elif get_origin(annotation) is Annotated:
            annotation = get_args(annotation)[0]
        else:
            return annotation


def leaves(annotation: Any) -> list[Any]:
    """Return the members of a union, nested ones too, each once and in order; any other annotation alone."""
    annotation = plain(annotation)
    if not is_union(annotation):
        return [annotation]
    found = [leaf for member in get_args(annotation) for leaf in leaves(member)]
    return list({id(leaf): leaf for leaf in found}.values())
