"""Tests of a catalog's lineage."""

from __future__ import annotations

from typing import TYPE_CHECKING

from analysis_store.testing.catalogs.cases import INJECTIONS, make_record

if TYPE_CHECKING:
    from analysis_store.catalogs.base import Catalog


class KinOfCatalog:
    """Parents and children are found, near and far."""

    def test_children(self, catalog: Catalog) -> None:
        """The children of a run are listed once, oldest first; the parent need not be here."""
        catalog.insert(make_record("late", 9.0, parents=("raw", "other")))
        catalog.insert(make_record("early", 1.0, parents=("raw", "raw")))
        catalog.insert(make_record("grandchild", 2.0, parents=("late",)))
        assert catalog.children("raw") == ["early", "late"]
        assert catalog.children("late") == ["grandchild"]
        assert catalog.children("grandchild") == []
        assert catalog.get("late").parents == ("raw", "other")
        assert all(catalog.children(text) == [] for text in INJECTIONS)

    def test_kin(self, catalog: Catalog) -> None:
        """Ancestors and descendants are listed once, nearest first, including those that are not in the catalog."""
        catalog.insert(make_record("end", 1.0, parents=("left", "right")))
        catalog.insert(make_record("left", 5.0, parents=("top",)))
        catalog.insert(make_record("right", 3.0, parents=("top", "elsewhere")))
        catalog.insert(make_record("top", 9.0, parents=("raw",)))
        catalog.insert(make_record("alone", 9.0))
        above = [("left", 1), ("right", 1), ("top", 2), ("elsewhere", 2), ("raw", 3)]
        assert catalog.ancestors("end") == above
        assert catalog.ancestors("end", 3) == above[:3]
        assert catalog.ancestors("end", 0) == []
        assert catalog.descendants("raw") == [("top", 1), ("right", 2), ("left", 2), ("end", 3)]
        assert catalog.descendants("raw", 2) == [("top", 1), ("right", 2)]
        assert catalog.descendants("elsewhere") == [("right", 1), ("end", 2)]
        for uid in ("alone", "nobody", *INJECTIONS):
            assert catalog.ancestors(uid) == catalog.descendants(uid) == []
        assert catalog.edges_above(["left", "top"]) == [("left", "top"), ("top", "raw")]
        assert set(catalog.edges_below(["left", "right"])) == {("end", "left"), ("end", "right")}

    def test_kin_in_a_circle(self, catalog: Catalog) -> None:
        """A circle, which no honest program makes, is walked once."""
        for uid, parent in {"a": "c", "b": "a", "c": "b", "self": "self"}.items():
            catalog.insert(make_record(uid, parents=(parent,)))
        assert catalog.ancestors("a") == [("c", 1), ("b", 2)]
        assert catalog.descendants("a") == [("b", 1), ("c", 2)]
        assert catalog.ancestors("self") == catalog.descendants("self") == []

    def test_kin_far_away(self, catalog: Catalog) -> None:
        """A long chain of diamonds is walked to its end: as many steps as there are runs, not as there are ways."""
        catalog.insert_many(
            make_record(f"{number}{side}", float(number), parents=(f"{number - 1}a", f"{number - 1}b"))
            for number in range(1, 101)
            for side in "ab"
        )
        assert catalog.ancestors("100a")[-1] == ("0b", 100)
        assert len(catalog.ancestors("100a")) == len(catalog.descendants("0a")) == 200
        assert catalog.descendants("0b")[-1][1] == 100

    def test_all_edges_and_paths(self, catalog: Catalog) -> None:
        """Every edge and every path comes, in the order of insertion; so do those that are known among some uids."""
        catalog.insert(make_record("late", 9.0, parents=("raw", "other", "raw")))
        catalog.insert(make_record("early", 1.0, parents=("late",)))
        assert list(catalog.edges()) == [("late", "raw"), ("late", "other"), ("late", "raw"), ("early", "late")]
        assert list(catalog.paths()) == [("late", "1970/01/01/late.h5"), ("early", "1970/01/01/early.h5")]
        assert catalog.known(["late", "raw", "early", *INJECTIONS]) == {"late", "early"}
        assert catalog.known([]) == set()
