"""TLS options of the command line: what cannot be is refused in one line that names the option."""

from __future__ import annotations

import errno
import gc
import io
import sys
from pathlib import Path

import pytest
from uvicorn import Config

from certificates import make_certificate
from wirefast import cli


@pytest.fixture(scope="module")
def tls(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A certificate with its key, another one whose key is encrypted, and the first two in one file."""
    directory = tmp_path_factory.mktemp("tls")
    cert, key = make_certificate(directory)
    (directory / "both.pem").write_text(Path(cert).read_text() + Path(key).read_text())
    (directory / "other").mkdir()
    make_certificate(directory / "other", "-passout", "pass:secret")
    return directory


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            "--ssl-certfile key.pem --ssl-keyfile cert.pem",
            "--ssl-certfile 'key.pem' with --ssl-keyfile 'cert.pem' cannot be used: exchange the two files",
        ),
        (
            "--ssl-certfile cert.pem",
            "--ssl-certfile 'cert.pem' cannot be used: it has no private key; add --ssl-keyfile",
        ),
        (
            "--ssl-certfile cert.pem --ssl-keyfile cert.pem",
            "--ssl-certfile 'cert.pem' with --ssl-keyfile 'cert.pem' cannot be used: "
            "the second is no private key in PEM form",
        ),
        (
            "--ssl-certfile key.pem --ssl-keyfile key.pem",
            "--ssl-certfile 'key.pem' with --ssl-keyfile 'key.pem' cannot be used: "
            "the first is no certificate in PEM form",
        ),
        (
            "--ssl-certfile other/cert.pem --ssl-keyfile key.pem",
            "--ssl-certfile 'other/cert.pem' with --ssl-keyfile 'key.pem' cannot be used: "
            "the key is that of another certificate",
        ),
        (
            "--ssl-certfile other/cert.pem --ssl-keyfile other/key.pem",
            "the key in 'other/key.pem' is encrypted; add --ssl-keyfile-password",
        ),
        (
            "--ssl-certfile other/cert.pem --ssl-keyfile other/key.pem --ssl-keyfile-password x",
            "--ssl-certfile 'other/cert.pem' with --ssl-keyfile 'other/key.pem' cannot be used: "
            "is --ssl-keyfile-password right?",
        ),
        ("--ssl-certfile cert.pem --ssl-keyfile none.pem", "--ssl-keyfile: no such file: 'none.pem'"),
        ("--ssl-certfile both.pem --ssl-ca-certs key.pem", "--ssl-ca-certs 'key.pem' cannot be used: "),
        ("--ssl-certfile both.pem --ssl-ciphers NOPE", "--ssl-ciphers 'NOPE' cannot be used: "),
        ("--ssl-certfile both.pem --ssl-version 99", "--ssl-version 99 cannot be used: "),
        # TLS of a client, which cannot leave its peer unchecked
        ("--ssl-certfile both.pem --ssl-version 16", "--ssl-cert-reqs 0 cannot be used: "),
    ],
)
def test_tls_that_cannot_be(
    configs: list[Config],
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    project: Path,
    tls: Path,
    arguments: str,
    message: str,
) -> None:
    monkeypatch.chdir(tls)
    monkeypatch.setattr(sys, "stdin", io.StringIO())
    assert cli.main(["run", "service", "--app-dir", str(project), "--port", "0", *arguments.split()]) == 2
    shown = capsys.readouterr().err
    # A message that ends in a colon goes on in OpenSSL's words.
    assert shown.startswith(f"wirefast: error: {message}") and shown.count("\n") == 1
    assert message.endswith(": ") or shown.endswith(f"{message}\n")


def test_tls_file_that_cannot_be_read(
    configs: list[Config], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(path: Path) -> bytes:
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr(Path, "read_bytes", refuse)
    assert cli.main(["run", "service", "--port", "0", "--ssl-certfile", "service.py"]) == 2
    assert capsys.readouterr().err == "wirefast: error: --ssl-certfile 'service.py' cannot be read: Permission denied\n"


def test_tls_that_can_be(configs: list[Config], monkeypatch: pytest.MonkeyPatch, project: Path, tls: Path) -> None:
    monkeypatch.chdir(tls)
    command = ["run", "service", "--app-dir", str(project), "--port", "0", "--ssl-certfile"]
    assert cli.main([*command, "cert.pem", "--ssl-keyfile", "key.pem"]) == 0
    assert cli.main([*command, "both.pem", "--ssl-ca-certs", "cert.pem", "--ssl-ciphers", "ECDHE+AESGCM"]) == 0
    encrypted = [*command, "other/cert.pem", "--ssl-keyfile", "other/key.pem"]
    assert cli.main([*encrypted, "--ssl-keyfile-password", "secret"]) == 0
    # On a terminal it is asked for, once, and handed on.
    monkeypatch.setattr(sys, "stdin", type("Terminal", (io.StringIO,), {"isatty": lambda self: True})())
    monkeypatch.setattr("click.termui.hidden_prompt_func", lambda prompt: "secret")
    assert cli.main(encrypted) == 0
    # uvicorn knows no TLS without a certificate, and takes an empty name for none.
    assert cli.main([*command, "", "--ssl-ciphers", "DEFAULT", "--ssl-ca-certs", "cert.pem"]) == 0
    assert configs.pop().is_ssl is False
    monkeypatch.setattr(gc, "freeze", lambda: None)  # this process does more than serve
    for config in configs:
        config.load()
        assert config.ssl is not None
    assert len(configs) == 4


def test_no_pass_phrase_is_given(
    configs: list[Config],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    project: Path,
    tls: Path,
) -> None:
    def end_of_input(prompt: str) -> str:
        raise EOFError

    monkeypatch.chdir(tls)
    monkeypatch.setattr(sys, "stdin", type("Terminal", (io.StringIO,), {"isatty": lambda self: True})())
    monkeypatch.setattr("click.termui.hidden_prompt_func", end_of_input)
    command = ["run", "service", "--app-dir", str(project), "--port", "0", "--ssl-certfile", "other/cert.pem"]
    assert cli.main([*command, "--ssl-keyfile", "other/key.pem"]) == 2
    last = capsys.readouterr().err.splitlines()[-1]
    assert last == "wirefast: error: no pass phrase was given for the key in 'other/key.pem'"
    assert not configs
