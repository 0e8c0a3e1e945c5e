"""Draws the pictures of docs/ from text: docs/pictures/NAME.txt becomes docs/pictures/NAME.svg.

    python tools/pictures.py            # all of them
    python tools/pictures.py --check    # say which are not what their text says; exit code 1 for any

A text has the lanes in its first line, separated by ``|``, then one step a line:

    a | b | c               the lanes, from left to right
    a > c: words            an arrow from lane a to lane c
    b: words                a note on lane b; a second line of it begins with four spaces
    == words                a heading over the steps that follow

Output depends on the text alone, so that a test compares the files.
"""

from __future__ import annotations

import argparse
import sys
from dataclasses import dataclass, field
from pathlib import Path
from xml.sax.saxutils import escape

FOLDER = Path(__file__).parents[1] / "docs" / "pictures"
LANE, LEFT, TOP, STEP, LINE = 225, 120, 40, 30, 16
CHARACTER = 6.6

STYLE = """
text { font: 12px system-ui, sans-serif; fill: #1f2328; }
.lane { font-weight: 600; text-anchor: middle; }
.line { stroke: #d0d7de; }
.heading { font-weight: 600; fill: #57606a; }
.rule { stroke: #d0d7de; stroke-dasharray: 3 3; }
.arrow { stroke: #0969da; stroke-width: 1.4; fill: none; }
.head { fill: #0969da; }
.words { text-anchor: middle; paint-order: stroke; stroke: #ffffff; stroke-width: 4px; }
.note { fill: #f6f8fa; stroke: #d0d7de; }
.paper { fill: #ffffff; }
@media (prefers-color-scheme: dark) {
  text { fill: #e6edf3; } .heading { fill: #9198a1; } .line, .rule { stroke: #3d444d; }
  .arrow { stroke: #4493f8; } .head { fill: #4493f8; } .note { fill: #151b23; stroke: #3d444d; }
  .paper { fill: #0d1117; } .words { stroke: #0d1117; }
}
"""


@dataclass
class Step:
    """One line of a picture's text.

    Attributes:
        kind: ``"arrow"``, ``"note"`` or ``"heading"``.
        words: the lines of text.
        start, end: numbers of lanes; both the same for a note, 0 for a heading.
    """

    kind: str
    words: list[str]
    start: int = 0
    end: int = 0


@dataclass
class Picture:
    lanes: list[str]
    steps: list[Step] = field(default_factory=list)


def read(text: str) -> Picture:
    """Parse a picture's text.

    Raises:
        ValueError: a line that is neither of the four kinds, or names a lane that there is not.
    """
    first, *rest = [line.rstrip() for line in text.splitlines() if line.strip() and not line.startswith("#")]
    picture = Picture([lane.strip() for lane in first.split("|")])

    def lane(name: str) -> int:
        if name.strip() not in picture.lanes:
            raise ValueError(f"there is no lane {name.strip()!r}")
        return picture.lanes.index(name.strip())

    for line in rest:
        if line.startswith("    "):
            picture.steps[-1].words.append(line.strip())
        elif line.startswith("== "):
            picture.steps.append(Step("heading", [line[3:]]))
        elif ": " in line:
            where, words = line.split(": ", 1)
            if " > " in where:
                start, end = map(lane, where.split(" > "))
                picture.steps.append(Step("arrow", [words], start, end))
            else:
                picture.steps.append(Step("note", [words], lane(where), lane(where)))
        else:
            raise ValueError(f"neither an arrow, a note nor a heading: {line!r}")
    return picture


def x_of(lane: int) -> int:
    return LEFT + lane * LANE


def draw(picture: Picture) -> str:
    """The picture as an SVG document."""
    width = x_of(len(picture.lanes) - 1) + LEFT
    parts: list[str] = []
    y = TOP
    for step in picture.steps:
        y += STEP if step.kind != "heading" else STEP + 8
        if step.kind == "heading":
            parts.append(f'<line class="rule" x1="8" x2="{width - 8}" y1="{y - 18}" y2="{y - 18}"/>')
            parts.append(f'<text class="heading" x="10" y="{y}">{escape(step.words[0])}</text>')
        elif step.kind == "arrow":
            parts += _arrow(step, y)
        else:
            parts += _note(step, y, width)
            y += LINE * (len(step.words) - 1)
    height = y + 26
    lanes = []
    for number, name in enumerate(picture.lanes):
        lanes.append(f'<line class="line" x1="{x_of(number)}" x2="{x_of(number)}" y1="{TOP - 14}" y2="{height - 12}"/>')
        lanes.append(f'<text class="lane" x="{x_of(number)}" y="{TOP - 24}">{escape(name)}</text>')
    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" viewBox="0 0 {width} {height}">'
        f"<style>{STYLE}</style>"
    )
    paper = f'<rect class="paper" width="{width}" height="{height}"/>'
    return "\n".join([head, paper, *lanes, *parts, "</svg>", ""])


def _arrow(step: Step, y: int) -> list[str]:
    start, end = x_of(step.start), x_of(step.end)
    back = -7 if end > start else 7
    middle = (start + end) / 2
    return [
        f'<line class="arrow" x1="{start}" x2="{end + back}" y1="{y}" y2="{y}"/>',
        f'<path class="head" d="M{end} {y} l{back} -4 v8 z"/>',
        f'<text class="words" x="{middle:g}" y="{y - 6}">{escape(step.words[0])}</text>',
    ]


def _note(step: Step, y: int, width: int) -> list[str]:
    size = max(len(words) for words in step.words) * CHARACTER + 16
    left = min(max(x_of(step.start) - size / 2, 4), width - size - 4)
    height = LINE * len(step.words) + 8
    parts = [f'<rect class="note" rx="4" x="{left:g}" y="{y - 16}" width="{size:g}" height="{height}"/>']
    for number, words in enumerate(step.words):
        parts.append(f'<text x="{left + 8:g}" y="{y + number * LINE}">{escape(words)}</text>')
    return parts


def main() -> int:
    parser = argparse.ArgumentParser(description="Draw the pictures of docs/ from their texts.")
    parser.add_argument("--check", action="store_true", help="compare only; exit code 1 for a difference")
    check = parser.parse_args().check
    stale = []
    for source in sorted(FOLDER.glob("*.txt")):
        target, drawn = source.with_suffix(".svg"), draw(read(source.read_text(encoding="utf-8")))
        if not target.exists() or target.read_text(encoding="utf-8") != drawn:
            stale.append(target.name)
            if not check:
                target.write_text(drawn, encoding="utf-8")
    if check and stale:
        print(f"not what their texts say, run python tools/pictures.py: {', '.join(stale)}")
    return int(check and bool(stale))


if __name__ == "__main__":
    sys.exit(main())
