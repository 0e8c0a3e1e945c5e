"""Every example of the WebSocket pages that FastAPI users read, through the test client.

Where a page is wrong, FastAPI 0.165 is right: the expected behaviour is what it does (see tests/compat).
"""

import json

import pytest

from compat.harness import handshake, run_websocket
from mission import (
    basic,
    bearer,
    connection,
    custom_close,
    dependencies,
    echo,
    json_messages,
    manager,
    overview,
    path_parameters,
    prefixes,
    query_parameters,
    router_dependencies,
    routing,
    safe,
)
from wirefast import APIRouter, App, Depends, WebSocketDisconnect
from wirefast.testclient import TestClient


def connect(module, url, **options):
    return TestClient(module.app).websocket_connect(url, **options)


def refused(module, url, **options):
    """The disconnect of a refused handshake."""
    with pytest.raises(WebSocketDisconnect) as caught:
        with connect(module, url, **options):
            pass
    return caught.value


def test_echo():
    with connect(echo, "/ws") as session:
        session.send_text("hello")
        assert session.receive_text() == "echo: hello"


def test_parameters_come_from_the_handshake():
    headers = {"x-client": "c", "cookie": "session=s"}
    with connect(overview, "/handshake?limit=5", headers=headers) as session:
        assert session.receive_json() == ["s", "c", 5]


def test_a_validation_error_closes_1008_with_the_errors_as_json():
    error = refused(overview, "/handshake?limit=0", headers={"cookie": "session=s"})
    assert error.code == 1008
    locations = [item["loc"] for item in json.loads(error.reason)]
    assert locations == [["query", "limit"], ["header", "x-client"]]


def test_yield_dependencies_are_cleaned_up_after_the_endpoint():
    overview.cleaned.clear()
    with connect(overview, "/cleanup/me") as session:
        assert session.receive_text() == "resource for me"
        assert session.receive() == {"type": "websocket.close", "code": 1000, "reason": ""}
    assert overview.cleaned == ["/cleanup/me"]


@pytest.mark.parametrize(
    "path, headers, text", [("/oauth2", {"authorization": "Bearer t"}, "t"), ("/api-key", {"x-key": "k"}, "k")]
)
def test_security_schemes_work_alike(path, headers, text):
    with connect(overview, path, headers=headers) as session:
        assert session.receive_text() == text
    denial = refused(overview, path)
    assert (denial.status_code, denial.json()) == (401, {"detail": "Not authenticated"})


def test_websocket_exception_closes_with_its_code():
    error = refused(overview, "/refused")
    assert (error.code, error.reason) == (1008, "not for you")
    with connect(overview, "/refused?after_accept=1") as session:
        assert session.receive() == {"type": "websocket.close", "code": 1008, "reason": "not for you"}


def test_the_validation_handler_can_be_replaced():
    with connect(overview, "/custom/x") as session:
        message = session.receive()
    assert message["code"] == 4422 and message["reason"].startswith("Input should be a valid integer")


def test_members_of_the_class():
    headers = {"accept-language": "nl", "cookie": "c=d"}
    with connect(connection, "/members/n?a=1", headers=headers, subprotocols=["chat"]) as session:
        assert session.accepted_subprotocol == "chat"
        assert (b"x-served-by", b"wirefast") in session.extra_headers
        assert session.receive_json() == {
            "before": ["CONNECTING", "CONNECTING"],
            "after": ["CONNECTED", "CONNECTED"],
            "path_params": {"name": "n"},
            "query_params": {"a": "1"},
            "cookies": {"c": "d"},
            "language": "nl",
            "url": "/members/n",
            "url_for": "/members/x",
            "has_client": True,
        }
        assert session.receive_bytes() == b'{"mode":"binary"}'
        assert session.receive_bytes() == b"\x00\x01"
        assert session.receive() == {"type": "websocket.close", "code": 4000, "reason": "done"}


def test_iteration_until_the_client_leaves():
    with connect(connection, "/iterate/text") as session:
        session.send_text("a")
        assert session.receive_json() == {"kind": "text", "message": "a"}
    with connect(connection, "/iterate/bytes") as session:
        session.send_bytes(b"\x01")
        assert session.receive_json() == {"kind": "bytes", "message": [1]}
    with connect(connection, "/iterate/json") as session:
        session.send_json({"a": [1]})
        assert session.receive_json() == {"kind": "json", "message": {"a": [1]}}


def test_a_disconnect_has_code_and_reason():
    connection.disconnects.clear()
    with connect(connection, "/disconnect") as session:
        session.close(4001, "leaving")
    (error,) = connection.disconnects
    assert (error.code, error.reason) == (4001, "leaving")
    connection.disconnects.clear()  # its traceback holds the socket


def test_a_router_in_an_application():
    with pytest.raises(WebSocketDisconnect):  # the example does not catch it
        with connect(routing, "/ws") as session:
            session.send_text("hi")
            assert session.receive_text() == "Message text was: hi"


def test_a_dependency_that_closes_the_socket_ends_the_connection():
    with connect(dependencies, "/items?session=s") as session:
        assert session.receive_text() == "Session: s"
    assert refused(dependencies, "/items").code == 1008


def test_router_level_dependencies_apply_to_every_websocket_but_not_to_plain_routes():
    router_dependencies.verified.clear()
    for path in ("/one", "/two"):
        with connect(router_dependencies, path):
            pass
    assert router_dependencies.verified == ["/one", "/two"]
    with connect(router_dependencies, "/plain") as session:
        assert session.receive_text() == type(Depends(len)).__name__
    assert router_dependencies.verified == ["/one", "/two"]


