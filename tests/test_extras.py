"""How an extra is installed depends on how wirefast was."""

from __future__ import annotations

import importlib.metadata
import json
from pathlib import Path

import pytest

from wirefast.extras import how_to_install


class Installed:
    def __init__(self, files: dict[str, str]) -> None:
        self.files = files

    def read_text(self, name: str) -> str | None:
        return self.files.get(name)


@pytest.mark.parametrize(
    ("installer", "origin", "command"),
    [
        ("pip\n", None, "pip install 'wirefast[server]'"),
        ("uv", None, "uv pip install 'wirefast[server]'"),
        ("pip", {"url": "file://{here}", "dir_info": {"editable": True}}, "pip install -e '{here}[server]'"),
        ("pip", {"url": "file://{here}", "dir_info": {}}, "pip install '{here}[server]'"),
        ("pip", {"url": "file://{here}/gone", "dir_info": {}}, "pip install 'wirefast[server]'"),
        ("pip", {"url": "file://{here}/a%20b.whl", "archive_info": {}}, "pip install '{here}/a b.whl[server]'"),
        (
            "pip",
            {"url": "https://example.com/w.git", "vcs_info": {"vcs": "git", "commit_id": "1"}},
            "pip install 'wirefast[server] @ git+https://example.com/w.git'",
        ),
        ("pip", {"url": 1}, "pip install 'wirefast[server]'"),
        ("pip", {}, "pip install 'wirefast[server]'"),
    ],
)
def test_the_command_follows_the_installation(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, installer: str, origin: dict[str, object] | None, command: str
) -> None:
    (tmp_path / "a b.whl").touch()
    files = {"INSTALLER": installer}
    if origin is not None:
        files["direct_url.json"] = json.dumps(origin).replace("{here}", str(tmp_path))
    monkeypatch.setattr(importlib.metadata, "distribution", lambda name: Installed(files))
    assert how_to_install("server") == command.replace("{here}", str(tmp_path))


def test_where_nothing_is_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(name: str) -> None:
        raise importlib.metadata.PackageNotFoundError(name)

    monkeypatch.setattr(importlib.metadata, "distribution", missing)
    assert how_to_install("redis") == "pip install 'wirefast[redis]'"
