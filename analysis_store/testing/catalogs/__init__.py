"""The suite that proves a catalog: subclass `CatalogTests` and give it a fixture or two."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from analysis_store.catalogs.base import Catalog, Note
from analysis_store.catalogs.query.query import Query
from analysis_store.errors import StoreClosedError
from analysis_store.testing.catalogs.cases import is_same, make_record, table
from analysis_store.testing.catalogs.index import IndexOfCatalog, Spoil
from analysis_store.testing.catalogs.kin import KinOfCatalog
from analysis_store.testing.catalogs.notes import NotesOfCatalog
from analysis_store.testing.catalogs.runs import RunsOfCatalog
from analysis_store.testing.catalogs.searches import SearchesOfCatalog

__all__ = ["CatalogTests", "is_same", "make_record"]


class CatalogTests(RunsOfCatalog, SearchesOfCatalog, IndexOfCatalog, KinOfCatalog, NotesOfCatalog):
    """Tests of every catalog.

    A subclass has three fixtures: ``catalog``, an empty `Catalog`; ``reopen``, a callable that opens one more `Catalog`
    on the same data and is responsible for closing it; and ``spoil``, which is called as ``spoil(uid, how)`` and
    falsifies what the index has of a run, past the catalog, in the ways of ``analysis_store.testing.catalogs.index``.
    """

    @pytest.fixture
    def catalog(self) -> Iterator[Catalog]:
        """Return an empty catalog."""
        raise NotImplementedError("a subclass of CatalogTests has a fixture 'catalog', an empty Catalog")

    @pytest.fixture
    def reopen(self) -> Callable[[], Catalog]:
        """Return a function that opens one more catalog on the same data."""
        raise NotImplementedError("a subclass of CatalogTests has a fixture 'reopen', which opens the same data again")

    @pytest.fixture
    def spoil(self) -> Spoil:
        """Return a function that falsifies the index entries of a run."""
        raise NotImplementedError("a subclass of CatalogTests has a fixture 'spoil', which falsifies its index")

    @pytest.fixture
    def filled(self, catalog: Catalog) -> Catalog:
        """Return a catalog that holds the `table`."""
        for record in table():
            catalog.insert(record)
        return catalog

    def test_closing(self, catalog: Catalog) -> None:
        """A catalog may be closed twice; then it says so."""
        catalog.close()
        catalog.close()
        uses: tuple[Callable[[], Any], ...] = (
            lambda: catalog.get("a"),
            lambda: catalog.insert(make_record("a")),
            lambda: catalog.count(Query()),
            lambda: catalog.results("key"),
            lambda: catalog.notes("a"),
            lambda: catalog.add_notes([Note("a", "reuse", 1.0, "ann")]),
            lambda: catalog.insert_many([make_record("a")]),
            lambda: catalog.remove("a"),
            lambda: catalog.replace([make_record("a")]),
            catalog.check_index,
            lambda: catalog.mend_index(["a"]),
            lambda: catalog.known(["a"]),
            lambda: catalog.ancestors("a"),
            lambda: catalog.descendants("a"),
            lambda: list(catalog.paths()),
            lambda: list(catalog.edges()),
            lambda: list(catalog.all_notes()),
        )
        for use in uses:
            with pytest.raises(StoreClosedError, match="closed"):
                use()

    def test_info(self, catalog: Catalog) -> None:
        """A person learns what kind of catalog it is."""
        assert catalog.info()["kind"]
