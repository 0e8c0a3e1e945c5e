"""Every scene comes out the same in memory and on real sockets: values, and what each client has seen on its wire."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
import uvloop
from scenes import SCENES
from scenes_app import make_app

from wirefast.testing import live

#: Where both sides speak at once: each says the same, and who is first is the network's affair.
RACING = {"much_data_from_the_peer"}


def by_direction(transcript: str) -> list[str]:
    return sorted(transcript.splitlines(), key=lambda line: line[0])


async def outcome(name: str, server: Any) -> tuple[Any, dict[str, str]]:
    """What a scene returned, and the transcript of each peer."""
    play, settings = SCENES[name]
    async with live(make_app(), server=server, **settings) as served:
        value = await play(served)
        names = dict.fromkeys(event.peer for event in served.transcript)
        said = {name: str(served.transcript.of(name)) for name in names}
        return value, {name: by_direction(text) if play.__name__ in RACING else text for name, text in said.items()}


def run(name: str, server: Any, loop: asyncio.AbstractEventLoop) -> Any:
    try:
        return loop.run_until_complete(outcome(name, server))
    finally:
        loop.close()


@pytest.mark.parametrize("name", SCENES)
def test_memory_is_as_real_sockets_are(name: str) -> None:
    in_memory = run(name, "memory", uvloop.new_event_loop())
    assert run(name, "real", uvloop.new_event_loop()) == in_memory
    assert run(name, "memory", asyncio.new_event_loop()) == in_memory


@pytest.mark.parametrize("name", ["every_kind_of_message", "a_stalled_peer_is_closed", "keepalive_of_a_mute_peer"])
def test_real_sockets_of_asyncio_too(name: str) -> None:
    assert run(name, "real", asyncio.new_event_loop()) == run(name, "memory", uvloop.new_event_loop())
