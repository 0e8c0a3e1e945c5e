"""A page and a socket: ``wirefast run examples/tutorial/step01.py``."""

from wirefast import App, WebSocket
from wirefast.responses import HTMLResponse

app = App()
PAGE = """<!doctype html>
<title>Board</title><link rel="icon" href="data:,">
<p id="said">nothing yet</p>
<script>
  const socket = new WebSocket(`ws${location.protocol.slice(4)}//${location.host}/live`);
  socket.onmessage = ({ data }) => { document.getElementById("said").textContent = data; };
</script>
"""


@app.get("/")
async def page() -> HTMLResponse:
    return HTMLResponse(PAGE)


@app.websocket("/live")
async def live(websocket: WebSocket) -> None:
    await websocket.accept()
    await websocket.send_text("hello from the server")
    async for text in websocket.iter_text():
        await websocket.send_text(f"you said {text}")
