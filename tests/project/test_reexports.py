"""Modules that only pass on what Starlette has, under FastAPI's paths; and type aliases."""

import importlib

import pytest
from starlette.background import BackgroundTasks

from wirefast import types
from wirefast.logger import logger

REEXPORTS = [
    "middleware",
    "middleware.cors",
    "middleware.gzip",
    "middleware.httpsredirect",
    "middleware.trustedhost",
    "requests",
    "staticfiles",
    "templating",
]


@pytest.mark.parametrize("path", REEXPORTS)
def test_same_objects_as_fastapi(path: str) -> None:
    ours, theirs = importlib.import_module(f"wirefast.{path}"), importlib.import_module(f"fastapi.{path}")
    for name in ours.__all__:
        assert getattr(ours, name) is getattr(theirs, name)


@pytest.mark.filterwarnings("ignore:starlette.middleware.wsgi is deprecated")
def test_wsgi() -> None:
    test_same_objects_as_fastapi("middleware.wsgi")


def test_the_test_client_is_starlettes_with_an_option() -> None:
    ours, theirs = importlib.import_module("wirefast.testclient"), importlib.import_module("fastapi.testclient")
    assert issubclass(ours.TestClient, theirs.TestClient)


def test_background_tasks_are_starlettes() -> None:
    assert issubclass(importlib.import_module("wirefast.background").BackgroundTasks, BackgroundTasks)


def test_logger() -> None:
    assert logger.name == "wirefast"
    assert logger.handlers == []


@pytest.mark.parametrize("name", [name for name in types.__all__ if name != "DecoratedCallable"])
def test_types(name: str) -> None:
    assert getattr(types, name) == getattr(importlib.import_module("fastapi.types"), name)
