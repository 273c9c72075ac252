"""Mutated pages of the catalog: an answer is right, or check finds what is wrong; and reindex gives all runs back."""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

from analysis_store import AnalysisStore
from analysis_store.catalogs.query.query import Query
from analysis_store.errors import AnalysisStoreError
from analysis_store.trust import reindex
from tests.faults.on_disk import ORIGIN, result
from tests.fuzz.mutation import bent
from tests.fuzz.trial import Attempt

REINDEXED = 0.1
"""How often the catalog is made from the files again; that takes longer than all the rest."""


def target(folder: Path) -> Attempt:
    """Make a store of a dozen runs with notes."""
    place = folder / "store"
    with AnalysisStore(place) as store:
        uids: list[str] = []
        for number in range(12):
            md = {"scan_id": number, "sample_name": f"S{number % 3}", "parent_uids": uids[-1:]}
            uids.append(store.insert(result(number), md, provenance=ORIGIN).uid)
        store.annotate(uids[0], {"quality": "good"})
        asked = questions(uids)
        truth = [ask(store) for ask in asked]
    whole, kept = (place / "catalog.sqlite").read_bytes(), set(place.rglob("*"))

    def attempt(chance: random.Random) -> None:
        cleared()
        (place / "catalog.sqlite").write_bytes(bent(whole, chance))
        with suppress(AnalysisStoreError), AnalysisStore(place) as store:
            told = [answer(ask, store) for ask in asked]
            wrong = [pair for pair in zip(told, truth, strict=True) if pair[0] not in (None, pair[1])]
            assert not (wrong and well(store)), wrong
            with suppress(AnalysisStoreError):
                store.insert(result(), {}, provenance=ORIGIN)
        if chance.random() < REINDEXED:
            scratch = chance.random() < 0.5
            reindex(place, scratch=scratch, everything=not scratch)
            with AnalysisStore(place) as store:
                for run in store:
                    if run.uid not in uids:
                        store.delete(run.uid, "saved into a damaged catalog", dry_run=False)
                assert [answer(ask, store) for ask in asked] == truth or not (scratch or well(store))

    def cleared() -> None:
        for path in sorted(set(place.rglob("*")) - kept, reverse=True):
            path.rmdir() if path.is_dir() else path.unlink()

    return attempt


def described(run: Any) -> str:
    """Return what a run is, as text: NaN is NaN there."""
    return json.dumps([run.uid, run.start, run.stop, run.parents, run.read()["x"].values.tolist()])


def questions(uids: list[str]) -> list[Callable[[AnalysisStore], Any]]:
    """Return what a person asks."""
    first, middle, last = uids[0], uids[6], uids[-1]
    return [
        lambda store: [described(run) for run in store],
        lambda store: [described(store[-1]), described(store[3]), described(store[middle[:8]]), described(store[last])],
        lambda store: [run.uid for run in store.search(sample_name="S1")],
        lambda store: store.search(sample_name="S1").table().to_json(),
        lambda store: [run.uid for run in store.search({"scan_id": {"$gte": 4}})],
        lambda store: [run.uid for run in store.search(text="S2")[:2]],
        lambda store: [run.uid for run in store.search({"sample_name": {"$regex": "2$"}})[:10]],
        lambda store: [run.uid for run in store.search({"scan_id": {"$in": [2, 5, 7]}})],
        lambda store: [len(store), len(store.search(sample_name="S0")), repr(store)],
        lambda store: store.catalog.distinct(Query(), "sample_name"),
        lambda store: [run.uid for run in store.catalog.search(Query(), sort=[("scan_id", 1)])],
        lambda store: [[relative.uid for relative in store[last].ancestors()], store[first].children],
        lambda store: [store[first].annotations, store[last].annotations],
    ]


def answer(ask: Any, store: AnalysisStore) -> Any:
    """Return an answer; None where it is an error of ours."""
    try:
        return ask(store)
    except AnalysisStoreError:
        return None


def well(store: AnalysisStore) -> bool:
    """Tell whether nobody would notice."""
    try:
        return bool(store.check(quick=True))
    except AnalysisStoreError:
        return False
