"""The tables of a SQL catalog, and their creation and upgrade.

``run`` holds the documents, ``lineage`` the parents, ``term`` the one index that answers a search on any key
newest first (`analysis_store.catalogs.query.terms` defines its values), ``note`` later notes on runs.
"""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Connection,
    Double,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    PrimaryKeyConstraint,
    String,
    Table,
    Text,
    insert,
    inspect,
    select,
    text,
)

from analysis_store.errors import DamagedFileError, StoreVersionError

VERSIONS = ("0001", "0002", "0003", "0004", "0005")
"""Every version of the schema, the oldest first; the last one is this package's."""

HEAD = VERSIONS[-1]

LOCK = 0x616E_616C_7973_6973
"""Number of the PostgreSQL lock under which one process at a time creates or upgrades the tables."""

metadata = MetaData()
_Id = BigInteger().with_variant(Integer, "sqlite")  # SQLite assigns ids only to a column of type INTEGER
_Uid = String(collation="C").with_variant(String(collation="BINARY"), "sqlite")  # prefixes need byte order

run = Table(
    "run",
    metadata,
    Column("id", _Id, primary_key=True),
    Column("uid", _Uid, nullable=False),
    Column("time", Double, nullable=False, comment="start time, seconds since 1970 UTC"),
    Column("scan_id", BigInteger),
    Column("path", Text, nullable=False, comment="the run file, relative to the root"),
    Column("start", Text, nullable=False),
    Column("stop", Text),
    Column("descriptors", Text, nullable=False),
    Column("beside", Text, nullable=False),
    Column("more", Boolean, comment="whether the file has documents that can name others, and are not here"),
    Column("terms", BigInteger, comment="digest of the entries of the run in term"),
    Column("seal", Text, comment="the seal of the run file"),
    Index("run_uid", "uid", unique=True),
    Index("run_time", "time", "id"),
)

lineage = Table(
    "lineage",
    metadata,
    Column("run", _Id, ForeignKey("run.id"), nullable=False),
    Column("position", Integer, nullable=False),
    Column("parent", _Uid, nullable=False),
    PrimaryKeyConstraint("run", "position"),
    Index("lineage_parent", "parent", "run"),
    sqlite_with_rowid=False,
)

# No foreign key to run: checking one would double the cost of an insert. Removing a run removes its terms (`remove`).
term = Table(
    "term",
    metadata,
    Column("place", BigInteger, nullable=False),
    Column("value", LargeBinary, nullable=False),
    Column("time", Double, nullable=False),
    Column("run", _Id, nullable=False),
    PrimaryKeyConstraint("place", "value", "time", "run"),
    sqlite_with_rowid=False,
)

# The digest covers all other columns: a note that is added again, from its log, is the same row.
note = Table(
    "note",
    metadata,
    Column("digest", _Uid, primary_key=True),
    Column("uid", _Uid, nullable=False),
    Column("kind", _Uid, nullable=False),
    Column("time", Double, nullable=False, comment="seconds since 1970 UTC"),
    Column("who", Text, nullable=False),
    Column("body", Text, nullable=False),
    Index("note_uid", "uid", "kind", "time"),
    Index("note_kind", "kind", "digest"),
)

version = Table("alembic_version", MetaData(), Column("version_num", String(32), primary_key=True))


def found_version(connection: Connection) -> str | None:
    """Return the version of the schema in a database, "" if Alembic has begun, or None."""
    if not inspect(connection).has_table(version.name):
        return None
    return connection.execute(select(version.c.version_num)).scalar() or ""


def ensure(connection: Connection, location: str) -> None:
    """Create or upgrade the tables, inside the caller's transaction, one process at a time.

    Raises
    ------
    StoreVersionError
        A newer version of the package created them.
    DamagedFileError
        The database has tables of these names that are not ours.
    """
    if connection.dialect.name == "postgresql":
        connection.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": LOCK})
    there = found_version(connection)
    if there is None:
        _create(connection, location)
    elif there != HEAD:
        check_version(there, location)
        from analysis_store.catalogs.sql.migrations import upgrade

        upgrade(connection)


def check_version(there: str, location: str) -> None:
    """Raise for a version that this package does not know."""
    if there and there not in VERSIONS:
        raise StoreVersionError(
            f"The catalog {location} has version {there!r} of the schema; this package knows up to {HEAD!r}: "
            "upgrade analysis_store."
        )


def _create(connection: Connection, location: str) -> None:
    foreign = set(metadata.tables) & set(inspect(connection).get_table_names())
    if foreign:
        raise DamagedFileError(
            f"{location} is not a catalog: it has tables {sorted(foreign)} but no schema version. "
            "Name another database, restore this one, or rebuild it from the run files with: analysis-store reindex."
        )
    metadata.create_all(connection, checkfirst=False)
    version.create(connection)
    connection.execute(insert(version).values(version_num=HEAD))
