"""The matcher against Starlette's own way: the compiled expressions, one after the other."""

import re
import sys
import time
import uuid

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from starlette.convertors import CONVERTOR_TYPES, Convertor, IntegerConvertor, StringConvertor
from starlette.routing import compile_path

from slower import SLOWER
from wirefast._core import matcher as module
from wirefast._core.matcher import Matcher


def route(path):
    regex, _, convertors = compile_path(path)
    return path, convertors, regex


def build(*paths):
    return Matcher([route(path) for path in paths])


def starlette_match(routes, path, start=0):
    for index, (_, convertors, regex) in enumerate(routes):
        found = regex.match(path) if index >= start else None
        if found:
            return index, {name: convertors[name].convert(value) for name, value in found.groupdict().items()}
    return None


def best_time(call, rounds=5, number=1):
    def once():
        begin = time.perf_counter()
        for _ in range(number):
            call()
        return (time.perf_counter() - begin) / number

    return min(once() for _ in range(rounds))


def test_is_compiled():
    assert module.__file__.endswith((".so", ".pyd"))


# ---- The answer is Starlette's ----

literals = st.sampled_from(
    ["/", "/a", "/b", "-", ".", ".x", "é", "€/", "/a-", "//", "1", "/A", "\n", "{", "}", "\ud800"]
)
parameters = st.sampled_from(["", ":str", ":int", ":float", ":path", ":uuid"])


@st.composite
def patterns(draw):
    parts = draw(st.lists(st.one_of(literals, parameters.map(lambda kind: ("p", kind))), max_size=6))
    names = iter("stuvwxyz")
    path = "".join(part if isinstance(part, str) else f"{{{next(names)}{part[1]}}}" for part in parts)
    return draw(st.sampled_from(["/", "/", "/", "/a/", "/a-", ""])) + path


values = st.sampled_from(
    ["a", "b", "a-b", "1", "12", "1.5", "1.", ".x", "é", "€", "\n", "/", "a/b", "-", "A", "\ud800", "",
     "01234567-89ab-cdef-0123-456789abcdef", "0123456789abcdef0123456789ABCDEF"]
)  # fmt: skip


@st.composite
def tables(draw):
    table = draw(st.lists(patterns(), min_size=1, max_size=8))
    paths = []
    for _ in range(4):
        model = draw(st.sampled_from(table))
        filled = re.sub(r"{[a-z](:[a-z]+)?}", lambda _: draw(values), model)
        paths.append(filled + draw(st.sampled_from(["", "", "", "\n", "/", "x", "\n\n"])))
    return table, paths, draw(st.integers(-1, len(table) + 1))


@settings(max_examples=500, deadline=None)
@given(tables())
@example((["/items/{a:int}"], ["/items/1\n", "/items/1\n\n", "/items/\n1", "/items/١"], 0))
@example((["/{s}{t}", "/{s}-{t}"], ["/aé", "/é", "/a-\ud800", "/\ud83d\ude00x"], 0))
@example((["/{s:float}{t:float}", "/{s:float}.{t:int}"], ["/1.5.5", "/12", "/1.5", "/1.55.2"], 0))
@example((["/{p:path}", "/a/{q:path}/end", "/a/b"], ["/a/b", "/", "/a/b/end\n", "/a/end", "/a//end"], 1))
def test_first_match_is_starlettes(case):
    table, paths, start = case
    routes = [route(path) for path in table]
    matcher = Matcher(routes)
    for path in paths:
        for lowest in (0, start):
            found = matcher.match(path, lowest)
            expected = starlette_match(routes, path, lowest)
            assert found == expected, (table, path, lowest)
            if found:
                assert list(found[1]) == list(expected[1])
                assert [type(value) for value in found[1].values()] == [type(v) for v in expected[1].values()]


@settings(max_examples=150, deadline=None)
@given(st.text(max_size=60))
def test_any_text(path):
    routes = [route(p) for p in ("/{a}-{b}", "/{a:path}/{b}", "{a}", "/{a:path}{b:path}", "/{n:int}/{u:uuid}")]
    matcher = Matcher(routes)
    for tried in (path, "/" + path, f"/{path}-{path}", f"/{path}/{path}"):
        assert matcher.match(tried) == starlette_match(routes, tried)


def test_starlettes_own_patterns_need_no_regex():
    """A Starlette that compiled its paths otherwise would cost every route the linear bound."""
    paths = ["/", "/a.b", "/{a}", "/{a}-{b:int}.x", "/f/{p:path}", "/{f:float}", "/{u:uuid}/é", "", "/{", "/\n /~"]
    assert build(*paths).regex_places == ()


