"""Content types that mean JSON: the answers of the standard library's e-mail parser, remembered within bounds."""

import pytest

from wirefast._core import content_type
from wirefast._core.content_type import is_json_media_type


@pytest.mark.parametrize(
    "value, expected",
    [
        (b"application/json", True),
        (b" APPLICATION/Json ; charset=x", True),
        (b"application/vnd.api+json", True),
        (b"application/json-seq", False),
        (b"text/json", False),
        (b"application", False),
        (b"application/", False),
        (b"\xff/json", False),
        (b"", False),
        (b"application/json" + b" " * 500, True),
        (b"application/x" * 500, False),
    ],
)
def test_answers(value: bytes, expected: bool):
    assert is_json_media_type(value) is is_json_media_type(value) is expected


def test_what_a_client_sends_is_not_kept_without_bound():
    content_type._remembered.cache_clear()
    for number in range(1000):
        is_json_media_type(b"application/x-%d" % number)
        is_json_media_type(b"application/x-%d" % number + b" " * 200)
    assert content_type._remembered.cache_info().currsize == 128
