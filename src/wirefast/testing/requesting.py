"""The handshake of a client: its target, its header lines, its bytes and its ASGI scope. wirefast only."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any
from urllib.parse import quote, unquote, urlencode

from wirefast._core.scope import DENIAL_RESPONSE, EXTENSION
from wirefast.as_wire import Explained
from wirefast.testing.serving import ADDRESS, next_port
from wirefast.testing.wire import CURRENT

__all__ = ["Headers", "ByClient", "pairs_of", "request_of", "scope_of", "target_of"]

Headers = Mapping[str, str] | Sequence[tuple[str, str]]
#: The characters of a test's path that are not percent-encoded.
SAFE = "/?&=%:;,@+$!*'()~-._[]|{}\"<>\\^`"
#: The key of each handshake: 16 bytes in base64, the same in each run.
KEY = "d2lyZWZhc3QtdGVzdGluZw=="


def pairs_of(headers: Headers) -> list[tuple[str, str]]:
    """Return header lines in their order."""
    items: Iterable[tuple[str, str]] = headers.items() if isinstance(headers, Mapping) else headers
    return [(str(name), str(value)) for name, value in items]


def target_of(path: str, params: Mapping[str, Any] | None) -> str:
    """Return the target of a request. Blanks and characters outside ASCII are percent-encoded."""
    if not path.startswith("/"):
        raise ValueError(f"a path begins with /, not {path!r}")
    target = quote(path, safe=SAFE)
    if params:
        target += ("&" if "?" in target else "?") + urlencode(params, doseq=True)
    return target


def request_of(target: str, headers: list[tuple[str, str]]) -> bytes:
    """Return the bytes of a handshake. A header of the test replaces the standard header of the same name."""
    standard = [
        ("Host", "testserver"),
        ("Upgrade", "websocket"),
        ("Connection", "Upgrade"),
        ("Sec-WebSocket-Key", KEY),
        ("Sec-WebSocket-Version", "13"),
    ]
    given = {name.lower() for name, _ in headers}
    lines = [(name, value) for name, value in standard if name.lower() not in given] + headers
    text = "".join(f"{name}: {value}\r\n" for name, value in lines)
    return f"GET {target} HTTP/1.1\r\n{text}\r\n".encode("latin-1")


def scope_of(target: str, headers: list[tuple[str, str]], state: dict[str, Any]) -> dict[str, Any]:
    """Return the ASGI scope of a handshake without a wire."""
    path, _, query = target.partition("?")
    offered = [value for name, value in headers if name.lower() == "sec-websocket-protocol"]
    sent = [("Host", "testserver"), *headers]
    return {
        "type": "websocket",
        "asgi": {"version": "3.0", "spec_version": "2.4"},
        "http_version": "1.1",
        "scheme": "ws",
        "server": ADDRESS,
        "client": ("127.0.0.1", next_port()),
        "root_path": "",
        "path": unquote(path),
        "raw_path": path.encode(),
        "query_string": query.encode(),
        "headers": [(name.lower().encode("latin-1"), value.encode("latin-1")) for name, value in sent],
        "subprotocols": offered[0].split(", ") if offered else [],
        "state": state.copy(),
        "extensions": {DENIAL_RESPONSE: {}, EXTENSION: Explained()},
    }


class ByClient(dict[Any, Any]):
    """``dependency_overrides`` that may differ between clients.

    Args:
        plain: the overrides for all clients.
        acting: the overrides for one client, by its port: each a dependency and its replacement.
    """

    def __init__(self, plain: dict[Any, Any], acting: dict[int, dict[Any, Any]]) -> None:
        super().__init__(plain)
        self.acting = acting

    def _own(self) -> dict[Any, Any]:
        return self.acting.get(CURRENT.get(-1), {})

    def get(self, key: Any, default: Any = None) -> Any:
        """Return the replacement of a dependency."""
        own = self._own()
        return own[key] if key in own else super().get(key, default)

    def __getitem__(self, key: Any) -> Any:
        own = self._own()
        return own[key] if key in own else super().__getitem__(key)

    def __contains__(self, key: object) -> bool:
        return key in self._own() or super().__contains__(key)

    def __bool__(self) -> bool:
        return True