@pytest.mark.parametrize(
    ("pattern", "path", "params"),
    [
        ("/{i:int}", "/007", {"i": 7}),
        ("/{i:int}", "/" + "9" * 18, {"i": 10**18 - 1}),
        ("/{i:int}", "/" + "9" * 19, {"i": 10**19 - 1}),
        ("/{f:float}", "/1.50", {"f": 1.5}),
        ("/{f:float}", "/7", {"f": 7.0}),
        ("/{u:uuid}", "/" + "AB" * 16, {"u": uuid.UUID("ab" * 16)}),
        ("/{p:path}", "/", {"p": ""}),
        ("/{p:path}/end", "/a/end/end", {"p": "a/end"}),
        ("/{a}{b}", "/xyz", {"a": "xy", "b": "z"}),
        ("/a{b}c/{c:path}-{d:path}.x", "/a1c/2-3-4.x", {"b": "1", "c": "2-3", "d": "4"}),
        ("/plain", "/plain\n", {}),
    ],
)
def test_values(pattern, path, params):
    assert build(pattern).match(path) == (0, params)


def test_the_next_match_can_be_asked_for():
    matcher = build("/a", "/{x}", "/b", "/a", "/{x:path}")
    seen = []
    start = 0
    while (found := matcher.match("/a", start)) is not None:
        seen.append(found)
        start = found[0] + 1
    assert seen == [(0, {}), (1, {"x": "a"}), (3, {}), (4, {"x": "a"})]
    assert matcher.match("/a", 99) is None


def test_each_result_is_its_own():
    matcher = build("/a")
    matcher.match("/a")[1]["x"] = 1
    assert matcher.match("/a") == (0, {})


def test_no_routes():
    assert Matcher([]).match("/") is None


def test_wrong_types():
    with pytest.raises(TypeError):
        build("/").match(None)
    with pytest.raises(TypeError):
        build("/").match(b"/")
    with pytest.raises(TypeError):
        Matcher(None)
    with pytest.raises(TypeError):
        build("/").__init__([])


# ---- What keeps its regular expression ----


class Even(Convertor):
    regex = "[0-9]*[02468]"

    def convert(self, value):
        if value == "66":
            raise LookupError(value)
        return int(value)

    def to_string(self, value):
        return str(value)


@pytest.fixture
def even(monkeypatch):
    monkeypatch.setitem(CONVERTOR_TYPES, "even", Even())


def test_user_convertors_keep_their_place(even):
    matcher = build("/{n:int}/x", "/{n:even}", "/{n:int}", "/{a}/{n:even}", "/{p:path}")
    assert matcher.regex_places == (1, 3)
    assert matcher.match("/4") == (1, {"n": 4})
    assert matcher.match("/5") == (2, {"n": 5})
    assert matcher.match("/4", 2) == (2, {"n": 4})
    assert matcher.match("/4/x") == (0, {"n": 4})
    assert matcher.match("/q/8") == (3, {"a": "q", "n": 8})
    assert matcher.match("/q/9") == (4, {"p": "q/9"})


def test_a_user_convertors_exception_propagates(even):
    with pytest.raises(LookupError, match="66"):
        build("/{n:even}").match("/66")


def test_replaced_convertors_are_honoured(monkeypatch):
    class Loud(StringConvertor):
        def convert(self, value):
            return value.upper()

    monkeypatch.setitem(CONVERTOR_TYPES, "str", Loud())
    assert build("/{a}").match("/x") == (0, {"a": "X"})


def test_a_convertor_with_another_expression_is_honoured(monkeypatch):
    monkeypatch.setattr(IntegerConvertor, "regex", "-?[0-9]+")
    assert build("/{a:int}").match("/-5") == (0, {"a": -5})


def test_a_routes_own_regex_is_honoured():
    path, convertors, _ = route("/{a}")
    matcher = Matcher([(path, convertors, re.compile("^/(?P<a>x+)$")), route("/{a}")])
    assert matcher.match("/xx") == (0, {"a": "xx"})
    assert matcher.match("/y") == (1, {"a": "y"})


def test_host_patterns_are_as_starlette_compiles_them():
    """That is, case-insensitive and without the port, from the release of Starlette on that does so."""
    routes = [route("ws"), route("{sub}.example.org:80"), ("im", {}, re.compile("^im$", re.IGNORECASE))]
    matcher = Matcher(routes)
    assert {1, 2} <= set(matcher.regex_places)
    for path in ("ws", "WS", "a.example.org", "a.EXAMPLE.org", "a.example.org:80", "IM", "im", "i"):
        assert matcher.match(path) == starlette_match(routes, path)


