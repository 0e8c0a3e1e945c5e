"""examples/deployment: the files of docs/deployment.md fit the command, and each other."""

from __future__ import annotations

import configparser
import re
import shlex
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from wirefast.cli import make_command
from wirefast.metrics.catalogue import BY_NAME
from wirefast.server.ending import END_WITHIN

ROOT = Path(__file__).parents[2]
FILES = ROOT / "examples" / "deployment"
PAGE = (ROOT / "docs" / "deployment.md").read_text(encoding="utf-8")


def options_of(words: list[str]) -> dict[str, Any]:
    """What the command makes of a command line."""
    assert words[:2] == ["wirefast", "run"]
    run = make_command().commands["run"]
    return run.make_context("run", words[2:]).params


def unit(name: str) -> configparser.RawConfigParser:
    parser = configparser.RawConfigParser(strict=False)
    parser.optionxform = str  # type: ignore[assignment, method-assign]
    parser.read(FILES / name)
    return parser


def test_the_page_names_every_file() -> None:
    for path in FILES.iterdir():
        assert f"examples/deployment/{path.name}" in PAGE or path.name in (ROOT / "docs/operating.md").read_text()


def test_the_unit() -> None:
    service, socket = unit("chat.service")["Service"], unit("chat.socket")["Socket"]
    command = shlex.split(service["ExecStart"])
    assert command[0].endswith("/wirefast")
    options = options_of(["wirefast", *command[1:]])
    assert options["fd"] == 3  # systemd's first
    assert float(service["TimeoutStopSec"]) > 2 * options["timeout_graceful_shutdown"] + END_WITHIN
    assert service["KillMode"] == "mixed" and "-HUP" in service["ExecReload"]
    assert int(service["LimitNOFILE"]) >= 65536
    assert f"server unix:{socket['ListenStream']};" in (FILES / "nginx.conf").read_text()
    port = options["metrics_port"]
    targets = yaml.safe_load((FILES / "prometheus.yml").read_text())["scrape_configs"][0]["static_configs"]
    assert targets[0]["targets"] == [f"127.0.0.1:{port}"]


def test_systemd_reads_the_units(tmp_path: Path) -> None:
    if shutil.which("systemd-analyze") is None:
        pytest.skip("systemd is not installed")
    for name in ("chat.service", "chat.socket"):
        text = (FILES / name).read_text().replace("/srv/chat/.venv/bin/wirefast", "/bin/true")
        (tmp_path / name).write_text(text.replace("User=chat", "User=root"))
    checked = subprocess.run(
        ["systemd-analyze", "verify", str(tmp_path / "chat.service")], capture_output=True, text=True, timeout=60
    )
    assert not re.search(r"chat\.(service|socket):\d+:", checked.stderr), checked.stderr


def test_nginx_reads_its_file(tmp_path: Path) -> None:
    nginx = shutil.which("nginx") or shutil.which("nginx", path="/usr/sbin")
    if nginx is None:
        pytest.skip("nginx is not installed")
    site = (FILES / "nginx.conf").read_text().replace("listen 80;", "listen 127.0.0.1:8080;")
    (tmp_path / "nginx.conf").write_text(
        f"pid {tmp_path}/pid;\nerror_log {tmp_path}/error;\nevents {{}}\nhttp {{ access_log off;\n{site}\n}}\n"
    )
    checked = subprocess.run(
        [nginx, "-t", "-c", str(tmp_path / "nginx.conf")], capture_output=True, text=True, timeout=60
    )
    assert checked.returncode == 0, checked.stderr


def test_kubernetes() -> None:
    documents = list(yaml.safe_load_all((FILES / "kubernetes.yaml").read_text()))
    deployment, _, autoscaler = documents
    assert [document["kind"] for document in documents] == ["Deployment", "Service", "HorizontalPodAutoscaler"]
    spec = deployment["spec"]["template"]["spec"]
    container = spec["containers"][0]
    options = options_of(container["command"])
    ports = {port["name"]: port["containerPort"] for port in container["ports"]}
    assert ports == {"http": options["port"], "metrics": options["metrics_port"]}
    paths = {options["health_path"], options["ready_path"] or "/readyz"}
    assert {container[f"{name}Probe"]["httpGet"]["path"] for name in ("startup", "readiness", "liveness")} == paths
    pause = int(container["lifecycle"]["preStop"]["exec"]["command"][1])
    grace = spec["terminationGracePeriodSeconds"]
    assert grace > pause + 2 * options["timeout_graceful_shutdown"] + END_WITHIN
    for metric in autoscaler["spec"]["metrics"]:
        assert BY_NAME[metric["pods"]["metric"]["name"]].kind == "gauge"
    assert autoscaler["spec"]["scaleTargetRef"]["name"] == deployment["metadata"]["name"]
