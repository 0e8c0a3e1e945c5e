"""The picture of README.md: messages a second and the cost of one, as bars, for each processor. Text in, SVG out."""

from __future__ import annotations

from dataclasses import dataclass
from xml.sax.saxutils import escape

WIDTH, LABEL, BAR, ROW, HEADING = 680, 190, 150, 26, 34
LEFT, RIGHT = LABEL + 8, 440

STYLE = """
text { font: 14px system-ui, sans-serif; fill: #1f2328; }
.title { font-weight: 600; } .note { fill: #57606a; font-size: 13px; } .name { text-anchor: end; }
.ours { fill: #0b6e4f; } .other { fill: #9db8c9; } .paper { fill: #ffffff; }
@media (prefers-color-scheme: dark) {
  text { fill: #e6edf3; } .note { fill: #9198a1; } .paper { fill: #0d1117; }
  .ours { fill: #2fbf8f; } .other { fill: #4a6577; }
}
"""


@dataclass(frozen=True)
class Group:
    """The bars of one machine; the first name is ours.

    Attributes:
        title: the machine and the date.
        rates: name -> messages a second.
        costs: name -> CPU µs a message.
    """

    title: str
    rates: dict[str, float]
    costs: dict[str, float]


def draw(groups: list[Group]) -> str:
    """The picture as an SVG document, which depends on the groups alone."""
    parts: list[str] = []
    y = 22
    parts.append(f'<text class="title" x="{LEFT}" y="{y}">messages a second</text>')
    parts.append(f'<text class="title" x="{RIGHT}" y="{y}">CPU µs a message</text>')
    parts.append(f'<text class="note" x="{LEFT}" y="{y + 17}">JSON echo of 128 bytes, one core</text>')
    parts.append(f'<text class="note" x="{RIGHT}" y="{y + 17}">less is better</text>')
    y += 24
    for group in groups:
        y += HEADING
        parts.append(f'<text class="note" x="8" y="{y - 8}">{escape(group.title)}</text>')
        for number, name in enumerate(group.rates):
            kind = "other" if number else "ours"
            parts.append(f'<text class="name" x="{LABEL}" y="{y + 13}">{escape(name)}</text>')
            parts += _bar(LEFT, y, group.rates[name], max(group.rates.values()), kind, f"{group.rates[name]:,.0f}")
            parts += _bar(RIGHT, y, group.costs[name], max(group.costs.values()), kind, f"{group.costs[name]:.1f}")
            y += ROW
    height = y + 12
    words = "; ".join(f"{g.title}: " + ", ".join(f"{n} {g.rates[n]:,.0f} a second" for n in g.rates) for g in groups)
    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{height}" viewBox="0 0 {WIDTH} {height}" '
        f'role="img"><title>JSON echo of 128 bytes. {escape(words)}</title><style>{STYLE}</style>'
    )
    paper = f'<rect class="paper" width="{WIDTH}" height="{height}"/>'
    return "\n".join([head, paper, *parts, "</svg>", ""])


def _bar(x: int, y: int, value: float, most: float, kind: str, words: str) -> list[str]:
    size = max(2.0, BAR * value / most)
    return [
        f'<rect class="{kind}" rx="2" x="{x}" y="{y}" width="{size:.1f}" height="18"/>',
        f'<text class="note" x="{x + size + 6:.1f}" y="{y + 13}">{escape(words)}</text>',
    ]
