"""Census section 5: what leaves by send_json and arrives by receive_json, orjson against the standard library."""

import collections
import datetime
import decimal
import enum
import json
import uuid

import pydantic
import pytest

from compat.harness import Changed, compare, handshake
from shown import shown


def sending(value, mode="text"):
    def build(f, trace):
        app = f.App()

        @app.websocket("/ws")
        async def endpoint(websocket: f.WebSocket):
            await websocket.accept()
            try:
                await websocket.send_json(value, mode=mode)
            except (TypeError, ValueError, RecursionError) as error:
                trace(
                    "error",
                    [base.__name__ for base in (TypeError, ValueError, RecursionError) if isinstance(error, base)],
                )

        return app

    return build


def sent(text):
    return ("sent", {"type": "websocket.send", "text": text})


Pair = collections.namedtuple("Pair", "a b")


class Number(enum.IntEnum):
    ONE = 1


class Word(str):
    pass


class Plain(enum.Enum):
    A = "a"


class Model(pydantic.BaseModel):
    a: int = 1
    when: datetime.date = datetime.date(2024, 1, 2)


def nested(depth):
    value = []
    for _ in range(depth):
        value = [value]
    return value


SAME = {
    "scalars": ["s", 1, -1, 0, 1.5, -0.0, True, False, None, 2**63 - 1, -(2**63), 2**64 - 1],
    "containers": [
        (1, 2),
        [],
        {},
        {"a": {"b": [1]}},
        collections.OrderedDict(z=1, a=2),
        collections.defaultdict(int, a=1),
    ],
    "text": ["é", "\u2028", "\x7f", '\x00\x1f\n\t"\\/', "😀", "", Word("w")],
    "floats": [1e16, 1e22, 123456789.123, 0.1, 1.0],
    "enums": [Number.ONE],
    "str": "just text",
    "int": 5,
    "none": None,
    "str key subclass": {Word("k"): 1},
}


@pytest.mark.census("5", "E11")
@pytest.mark.parametrize("name", SAME)
def test_the_same_text(name):
    result = compare(sending(SAME[name]))
    assert json.loads(result.texts[0]) is not Ellipsis


@pytest.mark.census("5", "4.23")
def test_the_same_bytes_in_binary_mode():
    assert compare(sending({"é": 1}, mode="binary")).sent[1]["bytes"] == '{"é":1}'.encode()


FALLBACK = {
    "int keys": {1: 2, -1: 3},
    "none key": {None: 1},
    "float key": {1.5: 1},
    "bool key": {True: 1, False: 0},
    "mixed keys": {"a": 1, 2: {"b": {3: 4}}},
    "enum key": {Number.ONE: 1},
    "big int": [2**64, -(2**70), 10**400 % 10**100],
    "namedtuple": Pair(1, [2]),
    "nested namedtuple": {"p": [Pair(1, 2)]},
    "deep": nested(300),
    "big int under an int key": {1: 2**80},
}


@pytest.mark.census("5")
@pytest.mark.parametrize("name", FALLBACK)
def test_what_orjson_cannot_do_leaves_as_starlettes_text(name):
    assert compare(sending(FALLBACK[name])).texts


@pytest.mark.census("5")
@pytest.mark.parametrize("value", [1e-07, 1.5e-10, 5e-324, 1e-300])
def test_small_floats_keep_their_value(value):
    starlettes = json.dumps(value)
    orjsons = starlettes.replace("e-0", "e-")
    result = compare(sending(value), differs=Changed(was=[sent(starlettes)], now=[sent(orjsons)]))
    assert json.loads(orjsons) == float(result.texts[0])


@pytest.mark.census("5")
@pytest.mark.parametrize("value", [float("nan"), float("inf"), float("-inf"), [float("nan")], {"a": float("inf")}])
def test_what_is_not_json_leaves_as_null(value):
    starlettes = json.dumps(value, separators=(",", ":"))
    text = starlettes.replace("-Infinity", "null").replace("Infinity", "null").replace("NaN", "null")
    compare(sending(value), differs=Changed(was=[sent(starlettes)], now=[sent(text)]))


BEYOND = {
    "datetime": (datetime.datetime(2024, 1, 2, 3, 4, 5), '"2024-01-02T03:04:05"'),
    "date": (datetime.date(2024, 1, 2), '"2024-01-02"'),
    "time": (datetime.time(3, 4), '"03:04:00"'),
    "uuid": (uuid.UUID(int=1), '"00000000-0000-0000-0000-000000000001"'),
    "enum": (Plain.A, '"a"'),
    "model": (Model(), '{"a":1,"when":"2024-01-02"}'),
    "models": ([Model(a=2)], '[{"a":2,"when":"2024-01-02"}]'),
    "set": ({3}, "[3]"),
    "frozenset": (frozenset({"a"}), '["a"]'),
    "decimal": (decimal.Decimal("1.50"), "1.5"),
    "whole decimal": (decimal.Decimal("7"), "7"),
    "deque": (collections.deque([1, 2]), "[1,2]"),
}


@pytest.mark.census("5", "4.23")
@pytest.mark.parametrize("name", BEYOND)
def test_types_that_starlette_refuses_are_encoded(name):
    value, text = BEYOND[name]
    compare(sending(value), differs=Changed(was=[("error", ["TypeError"])], now=[sent(text)]))


@pytest.mark.census("5")
@pytest.mark.parametrize("value", [b"bytes", object(), {(1, 2): 3}, {"a": object()}, lambda: 0, 1j], ids=shown)
def test_what_neither_can_encode_is_a_type_error_and_nothing_is_sent(value):
    result = compare(sending(value))
    assert result.calls == [("error", ["TypeError"])] and result.texts == []


