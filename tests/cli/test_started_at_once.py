"""Two servers that start at once for one address: one serves, the other ends with 1 and one line; Unix sockets."""

from __future__ import annotations

import errno
import http.client
import os
import socket
import threading
from pathlib import Path

import pytest

from processes import ServerProcess, running, wirefast
from wirefast.cli.errors import REFUSED
from wirefast.server.unix import claim, is_alive, release

#: Starts only once both are there, past their checks: each module waits for the other's mark.
BOTH = """
import os, pathlib, time
here = pathlib.Path(__file__).parent
if not (here / "done").exists():
    (here / str(os.getpid())).with_suffix(".mark").touch()
    while len(list(here.glob("*.mark"))) < 2:
        time.sleep(0.01)
async def app(scope, receive, send):
    if scope["type"] == "lifespan":
        await receive()
        await send({"type": "lifespan.startup.complete"})
        await receive()
        await send({"type": "lifespan.shutdown.complete"})
    else:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b""})
"""


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        return int(taken.getsockname()[1])


def ends(servers: list[ServerProcess]) -> ServerProcess:
    """The one that ended by itself; the other serves."""
    ended: list[ServerProcess] = []
    done = threading.Event()

    def wait(server: ServerProcess) -> None:
        server.process.wait()
        ended.append(server)
        done.set()

    for server in servers:
        threading.Thread(target=wait, args=(server,), daemon=True).start()
    assert done.wait(60)
    return ended[0]


@pytest.mark.parametrize("workers", ["1", "2"])
@pytest.mark.parametrize("kind", ["port", "uds"])
def test_one_serves_and_the_other_says_why(tmp_path: Path, short_path: Path, kind: str, workers: str) -> None:
    (tmp_path / "both.py").write_text(BOTH)
    place, option = (free_port(), "--port") if kind == "port" else (short_path / "x.sock", "--uds")
    command = ["both", option, str(place), "--workers", workers]
    with running(*command, cwd=tmp_path) as one, running(*command, cwd=tmp_path) as two:
        loser = ends([one, two])
        (tmp_path / "done").touch()
        winner = two if loser is one else one
        assert loser.end() == REFUSED
        named = f"port {place} on 127.0.0.1" if kind == "port" else f"--uds '{place}'"
        choose = "--port" if kind == "port" else "path"
        assert loser.lines[-1] == (
            f"wirefast: error: {named} is already in use; stop the other process or choose another {choose}"
        )
        assert "Traceback" not in loser.log
        winner.wait_for("Application startup complete")
        assert winner.process.poll() is None
        if kind == "port":
            connection = http.client.HTTPConnection("127.0.0.1", int(str(place)), timeout=60)
            connection.request("GET", "/")
            assert connection.getresponse().status == 200
            connection.close()
        else:
            assert is_alive(str(place))
    assert not Path(str(place)).exists()


def test_a_unix_socket_is_handed_over(tmp_path: Path, short_path: Path) -> None:
    """The next server takes the path by a rename, and the first one's end leaves it alone."""
    (tmp_path / "done").touch()
    (tmp_path / "both.py").write_text(BOTH)
    path, coming = short_path / "chat.sock", short_path / "next.sock"
    with running("both", "--uds", str(path), cwd=tmp_path) as first:
        first.wait_for("Application startup complete")
        with running("both", "--uds", str(coming), cwd=tmp_path) as second:
            second.wait_for("Application startup complete")
            os.replace(coming, path)
            first.end()
            assert is_alive(str(path))
        assert not coming.exists()
    # What is left is a dead server's, which the next one takes away.
    assert not is_alive(str(path))
    with running("both", "--uds", str(path), cwd=tmp_path) as third:
        third.wait_for("Application startup complete")
    assert not path.exists()


def test_a_listening_unix_socket_is_inherited(tmp_path: Path, short_path: Path) -> None:
    """As systemd hands one over: its path is not the server's to remove."""
    (tmp_path / "done").touch()
    (tmp_path / "both.py").write_text(BOTH)
    ended = wirefast("run", "both", "--fd", "999", cwd=tmp_path)
    assert ended.returncode == 2
    made, identity = claim(str(short_path / "held.sock"), 8)
    assert made.get_inheritable() and is_alive(str(short_path / "held.sock"))
    release(str(short_path / "held.sock"), identity)
    assert not (short_path / "held.sock").exists()
    made.close()


def test_what_is_claimed(short_path: Path) -> None:
    path = str(short_path / "a.sock")
    first, identity = claim(path, 1)
    with pytest.raises(OSError) as caught:
        claim(path, 1)
    assert caught.value.errno == errno.EADDRINUSE
    first.close()
    second, later = claim(path, 1)
    assert later != identity or is_alive(path)
    release(path, (0, 0))
    assert os.path.exists(path)
    release(path, later)
    release(path, later)
    assert not os.path.exists(path)
    second.close()
    Path(path).write_text("kept")
    with pytest.raises(FileExistsError):
        claim(path, 1)
    assert Path(path).read_text() == "kept"
