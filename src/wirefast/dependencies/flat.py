"""What a tree of dependencies takes beside the body: its parameters by place, and its security schemes."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from typing_extensions import Self

from wirefast.dependencies.fields import ModelField, model_fields, parameter_model
from wirefast.dependencies.models import (
    Dependant,
    _get_security_scheme,
    _is_security_scheme,
    cache_key,
    oauth_scopes,
)

__all__ = ["Flat", "get_flat_params", "members"]

PLACES = ("path", "query", "header", "cookie")


@dataclass
class Flat:
    """The parameters of a tree by place, and its security schemes with the required scopes of each."""

    parameters: dict[str, list[ModelField]] = field(default_factory=lambda: {place: [] for place in PLACES})
    security: list[tuple[Any, list[str]]] = field(default_factory=list)

    @classmethod
    def of(cls, root: Dependant) -> Self:
        """Walk the tree below ``root``, each dependency once, in the order of its declaration."""
        found = cls()
        seen: list[Any] = []  # a list, since a callable need not be hashable
        waiting: list[tuple[Dependant, list[str]]] = [(root, [])]
        while waiting:
            dependant, inherited = waiting.pop()
            key = cache_key(dependant)
            if key in seen:
                continue
            seen.append(key)
            for place, fields in found.parameters.items():
                fields.extend(dependant.params_of(place))
            scopes = list(dict.fromkeys([*inherited, *oauth_scopes(dependant)]))
            if dependant is not root and _is_security_scheme(dependant=dependant):
                found.security.append((_get_security_scheme(dependant=dependant), scopes))
            waiting.extend((child, scopes) for child in reversed(dependant.dependencies))
        return found

    def fields(self) -> list[ModelField]:
        """Every parameter, and each member of a group."""
        return [field for group in self.parameters.values() for parent in group for field in members(parent)]


def members(parent: ModelField) -> tuple[ModelField, ...]:
    """Return the fields of a model for a whole group; otherwise the field itself.

    Args:
        parent: a parameter as it is declared.
    """
    model = parameter_model(parent)
    return (parent,) if model is None else model_fields(model)


def get_flat_params(dependant: Dependant) -> list[ModelField]:
    """Return the parameters of a whole tree, those of a place together, and the members of each group.

    Args:
        dependant: the root of the tree.
    """
    return Flat.of(dependant).fields()
