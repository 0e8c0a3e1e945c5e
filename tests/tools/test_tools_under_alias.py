"""The tools of this folder once more with wirefast under the name ``fastapi``, each file in a process of its own."""

import importlib.util
import os
import subprocess
import sys
from pathlib import Path

import pytest

from processes import TIMEOUT, environment

# wirefast brings anyio, whose plugin pytest would rather import itself.
OPTIONS = ["-W", "ignore:Module already imported:pytest.PytestAssertRewriteWarning", "-p", "wirefast.as_fastapi"]


@pytest.mark.parametrize("name", ["test_containers.py", "test_telemetry.py", "test_sentry.py"])
def test_tools(name):
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", *OPTIONS, os.fspath(Path(__file__).with_name(name))],
        env=environment(),
        capture_output=True,
        text=True,
        timeout=TIMEOUT,
    )
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.skipif(importlib.util.find_spec("fastapi_pagination") is None, reason="needs fastapi-pagination")
def test_fastapi_pagination():
    program = """
import wirefast.as_fastapi
from fastapi import FastAPI
from fastapi.testclient import TestClient
from fastapi_pagination import Page, add_pagination, paginate
app = FastAPI()
@app.get("/items")
def items() -> Page[int]:
    return paginate(list(range(100)))
add_pagination(app)
client = TestClient(app)
page = client.get("/items?page=2&size=3").json()
assert page == {"items": [3, 4, 5], "total": 100, "page": 2, "size": 3, "pages": 34}
assert client.get("/items?size=0").status_code == 422 and "Page_int_" in app.openapi()["components"]["schemas"]
"""
    done = subprocess.run(
        [sys.executable, "-c", program], env=environment(), capture_output=True, text=True, timeout=TIMEOUT
    )
    assert done.returncode == 0, done.stderr
