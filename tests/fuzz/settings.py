"""Mutated settings: the store opens with them, or says what is wrong."""

from __future__ import annotations

import random
from pathlib import Path

from analysis_store import AnalysisStore
from analysis_store.errors import AnalysisStoreError
from tests.faults.on_disk import ORIGIN, result
from tests.fuzz.mutation import bent
from tests.fuzz.trial import Attempt

WORDS = (
    *("true", "false", "0", "-1", "1e999", "nan", '""', '"x"', "[]", "{}", "[1, 'a']", "{ a = 1 }", "2026-01-01"),
    *('"../.."', '"/"', '"/dev/null"', '"' + "x" * 5000 + '"', "[[]]", "1.5", str(10**30), '"refuse"', '"diff"', '"2"'),
)  # fmt: skip


def target(folder: Path) -> Attempt:
    """Make a store whose settings say something in every table."""
    place = folder / "store"
    with AnalysisStore(place) as store:
        store.insert(result(), {}, provenance=ORIGIN)
    file = place / "analysis_store.toml"
    more = '\n[code]\nname = "notebooks"\nurl = "https://example.org/notebooks"\n'
    text = file.read_text(encoding="utf-8") + more

    def attempt(chance: random.Random) -> None:
        file.write_bytes(bent(text.encode(), chance) if chance.random() < 0.5 else reworded(text, chance).encode())
        try:
            with AnalysisStore(place) as store:
                assert repr(store)
                assert [run.verify() for run in store]
                store.insert(result(), {}, provenance=ORIGIN)
        except AnalysisStoreError:
            return

    return attempt


def reworded(text: str, chance: random.Random) -> str:
    """Return settings with another value, another key or another table."""
    lines = text.splitlines()
    at = chance.randrange(len(lines))
    key, sign, _ = lines[at].partition("=")
    match chance.randrange(4):
        case 0 | 1 if sign:
            lines[at] = f"{key}= {chance.choice(WORDS)}"
        case 2:
            lines.insert(at, chance.choice((*lines, "surplus = 1", "[surplus]", "a.b = 1")))
        case _:
            del lines[at]
    return "\n".join(lines)
