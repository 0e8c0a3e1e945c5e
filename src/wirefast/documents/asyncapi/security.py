"""AsyncAPI's form of security schemes, which differs from OpenAPI's."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

from wirefast.documents.needs import Needs
from wirefast.encoders import jsonable_encoder

__all__ = ["Security"]


class Security:
    """The schemes of one document.

    Attributes:
        schemes: the Security Scheme objects written so far, by name.
    """

    def __init__(self) -> None:
        self.schemes: dict[str, Any] = {}

    def required(self, needs: Needs) -> list[dict[str, Any]]:
        """Return the ``security`` of an operation: references, or the scheme itself if scopes are required."""
        by_name: dict[str, list[str]] = {}
        for scheme, scopes in needs.security:
            name = _key(scheme.scheme_name)
            if name not in self.schemes:
                self.schemes[name] = _scheme(scheme)
            by_name[name] = list(dict.fromkeys([*by_name.get(name, ()), *scopes]))
        return [
            {**self.schemes[name], "scopes": scopes}
            if scopes and self.schemes[name]["type"] in ("oauth2", "openIdConnect")
            else {"$ref": f"#/components/securitySchemes/{name}"}
            for name, scopes in by_name.items()
        ]


def _key(name: str) -> str:
    """Return a valid key of the components."""
    return "".join(letter if letter.isascii() and (letter.isalnum() or letter in "._-") else "_" for letter in name)


def _scheme(scheme: Any) -> dict[str, Any]:
    model: dict[str, Any] = jsonable_encoder(scheme.model, by_alias=True, exclude_none=True)
    described = {"description": model["description"]} if model.get("description") else {}
    kind = model.get("type")
    if kind == "apiKey":
        return {"type": "httpApiKey", "name": model["name"], "in": model["in"], **described}
    if kind == "oauth2":
        return _oauth2(model, described)
    if kind == "openIdConnect":
        if _is_absolute(model["openIdConnectUrl"]):
            return {"type": kind, "openIdConnectUrl": model["openIdConnectUrl"], **described}
        return _bearer(described, f"OpenID Connect: {model['openIdConnectUrl']}")
    made = {"type": "http", "scheme": model["scheme"], **described}
    if model.get("bearerFormat") and model["scheme"].lower() == "bearer":
        made.update(scheme="bearer", bearerFormat=model["bearerFormat"])
    # The other places of the token beside a header: browsers cannot set headers of a handshake.
    if sources := getattr(scheme, "sources", None):
        made["x-sources"] = list(sources)
        for place in ("cookie", "query"):
            if place in made["x-sources"] and getattr(scheme, place, None):
                made[f"x-{place}"] = getattr(scheme, place)
        if getattr(scheme, "subprotocols", None):
            made["x-subprotocols"] = list(scheme.subprotocols)
    return made


def _oauth2(model: dict[str, Any], described: dict[str, Any]) -> dict[str, Any]:
    flows: dict[str, Any] = {}
    for name, flow in model["flows"].items():
        flows[name] = {"availableScopes": flow.get("scopes", {})}
        for url in ("authorizationUrl", "tokenUrl", "refreshUrl"):
            if flow.get(url):
                flows[name][url] = flow[url]
    urls = [value for flow in flows.values() for value in flow.values() if isinstance(value, str)]
    if flows and all(map(_is_absolute, urls)):
        return {"type": "oauth2", "flows": flows, **described}
    # AsyncAPI requires absolute addresses, and the application does not know its own.
    return _bearer(described, "OAuth 2" + (f", token from {', '.join(urls)}" if urls else "")) | {"x-flows": flows}


def _bearer(described: dict[str, Any], how: str) -> dict[str, Any]:
    return {"type": "http", "scheme": "bearer", "description": described.get("description") or how}


def _is_absolute(url: str) -> bool:
    parts = urlsplit(url)
    return bool(parts.scheme and parts.netloc)
