"""A value in the form for the file: a tree of datasets and groups, each with a form and its types.

The label of a node, the attribute `LABEL` of its group or dataset, describes it: the names of the types over
the plain form, outermost first, and the form: ``"collections.OrderedDict@1 of record"``, ``"list of float"``.
`docs/reference/codecs` describes every form.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from analysis_store.errors import DamagedFileError

LABEL = "codec"
"""Attribute that describes a group or dataset."""

VERSION_ATTRIBUTE = "analysis_store_codec"
"""Attribute of the outermost object: the version of these forms."""

VERSION = "2"
READ = frozenset({None, "1", VERSION})
"""Versions that can be read. The first stored names unchanged, and used the number of a numbered member as its name."""

LIST = "list"
"""Layer that makes one list of a column."""

FORTRAN = "fortran"
"""Layer of an array that was in Fortran order in memory."""

DATASETS = frozenset({"none", "bool", "int", "float", "complex", "text", "bytes", "array", "ref"})
GROUPS = frozenset({"record", "map", "lists", "union", "items", "graph", "runs"})
NUMBERED = frozenset({"items", "union"})
"""Groups with numbered members, in the order of the values."""

_OF = " of "


@dataclass(slots=True)
class Node:
    """One dataset or group."""

    form: str
    """A member of `DATASETS` or `GROUPS`."""

    values: Any = None
    """Values of a dataset: an array; text is a str or a list of str."""

    members: dict[str, Node] = field(default_factory=dict)
    """Members of a group, in order."""

    layers: tuple[str, ...] = ()
    """Layers over the form, outermost first: ``name@version`` of codecs, `LIST`, `FORTRAN`."""

    told: bool = True
    """True if the file labels the node; offsets and other helper arrays are known from their group."""

    def under(self, layer: str) -> Node:
        """Return the node with one more layer."""
        return Node(self.form, self.values, self.members, (layer, *self.layers))

    @property
    def label(self) -> str:
        """Label of the node in the file."""
        return _OF.join((*self.layers, self.form))


def raw(values: object) -> Node:
    """Return the node of a helper array."""
    return Node("array", values, told=False)


def parse_label(label: str) -> tuple[tuple[str, ...], str]:
    """Return the layers and the form of a label.

    Raises
    ------
    DamagedFileError
        The label contains no valid form.
    """
    *layers, form = label.split(_OF)
    if form not in DATASETS and form not in GROUPS:
        raise DamagedFileError(f"Got {form[:60]!r} as the form of a value; the file was changed, or is newer.")
    return tuple(layers), form


def codec_layer(name: str, version: int) -> str:
    """Return the layer of a codec."""
    return f"{name}@{version}"


def parse_layer(layer: str) -> tuple[str, int]:
    """Return name and version of the codec of a layer.

    Raises
    ------
    DamagedFileError
        The layer does not name a codec.
    """
    name, _, version = layer.rpartition("@")
    if not name or not (version.isascii() and version.isdigit()) or len(version) > 9:
        raise DamagedFileError(f"Got {layer[:60]!r} as a type; expected name@version. The file was changed.")
    return name, int(version)
