"""The tests of the board: run with ``pytest examples/tutorial/test_board.py``."""

import pytest
from board import SENSOR_KEY, Note, Noted, Reading, Watch, Watching, app, sign


@pytest.fixture
def live_app():
    return app


def user_of(live, name):
    return live.client(cookies={"session": sign(name)}, name=name)


async def post(live, sensor, value, key=SENSOR_KEY):
    return await live.http.post("/readings", json={"sensor": sensor, "value": value}, headers={"X-Sensor-Key": key})


async def test_who_watches_a_sensor_is_told(live):
    async with user_of(live, "ada").connect("/live") as ada, user_of(live, "grace").connect("/live") as grace:
        ref = await ada.send(Watch(sensor="door"), ref=True)
        await ada.expect_reply(ref, Watching)
        assert (await post(live, "door", 1)).json() == {"told": 1}
        assert (await ada.expect(Reading)).value == 1
        await grace.expect_nothing()


async def test_notes_name_their_author(live):
    async with user_of(live, "ada").connect("/live") as ada, user_of(live, "grace").connect("/live") as grace:
        await grace.send(Note(text="the door stands open"))
        assert (await ada.expect(Noted)).by == "grace"
        await grace.expect(Noted)


async def test_what_is_wrong_is_answered_and_the_socket_lives(live):
    async with user_of(live, "ada").connect("/live") as ada:
        await ada.send({"type": "watch", "sensor": "window"})
        await ada.expect_error("invalid")
        await ada.send({"type": "dance"})
        await ada.expect_error("unknown_type")
        await ada.send(Watch(sensor="load"))
        await ada.expect(Watching)


async def test_a_stranger_is_told_to_log_in(live):
    async with live.connect("/live") as stranger:
        await stranger.expect_close(4401, "log in first")
    async with live.client(cookies={"session": "ada.forged"}).connect("/live") as forger:
        await forger.expect_close(4401)


async def test_a_sensor_needs_its_key(live):
    assert (await post(live, "door", 1, key="guess")).status_code == 403


async def test_the_login(live):
    wrong = await live.http.post("/login", json={"name": "ada", "password": "guess"})
    assert wrong.status_code == 401
    right = await live.http.post("/login", json={"name": "ada", "password": "lovelace"})
    assert right.json() == "ada" and "httponly" in right.headers["set-cookie"].lower()
