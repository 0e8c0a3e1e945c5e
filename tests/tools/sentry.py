"""A program under sentry-sdk, in an interpreter of its own: what it patches is patched for good.

    python tests/tools/sentry.py before|after|late [fastapi]

What Sentry would have sent is printed as one JSON list. ``before`` and ``after`` say when it is initialised: before or
after wirefast is imported; ``late``: after the application was made. With ``fastapi`` its module is ours, as in a
program that gives FastAPI's name to wirefast.
"""

import json
import sys

sent = []


def initialise():
    import sentry_sdk
    from sentry_sdk.transport import Transport

    class Memory(Transport):
        def capture_envelope(self, envelope):
            sent.extend((item.type, item.payload.json) for item in envelope.items)

    sentry_sdk.init(dsn="http://key@localhost/1", transport=Memory, traces_sample_rate=1.0, send_default_pii=True)


def give_the_name_of_fastapi():
    import importlib
    import types

    import wirefast

    package = types.ModuleType("fastapi")
    package.__dict__.update(vars(wirefast), FastAPI=wirefast.App, __version__="0.165.0", __path__=[])
    sys.modules["fastapi"] = package
    for name in ("routing", "params", "requests", "websockets", "exceptions", "applications"):
        sys.modules[f"fastapi.{name}"] = importlib.import_module(f"wirefast.{name}")
        setattr(package, name, sys.modules[f"fastapi.{name}"])


def main(moment, *options):
    if moment == "before" and "fastapi" not in options:
        initialise()
    if "fastapi" in options:
        give_the_name_of_fastapi()
    import wirefast

    if moment == "after" or (moment == "before" and "fastapi" in options):
        initialise()
    from wirefast.testclient import TestClient

    app, router = wirefast.App(), wirefast.APIRouter(prefix="/in")
    steps = []

    async def resource():
        try:
            yield 1
        except ValueError:
            steps.append("rolled back")
            raise
        finally:
            steps.append("closed")

    @app.get("/plain/{number}")
    def plain(number: int):
        return number

    @router.post("/failing/{number}")
    async def failing(number: int, body: dict[str, str], value: int = wirefast.Depends(resource)):
        raise ValueError(number)

    @app.exception_handler(ArithmeticError)
    async def looked(request: wirefast.Request, exc: ArithmeticError):
        return wirefast.responses.JSONResponse({"body": (await request.body()).decode()}, 404)

    @router.post("/handled")
    async def handled(body: dict[str, str]):
        raise ArithmeticError

    async def serve(websocket: wirefast.WebSocket, number: int):
        await websocket.accept()
        await websocket.send_text("hello")
        raise KeyError("in the socket")

    app.websocket("/ws/{number}")(serve)
    router.websocket("/ws/{number}")(serve)
    app.include_router(router, prefix="/out")
    if moment == "late":
        initialise()
    client = TestClient(app, raise_server_exceptions=False)
    answers = [
        client.get("/plain/3").json(),
        client.post("/out/in/failing/4", json={"said": "hello"}).status_code,
        client.post("/out/in/handled", json={"said": "hello"}).json(),
    ]
    for path in ("/ws/5", "/out/in/ws/6"):
        try:
            with client.websocket_connect(path) as websocket:
                websocket.receive_text()
        except KeyError:
            answers.append("KeyError")
    events = [
        {
            "type": kind,
            "transaction": event.get("transaction"),
            "exceptions": [value["type"] for value in event.get("exception", {}).get("values", [])],
            "operation": event.get("contexts", {}).get("trace", {}).get("op"),
            "data": event.get("request", {}).get("data"),
        }
        for kind, event in sent
        if kind in ("event", "transaction")
    ]
    print(json.dumps({"answers": answers, "events": events, "steps": steps}))


main(*sys.argv[1:])
