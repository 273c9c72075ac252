"""Runs as YAML: the tree of the JSON format for people to read, written column by column.

Safe in both directions: writes no tags, and reads only tags of plain values.
"""

from __future__ import annotations

import re
import textwrap
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, BinaryIO

import numpy as np
import yaml

from analysis_store.errors import DamagedFileError, ExportError
from analysis_store.exchange.skeleton import MARK, VERSION, check_held, export_of, metadata_tree, stream_parts

if TYPE_CHECKING:
    from analysis_store.exchange.arrays import Tree
    from analysis_store.exchange.content import Export
    from analysis_store.exchange.registry import Options
    from analysis_store.exchange.tree import Missing
    from analysis_store.runs.read.run import Run

_DEEPEST = 500
_WIDEST = 2**31 - 1
"""No line is folded, since a column is indented as a whole."""

_PLAIN = re.compile(r"[A-Za-z_$][\w$./-]+( [\w$./-]+)*", re.ASCII)
"""Text that every YAML reader takes for text; the resolver excludes ``null``, ``yes`` and the like."""

_Loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


class _Dumper(getattr(yaml, "CSafeDumper", yaml.SafeDumper)):  # type: ignore[misc]
    """Quotes text that another version of YAML would take for a number or a time; never writes anchors."""

    def ignore_aliases(self, data: Any) -> bool:
        return True


def _quoted(dumper: Any, text: str) -> Any:
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style=None if _PLAIN.fullmatch(text) else '"')


_Dumper.add_representer(str, _quoted)


def write(run: Run, file: BinaryIO, options: Options) -> None:
    """Write a run; at most one column is in memory."""
    file.writelines(textwrap.indent(_opened(tree), "  " * depth).encode() for depth, tree in _pieces(run, options))
    file.write(b"...\n")


def read(file: BinaryIO, missing: Missing = "error") -> Export:
    """Return the contents of a file.

    Raises
    ------
    DamagedFileError
        The file is not YAML, is not an export, or has aliases: exports have none, and they can make little text large.
    """
    check_held(file)
    text = file.read()
    try:
        _check(text, file.name)
        whole = yaml.load(text, _Loader)  # noqa: S506 - it is the safe one
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise DamagedFileError(f"{file.name} is not a YAML export: {error}. Restore it, or export again.") from error
    return export_of(whole, file.name, missing)


def _pieces(run: Run, options: Options) -> Iterator[tuple[int, Tree]]:
    """Yield mappings with their depth of indentation; only the name of a mapping whose items follow."""
    yield 0, {MARK: VERSION, "metadata": metadata_tree(run)}
    number = -1
    for number, stream in enumerate(stream_parts(run, options)):
        if number == 0:
            yield 0, "streams"
        yield 1, stream.name
        yield 2, {"time": stream.time, "seq_num": stream.seq_num}
        count = -1
        for count, column in enumerate(stream.columns):
            if count == 0:
                yield 2, "data"
            yield 3, {column.key: {"units": column.units, "dims": column.dims, "values": column.values}}
        if count < 0:
            yield 2, {"data": {}}
    if number < 0:
        yield 0, {"streams": {}}


def _opened(tree: Tree) -> str:
    if isinstance(tree, dict):
        return dumps(tree)
    return dumps({tree: None}, flow=False).removesuffix("null\n").rstrip() + "\n"


def dumps(tree: Tree, flow: bool | None = None) -> str:
    """Return the text of a tree; by default, only values without lists and mappings are on one line.

    Raises
    ------
    ExportError
        The tree is nested too deep.
    """
    try:
        text: str = yaml.dump(
            _listed(tree), Dumper=_Dumper, allow_unicode=True, sort_keys=False, width=_WIDEST,
            default_flow_style=flow,
        )  # fmt: skip
    except RecursionError as error:
        raise ExportError("the run is nested too deep for YAML. Export it as hdf5.") from error
    return text


def _listed(tree: Tree) -> Tree:
    """Return a tree with lists in place of arrays."""
    if isinstance(tree, dict):
        return {key: _listed(item) for key, item in tree.items()}
    if isinstance(tree, list):
        return [_listed(item) for item in tree]
    if not isinstance(tree, np.ndarray):
        return tree
    if tree.dtype.kind == "f" and not np.isfinite(tree).all():
        told = tree.astype(object)
        told[~np.isfinite(tree)] = None
        return told.tolist()
    return tree.tolist()


def _check(text: bytes, name: str) -> None:
    """Raise for text that is cut short or could take much memory or stack, before it is parsed."""
    depth, ended = 0, False
    for event in yaml.parse(text, _Loader):
        if isinstance(event, yaml.AliasEvent):
            raise DamagedFileError(
                f"{name} has an alias, {event.anchor!r}; exports do not. The file was changed; restore it."
            )
        ended = (isinstance(event, yaml.DocumentEndEvent) and event.explicit) or ended
        if isinstance(event, (yaml.CollectionStartEvent, yaml.CollectionEndEvent)):
            depth += 1 if isinstance(event, yaml.CollectionStartEvent) else -1
        if depth > _DEEPEST:
            raise DamagedFileError(f"{name} is nested more than {_DEEPEST} deep; exports are not. Restore it.")
    if not ended:
        raise DamagedFileError(f"{name} is not an export, or is cut short: it does not end in '...'. Restore it.")
