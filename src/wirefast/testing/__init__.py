"""Tests of an application over its real wire, on the loop of the test, with a clock, slow peers and a broken broker.

Use ``async with live(app) as server`` anywhere, or the fixture ``live`` of the pytest plugin. ``fuzz(app)`` sends
messages that no test has.

wirefast only.
"""

from typing import TYPE_CHECKING

from wirefast.extras import how_to_install

try:
    from wirefast.testing.broker import Broker as Broker
    from wirefast.testing.client import Client as Client
    from wirefast.testing.clock import Clock as Clock
    from wirefast.testing.errors import ConnectionLost as ConnectionLost
    from wirefast.testing.errors import Leaked as Leaked
    from wirefast.testing.errors import NotExpected as NotExpected
    from wirefast.testing.errors import NotOnTheWire as NotOnTheWire
    from wirefast.testing.errors import Refused as Refused
    from wirefast.testing.errors import StartFailed as StartFailed
    from wirefast.testing.errors import TimedOut as TimedOut
    from wirefast.testing.peer import Peer as Peer
    from wirefast.testing.running import Live as Live
    from wirefast.testing.running import live as live
    from wirefast.testing.transcript import Transcript as Transcript
except ModuleNotFoundError as exc:
    if exc.name not in ("click", "uvicorn"):
        raise
    raise ModuleNotFoundError(
        f"wirefast.testing needs {exc.name}: {how_to_install('testing')}", name=exc.name
    ) from None

if TYPE_CHECKING:
    from wirefast.testing.fuzzing import Broken as Broken
    from wirefast.testing.fuzzing import FuzzReport as FuzzReport
    from wirefast.testing.fuzzing import fuzz as fuzz


def __getattr__(name: str) -> object:
    # fuzz is imported only when it is used, because it needs Hypothesis.
    if name in ("fuzz", "FuzzReport", "Broken"):
        try:
            from wirefast.testing import fuzzing  # needs Hypothesis, which only those who use it need
        except ModuleNotFoundError as exc:
            if exc.name != "hypothesis":
                raise
            text = f"wirefast.testing.{name} needs hypothesis: {how_to_install('testing')}"
            raise ModuleNotFoundError(text, name=exc.name) from None
        return getattr(fuzzing, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
