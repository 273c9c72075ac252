"""A graph of lineage written down: as trees of text, for Graphviz and for Mermaid."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from analysis_store.trust.lineage.graph import Graph

_SPECIAL = re.compile(r"(?!(?<=\d):\d)[^\w .,/+()-]")
"""Characters that a word for Mermaid must not have: a colon does not begin a time, but an icon or a style."""


def text(graph: Graph) -> str:
    """Return two trees: the ancestors and the descendants of a run."""
    lines = [graph.members[graph.uid].label]
    for title, near in (("came from", graph.parents), ("led to", graph.children)):
        if near.get(graph.uid):
            lines += [title, *_tree(graph, near)]
    return "\n".join(_visible(line) for line in lines)


def _tree(graph: Graph, near: Mapping[str, Sequence[str]]) -> Iterator[str]:
    """Yield a line for each run that is reached, without recursion: a chain may be as long as it likes."""
    drawn = {graph.uid}
    waiting = _branches(graph.uid, near, "")
    while waiting:
        uid, before, branch, beyond = waiting.pop()
        again = uid in drawn and bool(near.get(uid))
        yield f"{before}{branch} {graph.members[uid].label}{'  (see above)' if again else ''}"
        if uid not in drawn:
            waiting += _branches(uid, near, before + beyond)
        drawn.add(uid)


def _branches(uid: str, near: Mapping[str, Sequence[str]], before: str) -> list[tuple[str, str, str, str]]:
    """Return the branches at a run, the last one first: they are taken from the end."""
    uids = list(dict.fromkeys(near.get(uid, ())))
    shapes = [("├─", "│  ")] * (len(uids) - 1) + [("└─", "   ")]
    return [
        (each, before, branch, beyond) for each, (branch, beyond) in reversed(list(zip(uids, shapes, strict=False)))
    ]


def _visible(line: str) -> str:
    """Return a line without characters that move the cursor of a terminal."""
    return "".join(letter if letter.isprintable() else "\N{REPLACEMENT CHARACTER}" for letter in line)


def dot(graph: Graph) -> str:
    """Return the graph for Graphviz; arrows go from a run to its children."""
    lines = ["digraph lineage {", "  rankdir=LR;", '  node [shape=box, style=rounded, fontname="sans-serif"];']
    for uid, member in graph.members.items():
        looks = [f"label={_quoted(chr(10).join(map(_visible, member.words)))}"]
        looks += ["penwidth=2"] if uid == graph.uid else []
        looks += ["color=red"] if member.is_retracted else []
        looks += ['style="rounded,dashed"'] if member.record is None else []
        lines.append(f"  {_name(uid)} [{', '.join(looks)}];")
    lines += [f"  {_name(parent)} -> {_name(child)};" for child, parent in dict.fromkeys(graph.edges)]
    return "\n".join([*lines, "}", ""])


def _name(uid: str) -> str:
    """Return a uid as the name of a node; characters that XML cannot hold are escaped."""
    return _quoted("".join(letter if letter.isprintable() else ascii(letter)[1:-1] for letter in uid))


def _quoted(words: str) -> str:
    """Return words in quotes; Graphviz interprets entities, in names as well."""
    escaped = words.replace("&", "&amp;").replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    return f'"{escaped}"'


def mermaid(graph: Graph) -> str:
    """Return the graph as a flowchart of Mermaid; arrows go from a run to its children."""
    names = {uid: f"r{number}" for number, uid in enumerate(graph.members)}
    lines = ["flowchart LR"]
    for uid, member in graph.members.items():
        words = "<br/>".join(_escaped(word) for word in member.words)
        lines.append(f'  {names[uid]}["{words}"]')
    lines += [f"  {names[parent]} --> {names[child]}" for child, parent in dict.fromkeys(graph.edges)]
    lines.append(f"  style {names[graph.uid]} stroke-width:3px")
    for uid, member in graph.members.items():
        if member.is_retracted:
            lines.append(f"  style {names[uid]} stroke:red")
        elif member.record is None:
            lines.append(f"  style {names[uid]} stroke-dasharray:4")
    return "\n".join([*lines, ""])


def _escaped(word: str) -> str:
    """Return a word in which nothing is special to Mermaid: all but letters and the like is an entity, of a number."""
    return _SPECIAL.sub(lambda found: f"#{ord(found[0])};", _visible(word))
