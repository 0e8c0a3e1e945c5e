"""JSON Schemas as pydantic models: the types of a Python client."""

from __future__ import annotations

import builtins
import keyword
import re
from collections.abc import Iterable, Mapping
from typing import Any

from pydantic import BaseModel

from wirefast.clients.reading import quoted, without_controls

__all__ = ["Types"]

_SIMPLE = {"string": "str", "integer": "int", "number": "float", "boolean": "bool", "null": "None"}
_FORMATS = {"date-time": "_datetime.datetime", "date": "_datetime.date", "uuid": "_uuid.UUID"}
#: The bounds that a client checks too. Only the server checks patterns: its regular expressions may be of another kind.
_BOUNDS = {
    "minimum": "ge",
    "exclusiveMinimum": "gt",
    "maximum": "le",
    "exclusiveMaximum": "lt",
    "minLength": "min_length",
    "maxLength": "max_length",
    "minItems": "min_length",
    "maxItems": "max_length",
}
_BOUNDED = {
    "string": ("minLength", "maxLength"),
    "integer": ("minimum", "exclusiveMinimum", "maximum", "exclusiveMaximum"),
    "number": ("minimum", "exclusiveMinimum", "maximum", "exclusiveMaximum"),
    "array": ("minItems", "maxItems"),
}
_RESERVED = frozenset(
    [*dir(BaseModel), *dir(builtins), *keyword.kwlist, "Model", "Field", "Annotated", "Literal", "Any"]
)


class Types:
    """The models of one module.

    Args:
        models: a JSON Schema for each name; references have the form ``#/models/NAME``.
    """

    def __init__(self, models: Mapping[str, Any]) -> None:
        self.models = dict(models)
        self._classes: list[str] = []
        self._names: list[str] = []
        self._aliases: dict[str, str] = {}
        for name, schema in models.items():
            if _is_model(schema):
                self._class(name, schema)
        for name in models:
            self._alias(name, ())

    def text(self) -> str:
        """Return the classes, the names of other types, and the lines that complete them."""
        aliases = "\n".join(f"{name} = {text}" for name, text in self._aliases.items())
        rebuilt = "\n".join(
            [
                "_MODELS: list[type[Model]] = [",
                *(f"    {name}," for name in self._names),
                "]",
                "for _model in _MODELS:",
                "    _model.model_rebuild()",
            ]
        )
        rebuilt = rebuilt if self._names else ""
        return "\n\n\n".join(filter(None, [*self._classes, aliases, rebuilt]))

    def of(self, schema: Any, place: str = "") -> str:
        """Return the annotation of a schema.

        Args:
            schema: JSON Schema.
            place: the name of the model of an object without a name.
        """
        if not isinstance(schema, dict) or not schema:
            return "Any"
        if "$ref" in schema:
            return str(schema["$ref"]).rpartition("/")[2]
        if "const" in schema or "enum" in schema:
            return _literal(schema.get("enum", [schema.get("const")]))
        for key in ("anyOf", "oneOf"):
            if key in schema:
                return _union(
                    self.of(item, f"{place}{number}" if number else place) for number, item in enumerate(schema[key])
                )
        if "allOf" in schema:
            return self.of(schema["allOf"][0], place) if len(schema["allOf"]) == 1 else "Any"
        kind = schema.get("type")
        if isinstance(kind, list):
            return _union(self.of({**schema, "type": item}, place) for item in kind)
        if kind == "array":
            text = self._array(schema, place)
        elif kind == "object":
            text = self._object(schema, place)
        else:
            text = _FORMATS.get(schema.get("format", ""), "") if kind == "string" else ""
            if text:
                return text
            text = _SIMPLE.get(str(kind), "Any")
        bounds = [f"{_BOUNDS[key]}={schema[key]!r}" for key in _BOUNDED.get(str(kind), ()) if key in schema]
        if bounds and not text.startswith("tuple"):
            return f"Annotated[{text}, Field({', '.join(bounds)})]"
        return text

    def _array(self, schema: dict[str, Any], place: str) -> str:
        items = schema.get("items", {})
        if not isinstance(items, list):
            return f"list[{self.of(items, place + 'Item')}]"
        if len(items) == schema.get("maxItems") == schema.get("minItems"):
            return f"tuple[{', '.join(self.of(item, place + 'Item') for item in items) or '()'}]"
        return "list[Any]"

    def _object(self, schema: dict[str, Any], place: str) -> str:
        if schema.get("properties") and place:
            name, number = place, 1
            while name in self.models or name in _RESERVED:
                number += 1
                name = f"{place}{number}"
            self.models[name] = schema
            self._class(name, schema)
            return name
        others = schema.get("additionalProperties")
        return f"dict[str, {self.of(others if isinstance(others, dict) else {}, place + 'Value')}]"

    def _alias(self, name: str, above: tuple[str, ...]) -> None:
        """Write a type that is no model, after the types that it names. A type that names itself is any value."""
        schema = self.models[name]
        if name in self._aliases or _is_model(schema):
            return
        if name in above:
            self._aliases[name] = "Any"
            return
        for other in sorted(_references(schema)):
            self._alias(other, (*above, name))
        self._aliases.setdefault(name, re.sub(r"^(.*\|.*)$", r"\1", self.of(schema, f"{name}Value")))

    def _class(self, name: str, schema: dict[str, Any]) -> None:
        lines = [f"class {name}(Model):"]
        text = str(schema.get("description", "")).strip()
        members = schema.get("properties", {})
        names = _identifiers(members, self.models)
        documented = {key: str(item.get("description", "")) for key, item in members.items() if isinstance(item, dict)}
        attributes = [key for key, words in documented.items() if words]
        self._names.append(name)
        position = len(self._classes)
        required = schema.get("required", ())
        fields = [self._field(name, names[key], key, item, key in required) for key, item in members.items()]
        if attributes:
            shown = "\n".join(f"    {names[key]}: {' '.join(documented[key].split())}" for key in attributes)
            text = f"{text or name + '.'}\n\nAttributes:\n{shown}"
        lines.append(self.docstring(text or f"{schema.get('title') or name}.", "    "))
        if schema.get("additionalProperties") not in (None, False):
            lines += [
                "",
                '    model_config = ConfigDict(populate_by_name=True, protected_namespaces=(), extra="allow")',
            ]
        if fields:
            lines += ["", *fields]
        self._classes.insert(position, "\n".join(lines))

    def _field(self, model: str, name: str, key: str, schema: Any, required: bool) -> str:
        kind = self.of(schema, model + "".join(word[0].upper() + word[1:] for word in re.findall(r"[A-Za-z0-9]+", key)))
        alias = f"alias={quoted(key)}" if name != key else ""
        if isinstance(schema, dict) and "const" in schema and kind != "Any":
            default = quoted(schema["const"])
        elif required:
            return f"    {name}: {kind}" + (f" = Field({alias})" if alias else "")
        else:
            value = schema.get("default") if isinstance(schema, dict) else None
            simple = (
                value is not None
                and isinstance(value, (str, int, float, bool))
                and kind in ("str", "int", "float", "bool")
            )
            default = quoted(value) if simple else "None"
            if default == "None" and kind != "Any" and "None" not in kind.split(" | "):
                kind += " | None"
        return f"    {name}: {kind} = " + (f"Field(default={default}, {alias})" if alias else default)

    @staticmethod
    def docstring(text: str, indent: str) -> str:
        """Return a docstring with this text."""
        safe = without_controls(text).replace("\\", "\\\\").replace('"""', "'''").strip() or "No words."
        lines = [f"{indent}{line}".rstrip() for line in safe.splitlines()]
        if len(lines) == 1:
            end = " " if safe.endswith('"') else ""
            return f'{indent}"""{safe}{end}"""'
        lines[0] = f'{indent}"""{lines[0].strip()}'
        return "\n".join([*lines, f'{indent}"""'])


