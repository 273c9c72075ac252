"""Writer of columns of objects: a group with one member per event, each written by codecs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from analysis_store.codecs.digest import digest_nodes
from analysis_store.codecs.encode import encode
from analysis_store.codecs.graph import Graph
from analysis_store.codecs.many import Objects
from analysis_store.codecs.write import put
from analysis_store.hdf5.columns import Stored
from analysis_store.hdf5.making import create_group, open_group
from analysis_store.layout import FORM, OBJECT_COUNT, OBJECT_FORM, OBJECT_ROWS, OBJECT_SPEC, item_name
from analysis_store.writers.growing import GrowingWriter

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from h5py import h5g

    from analysis_store.hdf5.blocks import Compression


def write_objects(
    group: h5g.GroupID,
    name: str,
    values: Sequence[object],
    *,
    compression: Compression = "auto",
    attrs: Mapping[str, object] | None = None,
) -> Stored:
    """Write a column of objects as one group.

    Parameters
    ----------
    group : h5py.h5g.GroupID or h5py.h5f.FileID
        Parent of the group.
    name : str
        Name of the group, without ``/``.
    values : Objects or sequence of object
        One object per event, each of any type.
    compression : "auto", None or a filter of hdf5plugin
        Filter for the arrays in the objects, as in `analysis_store.codecs.dump`.
    attrs : mapping, optional
        Attributes of the group.

    Raises
    ------
    InvalidDataError
        An object cannot be stored; ``index`` is its event, the message contains its path.
    """
    objects = values if isinstance(values, Objects) else Objects(values)
    nodes = objects.nodes()
    made = create_group(group, name, {**_attrs(attrs), OBJECT_ROWS: objects.rows, OBJECT_COUNT: len(objects)})
    for index, node in enumerate(nodes):
        put(node, made, item_name(index), compression)
    return Stored(digest_nodes(nodes), [objects.rows], "|O8", (len(objects),))


def _attrs(attrs: Mapping[str, Any] | None) -> dict[str, Any]:
    return {"NX_class": "NXcollection", **(attrs or {}), FORM: OBJECT_FORM}


class ObjectWriter(GrowingWriter):
    """Writes objects of any type that a codec knows, one event's object at a time, into one group.

    Parameters
    ----------
    path : str
        The HDF5 file; created if needed.
    dataset : str
        Absolute path of the group in it.
    chunk_shape : sequence of int, optional
        As in its handler; not needed here.
    swmr : bool
        True if others may read the file while it is written.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> with tempfile.TemporaryDirectory() as folder, ObjectWriter(Path(folder) / "run.h5", "/entry/fit") as writer:
    ...     writer({"fit": {"center": 7112.0, "window": (-20, 30)}})
    {'fit': {'point_number': 0}}
    """

    spec: ClassVar[str] = OBJECT_SPEC

    def _append(self, group: h5g.GroupID, name: str, value: Any) -> int:
        node = encode(Graph(value))
        made = open_group(group, name) or create_group(group, name, _attrs(None))
        number = made.get_num_objs()
        put(node, made, item_name(number))
        return int(number)
