"""Recorded values that are in the run file before the run is written: they are only linked to their place."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from typing import TYPE_CHECKING, Any

from h5py import h5a, h5d, h5g, h5o

from analysis_store.core.lazy import Through
from analysis_store.hdf5.columns import Stored, chunk_of
from analysis_store.hdf5.encoding import name_of
from analysis_store.hdf5.making import UTF8_LINK, set_attrs
from analysis_store.layout import DTYPE, FORM, UNITS

if TYPE_CHECKING:
    from analysis_store.core.lazy import Index
    from analysis_store.runs.read.lazy import LazyArray

_READ = 4 << 20


class InPlace(Through):
    """The values of a column that the file holds already, read on access.

    Parameters
    ----------
    values : LazyArray
        The values, as they were before the run is written.
        The first is read beforehand: while the run is written its plot is chosen by it.
    path : str
        Absolute path of the dataset or group in the file, at the time at which the run is written.
    """

    def __init__(self, values: LazyArray, path: str) -> None:
        super().__init__(values)
        self._path = path
        self._digest = values.digest()
        self._first = values[0]

    def __getitem__(self, key: Index) -> Any:
        return self._first if type(key) is int and key == 0 else self._source[key]

    def __iter__(self) -> Iterator[Any]:
        return iter(self._source)

    def link(
        self, group: h5g.GroupID, name: str, _: object, *, compression: object, attrs: Mapping[str, object]
    ) -> Stored:
        """Link the values into a group of the same file, without a copy and without compression."""
        made = h5o.open(group, self._path.encode())
        is_time = self.dtype.kind in "mM"  # these integers have the declared unit, even if another was given
        _strip(made, {DTYPE, FORM, UNITS} if is_time else {DTYPE, FORM})
        for member in made if isinstance(made, h5g.GroupID) else ():
            _strip(h5o.open(made, member), {DTYPE})
        own = {"NX_class": "NXcollection"} if isinstance(made, h5g.GroupID) else {}
        set_attrs(made, {**own, **{name: value for name, value in attrs.items() if not (is_time and name == UNITS)}})
        h5o.link(made, group, name.encode(), UTF8_LINK)
        return Stored(self._digest, self._chunk(made), name_of(self.dtype), self.shape)

    def _chunk(self, made: h5d.DatasetID | h5g.GroupID) -> list[int]:
        if isinstance(made, h5g.GroupID):
            return [1]
        return list(chunk_of(self.shape, max(1, self.dtype.itemsize), _READ))


def _strip(made: h5d.DatasetID | h5g.GroupID, kept: Collection[str]) -> None:
    """Remove the attributes that only a live file has."""
    names = [h5a.open(made, index=index).name for index in range(h5a.get_num_attrs(made))]
    for name in names:
        if name.decode() not in kept:
            h5a.delete(made, name)
