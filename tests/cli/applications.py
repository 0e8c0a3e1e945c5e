"""An ASGI application and nothing else, so that the tests of the command fail for the command's reasons only."""

ASGI = """
import os
async def app(scope, receive, send):
    if scope["type"] == "lifespan":
        while True:
            message = await receive()
            await send({"type": message["type"] + ".complete"})
            if message["type"] == "lifespan.shutdown":
                return
    elif scope["type"] == "websocket":
        await receive()
        await send({"type": "websocket.accept"})
        while (message := await receive())["type"] == "websocket.receive":
            await send({"type": "websocket.send", "text": message["text"] + NAME})
    else:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": f"{NAME} {os.getpid()}".encode()})
NAME = __name__
holder = type("Holder", (), {"app": staticmethod(app)})
def make():
    return app
number = 3
"""