def test_patterns_beyond_the_tries_limits():
    routes = [route("/a" * 600), route("".join(f"/{{p{i}}}" for i in range(300))), route("/{p:path}")]
    matcher = Matcher(routes)
    assert matcher.regex_places == (0, 1)
    for path in ("/a" * 600, "/x" * 300, "/x" * 299):
        assert matcher.match(path) == starlette_match(routes, path)


# ---- Hostile paths ----


def greedy_split(text):
    """What `^/(.*)-(.*)-(.*)\\.x$` takes: with no newline inside, the last ".x", then the last two dashes."""
    body = text[1:].removesuffix("\n").removesuffix(".x")
    rest, c = body.rsplit("-", 1)
    a, b = rest.rsplit("-", 1)
    return {"a": a, "b": b, "c": c}


@pytest.mark.parametrize("ending", ["", ".x", ".x\n", "\n", ".x\n\n", "é.x", ".x/"])
def test_three_paths_in_one_pattern(ending):
    pattern = "/{a:path}-{b:path}-{c:path}.x"
    matcher = build(pattern)
    for pairs in (1, 3, 20):
        short = "/" + "-/" * pairs + ending
        assert matcher.match(short) == starlette_match([route(pattern)], short)
    hostile = "/" + "-/" * 4096 + ending
    found = matcher.match(hostile)
    if ending in (".x", ".x\n", "é.x"):
        assert found == (0, greedy_split(hostile))
    else:
        assert found is None
    assert best_time(lambda: matcher.match(hostile)) < SLOWER * 1e-3


@pytest.mark.parametrize(
    ("pattern", "path"),
    [
        ("/{a}/{b:path}/{c:path}/end", "/" + "a/" * 4096),
        ("/{a:path}/{b:path}/{c:path}/{d:path}/x", "/" + "/" * 8192 + "y/x\n\n"),
        ("/{a:path}{b:path}{c:path}{d:path}!", "/" + "a" * 8192),
        ("/{a}{b}{c}{d}!{e}", "/" + "a" * 8192),
        ("/{a:int}{b:int}{c:int}x{d:float}{e:float}y", "/" + "1" * 4096 + "x" + "1" * 4096),
        ("/{a:path}{b:uuid}-{c:uuid}z", "/" + "a" * 8192 + "z"),
        ("/{a:float}.{b:float}.{c:path}x", "/" + "1." * 4096),
        ("/{a:path}" + "a" * 60 + "b{b:path}-", "/" + "a" * 8192 + "-"),
    ],
)
def test_hostile_paths_cost_linear_time(pattern, path):
    matcher = build(pattern)
    assert matcher.match(path) is None
    assert best_time(lambda: matcher.match(path)) < SLOWER * 1e-3


def test_ints_beyond_pythons_limit_do_not_match():
    path = "/" + "1" * 100_000
    matcher = build("/{n:int}", "/{s}")
    assert matcher.match(path) == (1, {"s": path[1:]})
    assert build("/{n:int}").match(path) is None
    limit = sys.get_int_max_str_digits()
    assert matcher.match("/" + "1" * limit)[0] == 0
    assert best_time(lambda: matcher.match(path)) < SLOWER * 1e-3


def test_ints_beyond_pythons_limit_in_a_fallback(even):
    path = "/" + "1" * 100_000 + "/4"
    assert build("/{n:int}/{m:even}").match(path) is None


# ---- As many routes as there are ----


def table_of(count):
    kinds = ["/api/v1/thing{i}", "/api/v1/thing{i}/{{id:int}}", "/api/v1/{{tenant}}/thing{i}", "/static{i}/{{p:path}}",
             "/svc-{i}-{{name}}.json"]  # fmt: skip
    return [kinds[i % len(kinds)].format(i=i) for i in range(count)]


def test_cost_is_flat_in_the_number_of_routes():
    """Ten thousand routes may take no more than four times what ten take; a scan takes a thousand times."""
    small, large = build(*table_of(10)), build(*table_of(10_000))
    for offset in range(5):
        small_path = re.sub("{.*?}", "7", table_of(10)[5 + offset])
        large_path = re.sub("{.*?}", "7", table_of(10_000)[9_995 + offset])
        assert small.match(small_path)[0] == 5 + offset
        assert large.match(large_path)[0] == 9_995 + offset
        small_time = best_time(lambda path=small_path: small.match(path), rounds=40, number=100)
        assert best_time(lambda path=large_path: large.match(path), rounds=40, number=100) < 4 * small_time
    for miss in ("/api/v1/none", "/api/v1/none/none", "/none", "/svc-1-x.xml"):
        assert large.match(miss) is None
        assert best_time(lambda path=miss: large.match(path), rounds=40, number=100) < SLOWER * 20e-6
