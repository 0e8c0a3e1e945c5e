"""What ``import wirefast`` costs beyond pydantic and Starlette, which an application with it has anyway."""

from __future__ import annotations

import json
import subprocess
import sys

#: Seconds of CPU.
MOST = 0.150

#: Imports what is named, then wirefast; prints the CPU seconds of the second part and the modules that it brought.
CHILD = """
import importlib, json, sys, time
for name in sys.argv[1:]:
    importlib.import_module(name)
before = set(sys.modules)
start = time.process_time()
import wirefast
seconds = time.process_time() - start
print(json.dumps([seconds, sorted(set(sys.modules) - before)]))
"""


def child(*first: str) -> tuple[float, list[str]]:
    done = subprocess.run(
        [sys.executable, "-c", CHILD, *first], capture_output=True, text=True, check=True, timeout=120
    )
    seconds, modules = json.loads(done.stdout)
    return seconds, modules


def top(name: str) -> str:
    return name.partition(".")[0]


def first() -> list[str]:
    """Every module of pydantic and Starlette that wirefast uses."""
    return [name for name in child()[1] if top(name) in ("pydantic", "pydantic_core", "starlette")]


def test_import_is_quick() -> None:
    modules = first()
    assert len(modules) > 20
    # A busy machine makes CPU time longer, never shorter: one of ten below the limit is enough.
    times: list[float] = []
    while len(times) < 10 and (not times or min(times) >= MOST):
        times.append(child(*modules)[0])
    assert min(times) < MOST, times


def test_import_brings_no_other_package() -> None:
    _, modules = child(*first())
    brought = {top(name) for name in modules}
    # anyio and typing_extensions are Starlette's requirements too; Cython's names are of its run time, not a package.
    brought -= {name for name in brought if name.startswith(("_cython_", "cython_runtime"))}
    assert brought - set(sys.stdlib_module_names) <= {"wirefast", "orjson", "anyio", "typing_extensions"}
    # A server, a client and a template engine are for those who use them.
    assert not brought & {"uvicorn", "uvloop", "httptools", "httpx2", "jinja2", "multipart", "fastapi", "redis", "nats"}
