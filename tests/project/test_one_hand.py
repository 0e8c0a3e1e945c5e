"""One hand in the source: what ruff and clang-format cannot hold."""

from __future__ import annotations

import ast
import re
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
WRITTEN = sorted(
    path
    for folder in ("src", "csrc", "tests", "benchmarks", "tools", "examples")
    for path in (ROOT / folder).rglob("*.*")
    if path.suffix in (".py", ".pyi", ".pyx", ".pxd", ".c", ".h")
)

RULE = re.compile(r"^\s*(#|//|/\*).*[-=*~]{3,}")
SECTION = re.compile(r"\s*(# ---- \S.*\S ----|/\* ---- \S.*\S ---- \*/)")


def label(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


@pytest.mark.parametrize(
    ("line", "is_section"),
    [
        ("# ---- Order ----", True),
        ("/* ---- Order ---- */", True),
        ("# Order ------", False),
        ("# =======", False),
        ("// ---- Order ----", False),
        ("# ---- order", False),
    ],
)
def test_reader_of_section_marks(line: str, is_section: bool) -> None:
    assert RULE.match(line)
    assert bool(SECTION.fullmatch(line)) == is_section


@pytest.mark.parametrize("path", WRITTEN, ids=label)
def test_sections_have_one_mark(path: Path) -> None:
    lines = path.read_text(encoding="utf-8").splitlines()
    other = [line for line in lines if RULE.match(line) and not SECTION.fullmatch(line)]
    assert not other, "a section begins with '# ---- Title ----', in C with '/* ---- Title ---- */'"


def alone(lines: list[str]) -> list[str]:
    """The comments of one line between two blank ones, which head what follows; but an editor's ``region``."""
    return [
        line
        for before, line, after in zip(lines, lines[1:], lines[2:], strict=False)
        if re.match(r"\s*#(?! ----| ?(end)?region\b)", line) and not before.strip() and not after.strip()
    ]


def test_reader_of_comments_alone() -> None:
    assert alone(["", "# Ends.", "", "# ---- Ends ----", "", "    # A.", "x = 1", "", "    #: B.", ""]) == [
        "# Ends.",
        "    #: B.",
    ]


@pytest.mark.parametrize("path", [path for path in WRITTEN if path.suffix not in (".c", ".h")], ids=label)
def test_a_comment_alone_is_a_section(path: Path) -> None:
    found = alone(path.read_text(encoding="utf-8").splitlines())
    assert not found, "a section begins with '# ---- Title ----'; any other comment stands at what it explains"


@pytest.mark.parametrize("path", [path for path in WRITTEN if path.suffix in (".pyx", ".pxd")], ids=label)
def test_constants_are_enums(path: Path) -> None:
    assert not re.search(r"^\s*DEF\s", path.read_text(encoding="utf-8"), re.MULTILINE), "Cython deprecates DEF"


@pytest.mark.skipif(shutil.which("clang-format") is None, reason="clang-format is not installed")
def test_c_is_formatted() -> None:
    files = sorted(str(path) for path in (ROOT / "csrc").glob("*.[ch]"))
    done = subprocess.run(["clang-format", "--dry-run", "--Werror", *files], capture_output=True, text=True, cwd=ROOT)
    assert done.returncode == 0, done.stderr[:2000]


@pytest.mark.parametrize(
    "path", [path for path in WRITTEN if path.suffix == ".py" and ROOT / "src" in path.parents], ids=label
)
def test_errors_of_declarations_are_raised(path: Path) -> None:
    """Pytest rewrites the asserts of an installed distribution with a plugin, ours; FastAPI's texts must stay."""
    asserts = [
        node.lineno for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))) if isinstance(node, ast.Assert)
    ]
    assert not asserts, "raise AssertionError(text) where a user may read the text"


#: Words that say less than the name of the thing, and turns of speech that a reader of plain English does not know.
RIDDLES = re.compile(
    r"\b(whoever|somebody|nobody|anybody|everybody|hears? of|heard of|lets? go of|letting go of|all the same"
    r"|without a word|gives? way|gave way|and the like|anew|afresh|told (of|apart)|out of patience"
    r"|what (is left|is said|is sent|comes|came|waits))\b",
    re.I,
)
#: The description of an argument that leaves its noun out: ``scope: of the connection``.
NOUNLESS = re.compile(r"^ {4,}\w+(?:, \w+)*: (?:of|whose|that|which) [a-z`].*", re.M)
PAGES = sorted(path for path in ROOT.glob("docs/**/*.md")) + [
    ROOT / name for name in ("README.md", "CHANGELOG.md", "CONTRIBUTING.md", "benchmarks/README.md")
]
SOURCE = [path for path in WRITTEN if path.relative_to(ROOT).parts[0] in ("src", "csrc")]


def riddles(text: str) -> list[str]:
    """The phrases in a text; a path or another name in code is none."""
    return [found.group() for found in RIDDLES.finditer(re.sub(r'["`][^"`\s]*/[^"`\s]*["`]', "", text))]


def test_reader_of_riddles() -> None:
    assert riddles('Nobody hears of it: see "/ws/nobody".') == ["Nobody", "hears of"]
    assert riddles("# Whoever asks\n# lets go of it; heard often, go off") == ["Whoever", "lets go of"]
    assert riddles("What came is told of, and cannot be told apart") == ["What came", "told of", "told apart"]


@pytest.mark.parametrize("path", [*SOURCE, *PAGES], ids=label)
def test_sentences_are_plain(path: Path) -> None:
    assert not riddles(path.read_text(encoding="utf-8")), "name who does what: see 'Words' in CONTRIBUTING.md"


def nounless(text: str) -> list[str]:
    return [found.strip() for found in NOUNLESS.findall(text)]


def test_reader_of_arguments() -> None:
    text = "    Args:\n        scope: of the connection.\n        code, reason: the two.\n        of: a name.\n"
    assert nounless(text) == ["scope: of the connection."]


@pytest.mark.parametrize("path", [path for path in SOURCE if path.suffix in (".py", ".pyx")], ids=label)
def test_descriptions_of_arguments_have_a_noun(path: Path) -> None:
    assert not nounless(path.read_text(encoding="utf-8")), "write 'scope: the scope of the connection'"
