"""A value as the file will have it: a tree of datasets and groups, each with a form and the types laid over it.

What a node is, is said by its label, the attribute `LABEL` of its group or dataset: the names of the types laid over
the plain form, outermost first, and the form: ``"collections.OrderedDict@1 of record"``, ``"list of float"``.
`docs/reference/codecs` describes every form.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from analysis_store.errors import DamagedFileError

LABEL = "codec"
"""The attribute that says what a group or dataset is."""

VERSION_ATTRIBUTE = "analysis_store_codec"
"""The attribute of the outermost object: the version of these forms."""

VERSION = "2"
READ = frozenset({None, "1", VERSION})
"""The versions that are read. In the first, names were stored as they are, and what has a number had it as its name."""

LIST = "list"
"""The layer that makes one list of a column."""

FORTRAN = "fortran"
"""The layer of an array that lay in memory with its first axis fastest."""

DATASETS = frozenset({"none", "bool", "int", "float", "complex", "text", "bytes", "array", "ref"})
GROUPS = frozenset({"record", "map", "lists", "union", "items", "graph", "runs"})
NUMBERED = frozenset({"items", "union"})
"""Groups whose members have numbers, in the order of the values."""

_OF = " of "


@dataclass(slots=True)
class Node:
    """One dataset or group."""

    form: str
    """One of `DATASETS` or `GROUPS`."""

    values: Any = None
    """Of a dataset: an array; text is a str or a list of str."""

    members: dict[str, Node] = field(default_factory=dict)
    """Of a group, in order."""

    layers: tuple[str, ...] = ()
    """What is laid over the form, outermost first: ``name@version`` of codecs, `LIST`, `FORTRAN`."""

    told: bool = True
    """Whether the file says what the node is; offsets and the like are known from the group they are in."""

    def under(self, layer: str) -> Node:
        """Return the node with one more layer over it."""
        return Node(self.form, self.values, self.members, (layer, *self.layers))

    @property
    def label(self) -> str:
        """What the file says of it."""
        return _OF.join((*self.layers, self.form))


def raw(values: object) -> Node:
    """Return the node of a helper array."""
    return Node("array", values, told=False)


def parse_label(label: str) -> tuple[tuple[str, ...], str]:
    """Return the layers and the form of a label.

    Raises
    ------
    DamagedFileError
        It names no form.
    """
    *layers, form = label.split(_OF)
    if form not in DATASETS and form not in GROUPS:
        raise DamagedFileError(f"{form[:60]!r} came as the form of a value; the file was changed, or is newer.")
    return tuple(layers), form


def codec_layer(name: str, version: int) -> str:
    """Return the layer of a codec."""
    return f"{name}@{version}"


def parse_layer(layer: str) -> tuple[str, int]:
    """Return name and version of the codec of a layer.

    Raises
    ------
    DamagedFileError
        It is none.
    """
    name, _, version = layer.rpartition("@")
    if not name or not (version.isascii() and version.isdigit()) or len(version) > 9:
        raise DamagedFileError(f"{layer[:60]!r} came as a type; expected name@version. The file was changed.")
    return name, int(version)
