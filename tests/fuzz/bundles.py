"""Mutated bundles: whatever stays of one is whole runs that verify."""

from __future__ import annotations

import io
import json
import random
import shutil
import zipfile
from contextlib import suppress
from pathlib import Path

from analysis_store import AnalysisStore
from analysis_store.errors import AnalysisStoreError
from tests.faults.on_disk import ORIGIN, listing, result
from tests.fuzz.mutation import bent, twisted
from tests.fuzz.trial import Attempt


def target(folder: Path) -> Attempt:
    """Make a bundle of three runs with a note."""
    with AnalysisStore(folder / "source") as store:
        first = store.insert(result(), {"sample_name": "Fe"}, provenance=ORIGIN)
        last = store.insert(result(1, 2000), {"parent_uids": [first.uid]})
        store.annotate(last.uid, {"quality": "good"})
        store.dump(last, folder / "bundle.zip")
    whole = (folder / "bundle.zip").read_bytes()

    def attempt(chance: random.Random) -> None:
        place, bundle = folder / "target", folder / "bent.zip"
        bundle.write_bytes(bent(whole, chance) if chance.random() < 0.4 else repacked(whole, chance))
        with AnalysisStore(place) as store:
            before = listing(place)
            with suppress(AnalysisStoreError):
                store.load(bundle)
            if listing(place) == before:
                return
            for run in store:  # a load that fails half-way keeps the whole runs that were taken before
                assert run.verify(), run.verify()
            assert store.check(), store.check()
        shutil.rmtree(place)

    return attempt


def repacked(whole: bytes, chance: random.Random) -> bytes:
    """Return a bundle that is a good zip file, and one member of which says something else."""
    out = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(whole)) as old, zipfile.ZipFile(out, "w") as new:
        names = old.namelist()
        victim = chance.choice(names)
        for name in names:
            content = old.read(name)
            if name == victim:
                if chance.random() < 0.1:
                    continue
                content = changed(name, content, chance)
            new.writestr(name if name != victim or chance.random() < 0.95 else f"../{name}", content)
    return out.getvalue()


def changed(name: str, content: bytes, chance: random.Random) -> bytes:
    """Return the content of a member, changed in its words where it has some."""
    if name.endswith(".json") and chance.random() < 0.8:
        return json.dumps(twisted(json.loads(content), chance)).encode("utf-8", "surrogatepass")
    return bent(content, chance)
