"""The documents of a foreign run that were damaged in its file: refused by an error of ours, by every way to them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import h5py
import pytest

from analysis_store import AnalysisStore, Policy
from analysis_store.errors import DamagedFileError
from tests.fuzz.run_files import foreign

DAMAGES: dict[str, Callable[[bytes], bytes]] = {
    "cut short": lambda text: text[:40],
    "no list": lambda text: b"7",
    "a list of three": lambda text: b'["event", {}, 1]',
    "no document": lambda text: b'["event", 7]',
    "an event without a descriptor": lambda text: b'["event", {"uid": "e"}]',
    "an event of no descriptor": lambda text: text.replace(b'"descriptor":"d"', b'"descriptor":"x"'),
    "no text": lambda text: b"\xff\xfe",
}


@pytest.mark.parametrize("damage", DAMAGES.values(), ids=DAMAGES)
def test_a_document_that_is_none(tmp_path: Path, damage: Callable[[bytes], bytes]) -> None:
    """Neither documents nor data are given out, and verify says so; the store goes on."""
    with AnalysisStore(tmp_path / "store", policy=Policy(require_inputs=False, require_code=False)) as store:
        path = foreign(store, tmp_path)
        path.chmod(0o644)
        with h5py.File(path, "r+") as file:
            journal = file["entry/documents/journal"]
            journal[2] = damage(journal[2])
        run = store["foreign"]
        with pytest.raises(DamagedFileError):
            list(run.documents())
        with pytest.raises(DamagedFileError):
            run.read()
        assert not run.verify()
        assert not store.check(quick=True)
