"""Awkward names, texts and types in generated clients: strict, formatted, and each message there and back as it was."""

from __future__ import annotations

import ast
import asyncio
import importlib.util
import json
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_args

import pytest
from hostile_service import SAMPLES, app
from node_tools import compile_typescript, node, run, tool
from pydantic import TypeAdapter

from processes import TIMEOUT, running, wirefast
from wirefast import App, WebSocket
from wirefast.clients.python import TAKEN as PYTHON
from wirefast.clients.python import make_python
from wirefast.clients.typescript import TAKEN as TYPESCRIPT
from wirefast.clients.typescript import make_typescript

SERVICE = Path(__file__).with_name("hostile_service.py")
ODD = "/od'd/`$x`/*/{class}/{url}/{token}"


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    with running(str(SERVICE), "--port", "0", "--no-access-log") as server:
        yield f"ws://127.0.0.1:{server.wait_for_port()}"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Both clients."""
    folder = tmp_path_factory.mktemp("hostile")
    for name in ("socket.ts", "hostile_client.py"):
        done = wirefast("client", str(SERVICE), "-o", str(folder / name))
        assert done.returncode == 0, done.stderr
    return folder


def expected() -> list[Any]:
    """What the server answers to each sample."""
    return [
        model.model_validate(sample).model_dump(mode="json", by_alias=True)
        for model, sample in SAMPLES
    ]  # fmt: skip


def differing(found: list[Any]) -> list[Any]:
    """The answers that are not the expected ones, by their samples."""
    pairs = zip(SAMPLES, found, expected(), strict=True)
    return [(model.__name__, one, two) for (model, _), one, two in pairs if without_ref(one) != two]


def without_ref(answer: dict[str, Any]) -> Any:
    """Without the ``ref`` that an open or a closed model has among its members."""
    return {name: value for name, value in answer.items() if name != "ref"}


@pytest.fixture(scope="module")
def client(folder: Path) -> Any:
    spec = importlib.util.spec_from_file_location("hostile_client", folder / "hostile_client.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["hostile_client"] = module
    spec.loader.exec_module(module)
    return module


def test_python_is_strict_and_formatted(folder: Path) -> None:
    for command in (["mypy", "--strict"], ["ruff", "format", "--check", "--config", "line-length=120"]):
        if importlib.util.find_spec(command[0]) is None:
            continue  # the tools are in the extra dev
        whole = [sys.executable, "-m", *command, str(folder / "hostile_client.py")]
        done = subprocess.run(whole, capture_output=True, text=True, timeout=TIMEOUT * 5)
        assert done.returncode == 0, done.stdout + done.stderr


def test_python_there_and_back(client: Any, url: str) -> None:
    (base,) = client.TypesSocket.__orig_bases__
    sends: TypeAdapter[Any] = TypeAdapter(get_args(base)[0])

    async def work() -> list[Any]:
        async with client.connect(
            ODD,
            url=url,
            class_="a b",
            url_="{token}",
            token_="ü",
            from_="x",
            values_=[1, 2],
            self=3,
            class__="c",
            x_y=4,
        ) as odd:
            assert (await odd.request(client.Add(a=1), timeout=TIMEOUT))["sum"] == 5
        async with client.connect("/types", url=url) as room:
            messages = [sends.validate_python(sample) for _, sample in SAMPLES]
            for message, (model, sample) in zip(messages, SAMPLES, strict=True):
                assert type(message).__name__ != "dict", (model, sample)
            answers = [await room.request(message, timeout=TIMEOUT) for message in messages]
            return [answer.model_dump(mode="json", by_alias=True, exclude_unset=True) for answer in answers]

    assert differing(asyncio.run(work())) == []


def test_typescript_there_and_back(folder: Path, url: str) -> None:
    tool("tsc")
    lines = ['import { connect } from "./socket.js";', "const url = process.argv[2]!;", "const found: unknown[] = [];"]
    lines += ["declare const process: { argv: string[]; exit(): void };", 'const room = connect("/types", { url });']
    for number, (_, sample) in enumerate(SAMPLES):
        lines.append(f"const a{number} = await room.request({json.dumps(sample)}, {{ timeout: 60000 }});")
        # The answer is of the one type, so its tag is known.
        lines.append(
            f"const t{number}: {json.dumps(sample['type'])} = a{number}.type; found.push(a{number}, t{number});"
        )
    params = {"class": "a b", "url": "{token}", "token": "ü"}
    query = {"from": "x", "values": [1, 2], "self": 3, "class": "c", "x-y": 4}
    lines.append(
        f"const odd = connect({json.dumps(ODD)}, {json.dumps({'params': params, 'query': query})[:-1]}, url }});"
    )
    lines += ['found.push(await odd.request({ class: "add", a: 1 }));', "console.log(JSON.stringify(found));"]
    (folder / "main.ts").write_text("\n".join([*lines, "process.exit();", "export {};"]))
    (folder / "package.json").write_text('{"type": "module"}')
    run(tool("prettier"), "--print-width", "120", "--check", folder / "socket.ts")
    compile_typescript(folder / "main.ts", out=folder)
    *found, odd = json.loads(node(folder / "main.js", url))
    assert odd["sum"] == 5
    answers = found[::2]
    for answer in answers:
        assert isinstance(answer.pop("ref"), int)
    assert found[1::2] == [sample["type"] for _, sample in SAMPLES]
    assert differing(answers) == []


def test_texts_end_nothing(client: Any) -> None:
    assert not hasattr(client, "hacked")
    json.dumps(app.asyncapi(), allow_nan=False)


def test_the_client_names_parameters_that_options_have_renamed() -> None:
    named = App()

    @named.websocket("/a/{url}/{rest}/{class}")
    async def first(websocket: WebSocket, token: str | None = None) -> None: ...

    @named.websocket("/b")
    async def second(websocket: WebSocket, token: str | None = None, plain: str = "") -> None: ...

    for shown in (named, App(routes=named.routes[-2:-1])):
        (connect,) = [
            found
            for found in ast.parse(make_python(shown.asyncapi())).body
            if isinstance(found, ast.FunctionDef) and found.name == "connect" and not found.decorator_list
        ]
        hints = [line.strip() for line in str(ast.get_docstring(connect)).splitlines() if " because " in line]
        assert hints == [
            "``url_`` is a parameter of the path, because ``url`` is another argument.",
            "``token_`` is a parameter of the query, because ``token`` is another argument.",
        ]


def test_no_model_takes_a_name_of_the_runtime() -> None:
    empty = {"asyncapi": "3.1.0", "info": {"title": "t", "version": "1"}, "channels": {}, "operations": {}}
    used = {node.id for node in ast.walk(ast.parse(make_python(empty))) if isinstance(node, ast.Name)}
    assert {name for name in used if name[0].isupper()} <= set(PYTHON)
    text = re.sub(r"//.*|/\*[\s\S]*?\*/|[\"'`][^\"'`]*[\"'`]", "", make_typescript(empty))
    types = set(re.findall(r"(?<![.\w])[A-Z]\w*[a-z]\w*", text))
    values = {"Authorization", "Implementation", "Infinity", "Math", "Name"}  # and parameters of types
    assert types - values <= set(TYPESCRIPT)
