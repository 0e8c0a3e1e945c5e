"""Census 1E: the WebSocket class, driven directly and through an endpoint."""

import pytest

from compat.freezing import Saying
from compat.harness import Changed, compare, handshake
from compat.sessions import attempt, session, states

CONNECT = {"type": "websocket.connect"}
DISCONNECT = {"type": "websocket.disconnect", "code": 4002, "reason": "done"}


@pytest.mark.census("E1")
def test_construction_mapping_identity_and_attributes():
    def build(f, trace):
        async def app(scope, receive, send):
            websocket, other = f.WebSocket(scope, receive, send), f.WebSocket(scope, receive, send)
            trace("states", *states(websocket), websocket["path"], len(websocket) == len(scope))
            trace("keys", sorted(websocket) == sorted(scope), websocket == other, len({websocket, other}))
            websocket.anything = 3
            trace("attribute", websocket.anything, websocket.scope is scope)
            try:
                f.WebSocket({"type": "http"}, receive, send)
            except AssertionError:
                trace("refused")

        return app

    assert compare(build).calls[0] == ("states", "CONNECTING", "CONNECTING", "/ws", True)


@pytest.mark.census("E2", "3.1")
def test_states():
    def build(f, trace):
        trace("states", [(state.name, state.value) for state in f.websockets.WebSocketState])
        return f.App()

    assert compare(build).calls[0][1] == [("CONNECTING", 0), ("CONNECTED", 1), ("DISCONNECTED", 2), ("RESPONSE", 3)]


@pytest.mark.census("E3", "E5", "3.11")
def test_receive_follows_the_protocol():
    async def body(f, trace, websocket):
        trace("first", await websocket.receive(), *states(websocket))
        await websocket.accept()
        trace("second", await websocket.receive())
        trace("third", await websocket.receive(), *states(websocket))
        await attempt(trace, websocket.receive())

    calls = compare(session(body), handshake("/ws", "text", close=4002)).calls
    assert calls[2][2:] == ("DISCONNECTED", "CONNECTED")
    assert type(calls[3][1]).__name__ == "WebSocketDisconnected"


@pytest.mark.census("E3")
@pytest.mark.parametrize("accepted", [False, True])
def test_unexpected_messages_from_the_server(accepted):
    def build(f, trace):
        async def app(scope, receive, send):
            websocket = f.WebSocket(scope, receive, send)
            if not accepted:
                await receive()
            else:
                await websocket.accept()
            await attempt(trace, websocket.receive())
            trace("states", *states(websocket))

        return app

    message = "early" if not accepted else {"type": "websocket.connect"}
    result = compare(build, handshake("/ws", message))
    assert str(result.calls[0][1]).startswith("Expected ASGI message")


@pytest.mark.census("E4")
@pytest.mark.parametrize("first", ["websocket.send", "websocket.http.response.body", "nonsense"])
def test_send_before_accept(first):
    async def body(f, trace, websocket):
        await attempt(trace, websocket.send({"type": first}))
        trace("states", *states(websocket))

    assert str(compare(session(body)).calls[0][1]).startswith('Expected ASGI message "websocket.accept"')


@pytest.mark.census("E4")
@pytest.mark.parametrize("second", ["websocket.accept", "websocket.http.response.start", "nonsense"])
def test_send_after_accept(second):
    async def body(f, trace, websocket):
        await websocket.accept()
        await attempt(trace, websocket.send({"type": second}))
        trace("states", *states(websocket))

    assert "websocket.send" in str(compare(session(body)).calls[0][1])


@pytest.mark.census("E4", "K7")
def test_send_after_close_and_double_close():
    async def body(f, trace, websocket):
        await websocket.accept()
        await websocket.close(4000, "why")
        trace("states", *states(websocket))
        await attempt(trace, websocket.send_text("x"))
        await attempt(trace, websocket.close())
        await attempt(trace, websocket.accept())
        await attempt(trace, websocket.receive_text())

    calls = compare(session(body)).calls
    assert [type(call[1]).__name__ for call in calls[1:]] == ["WebSocketDisconnected"] * 4


