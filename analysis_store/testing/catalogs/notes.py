"""Notes that are said of runs afterwards."""

from __future__ import annotations

import math
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest

from analysis_store.catalogs.base import Catalog, Note
from analysis_store.catalogs.query.query import Query
from analysis_store.errors import InvalidDocumentError
from analysis_store.testing.catalogs.cases import INJECTIONS, make_record


class NotesOfCatalog:
    """Notes are kept with the runs."""

    def test_notes(self, catalog: Catalog, reopen: Callable[[], Catalog]) -> None:
        """Notes come back exactly, oldest first, of one kind or of all; the run need not be here."""
        body = {"z": [math.nan, 2**70, None, "日本\x00\ud800"], "a": {}}
        notes = [
            Note("gone", "reuse", 2.0, "ann@bl7", body),
            Note("gone", "retracted", 1.5, "bob@bl7", {"reason": "wrong energy"}),
            Note("gone", "reuse", 1.0, "bob@bl7"),
            Note("other", "reuse", 0.0, "bob@bl7"),
        ]
        catalog.add_notes(iter(notes[:3]))
        catalog.add_notes(notes[3:], durable=False)
        catalog.add_notes([])
        for found in (catalog, reopen()):
            assert repr(found.notes("gone")) == repr([notes[2], notes[1], notes[0]])
            assert repr(found.notes("gone", "reuse")) == repr([notes[2], notes[0]])
            assert found.notes("other", "retracted") == []
            assert all(found.notes(text) == found.notes("gone", text) == [] for text in ("", "gon", *INJECTIONS))
        assert catalog.count(Query()) == 0

    def test_a_note_that_is_there_already(self, catalog: Catalog) -> None:
        """The same note is there once, however often it is added; one that differs in anything is another."""
        note = Note("run", "reuse", 1.0, "ann@bl7", {"a": 1})
        catalog.add_notes([note, note])
        catalog.add_notes([note])
        assert catalog.notes("run") == [note]
        others = [
            Note("run", "reuse", 1.0, "ann@bl7", {"a": 2}),
            Note("run", "reuse", 1.0, "bob@bl7", {"a": 1}),
            Note("run", "read", 1.0, "ann@bl7", {"a": 1}),
            Note("run", "reuse", 2.0, "ann@bl7", {"a": 1}),
        ]
        catalog.add_notes([note, *others])
        assert len(catalog.notes("run")) == 5

    def test_notes_on_a_lineage(self, catalog: Catalog) -> None:
        """Those on a run and on all that it came from are found at once, also on what is not here, or in a circle."""
        for uid, parents in {
            "end": ("left", "right"),
            "left": ("top",),
            "right": ("top", "away"),
            "top": ("end",),
        }.items():
            catalog.insert(make_record(uid, parents=parents))
        kinds = ("retracted", "reinstated")
        assert catalog.lineage_notes("end", kinds) == []
        notes = {uid: Note(uid, "retracted", 1.0, "ann@bl7", {"a": uid}) for uid in ("end", "top", "away", "alone")}
        catalog.add_notes([*notes.values(), Note("left", "seen", 1.0, "ann@bl7")])

        def found(uid: str) -> set[str]:
            return {note.uid for note in catalog.lineage_notes(uid, kinds)}

        assert found("end") == {"end", "top", "away"}
        assert found("alone") == {"alone"}
        assert found("away") == {"away"}
        catalog.add_notes([Note("right", "reinstated", 2.0, "bob@bl7", {"b": [1, None]})])
        assert sorted(map(repr, catalog.lineage_notes("right", kinds))) == sorted(
            repr(note) for uid in ("end", "top", "away", "right") for kind in kinds for note in catalog.notes(uid, kind)
        )
        assert {note.kind for note in catalog.lineage_notes("end", ("seen",))} == {"seen"}
        assert catalog.lineage_notes("end", ()) == []
        assert all(catalog.lineage_notes(text, kinds) == [] for text in ("", "en", *INJECTIONS))

    def test_all_notes(self, catalog: Catalog) -> None:
        """The notes of one kind or of all kinds are listed, on all runs."""
        notes = [Note(uid, kind, 1.0, "ann@bl7", {"a": uid}) for uid in ("x", "y") for kind in ("reuse", "retracted")]
        catalog.add_notes(notes)
        assert sorted(map(repr, catalog.all_notes())) == sorted(map(repr, notes))
        assert sorted(note.uid for note in catalog.all_notes("retracted")) == ["x", "y"]
        assert all(list(catalog.all_notes(text)) == [] for text in ("retract", *INJECTIONS))

    @pytest.mark.parametrize(
        ("note", "message"),
        [
            (Note("run", "odd", 1.0, "ann", {"x": object()}), "JSON"),
            (Note("run", "odd", math.nan, "ann"), "time nan"),
            (Note("run\ud800", "odd", 1.0, "ann"), "UTF-8"),
            (Note("run", "", 1.0, "ann"), "''"),
        ],
    )
    def test_a_note_that_cannot_be_kept(self, catalog: Catalog, note: Note, message: str) -> None:
        """It is refused, and none of those that came with it stays."""
        with pytest.raises(InvalidDocumentError, match=message):
            catalog.add_notes([Note("run", "good", 1.0, "ann"), note])
        assert catalog.notes("run") == []

    def test_many_writers_of_notes(self, catalog: Catalog, reopen: Callable[[], Catalog]) -> None:
        """Threads that share a catalog, and others with their own, lose no note."""
        catalogs = [catalog, catalog, reopen(), reopen()]

        def write(number: int) -> None:
            for time in range(10):
                catalogs[number].add_notes([Note("run", "reuse", float(time), f"{number}@bl7")])

        with ThreadPoolExecutor(len(catalogs)) as pool:
            list(pool.map(write, range(len(catalogs))))
        assert len(catalog.notes("run")) == 40
