"""The conformance suite of datastores: subclass it for a place of one's own where recorded values are kept."""

from __future__ import annotations

from analysis_store.testing.datastores.keys import KeysOfDataStore
from analysis_store.testing.datastores.others import OthersAtDataStore
from analysis_store.testing.datastores.reading import ReadingOfDataStore
from analysis_store.testing.datastores.values import ValuesOfDataStore

__all__ = ["DataStoreTests"]


class DataStoreTests(ValuesOfDataStore, KeysOfDataStore, ReadingOfDataStore, OthersAtDataStore):
    """What every datastore has to do. A subclass makes one, and opens it again where what is in it outlives it.

    The module of the subclass is imported by another process, too, if `visible_within` is not None.

    Examples
    --------
    >>> class TestMine(DataStoreTests):
    ...     def make(self, path):
    ...         return MyDataStore(path / "mine")
    ...
    ...     def reopen(self, path):
    ...         return MyDataStore(path / "mine", mode="r")
    """