@pytest.mark.census("E4")
def test_states_of_a_raw_response():
    async def body(f, trace, websocket):
        await websocket.send({"type": "websocket.http.response.start", "status": 418, "headers": []})
        trace("states", *states(websocket))
        await attempt(trace, websocket.send({"type": "websocket.close"}))
        await websocket.send({"type": "websocket.http.response.body", "body": b"a", "more_body": True})
        await websocket.send({"type": "websocket.http.response.body", "body": b"b"})
        trace("states", *states(websocket))
        await attempt(trace, websocket.send({"type": "websocket.http.response.body", "body": b"c"}))

    assert compare(session(body)).calls[-2] == ("states", "CONNECTING", "DISCONNECTED")


@pytest.mark.census("E4", "E10")
def test_an_oserror_while_sending_is_a_disconnect():
    async def body(f, trace, websocket):
        await websocket.accept()
        await attempt(trace, websocket.send_text("lost"))
        trace("states", *states(websocket))
        await attempt(trace, websocket.send_text("again"))

    result = compare(session(body), handshake("/ws", send_errors={1: ConnectionResetError("gone")}))
    assert result.calls[0][1].code == 1006 and result.calls[1][1:] == ("CONNECTED", "DISCONNECTED")


@pytest.mark.census("E4")
@pytest.mark.parametrize("number", [0, 1])
def test_other_errors_of_the_server_pass(number):
    async def body(f, trace, websocket):
        await attempt(trace, websocket.accept())
        trace("states", *states(websocket))
        await attempt(trace, websocket.send_text("x"))
        trace("states", *states(websocket))

    errors = {number: ValueError("server") if number else OSError("at accept")}
    compare(session(body), handshake("/ws", send_errors=errors))


@pytest.mark.census("E6")
def test_accept_options():
    async def body(f, trace, websocket):
        await websocket.accept("chat", headers=[(b"x-a", b"1"), (b"x-a", b"2")])
        trace("states", *states(websocket))

    (message,) = compare(session(body), handshake("/ws", scope={"subprotocols": ["chat", "other"]})).sent
    assert message["subprotocol"] == "chat" and list(message["headers"]) == [(b"x-a", b"1"), (b"x-a", b"2")]


@pytest.mark.census("E6")
def test_accept_twice_and_accept_after_receiving_connect():
    async def body(f, trace, websocket):
        await websocket.receive()
        await websocket.accept()
        await attempt(trace, websocket.accept())
        await websocket.send_text("still open")

    result = compare(session(body))
    assert result.sent[0] == {"type": "websocket.accept", "subprotocol": None, "headers": []}
    assert result.texts == ["still open"]


@pytest.mark.census("E7")
@pytest.mark.parametrize("method", ["receive_text", "receive_bytes", "receive_json"])
def test_receive_needs_accept(method):
    async def body(f, trace, websocket):
        await attempt(trace, getattr(websocket, method)())

    calls = compare(session(body)).calls
    assert str(calls[0][1]) == 'WebSocket is not connected. Need to call "accept" first.'


@pytest.mark.census("E7", "3.18")
def test_a_disconnect_raises_with_code_and_reason():
    async def body(f, trace, websocket):
        await websocket.accept()
        await attempt(trace, websocket.receive_text())
        trace("states", *states(websocket))
        await attempt(trace, websocket.receive_text())
        await websocket.send_text("not blocked")

    messages = [DISCONNECT, {"type": "websocket.disconnect", "code": 1005}, {"type": "websocket.disconnect"}]
    for message in messages:
        compare(session(body), handshake("/ws", message, close=None))


@pytest.mark.census("E7")
def test_a_disconnect_without_a_code():
    async def body(f, trace, websocket):
        await websocket.accept()
        try:
            await websocket.receive_bytes()
        except KeyError as error:
            trace("key error", error.args)

    result = compare(session(body), handshake("/ws", {"type": "websocket.disconnect"}, close=None))
    assert result.calls == [("key error", ("code",))]


