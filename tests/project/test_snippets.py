"""README.md, CONTRIBUTING.md, docs/ and others: the code in them runs, the commands and the files they name exist.

The Python snippets of one page run from top to bottom in one namespace, as a reader would type them, and every
section with code asserts something. Shell snippets are parsed, and what they ask of our own programs is looked up:
options of ``wirefast run``, extras, scripts, files, make-like switches.
"""

from __future__ import annotations

import asyncio
import configparser
import importlib.util
import os
import re
import shlex
import shutil
import subprocess
import sys
import types
import warnings
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from wirefast import App
from wirefast.cli import make_command
from wirefast.testclient import TestClient
from wirefast.testing import live

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
PAGES = sorted(ROOT.glob("*.md")) + sorted(DOCS.rglob("*.md")) + sorted((ROOT / "benchmarks").glob("*.md"))
TEXTS = {page.relative_to(ROOT).as_posix(): page.read_text(encoding="utf-8") for page in PAGES}

FENCE = re.compile(r"^(?P<fence>`{3,}|:{3,})(?P<language>[^\n]*)\n(?P<code>.*?)^(?P=fence)$", re.MULTILINE | re.DOTALL)
#: The first line of a snippet that is a file of a package.
FILE = re.compile(r"# (\w+)/(\w+)\.py\n")
#: What a fence may hold; a new language needs a test below.
LANGUAGES = {"python", "sh", "diff", "text", "nginx", "ini", "dockerfile", "javascript", "typescript", "html"}


class Snippet(NamedTuple):
    page: str
    section: str
    line: int
    language: str
    code: str


def snippets_of(page: str) -> list[Snippet]:
    text = TEXTS[page]
    found = []
    for match in FENCE.finditer(text):
        before = text[: match.start()]
        headings = re.findall(r"^##? (.*)$", FENCE.sub("", before), re.MULTILINE)
        line = before.count("\n") + 2
        found.append(Snippet(page, headings[-1] if headings else "", line, match["language"].strip(), match["code"]))
    return found


SNIPPETS = [snippet for page in TEXTS for snippet in snippets_of(page)]
PYTHON_PAGES = sorted({snippet.page for snippet in SNIPPETS if snippet.language == "python"})


def of(language: str) -> list[Snippet]:
    return [snippet for snippet in SNIPPETS if snippet.language == language]


def label(value: object) -> str:
    return f"{value.page}:{value.line}" if isinstance(value, Snippet) else str(value)


def test_the_languages_are_known() -> None:
    for snippet in SNIPPETS:
        known = snippet.language in LANGUAGES or snippet.language.startswith("{")
        assert known, f"{label(snippet)}: nothing checks snippets in {snippet.language!r}"


# ---- Python ----


def needs_missing_fastapi(code: str) -> bool:
    return re.search(r"^\s*(import|from) fastapi\b", code, re.MULTILINE) is not None and (
        importlib.util.find_spec("fastapi") is None
    )


async def with_live(app: Any, test: Any) -> None:
    """Run a test of the kit as its plugin does."""
    async with live(app) as served:
        await test(served)