@pytest.mark.parametrize("path", ["/chat/room/red", "/v2/chat/room/red"])
def test_prefixes(path):
    with connect(prefixes, path) as session:
        assert session.receive_text() == "Welcome to room red"


@pytest.mark.parametrize("path", ["/room/red", "/chat/room/red/", "/v2/room/red"])
def test_paths_without_their_prefix_do_not_match(path):
    assert refused(prefixes, path).code == 1000


@pytest.mark.parametrize(
    "prefix, message",
    [
        ("/api/", "A path prefix must not end with '/', as the routes will start with '/'"),
        ("api", "A path prefix must start with '/'"),
    ],
)
def test_bad_prefixes_are_assertion_errors(prefix, message):
    with pytest.raises(AssertionError, match=message):
        APIRouter(prefix=prefix)
    with pytest.raises(AssertionError, match=message):
        App().include_router(APIRouter(prefix="/api"), prefix=prefix)


def test_basic_endpoint(capsys):
    with connect(basic, "/ws") as session:
        for text in ("one", "two"):
            session.send_text(text)
            assert session.receive_text() == f"Message text was: {text}"
    assert capsys.readouterr().out == "Client disconnected\n"


def test_path_parameters(capsys):
    with connect(path_parameters, "/ws/7") as session:
        session.send_text("x")
        assert session.receive_text() == "Client 7: x"
    assert capsys.readouterr().out == "Client 7 disconnected\n"
    assert refused(path_parameters, "/ws/seven").code == 1008


def test_bearer_token():
    with connect(bearer, "/ws", headers={"authorization": "Bearer valid-token"}) as session:
        assert session.receive_text() == "Authenticated with token: valid-token"
        session.send_text("x")
        assert session.receive_text() == "Echo: x"
    denial = refused(bearer, "/ws", headers={"authorization": "Bearer other"})
    assert (denial.status_code, denial.json()) == (401, {"detail": "Invalid token"})
    assert refused(bearer, "/ws").headers["www-authenticate"] == "Bearer"


def test_json_messages():
    with connect(json_messages, "/ws/json") as session:
        session.send_json({"é": [1, None]})
        reply = {"type": "response", "original_message": {"é": [1, None]}, "timestamp": "2023-01-01T00:00:00Z"}
        assert session.receive_json() == reply


def test_connection_manager():
    with TestClient(manager.app) as client:  # one event loop for both sessions
        with client.websocket_connect("/ws/1") as one:
            with client.websocket_connect("/ws/2") as two:
                two.send_text("hello")
                assert two.receive_text() == "You wrote: hello"
                assert two.receive_text() == "Client #2 says: hello"
                assert one.receive_text() == "Client #2 says: hello"
                two.close()
                assert one.receive_text() == "Client #2 left the chat"
    assert manager.manager.active_connections == []


def test_query_parameters():
    with connect(query_parameters, "/ws?room=red&user_id=3") as session:
        assert session.receive_text() == "Welcome to room red, user 3!"
        session.send_text("hi")
        assert session.receive_text() == "[red] User 3: hi"
    assert refused(query_parameters, "/ws?room=red").code == 1008


def test_error_handling(capsys):
    """The example goes on after its client left, until a send fails: the test client never lets one fail."""
    with pytest.raises(TypeError) as not_iterable:
        "action" in 5  # noqa: B015  # type: ignore[operator]
    texts = ["{", '{"a": 1}', '{"action": "go", "data": [1]}', "5"]
    result = run_websocket(safe.app, handshake("/ws/safe", *texts, send_errors={5: ConnectionResetError()}))
    assert result.texts[:4] == [
        '{"error":"Invalid JSON format"}',
        '{"error":"Missing \'action\' field"}',
        '{"success":true,"action":"go","data":[1]}',
        f'{{"error":"Processing error: {not_iterable.value}"}}',
    ]
    assert result.raised is None
    assert capsys.readouterr().out == "Client disconnected from safe WebSocket\n"


@pytest.mark.parametrize(
    "text, code, reason", [("close", 1000, "Client requested close"), ("error", 1011, "Server error occurred")]
)
def test_custom_close(text, code, reason):
    with connect(custom_close, "/ws/custom-close") as session:
        session.send_text("x")
        assert session.receive_text() == "Received: x"
        session.send_text(text)
        assert session.receive() == {"type": "websocket.close", "code": code, "reason": reason}


def test_custom_close_by_the_client(capsys):
    with connect(custom_close, "/ws/custom-close") as session:
        session.close(4005, "enough")
    assert capsys.readouterr().out == "WebSocket disconnected with code: 4005, reason: enough\n"


def test_the_internals_that_the_flow_page_names():
    """get_websocket_app and solve_dependencies over a Dependant."""
    from wirefast.dependencies.utils import get_dependant
    from wirefast.routing import get_websocket_app, websocket_session

    seen = []

    def setting(size: int = 1):
        return size

    async def endpoint(path: str, size: int = Depends(setting)):
        seen.append((path, size))

    dependant = get_dependant(path="/{path}", call=endpoint)
    assert [field.name for field in dependant.path_params] == ["path"]
    assert [sub.call for sub in dependant.dependencies] == [setting]
    app = websocket_session(get_websocket_app(dependant=dependant))
    run_websocket(app, handshake("/p?size=3", scope={"path_params": {"path": "p"}}))
    assert seen == [("p", 3)]