@pytest.mark.census("E7", "4.22")
@pytest.mark.parametrize("method, message", [("receive_text", b"\x01"), ("receive_bytes", "text")])
def test_the_wrong_kind_of_frame_is_a_key_error_that_says_so(method, message):
    async def body(f, trace, websocket):
        await websocket.accept()
        try:
            await getattr(websocket, method)()
        except KeyError as error:
            trace("key error", str(error))
        await websocket.send_text("still open")

    wanted = method.removeprefix("receive_")
    differs = Changed(was=[("key error", f"'{wanted}'")], now=[("key error", Saying("text", "bytes"))])
    assert compare(session(body), handshake("/ws", message), differs=differs).texts == ["still open"]


@pytest.mark.census("E7")
def test_servers_that_send_both_keys():
    async def body(f, trace, websocket):
        await websocket.accept()
        trace("text", await websocket.receive_text())
        trace("bytes", await websocket.receive_bytes())

    messages = [
        {"type": "websocket.receive", "text": "a", "bytes": None},
        {"type": "websocket.receive", "text": None, "bytes": b"b"},
    ]
    assert compare(session(body), handshake("/ws", *messages)).calls == [("text", "a"), ("bytes", b"b")]


@pytest.mark.census("E8")
def test_receive_json_modes_and_malformed_text():
    async def body(f, trace, websocket):
        await attempt(trace, websocket.receive_json(mode="other"))
        await websocket.accept()
        trace("text", await websocket.receive_json())
        trace("binary", await websocket.receive_json("binary"))
        try:
            await websocket.receive_json()
        except ValueError as error:
            trace("malformed", any(base.__name__ == "JSONDecodeError" for base in type(error).__mro__))
        try:
            await websocket.receive_json(mode="binary")
        except ValueError:
            trace("invalid utf-8")
        trace("open", await websocket.receive_json())

    result = compare(session(body), handshake("/ws", '{"a": [1]}', b'"\xc3\xa9"', "{", b'"\xff"', "null"))
    assert result.calls[1:] == [
        ("text", {"a": [1]}),
        ("binary", "é"),
        ("malformed", True),
        ("invalid utf-8",),
        ("open", None),
    ]


@pytest.mark.census("E8")
def test_receive_json_on_a_disconnect():
    async def body(f, trace, websocket):
        await websocket.accept()
        await attempt(trace, websocket.receive_json())

    assert compare(session(body), handshake("/ws", close=4009)).calls[0][1].code == 4009


@pytest.mark.census("E9")
@pytest.mark.parametrize(
    "method, messages", [("iter_text", ["a", "b"]), ("iter_bytes", [b"a", b""]), ("iter_json", ["1", '"x"'])]
)
def test_iteration_ends_with_the_connection(method, messages):
    async def body(f, trace, websocket):
        await websocket.accept()
        async for message in getattr(websocket, method)():
            trace("message", message)
        trace("ended", *states(websocket))
        await attempt(trace, websocket.receive_text())

    result = compare(session(body), handshake("/ws", *messages, close=4001))
    assert len([call for call in result.calls if call[0] == "message"]) == 2


@pytest.mark.census("E9")
def test_leaving_an_iteration_early_loses_nothing():
    async def body(f, trace, websocket):
        await websocket.accept()
        async for message in websocket.iter_text():
            trace("first", message)
            break
        trace("second", await websocket.receive_text())

    assert compare(session(body), handshake("/ws", "a", "b")).calls == [("first", "a"), ("second", "b")]


@pytest.mark.census("E10")
def test_send_messages_hold_one_key():
    async def body(f, trace, websocket):
        await websocket.accept()
        await websocket.send_text("é")
        await websocket.send_bytes(b"\x00")
        await websocket.send_bytes(memoryview(b"view"))
        await websocket.send_text(None)

    sent = compare(session(body)).sent[1:]
    assert sent[0] == {"type": "websocket.send", "text": "é"}
    assert sent[1] == {"type": "websocket.send", "bytes": b"\x00"}


@pytest.mark.census("E11")
def test_send_json_modes():
    async def body(f, trace, websocket):
        await websocket.accept()
        await websocket.send_json({"é": [1, None]})
        await websocket.send_json({"é": [1, None]}, mode="binary")
        await attempt(trace, websocket.send_json(1, mode="other"))

    sent = compare(session(body)).sent[1:]
    assert sent[0]["text"] == '{"é":[1,null]}' and sent[1]["bytes"] == '{"é":[1,null]}'.encode()
