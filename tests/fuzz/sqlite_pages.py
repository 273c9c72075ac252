"""Mutated pages of the catalog: every answer is an answer or an error of ours, and reindex gives all runs back."""

from __future__ import annotations

import random
import shutil
from pathlib import Path

from analysis_store import AnalysisStore
from analysis_store.errors import AnalysisStoreError
from tests.faults.on_disk import ORIGIN, result
from tests.fuzz.mutation import bent
from tests.fuzz.trial import Attempt

REINDEXED = 0.1
"""How often the catalog is made from the files again; that takes longer than all the rest."""


def target(folder: Path) -> Attempt:
    """Make a store of a dozen runs with notes."""
    place = folder / "store"
    with AnalysisStore(place) as store:
        uids = {
            store.insert(result(number), {"scan_id": number, "sample_name": f"S{number % 3}"}, provenance=ORIGIN).uid
            for number in range(12)
        }
        store.annotate(next(iter(uids)), {"quality": "good"})
    whole = (place / "catalog.sqlite").read_bytes()

    def attempt(chance: random.Random) -> None:
        for name in ("catalog.sqlite", "catalog.sqlite-wal", "catalog.sqlite-shm"):
            (place / name).unlink(missing_ok=True)
        (place / "catalog.sqlite").write_bytes(bent(whole, chance))
        try:
            with AnalysisStore(place) as store:
                for ask in asked(store):
                    try:
                        ask()
                    except AnalysisStoreError:
                        continue
        except AnalysisStoreError:
            pass
        if chance.random() < REINDEXED:
            assert rebuilt(place) == uids

    return attempt


def asked(store: AnalysisStore) -> list:
    """Return the questions of a person."""
    return [
        lambda: [run.verify() for run in store],
        lambda: store[-1].read()["x"],
        lambda: store[3],
        lambda: store.search(sample_name="S1").table(),
        lambda: list(store.search({"scan_id": {"$gte": 4}})),
        lambda: store.search(text="S2")[:2],
        lambda: repr(store),
        lambda: store.check(quick=True),
        lambda: store.insert(result(), {}, provenance=ORIGIN),
    ]


def rebuilt(place: Path) -> set[str]:
    """Return the uids of a catalog that is made from the files, as a person does whose catalog is lost."""
    copy = place.with_name("copy")
    shutil.copytree(place, copy, ignore=shutil.ignore_patterns("catalog.sqlite*"))
    try:
        with AnalysisStore(copy) as store:
            store.reindex()
            return {run.uid for run in store if "scan_id" in run.start}
    finally:
        shutil.rmtree(copy)
