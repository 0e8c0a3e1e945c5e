"""Raw parameter values out of a scope, ours against Starlette's classes, which FastAPI uses."""

import pytest
from starlette.datastructures import Headers, QueryParams
from starlette.requests import HTTPConnection

from benchmarks.asgi import BROWSER_HEADERS, scope_of
from wirefast._core.extract import fill_headers, parse_cookies, parse_query

UNITS = 1_000
QUERIES = {
    "2 parameters": b"token=secret123&limit=20",
    "escaped": b"name=Ada%20Lovelace&city=S%C3%A3o+Paulo&tag=a%2Bb",
    "50 parameters": b"&".join(b"key%d=value%d" % (number, number) for number in range(50)),
}
COOKIES = {
    "2 cookies": b"session=abc; theme=dark",
    "quoted": b'session="a\\054b"; theme=dark',
    "20 cookies": b"; ".join(b"name%d=value%d" % (number, number) for number in range(20)),
}


def repeated(call):
    def work():
        for _ in range(UNITS):
            call()

    return work


@pytest.mark.parametrize("peer", ["wirefast", "starlette"])
@pytest.mark.parametrize("case", QUERIES)
def test_query(measure, case, peer):
    query = QUERIES[case]
    calls = {"wirefast": lambda: dict(parse_query(query)), "starlette": lambda: QueryParams(query)}
    assert calls["wirefast"]() == dict(calls["starlette"]())
    measure(repeated(calls[peer]), UNITS, step="extract", case=f"query, {case}", peer=peer)


@pytest.mark.parametrize("peer", ["wirefast", "starlette"])
@pytest.mark.parametrize("case", COOKIES)
def test_cookies(measure, case, peer):
    headers = [*BROWSER_HEADERS, (b"cookie", COOKIES[case])]
    scope = scope_of("/", headers=headers[len(BROWSER_HEADERS) :])
    calls = {"wirefast": lambda: parse_cookies(headers), "starlette": lambda: HTTPConnection(scope).cookies}
    assert calls["wirefast"]() == calls["starlette"]()
    measure(repeated(calls[peer]), UNITS, step="extract", case=f"cookies, {case}", peer=peer)


@pytest.mark.parametrize("peer", ["wirefast", "starlette"])
@pytest.mark.parametrize("wanted", [1, 3])
def test_headers(measure, wanted, peer):
    names = ["x-client", "origin", "user-agent"][:wanted]
    headers = [*BROWSER_HEADERS, (b"x-client", b"bench")]
    index = {name.encode(): place for place, name in enumerate(names)}

    def ours():
        values = [None] * wanted
        fill_headers(headers, index, values)
        return values

    def starlettes():
        found = Headers(raw=headers)
        return [found.get(name) for name in names]

    assert ours() == starlettes() and None not in ours()
    call = ours if peer == "wirefast" else starlettes
    measure(repeated(call), UNITS, step="extract", case=f"headers, {wanted} of 11", peer=peer)
