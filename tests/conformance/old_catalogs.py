"""Catalogs as an older version of the package made them, and several processes that open one at once."""

from __future__ import annotations

import subprocess
import sys

from sqlalchemy import create_engine, text

from analysis_store.catalogs.query.terms import run_terms
from analysis_store.catalogs.sql.engine import make_engine
from analysis_store.catalogs.sql.migrations import upgrade

START = '{"uid":"old","time":1.0,"processing":{"key":"key"}}'

_OPENING = """
import os, sys
from analysis_store.catalogs import open_catalog
from analysis_store.catalogs.base import Note
print("ready", flush=True)
sys.stdin.readline()
catalog = open_catalog(sys.argv[1])
catalog.add_notes([Note("old", "reuse", 1.0, str(os.getpid()))])
print("good" if catalog.get("old").parents == ("raw",) else "bad")
catalog.close()
"""


def made_by(version: str, uri: str) -> None:
    """Make a catalog by the migrations up to a version, and put a run into it."""
    engine = create_engine(make_engine(uri).url)
    try:
        with engine.begin() as connection:
            upgrade(connection, version)
            run = "INSERT INTO run VALUES (1, 'old', 1.0, NULL, 'old.h5', :start, NULL, '[]', '{}')"
            connection.execute(text(run), {"start": START})
            connection.execute(text("INSERT INTO lineage VALUES (1, 0, 'raw')"))
            for place, value in run_terms({"uid": "old", "time": 1.0, "processing": {"key": "key"}}, None):
                row = {"place": place, "value": value}
                connection.execute(text("INSERT INTO term VALUES (:place, :value, 1.0, 1)"), row)
    finally:
        engine.dispose()


def opened_at_once(uri: str, number: int) -> list[str]:
    """Return what so many processes say that open a catalog at the same time, and add a note each."""
    command = [sys.executable, "-c", _OPENING, uri]
    processes = [
        subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) for _ in range(number)
    ]
    for process in processes:
        process.stdout.readline()
    for process in processes:
        process.stdin.write("go\n")
        process.stdin.flush()
    return [process.communicate()[0].strip() for process in processes]


def forget_digests(path: str) -> None:
    """Make a catalog in SQLite forget what it knows of its index and of seals, as one that was upgraded."""
    engine = create_engine(f"sqlite:///{path}")
    try:
        with engine.begin() as connection:
            connection.execute(text("UPDATE run SET terms = NULL, seal = NULL"))
    finally:
        engine.dispose()
