"""Files for TLS, made by the openssl command."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from processes import foreign

CURVE = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1"]


def openssl(*arguments: str) -> None:
    program = shutil.which("openssl")
    if program is None:
        pytest.skip("needs the openssl command to make a certificate")
    subprocess.run([program, *arguments], check=True, capture_output=True, timeout=60, env=foreign())


def make_certificate(directory: Path, *encryption: str) -> tuple[str, str]:
    """The files of a self-signed certificate for 127.0.0.1 and of its key, which is in clear unless told."""
    cert, key = str(directory / "cert.pem"), str(directory / "key.pem")
    subject = ["-subj", "/CN=localhost", "-addext", "subjectAltName=IP:127.0.0.1,DNS:localhost"]
    openssl("req", "-x509", *CURVE, *(encryption or ["-nodes"]), "-days", "2", *subject, "-out", cert, "-keyout", key)
    return cert, key
