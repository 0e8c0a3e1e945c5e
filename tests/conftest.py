"""Which tests can run here.

The oracle, FastAPI 0.165, needs Python 3.11. On Python 3.10 the files that compare with it are left out, and the header
of the run says so.
"""

from __future__ import annotations

import importlib.util
import re
from pathlib import Path

ORACLE = importlib.util.find_spec("fastapi") is not None


def _compares(path: Path) -> bool:
    text = path.read_text(encoding="utf-8")
    return (
        path.parent.name == "compat"
        or re.search(r"^\s*(import|from) fastapi\b|import_module\(f?.fastapi", text, re.MULTILINE) is not None
    )


collect_ignore = (
    [] if ORACLE else [str(path) for path in sorted(Path(__file__).parent.rglob("test_*.py")) if _compares(path)]
)


def pytest_report_header() -> list[str]:
    if ORACLE:
        return []
    return [f"FastAPI is not installed: {len(collect_ignore)} files that compare with it are left out"]