@pytest.mark.parametrize("page", PYTHON_PAGES)
def test_python_snippets(page: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One after the other, in an empty directory: a snippet may leave files for the next."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(ROOT / "examples")
    snippets = [snippet for snippet in snippets_of(page) if snippet.language == "python"]
    if any(needs_missing_fastapi(snippet.code) for snippet in snippets):
        pytest.skip("FastAPI is not installed")
    module = types.ModuleType("snippet")
    monkeypatch.setitem(sys.modules, "snippet", module)  # where dataclasses and models look names up
    monkeypatch.setitem(sys.modules, "service", module)  # the name that pages save a program under
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for snippet in snippets:
            if named := FILE.match(snippet.code):  # what the next snippet imports
                monkeypatch.setitem(sys.modules, named[1], module)
                monkeypatch.setitem(sys.modules, f"{named[1]}.{named[2]}", module)
            # Empty lines in front, so that a traceback shows the line of the page.
            exec(compile("\n" * (snippet.line - 1) + snippet.code, str(ROOT / page), "exec"), vars(module))
            for name in re.findall(r"^def (test_\w+)\(\)", snippet.code, re.MULTILINE):
                getattr(module, name)()
            for name in re.findall(r"^async def (test_\w+)\(live\)", snippet.code, re.MULTILINE):
                asyncio.run(with_live(module.app, getattr(module, name)))


#: Typed command by command, with what is printed, by tests/docs/test_start.py.
TYPED = {"docs/start.md"}


@pytest.mark.parametrize("page", [page for page in PYTHON_PAGES if page not in TYPED])
def test_every_section_with_code_shows_what_it_does(page: str) -> None:
    sections: dict[str, str] = {}
    for snippet in snippets_of(page):
        if snippet.language == "python":
            sections[snippet.section] = sections.get(snippet.section, "") + snippet.code
    for section, code in sections.items():
        asserting = re.search(r"^\s*(assert |with pytest\.raises\(|await \w+\.expect)", code, re.MULTILINE)
        assert asserting, f"{page}, {section!r}: nothing in the code is checked"


# ---- Shell ----


def options_of(name: str) -> set[str]:
    command = make_command().commands[name]
    return {option for parameter in command.params for option in (*parameter.opts, *parameter.secondary_opts)} | {
        "--help"
    }


OPTIONS = options_of("run")


def commands_of(code: str) -> list[list[str]]:
    """The simple commands of a shell snippet, as lists of words; comments and redirections are left out."""
    joined = code.replace("\\\n", " ")
    found = []
    for line in joined.splitlines():
        lexer = shlex.shlex(line, posix=True, punctuation_chars=";&|()")
        lexer.whitespace_split = True
        words: list[str] = []
        for word in lexer:
            if set(word) <= set(";&|()"):
                found.append(words)
                words = []
            else:
                words.append(word)
        found.append(words)
    # Assignments in front set the environment.
    stripped = [
        words[next((i for i, w in enumerate(words) if not re.match(r"\w+=", w)), len(words)) :] for words in found
    ]
    return [words for words in stripped if words]


def check_wirefast(words: list[str]) -> None:
    for word in words:
        if word.startswith("--"):
            option = word.partition("=")[0]
            known = OPTIONS | {"--version"} if words[1] == "run" else options_of(words[1])
            assert option in known, f"wirefast {words[1]} has no {option}"


def check_files(words: list[str]) -> None:
    """Paths of ours that a command names exist; those below build/ and reports/ are what it makes."""
    for word in words:
        path = word.partition("::")[0].partition(":")[0]
        if re.match(r"(?:\./)?(examples|tests|tools|benchmarks|docs|csrc|src|\.ci)/", path):
            assert (ROOT / path).exists() or list(ROOT.glob(path)), f"there is no {path}"


def check_modules(words: list[str]) -> None:
    for flag, module in zip(words, words[1:], strict=False):
        if flag == "-m" and module.startswith("benchmarks."):
            path = ROOT / module.replace(".", "/")
            assert path.with_suffix(".py").exists() or (path / "__main__.py").exists(), f"there is no module {module}"


def check_extras(words: list[str]) -> None:
    project = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    section = project[project.index("[project.optional-dependencies]") : project.index("[project.scripts]")]
    extras = set(re.findall(r"^(\w+) = \[", section, re.MULTILINE))
    for word in words:
        if match := re.fullmatch(r"(?:\.|wirefast)\[([\w,]+)\]", word):
            assert set(match[1].split(",")) <= extras, f"there is no extra {match[1]}"


@pytest.mark.parametrize("snippet", of("sh"), ids=label)
def test_shell_snippets(snippet: Snippet) -> None:
    bash = shutil.which("bash")
    if bash is not None:
        parsed = subprocess.run([bash, "-n"], input=snippet.code, capture_output=True, text=True)
        assert parsed.returncode == 0 and not parsed.stderr, parsed.stderr
    for words in commands_of(snippet.code):
        if any(Path(word).name == "wirefast" for word in words[:2]):
            check_wirefast(words)
        check_files(words)
        check_modules(words)
        check_extras(words)


def test_the_reader_of_commands() -> None:
    code = "A=1 B='x y' wirefast run app.py --port 1 && ls  # not this\nwirefast run \\\n  --workers 2\n"
    assert commands_of(code) == [
        ["wirefast", "run", "app.py", "--port", "1"],
        ["ls"],
        ["wirefast", "run", "--workers", "2"],
    ]
    with pytest.raises(AssertionError, match="no --wrokers"):
        check_wirefast(["wirefast", "run", "--wrokers", "2"])
    with pytest.raises(AssertionError, match="examples/none.py"):
        check_files(["wirefast", "run", "examples/none.py"])
    with pytest.raises(AssertionError, match="extra"):
        check_extras([".[nothing]"])


OLD_SERVICE = """
import fastapi
from fastapi import Depends, FastAPI, WebSocket
from fastapi.security import HTTPBearer

bearer = HTTPBearer(auto_error=False)
other = fastapi.FastAPI()
app = FastAPI()


@app.websocket("/")
async def endpoint(websocket: WebSocket, token: object = Depends(bearer)):
    await websocket.accept()
    await websocket.send_json(token)
"""


def test_the_command_that_moves_an_application(tmp_path: Path) -> None:
    """docs/moving.md: what it makes of a FastAPI service is a wirefast service."""
    if not all(shutil.which(program) for program in ("bash", "git", "perl")):
        pytest.skip("needs bash, git and perl")
    (snippet,) = [snippet for snippet in of("sh") if "perl -pi" in snippet.code]
    (tmp_path / "service.py").write_text(OLD_SERVICE)
    (tmp_path / "plain.py").write_text("x = 1\n")
    for command in (["git", "init", "-q"], ["git", "add", "."], ["bash", "-ec", snippet.code]):
        subprocess.run(command, cwd=tmp_path, check=True, capture_output=True, timeout=60)
    moved = (tmp_path / "service.py").read_text()
    assert "astapi" not in moved and "FastAPI" not in moved
    namespace: dict[str, object] = {}
    exec(moved, namespace)
    assert isinstance(namespace["app"], App) and isinstance(namespace["other"], App)
    with TestClient(namespace["app"]).websocket_connect("/") as websocket:
        assert websocket.receive_json() is None


@pytest.mark.parametrize("page", [page for page in TEXTS if page not in ("CHANGELOG.md",)])
def test_options_in_the_prose_exist(page: str) -> None:
    """`--like-this` alone in backquotes is an option of ``wirefast run``."""
    for span in re.findall(r"(?<!`)`(--[^`]+)`(?!`)", FENCE.sub("", TEXTS[page])):
        for option in re.findall(r"(?:^|\s)(--[\w-]+)", span):
            assert option in OPTIONS, f"{page} names {option}"


# ---- Configuration files ----


@pytest.mark.parametrize("snippet", of("ini"), ids=label)
def test_systemd_units(snippet: Snippet, tmp_path: Path) -> None:
    parser = configparser.RawConfigParser(strict=False, delimiters=("=",), interpolation=None)
    parser.optionxform = str  # type: ignore[assignment,method-assign]
    parser.read_string(snippet.code)
    assert {"Unit", "Service", "Install"} <= set(parser.sections())
    check_wirefast(shlex.split(parser["Service"]["ExecStart"]))
    program = shutil.which("systemd-analyze")
    if program is not None:
        # The program itself is not here; systemd wants one that is.
        unit = re.sub(r"^ExecStart=\S+", "ExecStart=/bin/true", snippet.code, flags=re.MULTILINE)
        unit = re.sub(r"^(WorkingDirectory|User)=.*\n", "", unit, flags=re.MULTILINE)
        (tmp_path / "service.service").write_text(unit)
        command = [program, "verify", "--man=no", str(tmp_path / "service.service")]
        verified = subprocess.run(command, capture_output=True, text=True, timeout=60)
        own = [line for line in verified.stderr.splitlines() if "service.service" in line]
        assert not own, own


@pytest.mark.parametrize("snippet", of("nginx"), ids=label)
def test_nginx_configurations(snippet: Snippet, tmp_path: Path) -> None:
    program = shutil.which("nginx", path=os.environ.get("PATH", os.defpath) + os.pathsep + "/usr/sbin")
    if program is None:
        pytest.skip("needs nginx")
    certificates = re.findall(r"ssl_certificate(?:_key)? +(\S+);", snippet.code)
    code = "\n".join(line for line in snippet.code.splitlines() if "ssl_certificate" not in line)
    assert bool(certificates) == (" ssl;" in code)
    code = code.replace(" ssl;", ";")
    (tmp_path / "nginx.conf").write_text(
        f"pid {tmp_path}/pid;\nerror_log {tmp_path}/error.log;\nevents {{ worker_connections 1024; }}\n"
        + f"http {{\n{paths_of_nginx(tmp_path)}\n{code}\n}}\n"
    )
    command = [
        program,
        "-t",
        "-e",
        str(tmp_path / "error.log"),
        "-p",
        str(tmp_path),
        "-c",
        str(tmp_path / "nginx.conf"),
    ]
    tested = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert tested.returncode == 0, tested.stderr


def paths_of_nginx(directory: Path) -> str:
    kinds = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    return "\n".join(f"{kind}_temp_path {directory}/{kind};" for kind in kinds)


@pytest.mark.parametrize("snippet", of("dockerfile"), ids=label)
def test_dockerfiles(snippet: Snippet) -> None:
    instructions = re.findall(r"^([A-Z]+) (.*)$", snippet.code.replace("\\\n", " "), re.MULTILINE)
    assert instructions[0][0] == "FROM"
    command = next(arguments for instruction, arguments in instructions if instruction == "CMD")
    words = [part.strip('" ') for part in command.strip("[]").split(",")]
    assert words[:2] == ["wirefast", "run"]
    check_wirefast(words)


# ---- Links and names ----


@pytest.mark.parametrize("page", TEXTS)
def test_relative_links_lead_somewhere(page: str) -> None:
    for link in re.findall(r"\]\(([^)#:\s]+)(?:#[^)]*)?\)", FENCE.sub("", TEXTS[page])):
        assert (ROOT / page).parent.joinpath(link).exists(), f"{page} links {link}"


@pytest.mark.parametrize("page", TEXTS)
def test_files_named_in_the_text_exist(page: str) -> None:
    for span in re.findall(r"(?<!`)`([^`\n]+)`(?!`)", FENCE.sub("", TEXTS[page])):
        path = span.partition("::")[0]
        if re.fullmatch(r"(examples|tests|tools|benchmarks|docs|csrc|src|\.ci)/[\w./-]+", path):
            assert (ROOT / path).exists(), f"{page} names {path}"


def test_no_page_knows_this_machine() -> None:
    for page, text in TEXTS.items():
        assert not re.search(r"(?:/home/|/root/|/work/)", text), page
