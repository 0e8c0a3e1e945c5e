"""JSON in and out: ours against the standard library as Starlette calls it, and against bare orjson."""

import json
from decimal import Decimal

import orjson
import pytest
from pydantic import BaseModel

from benchmarks.scene import LARGE, SMALL, compact
from wirefast._core import json as ours

VALUES = {"128 B": (SMALL, 1_000), "18 KiB": (LARGE, 20)}


class Point(BaseModel):
    x: int
    y: int
    name: str


def starlette_dumps(value):
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False).encode()


LOADS = {"wirefast": ours.loads, "starlette": json.loads, "floor": orjson.loads}
DUMPS = {"wirefast": ours.dumps, "starlette": starlette_dumps, "floor": orjson.dumps}


def repeated(call, value, units):
    def work():
        for _ in range(units):
            call(value)

    return work


@pytest.mark.parametrize("peer", LOADS)
@pytest.mark.parametrize("case", VALUES)
def test_loads(measure, case, peer):
    value, units = VALUES[case]
    text = compact(value)
    assert LOADS[peer](text) == value
    measure(repeated(LOADS[peer], text, units), units, step="json", case=f"decode {case}", peer=peer)


@pytest.mark.parametrize("peer", DUMPS)
@pytest.mark.parametrize("case", VALUES)
def test_dumps(measure, case, peer):
    value, units = VALUES[case]
    assert DUMPS[peer](value) == compact(value).encode()
    measure(repeated(DUMPS[peer], value, units), units, step="json", case=f"encode {case}", peer=peer)


@pytest.mark.parametrize("peer", ["wirefast", "starlette"])
def test_model(measure, peer):
    """A pydantic model, which Starlette leaves to the endpoint."""
    value = Point(x=1, y=2, name="here")

    def starlettes(model):
        return starlette_dumps(model.model_dump(mode="json"))

    call = ours.dumps if peer == "wirefast" else starlettes
    assert call(value) == b'{"x":1,"y":2,"name":"here"}'
    measure(repeated(call, value, 1_000), 1_000, step="json", case="encode a model", peer=peer)


def test_decimal(measure):
    """What orjson hands back to our hook."""
    value = {"price": Decimal("12.50"), "tags": {"new"}}
    assert ours.dumps(value) == b'{"price":12.5,"tags":["new"]}'
    measure(repeated(ours.dumps, value, 1_000), 1_000, step="json", case="encode Decimal and set", peer="wirefast")
