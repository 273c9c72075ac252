"""A graph of lineage as a picture: SVG, a column for each step, ancestors on the left and descendants on the right."""

from __future__ import annotations

import html
from collections import defaultdict
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from analysis_store.trust.lineage.graph import Graph, Member

_LETTER, _LINE, _PAD, _GAP_X, _GAP_Y = 6.6, 14, 8, 48, 14
"""Pixels: the width of a letter, the height of a line, around the text, between columns, between boxes."""
_LONGEST = 28
"""Words of more letters are cut; the whole is shown when one points at the box."""
_SWEEPS = 4

Box = tuple[float, float, float, float]
"""Left, top, width and height, in pixels."""


def svg(graph: Graph) -> str:
    """Return a graph as a picture that needs nothing else to be shown."""
    boxes = _boxes(graph)
    width = max(left + wide for left, _, wide, _ in boxes.values()) + _PAD
    height = max(top + high for _, top, _, high in boxes.values()) + _PAD
    size = f'width="{width:.0f}" height="{height:.0f}" viewBox="0 0 {width:.0f} {height:.0f}"'
    head = f'<svg xmlns="http://www.w3.org/2000/svg" {size} font-family="monospace" font-size="11">'
    lines = [head, '<rect width="100%" height="100%" fill="white"/>']
    lines += [_arrow(boxes[parent], boxes[child]) for child, parent in dict.fromkeys(graph.edges)]
    lines += [_box(member, boxes[uid], uid == graph.uid) for uid, member in graph.members.items()]
    return "\n".join([*lines, "</svg>", ""])


def _boxes(graph: Graph) -> dict[str, Box]:
    """Return the position of each run."""
    found: dict[str, Box] = {}
    columns = _columns(graph)
    tallest = max(sum(_size(graph.members[uid])[1] + _GAP_Y for uid in column) for column in columns)
    left = float(_PAD)
    for column in columns:
        sizes = [_size(graph.members[uid]) for uid in column]
        top = _PAD + (tallest - sum(high + _GAP_Y for _, high in sizes)) / 2
        for uid, (wide, high) in zip(column, sizes, strict=True):
            found[uid] = (left, top, wide, high)
            top += high + _GAP_Y
        left += max(wide for wide, _ in sizes) + _GAP_X
    return found


def _columns(graph: Graph) -> list[list[str]]:
    """Return the runs of each step, each near its neighbours, so that few lines cross."""
    steps: dict[int, list[str]] = defaultdict(list)
    for uid, member in graph.members.items():
        steps[member.depth].append(uid)
    columns = [steps[depth] for depth in sorted(steps)]
    near = defaultdict(list)
    for child, parent in graph.edges:
        near[child].append(parent)
        near[parent].append(child)
    for _ in range(_SWEEPS):
        place = {uid: (number + 0.5) / len(column) for column in columns for number, uid in enumerate(column)}
        for column in columns:
            column.sort(key=lambda uid: sum(place[each] for each in near[uid]) / len(near[uid]) if near[uid] else 0.5)
    return columns


def _size(member: Member) -> tuple[float, float]:
    words = _words(member)
    return max(map(len, words)) * _LETTER + 2 * _PAD, len(words) * _LINE + _PAD


def _words(member: Member) -> list[str]:
    return [word if len(word) <= _LONGEST else f"{word[: _LONGEST - 1]}…" for word in member.words]


def _arrow(parent: Box, child: Box) -> str:
    x0, y0 = parent[0] + parent[2], parent[1] + parent[3] / 2
    x1, y1 = child[0], child[1] + child[3] / 2
    bend = _GAP_X / 2
    path = f"M{x0:.1f},{y0:.1f} C{x0 + bend:.1f},{y0:.1f} {x1 - bend:.1f},{y1:.1f} {x1 - 5:.1f},{y1:.1f}"
    head = f"M{x1:.1f},{y1:.1f} l-6,-3 v6 z"
    return f'<path d="{path}" fill="none" stroke="#888"/><path d="{head}" fill="#888"/>'


def _box(member: Member, box: Box, is_middle: bool) -> str:
    left, top, wide, high = box
    colour = "#c00" if member.is_retracted else "#333"
    dashed = ' stroke-dasharray="4"' if member.record is None else ""
    place = f'x="{left:.1f}" y="{top:.1f}" width="{wide:.1f}" height="{high:.1f}" rx="4"'
    fill, thick = ("#eef4ff", 2) if is_middle else ("#fff", 1)
    rect = f'<rect {place} fill="{fill}" stroke="{colour}" stroke-width="{thick}"{dashed}/>'
    rows = "".join(
        f'<text x="{left + _PAD:.1f}" y="{top + (number + 1) * _LINE:.1f}" fill="{colour}">{_escaped(word)}</text>'
        for number, word in enumerate(_words(member))
    )
    return f"<g><title>{_escaped(member.uid)}: {_escaped(member.label)}</title>{rect}{rows}</g>"


def _escaped(words: str) -> str:
    """Return text as XML can hold it."""
    return html.escape("".join(letter if letter.isprintable() else "\N{REPLACEMENT CHARACTER}" for letter in words))
