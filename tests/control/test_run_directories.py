"""The private directories of services: of killed ones, of those in other containers, which have the same numbers."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from wirefast.control.paths import CONTROL, RunDirectoryError, make_run_directory, remove, running

#: Of no process: above what Linux gives.
NOBODY = 2**22 + 1


@pytest.fixture
def base(short_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("WIREFAST_RUN_DIR", str(short_path / "run"))
    (short_path / "run").mkdir(mode=0o700)
    return short_path / "run"


@pytest.fixture
def listening(base: Path) -> Iterator[list[socket.socket]]:
    """The sockets of services, closed after the test."""
    sockets: list[socket.socket] = []
    yield sockets
    for one in sockets:
        one.close()


def service(directory: Path, sockets: list[socket.socket]) -> socket.socket:
    directory.mkdir()
    sockets.append(socket.socket(socket.AF_UNIX))
    sockets[-1].bind(str(directory / CONTROL))
    sockets[-1].listen()
    return sockets[-1]


def test_a_service_of_another_container_keeps_its_directory(base: Path, listening: list[socket.socket]) -> None:
    """Its process is none here."""
    service(base / str(NOBODY), listening)
    made = make_run_directory()
    assert made == base / str(os.getpid())
    assert running() == [base / str(NOBODY) / CONTROL]
    listening[0].close()
    remove(made)
    assert make_run_directory() == made
    assert [path.name for path in base.iterdir()] == [str(os.getpid())]  # that of the other was left behind


def test_a_service_with_the_same_number_is_left_alone(base: Path, listening: list[socket.socket]) -> None:
    """As process 1 of two containers that share the directory."""
    directory = base / str(os.getpid())
    service(directory, listening)
    with pytest.raises(RunDirectoryError, match="give each container a WIREFAST_RUN_DIR of its own"):
        make_run_directory()
    assert running() == [directory / CONTROL]
    listening[0].close()  # it was killed
    assert running() == []
    assert make_run_directory() == directory
    assert list(directory.iterdir()) == []


def test_a_service_that_is_about_to_listen_keeps_its_directory(base: Path) -> None:
    directory = base / str(os.getppid())
    directory.mkdir()
    make_run_directory()
    assert directory.exists() and running() == []
