"""Whether a document is AsyncAPI 3.1, by the JSON Schema of the AsyncAPI initiative; its references lead somewhere."""

from __future__ import annotations

import json
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path
from typing import Any

from jsonschema import Draft7Validator

SPECIFICATION = Path(__file__).with_name("asyncapi_specs") / "3.1.0.json"


@lru_cache(maxsize=1)
def validator() -> Draft7Validator:
    return Draft7Validator(json.loads(SPECIFICATION.read_text(encoding="utf-8")))


def check(document: dict[str, Any]) -> None:
    """Raise an AssertionError that says what is wrong."""
    text = json.dumps(document, allow_nan=False)
    assert [error.message[:500] for error in validator().iter_errors(json.loads(text))] == []
    for reference in references(document):
        follow(document, reference)
    for name, schema in schemas(document).items():
        Draft7Validator.check_schema({**schema, "components": {}}), name
    for operation in document["operations"].values():
        messages = follow(document, operation["channel"]["$ref"])["messages"]
        for item in [*operation["messages"], *operation.get("reply", {}).get("messages", ())]:
            where, _, key = item["$ref"].rpartition("/")
            assert where == operation["channel"]["$ref"] + "/messages" and key in messages


def schemas(document: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = document.get("components", {}).get("schemas", {})
    return found


def references(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        if isinstance(value.get("$ref"), str):
            yield value["$ref"]
        for item in value.values():
            yield from references(item)
    elif isinstance(value, list):
        for item in value:
            yield from references(item)


def follow(document: dict[str, Any], reference: str) -> Any:
    value: Any = document
    assert reference.startswith("#/"), reference
    for part in reference[2:].split("/"):
        value = value[part.replace("~1", "/").replace("~0", "~")]
    return value
