"""TLS settings that cannot work, said by option and file: OpenSSL names neither."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

from wirefast.cli.errors import CommandError, flag


def read_pem(options: dict[str, Any], name: str) -> bytes:
    """Return the content of the TLS file of an option, nothing if there is none.

    Raises:
        CommandError: the file is not there or cannot be read.
    """
    path = options[name]
    if not path:
        return b""
    if not os.path.exists(path) or os.path.isdir(path):
        raise CommandError(f"{flag(name)}: no such file: '{path}'")
    try:
        return Path(path).read_bytes()
    except OSError as exc:
        raise CommandError(f"{flag(name)} '{path}' cannot be read: {exc.strerror or exc}") from None


def check_tls(options: dict[str, Any]) -> None:
    """Go the way to uvicorn's TLS context, to say at which option it ends: OpenSSL names neither option nor file.

    The pass phrase of an encrypted key is asked for once, if there is a terminal, instead of by each worker.

    Raises:
        CommandError: a file is missing, is not what it should be or does not match, or OpenSSL refuses a setting.
    """
    certificate, key, authorities = (options[name] for name in ("ssl_certfile", "ssl_keyfile", "ssl_ca_certs"))
    if not certificate:
        if key:
            raise CommandError("--ssl-keyfile needs --ssl-certfile")
        return
    if any(path and Path(path).is_fifo() for path in (certificate, key, authorities)):
        return  # a pipe can be read once, which is for the server to do
    import ssl  # only if TLS is asked for

    files = [read_pem(options, name) for name in ("ssl_certfile", "ssl_keyfile", "ssl_ca_certs")]
    asked = False

    def password() -> str:
        nonlocal asked
        asked = True
        if not options["ssl_keyfile_password"]:
            if sys.stdin is None or not sys.stdin.isatty():
                raise CommandError(f"the key in '{key or certificate}' is encrypted; add --ssl-keyfile-password")
            import click  # the command's packages, when it runs

            try:
                given = click.prompt(f"Pass phrase of '{key or certificate}'", hide_input=True)
            except click.Abort:
                raise CommandError(f"no pass phrase was given for the key in '{key or certificate}'") from None
            options["ssl_keyfile_password"] = given
        return str(options["ssl_keyfile_password"])

    step = f"--ssl-version {options['ssl_version']}"
    try:
        context = ssl.SSLContext(options["ssl_version"])
        step = f"--ssl-certfile '{certificate}'" + (f" with --ssl-keyfile '{key}'" if key else "")
        context.load_cert_chain(certificate, key or None, password)
        step = f"--ssl-cert-reqs {options['ssl_cert_reqs']}"
        context.verify_mode = ssl.VerifyMode(options["ssl_cert_reqs"])
        if authorities:
            step = f"--ssl-ca-certs '{authorities}'"
            context.load_verify_locations(authorities)
        if options["ssl_ciphers"]:
            step = f"--ssl-ciphers {options['ssl_ciphers']!r}"
            context.set_ciphers(options["ssl_ciphers"])
    except (OSError, OverflowError, ValueError) as exc:
        known = str(getattr(exc, "reason", None) or "").replace("_", " ").lower()
        if step.startswith("--ssl-certfile") and isinstance(exc, OSError):
            known = why_no_chain(files[0], files[1], bool(key), asked, known)
        raise CommandError(f"{step} cannot be used: {known or exc.args[-1]}") from None


def why_no_chain(certificate: bytes, key: bytes, named: bool, encrypted: bool, known: str) -> str:
    """Return what a look into the two files tells of OpenSSL's refusal.

    Args:
        certificate: the content of --ssl-certfile.
        key: the content of --ssl-keyfile.
        named: whether --ssl-keyfile was given.
        encrypted: whether OpenSSL wanted the pass phrase.
        known: what OpenSSL said.
    """
    public, private = b"CERTIFICATE-----", b"PRIVATE KEY-----"
    if public not in certificate:
        swapped = private in certificate and public in key
        return "exchange the two files" if swapped else "the first is no certificate in PEM form"
    if private not in (key if named else certificate):
        return "the second is no private key in PEM form" if named else "it has no private key; add --ssl-keyfile"
    if "mismatch" in known:
        return "the key is that of another certificate"
    if encrypted:
        return "is --ssl-keyfile-password right?"
    return "the certificate or the key is damaged" if known in ("", "pem lib") else known
