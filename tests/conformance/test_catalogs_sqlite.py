"""The catalog in SQLite keeps the contract of catalogs."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from pathlib import Path

import pytest

from analysis_store.catalogs import open_catalog
from analysis_store.catalogs.base import Catalog
from analysis_store.testing.catalogs import CatalogTests


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