@pytest.mark.census("5")
def test_a_circular_value_is_refused():
    value = []
    value.append(value)

    def build(f, trace):
        app = f.App()

        @app.websocket("/ws")
        async def endpoint(websocket: f.WebSocket):
            await websocket.accept()
            try:
                await websocket.send_json(value)
            except (ValueError, TypeError, RecursionError):
                trace("refused")
            await websocket.send_text("still open")

        return app

    result = compare(build)
    assert result.calls == [("refused",)] and result.texts == ["still open"]


# ---- receive_json ----


def receiving(mode="text"):
    def build(f, trace):
        app = f.App()

        @app.websocket("/ws")
        async def endpoint(websocket: f.WebSocket):
            await websocket.accept()
            while True:
                try:
                    value = await websocket.receive_json(mode=mode)
                    trace("value", value if depth(value) < 500 else "deep")
                except json.JSONDecodeError:
                    trace("malformed")
                except UnicodeDecodeError:
                    trace("not utf-8")
                except RecursionError:
                    trace("recursion")
                except f.WebSocketDisconnect:
                    return

        return app

    return build


def depth(value):
    levels = 0
    while isinstance(value, list) and value:
        value, levels = value[0], levels + 1
    return levels


READ = [
    "1",
    "-0",
    "1.5",
    "1e5",
    "1E400",
    "-1e999",
    '"text"',
    '"\\u00e9\\ud83d\\ude00"',
    "[1, 2]",
    '{"a": {"b": null}}',
    '{"a": 1, "a": 2}',
    " \n\t[true,false]\r ",
    "null",
    str(2**63),
    str(2**64 - 1),
    str(2**64),
    f"[{-(2**63) - 1}]",
    f'{{"big": {10**30}}}',
    f'{{"text": "{10**30}"}}',
    "NaN",
    "[Infinity, -Infinity]",
    '"\\ud800"',
    '"\\udc00x"',
    "0.1",
    "123456789012345678901234567890.5",
    "1e-400",
    "0.30000000000000004",
    '"\x7f"',
    '"\u2028"',
    "[" * 400 + "]" * 400,
    str(10**25) + ".0",
    '{"": ""}',
    "18446744073709551615",
    "[18446744073709551616]",
    "9007199254740993",
]


@pytest.mark.census("5", "E8")
@pytest.mark.parametrize("text", READ, ids=lambda text: text[:30])
def test_values_that_arrive_alike(text):
    result = compare(receiving(), handshake("/ws", text))
    assert result.calls[0][0] == "value"


MALFORMED = [
    "",
    " ",
    "{",
    "[1,]",
    "{'a': 1}",
    "01",
    "+1",
    "nan",
    "1 2",
    '"\n"',
    "\ufeff1",
    ".5",
    "1.",
    "[",
    '"\\x"',
    "tru",
    "//",
]
MALFORMED += ["Nan", "-", '{"a"}', "{1: 2}", '"abc', "\x00", "[1}", "1_000", "0x10", "undefined"]


@pytest.mark.census("5", "E8")
@pytest.mark.parametrize("text", MALFORMED, ids=ascii)
def test_malformed_text_is_a_json_decode_error_and_the_socket_stays_open(text):
    result = compare(receiving(), handshake("/ws", text, "[1]"))
    assert result.calls == [("malformed",), ("value", [1])]


@pytest.mark.census("5", "E8")
@pytest.mark.parametrize("data", [b'{"a": 1}', b'"\xc3\xa9"', b" 1 ", b"NaN", str(2**70).encode()])
def test_binary_mode(data):
    assert compare(receiving("binary"), handshake("/ws", data)).calls[0][0] == "value"


@pytest.mark.census("5", "E8")
@pytest.mark.parametrize("data", [b'"\xff"', b'"\xed\xa0\x80"', b'"\xc3"', b"\xff\xfe1\x00"])
def test_binary_mode_refuses_what_is_not_utf_8(data):
    def build(f, trace):
        app = f.App()

        @app.websocket("/ws")
        async def endpoint(websocket: f.WebSocket):
            await websocket.accept()
            try:
                await websocket.receive_json(mode="binary")
            except ValueError:
                trace("value error")

        return app

    assert compare(build, handshake("/ws", data)).calls == [("value error",)]


@pytest.mark.census("5", "E8")
@pytest.mark.parametrize("opening, closing", [("[", "]"), ('{"a":', "}")])
def test_absurd_nesting_is_malformed_and_never_a_recursion_error(opening, closing):
    text = opening * 200_000 + ("1" if closing == "}" else "") + closing * 200_000
    differs = Changed(was=[("recursion",)], now=[("malformed",)])
    result = compare(receiving(), handshake("/ws", text, "[1]"), differs=differs)
    assert result.calls == [("recursion",), ("value", [1])]


@pytest.mark.census("5", "E7")
def test_a_server_that_sends_none_as_text():
    def build(f, trace):
        app = f.App()

        @app.websocket("/ws")
        async def endpoint(websocket: f.WebSocket):
            await websocket.accept()
            try:
                await websocket.receive_json()
            except (TypeError, ValueError, KeyError):
                trace("refused")

        return app

    message = {"type": "websocket.receive", "text": None, "bytes": b"1"}
    assert compare(build, handshake("/ws", message)).calls == [("refused",)]


@pytest.mark.census("5")
def test_subclasses_of_builtin_types_are_read_and_written_alike():
    class Table(dict):
        pass

    class Row(list):
        pass

    assert compare(sending(Table(a=Row([1, Number.ONE, Word("x")])))).texts == ['{"a":[1,1,"x"]}']
