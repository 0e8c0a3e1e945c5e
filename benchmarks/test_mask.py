"""XOR with the masking key alone: csrc/mask.c, called through ctypes, whose microsecond is in the figure."""

import ctypes
import importlib
import importlib.util
import os
import shutil
import subprocess
from pathlib import Path

import pytest

CSRC = Path(__file__).parents[1] / "csrc"
KEY = b"\x37\xfa\x21\x3d"
SIZES = {"64 KiB": (65_536, 100), "1 MiB": (2**20, 10)}


@pytest.fixture(scope="module")
def library(tmp_path_factory):
    compiler = shutil.which(os.environ.get("CC", "cc"))
    if compiler is None:
        pytest.skip("no C compiler to build csrc/mask.c with")
    path = tmp_path_factory.mktemp("mask") / "mask.so"
    source = str(CSRC / "mask.c")
    subprocess.run([compiler, "-shared", "-fPIC", "-O2", f"-I{CSRC}", "-o", str(path), source], check=True)
    return ctypes.CDLL(str(path))


def ours(library, name):
    """A call that masks a bytearray in place with the implementation of this name."""
    library.mask_apply.argtypes = [ctypes.c_void_p, ctypes.c_void_p, ctypes.c_size_t, ctypes.c_char_p, ctypes.c_size_t]

    def prepare(data):
        assert library.mask_select(name) == 0
        size, address = len(data), ctypes.addressof(ctypes.c_char.from_buffer(data))
        return lambda: library.mask_apply(address, address, size, KEY, 0)

    return prepare


def websockets(data):
    from websockets.speedups import apply_mask

    def call():
        data[:] = apply_mask(data, KEY)

    return call


def aiohttp(data):
    mask = importlib.import_module("aiohttp._websocket.mask")._websocket_mask_cython
    return lambda: mask(KEY, data)


OTHERS = {"websockets": websockets, "aiohttp": aiohttp}
PEERS = ["wirefast", "wirefast portable", *[name for name in OTHERS if importlib.util.find_spec(name)]]


@pytest.mark.parametrize("peer", PEERS)
@pytest.mark.parametrize("size", SIZES)
def test_mask(measure, library, size, peer):
    count, units = SIZES[size]
    plain = bytes(number % 251 for number in range(count))
    data = bytearray(plain)
    portable = peer == "wirefast portable"
    prepare = OTHERS.get(peer) or ours(library, b"portable" if portable else None)
    call = prepare(data)
    call()
    assert data == bytes(byte ^ KEY[at % 4] for at, byte in enumerate(plain))

    def work():
        for _ in range(units):
            call()

    case = f"mask, {size}, portable C" if portable else f"mask, {size}"
    measure(work, units, step="frames", case=case, peer="wirefast" if portable else peer)
    assert library.mask_select(None) == 0
