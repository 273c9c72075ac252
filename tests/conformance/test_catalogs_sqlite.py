"""The catalog in SQLite keeps the contract of catalogs."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from functools import partial
from pathlib import Path

import pytest

from analysis_store.catalogs import open_catalog
from analysis_store.catalogs.base import Catalog
from analysis_store.testing.catalogs import CatalogTests
from analysis_store.testing.catalogs.index import Spoil
from tests.conformance.spoiling import spoil_sql


class TestSqlite(CatalogTests):
    """Every test of the public suite."""

    @pytest.fixture
    def reopen(self, tmp_path: Path) -> Iterator[Callable[[], Catalog]]:
        """Open the same file once more."""
        with ExitStack() as stack:
            yield lambda: stack.enter_context(closing(open_catalog(f"sqlite:///{tmp_path}/catalog.sqlite")))

    @pytest.fixture
    def catalog(self, reopen: Callable[[], Catalog]) -> Catalog:
        """Make a new file."""
        return reopen()

    @pytest.fixture
    def spoil(self, tmp_path: Path) -> Spoil:
        """Falsify the index as another program does."""
        return partial(spoil_sql, f"sqlite:///{tmp_path}/catalog.sqlite")
