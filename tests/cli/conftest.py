"""A project to serve, and `wirefast run` in the process of the test, whose changes are undone."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest
from applications import ASGI
from uvicorn import Config

from wirefast.cli import serving
from wirefast.documents.assets import VARIABLE


@pytest.fixture(autouse=True)
def _environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(VARIABLE, "", prepend=None)
    monkeypatch.delenv(VARIABLE)


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A directory with a module, a package, and files that are wrong in one way each."""
    (tmp_path / "service.py").write_text(ASGI)
    (tmp_path / "pack" / "inner").mkdir(parents=True)
    (tmp_path / "pack" / "__init__.py").write_text("from .inner.web import app as app\n")
    (tmp_path / "pack" / "inner" / "__init__.py").touch()
    (tmp_path / "pack" / "inner" / "web.py").write_text(f"from .. import inner\n{ASGI}")
    (tmp_path / "needs.py").write_text("import no_such_dependency\n")
    (tmp_path / "broken.py").write_text("def f(:\n")
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "shadows").mkdir()
    (tmp_path / "shadows" / "json.py").write_text(ASGI)
    return tmp_path


@pytest.fixture
def configs(monkeypatch: pytest.MonkeyPatch, project: Path) -> list[Config]:
    """What ``cli.main`` in this process would have served, in the project's directory and without its settings."""
    found: list[Config] = []

    def keep(config: Config, **observing: object) -> int:
        found.append(config)
        return 0

    monkeypatch.setattr(serving, "serve", keep)
    monkeypatch.setattr(sys, "path", list(sys.path))
    monkeypatch.setitem(sys.modules, "service", None)  # to be as before in the end
    del sys.modules["service"]
    monkeypatch.setattr(Config, "configure_logging", lambda self: None)
    monkeypatch.chdir(project)
    for name in [name for name in os.environ if name.startswith(("UVICORN_", "WEB_CONCURRENCY"))]:
        monkeypatch.delenv(name)
    return found
