"""Bundles into a store whose catalog is in MongoDB, and back."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.conformance.test_catalogs_mongo import server, uri  # noqa: F401 - fixtures
from tests.conformance.there_and_back import go_there_and_back


@pytest.mark.filterwarnings("ignore::analysis_store.errors.RetractedWarning")  # that it comes is tested elsewhere
def test_there_and_back(tmp_path: Path, uri: str) -> None:  # noqa: F811 - the fixture
    """Runs, links and notes are the same."""
    go_there_and_back(tmp_path, uri)
