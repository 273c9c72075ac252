"""Indexes falsified by hand, as somebody does who opens the database with another program."""

from __future__ import annotations

from typing import Any

from sqlalchemy import create_engine, text

from analysis_store.catalogs.sql.engine import make_engine

_RUN = "(SELECT id FROM run WHERE uid = :uid)"
_STATEMENTS = {
    "lose": f"DELETE FROM term WHERE run = {_RUN}",
    "lose one": f"DELETE FROM term WHERE run = {_RUN} AND place = (SELECT min(place) FROM term WHERE run = {_RUN})",
    "add": f"INSERT INTO term SELECT 7, value, time, run FROM term WHERE run = {_RUN} LIMIT 1",
    "move": "UPDATE run SET time = time - 5 WHERE uid = :uid",
    "move entries": f"UPDATE term SET time = time - 5 WHERE run = {_RUN}",
}


def spoil_sql(uri: str, uid: str, how: str) -> None:
    """Falsify what the index of a SQL catalog has of a run."""
    engine = create_engine(make_engine(uri).url)
    try:
        with engine.begin() as connection:
            connection.execute(text(_STATEMENTS[how]), {"uid": uid})
    finally:
        engine.dispose()


def spoil_mongo(own: Any, uid: str, how: str) -> None:
    """Falsify what the index of a catalog in MongoDB has of a run; its entries are in no order of their own."""
    found = own.find_one({"_id": uid})
    changes = {
        "lose": {"terms": []},
        "lose one": {"terms": found["terms"][1:]},
        "add": {"terms": [*found["terms"], found["terms"][0][:-2] + "00"]},
        "move": {"time": found["time"] - 5},
        "move entries": {"terms": [each[:-2] + "00" for each in found["terms"]]},
    }
    own.update_one({"_id": uid}, {"$set": changes[how]})
