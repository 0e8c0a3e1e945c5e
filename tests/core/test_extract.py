"""Query strings, cookies and headers against Starlette's QueryParams, HTTPConnection.cookies and Headers."""

import time

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from starlette.datastructures import Headers, QueryParams
from starlette.requests import HTTPConnection

from slower import SLOWER
from wirefast._core import extract as module
from wirefast._core.extract import fill_headers, parse_cookies, parse_query


def test_is_compiled():
    assert module.__file__.endswith((".so", ".pyd"))


def best_time(call, rounds=5):
    def once():
        begin = time.perf_counter()
        call()
        return time.perf_counter() - begin

    return min(once() for _ in range(rounds))


def pieces(*extra):
    """Bytes made of what a parser may stumble on."""
    tokens = [b"a", b"b", b"=", b"&", b";", b"%", b"+", b" ", b"\xe9", b"\xa0", b"\x85", b"\x1c", b"\n", b"\x00", b'"']
    return st.lists(st.one_of(st.sampled_from([*tokens, *extra]), st.binary(max_size=3)), max_size=30).map(b"".join)


# ---- Query strings ----


@settings(max_examples=1000, deadline=None)
@given(pieces(b"%41", b"%zz", b"%C3%A9", b"%e2%82", b"%ac", b"%2B", b"%26", b"%ff", b"%4", b"\xc3\xa9", b"&&", b"%00"))
@example(b"")
@example(b"a=1&b&=2&=&&c==&a=%")
@example(b"%E2%82\xac&%f0%9f\xa9%80&\xe2%82%ac&%ED%A0%80")
@example(b"q=" + b"%41" * 400 + b"\xff" * 400)
def test_query_is_starlettes(query):
    assert parse_query(query) == QueryParams(query).multi_items()


def test_query_values():
    assert parse_query(b"q=a+b%20c&q=&x&%C3%A9=%2B&bad=%zz;%") == [
        ("q", "a b c"),
        ("q", ""),
        ("x", ""),
        ("é", "+"),
        ("bad", "%zz;%"),
    ]


@pytest.mark.parametrize("value", [None, "a=1", bytearray(b"a=1"), 1])
def test_query_is_bytes(value):
    with pytest.raises(TypeError):
        parse_query(value)


@pytest.mark.parametrize(
    "unit", [b"&", b"=", b"%", b"%f", b"+", b"a=1&", b"%41", b"\xff%41", b"%ff", b"%E2%82", b"a=%41&", b"\xe9=&"]
)
def test_hostile_queries_cost_linear_time(unit):
    query = unit * (8192 // len(unit))
    assert parse_query(query) == QueryParams(query).multi_items()
    assert best_time(lambda: parse_query(query)) < SLOWER * 1e-3


# ---- Cookies ----


def starlette_cookies(headers):
    return HTTPConnection({"type": "http", "headers": headers}).cookies


cookie_headers = pieces(
    b"; ", b"\\", b'\\"', b"\\101", b"\\377", b"\\400", b'"a"', b'="', b'";', b"\\\n", b"\x1f", b"\t"
)


@settings(max_examples=1000, deadline=None)
@given(st.lists(st.tuples(st.sampled_from([b"cookie", b"cookie", b"cookies", b"host"]), cookie_headers), max_size=4))
@example([])
@example([(b"cookie", b"a=1; b=2"), (b"cookie", b"c=3; a=4")])
@example([(b"cookie", b' name ; ="";a= "q\\"\\054\\\\" ;;b="; c="x\\";d="\\')])
@example([(b"cookie", b'a="' + b"\\101" * 400 + b'"')])
@example([(b"cookie", b"\xa0a\x85=\x1c\xe9\x1f"), (b"Cookie", b"b=1")])
def test_cookies_are_starlettes(headers):
    expected = starlette_cookies(headers)
    found = parse_cookies(headers)
    assert found == expected
    assert list(found) == list(expected)


def test_cookie_values():
    headers = [(b"host", b"a"), (b"cookie", b'session=x=y; quoted="a\\"b\\054"; alone'), (b"cookie", b"session=z")]
    assert parse_cookies(headers) == {"session": "z", "quoted": 'a"b,', "": "alone"}


def test_header_containers():
    assert parse_cookies(((b"cookie", b"a=1"),)) == {"a": "1"}
    assert parse_cookies(iter([[b"cookie", b"a=1"]])) == {"a": "1"}


@pytest.mark.parametrize("headers", [None, [b"cookie"], [(b"cookie", None)], [(b"cookie", "a=1")], 5])
def test_wrong_headers(headers):
    with pytest.raises((TypeError, ValueError)):
        parse_cookies(headers)


@pytest.mark.parametrize(
    "content",
    [
        b";" * 8192,
        b'a="' + b"\\" * 8189,
        b'a="' + b"\\" * 8188 + b'"',
        b'a="' + b"\\101" * 2047 + b'"',
        b'a="\\";' * 1300,
        b"=" * 8192,
        b" " * 8192,
        b"; ".join(b"%d=" % number for number in range(2000))[:8192],
    ],
)
def test_hostile_cookies_cost_linear_time(content):
    headers = [(b"cookie", content)]
    assert parse_cookies(headers) == starlette_cookies(headers)
    assert best_time(lambda: parse_cookies(headers)) < SLOWER * 1e-3


# ---- Headers ----

names = st.sampled_from([b"host", b"x-token", b"accept", b"X-Token", b"x-other"])


@settings(max_examples=300, deadline=None)
@given(st.lists(st.tuples(names, st.binary(max_size=8)), max_size=8), st.lists(names, unique=True, max_size=4))
def test_first_values_are_starlettes(headers, wanted):
    wanted = [name for name in wanted if name == name.lower()]
    values = [None] * len(wanted)
    starlettes = Headers(raw=headers)
    count = fill_headers(headers, {name: position for position, name in enumerate(wanted)}, values)
    assert values == [starlettes.get(name.decode()) for name in wanted]
    assert count == sum(value is not None for value in values)


def test_fill_headers_leaves_what_is_there():
    values = ["kept", None]
    assert fill_headers([(b"a", b"1"), (b"b", b"\xe9"), (b"b", b"2")], {b"a": 0, b"b": 1}, values) == 1
    assert values == ["kept", "é"]
    assert fill_headers([(b"a", b"1")], {}, values) == 0


@pytest.mark.parametrize("position", [-1, 1, 10**6])
def test_fill_headers_checks_positions(position):
    with pytest.raises(IndexError):
        fill_headers([(b"a", b"1")], {b"a": position}, [None])


@pytest.mark.parametrize(
    ("headers", "wanted", "values"),
    [(None, {}, []), ([], None, []), ([(b"a", b"1")], {b"a": 0}, None), ([(b"a", None)], {b"a": 0}, [None])],
)
def test_fill_headers_wrong_types(headers, wanted, values):
    with pytest.raises(TypeError):
        fill_headers(headers, wanted, values)
