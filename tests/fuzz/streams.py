"""Mutated streams of documents into the callback: refused by an error of ours, or kept exactly as they were sent."""

from __future__ import annotations

import copy
import random
import shutil
from pathlib import Path
from typing import Any

import numpy as np

from analysis_store import AnalysisStore, Policy, analysis_documents
from analysis_store.errors import AnalysisStoreError
from tests.faults.on_disk import ORIGIN
from tests.fuzz.mutation import twisted
from tests.fuzz.trial import Attempt

Documents = list[tuple[str, dict[str, Any]]]
KEPT = 200
"""Runs after which a new store is made: the older ones are verified each time."""


def target(folder: Path) -> Attempt:
    """Make the documents of a run with two streams, inline and external data."""
    event = {"primary": {"x": 1.5, "image": np.arange(64.0)}, "baseline": {"motor": 3}}
    sent: Documents = list(analysis_documents([event, event], {}, provenance=ORIGIN, root=folder / "files"))
    place = folder / "store"
    numbers = iter(range(10**9))

    def attempt(chance: random.Random) -> None:
        number = next(numbers)
        if number % KEPT == 0:
            shutil.rmtree(place, ignore_errors=True)
        documents = shaken(anew(sent, number), chance)
        with AnalysisStore(place, policy=Policy(require_inputs=False, require_code=False)) as store:
            refused = fed(store, documents)
        with AnalysisStore(place) as store:
            for run in store:
                if run.uid.endswith(f"-{number}"):
                    look(run, documents, refused=refused)

    return attempt


def anew(sent: Documents, number: int) -> Documents:
    """Return the documents of another run: uids differ in their ends."""

    def other(value: Any) -> Any:
        if isinstance(value, dict):
            return {key: f"{found}-{number}" if key in UIDS else other(found) for key, found in value.items()}
        return value

    return [(name, other(copy.deepcopy(document))) for name, document in sent]


UIDS = ("uid", "run_start", "descriptor")


def shaken(documents: Documents, chance: random.Random) -> Documents:
    """Return a stream in which a document is changed, lost, doubled, moved or misnamed."""
    at = chance.randrange(len(documents))
    name, document = documents[at]
    match chance.randrange(8):
        case 0:
            del documents[at]
        case 1:
            documents.insert(chance.randrange(len(documents)), (name, copy.deepcopy(document)))
        case 2:
            documents.insert(chance.randrange(len(documents)), documents.pop(at))
        case 3:
            documents[at] = (chance.choice([each for each, _ in documents] + ["bulk_events", "", "x"]), document)
        case _:
            documents[at] = (name, twisted(document, chance))
    return documents


def fed(store: AnalysisStore, documents: Documents) -> bool:
    """Give the store the documents; tell whether it refused one."""
    refused = False
    for name, document in documents:
        try:
            store(name, copy.deepcopy(document))
        except AnalysisStoreError:
            refused = True
    return refused


def look(run: Any, documents: Documents, *, refused: bool) -> None:
    """Assert that a run verifies, and that nothing is in it that was not sent."""
    found = list(run.documents())
    if not refused and documents[-1][0] == "stop":
        told = [(name, document) for name, document in documents if name in {"start", "stop"}]
        assert repr([pair for pair in found if pair[0] in {"start", "stop"}]) == repr(told)  # NaN is NaN
