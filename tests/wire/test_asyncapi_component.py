"""AsyncAPI's official React component shows the documents of the examples, in Chromium, and runs nothing of them."""

from __future__ import annotations

import http.server
import json
import os
import shutil
import threading
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from node_tools import package

from browser import Browser, Page
from examples_here import EXAMPLES
from processes import wirefast

SERVICES = [Path(__file__).with_name(f"{name}_service.py") for name in ("client", "hostile")]
#: Where pictures are written, where it is asked for.
PICTURES = os.environ.get("WIREFAST_PICTURES")
PAGE = """<!doctype html><meta charset="utf-8"><title>shown</title>
<link rel="stylesheet" href="default.min.css"><div id="asyncapi"></div><script src="index.js"></script>
<script>
window.failed = [];
window.addEventListener("error", event => failed.push(event.message));
async function show(name) {
  document.getElementById("asyncapi").remove();
  const element = document.body.appendChild(document.createElement("div"));
  element.id = "asyncapi";
  const schema = await (await fetch(name)).text();
  AsyncApiStandalone.render({schema, config: {show: {errors: true}, expand: {messageExamples: true}}}, element);
}
</script>
"""


@pytest.fixture
def site(tmp_path: Path) -> Iterator[tuple[Path, str]]:
    """A folder with the component, and its address."""
    component = package("@asyncapi/react-component", "^3.2.0")
    shutil.copy(component / "browser" / "standalone" / "index.js", tmp_path)
    shutil.copy(component / "styles" / "default.min.css", tmp_path)
    (tmp_path / "page.html").write_text(PAGE)

    class Quiet(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *_: object) -> None: ...

    files = http.server.ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(tmp_path)))
    threading.Thread(target=files.serve_forever, daemon=True).start()
    try:
        yield tmp_path, f"http://127.0.0.1:{files.server_port}/page.html"
    finally:
        files.shutdown()
        files.server_close()


def test_examples(site: tuple[Path, str], browser: Browser) -> None:
    folder, url = site
    page = Page(browser, url)
    page.wait_for("window.AsyncApiStandalone && window.show")
    for path in [*EXAMPLES, *SERVICES]:
        if path.stem in ("migration", "store"):  # whose application is FastAPI's, or has no sockets
            continue
        done = wirefast("schema", str(path), "--asyncapi", "-o", str(folder / f"{path.stem}.json"))
        assert done.returncode == 0, done.stderr
        document: dict[str, Any] = json.loads((folder / f"{path.stem}.json").read_text(encoding="utf-8"))
        if path.stem == "hostile_service":  # the component follows three recursive types in one message for minutes
            for name in ("Input", "Output"):
                del document["components"]["schemas"][f"Recursive-{name}"]["properties"]["json"]
                document["components"]["schemas"][f"Recursive-{name}"]["required"].remove("json")
            (folder / f"{path.stem}.json").write_text(json.dumps(document))
        page.evaluate(f"show({json.dumps(path.stem + '.json')})")
        page.wait_for("document.querySelectorAll('#asyncapi [id^=operation-]').length")
        text = page.evaluate("document.getElementById('asyncapi').textContent")
        missing = [channel["address"] for channel in document["channels"].values() if channel["address"] not in text]
        assert missing == [], path.stem
        shown = page.evaluate("[...document.querySelectorAll('#asyncapi [id^=operation-]')].map(item => item.id)")
        # One with a reply is shown as a request.
        names = [name for name in document["operations"] if not any(item.endswith(f"-{name}") for item in shown)]
        assert names == [], path.stem
        assert "Error" not in page.evaluate("document.querySelector('#asyncapi h2')?.textContent ?? ''")
        assert page.evaluate("[failed, window.hacked]") == [[], None], path.stem
        if PICTURES:
            page.picture(Path(PICTURES) / f"component-{path.stem}.png")
