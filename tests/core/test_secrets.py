"""Secrets of query strings in logs, errors and spans."""

from __future__ import annotations

import logging
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from wirefast import App
from wirefast._core import secrets
from wirefast._core.secrets import hidden_names, hide, hide_in_logs, hide_query, is_secret
from wirefast.exceptions import WebSocketRequestValidationError


@pytest.fixture(autouse=True)
def _same_names_afterwards() -> Iterator[None]:
    names = hidden_names()
    yield
    hide_in_logs(names)


@pytest.mark.parametrize(
    ("query", "hidden"),
    [
        ("token=s3cret", "token=***"),
        ("a=1&token=s3cret&b=2", "a=1&token=***&b=2"),
        ("TOKEN=s3cret", "TOKEN=***"),
        ("t%6Fken=s3cret", "t%6Fken=***"),
        ("%74%6f%6B%65%6e=s3cret", "%74%6f%6B%65%6e=***"),
        ("token[]=s3cret&token[1]=s3cret", "token[]=***&token[1]=***"),
        ("token%5B%5D=s3cret", "token%5B%5D=***"),
        ("access_token=s3cret;ticket=s3cret", "access_token=***;ticket=***"),
        ("token=s3cret=s3cret%26x", "token=***"),
        ("token=s3cret&token=s3cret", "token=***&token=***"),
        ("+token=s3cret", "+token=***"),
        ("token=", "token="),
        ("tokens=7&mytoken=8", "tokens=7&mytoken=8"),
        ("room=token", "room=token"),
        ("", ""),
    ],
)
def test_query_strings(query: str, hidden: str) -> None:
    assert hide_query(query) == hidden
    assert hide(f"GET /x?{query} HTTP/1.1") == f"GET /x?{hidden} HTTP/1.1"


@pytest.mark.parametrize(
    ("text", "hidden"),
    [
        ("http://a/b?token=s3cret#top", "http://a/b?token=***#top"),
        ("'query_string': b'token=s3cret&a=1'", "'query_string': b'token=***&a=1'"),
        ('"/x?key=s3cret" 403', '"/x?key=***" 403'),
        ("malformed subprotocol 'bearer.c3Vic2NyZXQ_x-y'", "malformed subprotocol 'bearer.***'"),
        ("f(token=value)", "f(token=value)"),
        ("a plain line", "a plain line"),
    ],
)
def test_texts(text: str, hidden: str) -> None:
    assert hide(text) == hidden


def test_a_long_line_costs_linear_time() -> None:
    for text in ("?" + "a" * 100_000, "?" + "a=b&" * 30_000, "&" * 100_000, "'" + "%" * 100_000 + "=1"):
        hide(text)


def record_of(logger: str, message: Any, *args: Any, exc_info: Any = None) -> logging.LogRecord:
    records: list[logging.LogRecord] = []

    class Handler(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            records.append(record)

    hide_in_logs()
    handler, target = Handler(), logging.getLogger(logger)
    target.addHandler(handler)
    try:
        target.error(message, *args, exc_info=exc_info)
    finally:
        target.removeHandler(handler)
    return records[0]


def test_uvicorns_access_line() -> None:
    message = '%s - "%s %s HTTP/%s" %d'
    record = record_of("uvicorn.access", message, "1.2.3.4:5", "GET", "/x?token=s3cret&a=1", "1.1", 200)
    assert record.args == ("1.2.3.4:5", "GET", "/x?token=***&a=1", "1.1", 200)
    record = record_of("uvicorn.error", '%s - "WebSocket %s" [accepted]', "1.2.3.4:5", "/x?ticket=s3cret")
    assert record.getMessage() == '1.2.3.4:5 - "WebSocket /x?ticket=***" [accepted]'


def test_messages_arguments_and_tracebacks() -> None:
    try:
        raise ValueError("cannot open ws://a/?token=s3cret 100%")
    except ValueError as exc:
        for logger in ("uvicorn.error", "wirefast", "wirefast.messages", "asyncio"):
            record = record_of(logger, "failed: %s", exc, exc_info=exc)
            shown = logging.Formatter().format(record)
            assert "s3cret" not in shown and "token=*** 100%" in shown and "Traceback" in shown
    assert record_of("wirefast", "100% of /?token=s3cret").getMessage() == "100% of /?token=***"
    assert record_of("wirefast", "%(a)s", {"a": 1}).getMessage() == "1"


def test_a_record_that_does_not_fit_its_arguments() -> None:
    record = logging.LogRecord("wirefast", logging.ERROR, "", 0, "%d %d", (object(),), None)
    assert secrets.SecretFilter().filter(record) and record.msg == "%d %d"


def test_a_list_of_ones_own() -> None:
    App(secret_parameters=["Sesame"])
    assert hide_query("token=a&sesame=b") == "token=a&sesame=***" and is_secret("SESAME")
    App()
    assert hide_query("sesame=b") == "sesame=***"
    for wrong in ("token", [1]):
        with pytest.raises(TypeError, match="list of names"):
            App(secret_parameters=wrong)  # type: ignore[arg-type]


def test_the_filter_is_there_once() -> None:
    hide_in_logs()
    hide_in_logs()
    for name in secrets._LOGGERS:
        assert sum(isinstance(one, secrets.SecretFilter) for one in logging.getLogger(name).filters) == 1


def test_every_logger_of_the_source_has_the_filter() -> None:
    source = Path(secrets.__file__).parents[1]
    texts = [path.read_text(encoding="utf-8") for path in source.rglob("*.py*") if path.suffix in (".py", ".pyx")]
    used = {name for text in texts for name in re.findall(r'getLogger\("([\w.]+)"\)', text)}
    assert used <= set(secrets._LOGGERS) and {"wirefast.messages", "wirefast.rooms", "uvicorn.error"} <= used


def test_errors_of_validation() -> None:
    errors = [
        {"type": "string_too_short", "loc": ("query", "token"), "msg": "too short", "input": "s3cret"},
        {"type": "missing", "loc": ("query", "room"), "msg": "missing", "input": {"token": "s3cret", "a": "1"}},
        {"type": "int_parsing", "loc": ("query", "room"), "msg": "no int", "input": "x"},
    ]
    text = str(WebSocketRequestValidationError(errors))
    assert "s3cret" not in text and "'input': 'x'" in text and "'a': '1'" in text
    assert WebSocketRequestValidationError(errors).errors() == errors
