"""What ``import wirefast`` costs beyond pydantic and Starlette, which an application with it has anyway."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator

import pytest

#: Seconds of CPU, where pydantic and Starlette take 0.125. A busy or slow machine stretches both.
MOST, BASE = 0.085, 0.125

#: Imports what is named, then wirefast; prints the CPU seconds of each part and the modules that the second brought.
CHILD = """
import importlib, json, sys, time
start = time.process_time()
for name in sys.argv[1:]:
    importlib.import_module(name)
before = set(sys.modules)
middle = time.process_time()
import wirefast
end = time.process_time()
print(json.dumps([middle - start, end - middle, sorted(set(sys.modules) - before)]))
"""


#: What an import leaves for the first that asks: pydantic models, schemes of which an application uses one or two, what
#: makes documents and their pages, what connects processes.
LATER = """
    wirefast.clients wirefast.control wirefast.documents.asyncapi.document wirefast.documents.openapi
    wirefast.limits.shared wirefast.openapi.document_models wirefast.openapi.models
    wirefast.rooms.brokers.supervisor wirefast.security.api_key wirefast.security.http
    wirefast.security.oauth2 wirefast.security.open_id_connect_url wirefast.security.tickets
    wirefast.security.websocket_bearer wirefast.server wirefast.testing
""".split()


@pytest.fixture(scope="module", autouse=True)
def bytecode(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Keep bytecode in a folder of this module's, so that no import compiles sources but the first."""
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("PYTHONDONTWRITEBYTECODE", raising=False)
        patch.setenv("PYTHONPYCACHEPREFIX", str(tmp_path_factory.mktemp("bytecode")))
        yield


def child(*first: str) -> tuple[float, float, list[str]]:
    done = subprocess.run(
        [sys.executable, "-c", CHILD, *first], capture_output=True, text=True, check=True, timeout=120
    )
    base, seconds, modules = json.loads(done.stdout)
    return base, seconds, modules


def top(name: str) -> str:
    return name.partition(".")[0]


def first() -> list[str]:
    """Every module of pydantic and Starlette that wirefast uses."""
    return [name for name in child()[2] if top(name) in ("pydantic", "pydantic_core", "starlette")]


def test_import_is_quick() -> None:
    modules = first()
    assert len(modules) > 20
    # A busy machine makes CPU time longer, never shorter: one of ten below the limit is enough.
    times: list[tuple[float, float]] = []
    while len(times) < 10:
        base, seconds, _ = child(*modules)
        if seconds < MOST * max(1.0, base / BASE):
            return
        times.append((base, seconds))
    raise AssertionError(f"CPU seconds of pydantic and Starlette, then of wirefast: {times}")


def test_import_brings_no_other_package() -> None:
    modules = child(*first())[2]
    brought = {top(name) for name in modules}
    # anyio and typing_extensions are Starlette's requirements too; Cython's names are of its run time, not a package.
    brought -= {name for name in brought if name.startswith(("_cython_", "cython_runtime"))}
    assert brought - set(sys.stdlib_module_names) <= {"wirefast", "orjson", "anyio", "typing_extensions"}
    # A server, a client and a template engine are for those who use them.
    assert not brought & {"uvicorn", "uvloop", "httptools", "httpx2", "jinja2", "multipart", "fastapi", "redis", "nats"}


def test_import_leaves_models_and_schemes_for_later() -> None:
    modules = child()[2]
    assert [name for name in LATER if any(module == name or module.startswith(f"{name}.") for module in modules)] == []