def _is_model(schema: Any) -> bool:
    return isinstance(schema, dict) and schema.get("type") == "object" and bool(schema.get("properties"))


def _identifiers(members: Iterable[str], models: Mapping[str, Any]) -> dict[str, str]:
    """Return a unique attribute for each member."""
    found: dict[str, str] = {}
    # A member whose name is valid keeps it, whatever the earlier members are.
    for name in sorted(members, key=lambda name: _identifier(name, models) != name):
        attribute = _identifier(name, models)
        while attribute in found.values():
            attribute += "_"
        found[name] = attribute
    return found


def _identifier(name: str, models: Mapping[str, Any]) -> str:
    """Return the attribute for a member: its name, unless Python or pydantic use that name."""
    found = re.sub(r"\W", "_", name, flags=re.ASCII)
    found = found.lstrip("_") or "member"
    if found[0].isdigit():
        found = f"n{found}"
    while (
        found in _RESERVED - {"type", "id", "hash", "input", "max", "min", "filter", "format", "range", "sum", "next"}
        or found in models
    ):
        found += "_"
    return found


def _literal(values: list[Any]) -> str:
    if not all(value is None or type(value) in (str, int, bool) for value in values):
        return "Any"
    return f"Literal[{', '.join(map(quoted, values))}]"


def _union(types: Iterable[str]) -> str:
    found = list(dict.fromkeys(types))
    return "Any" if "Any" in found else " | ".join(found) or "Any"


def _references(schema: Any) -> set[str]:
    if isinstance(schema, list):
        return set().union(*map(_references, schema))
    if not isinstance(schema, dict):
        return set()
    own = {schema["$ref"].rpartition("/")[2]} if isinstance(schema.get("$ref"), str) else set()
    return own.union(*(_references(value) for key, value in schema.items() if key not in ("const", "enum", "default")))
