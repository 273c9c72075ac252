"""A recording that stays in Redis does what every datastore promises."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from analysis_store.recorder import RedisDataStore
from analysis_store.testing import DataStoreTests


class TestRedis(DataStoreTests):
    """A real server, and no collector."""

    @pytest.fixture(autouse=True)
    def _server(self, redis_server) -> None:
        self.url = redis_server.url

    def make(self, path: Path) -> RedisDataStore:
        """Return one that writes; a file says to other processes where."""
        if not (path / "where").exists():
            (path / "where").write_text(f"{self.url} {uuid4().hex}")
        return self.reopen(path)

    def reopen(self, path: Path) -> Any:
        """Return another one of the same recording."""
        if not (path / "where").exists():
            return None
        url, name = (path / "where").read_text().split()
        return RedisDataStore(url, name, maxlen=None)
