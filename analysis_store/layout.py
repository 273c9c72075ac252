"""The on-disk contract: where a run file lies, what is called what in it, and which version of the form it has."""

from __future__ import annotations

import datetime
import os
import secrets
from collections.abc import Collection, Iterable
from pathlib import Path, PurePosixPath
from urllib.parse import quote

LAYOUT_VERSION = "1"
LAYOUT_ATTRIBUTE = "analysis_store_layout"

ENTRY = "entry"
PROCESS = "process"
DOCUMENTS = "documents"
TIME = "time"
SEQ_NUM = "seq_num"
RESERVED_STREAMS = frozenset(
    {PROCESS, DOCUMENTS, "title", "start_time", "end_time", "entry_identifier", "definition", "program_name"}
)
RESERVED_KEYS = frozenset({TIME, SEQ_NUM})

TRUE_NAME = "name"
"""Attribute of a group or dataset that could not be stored under its own name: that name."""

# In the group of documents
START = "start"
STOP = "stop"
DESCRIPTORS = "descriptors"
RESOURCES = "resources"
DATUMS = "datums"
BESIDE = "beside"
JOURNAL = "journal"
LIFTED = "lifted"
SEAL = "seal"
"""A digest of the other members and of the times; files of the first release have none."""

# The specs of the default pairs
ARRAY_SPEC = "HDF5"
RAGGED_SPEC = "ANALYSIS_RAGGED"
TABLE_SPEC = "ANALYSIS_TABLE"
ROWS_SPEC = "ANALYSIS_ROWS"
OBJECT_SPEC = "ANALYSIS_OBJECT"

# Attributes
DTYPE = "dtype_numpy"
"""NumPy's name of a dtype that the HDF5 type alone does not tell: times, text, variable-length text."""
UNITS = "units"
FORM = "analysis_store_form"
"""What a group of several datasets is: `RAGGED_FORM`, `TABLE_FORM` or `OBJECT_FORM`."""

RAGGED_FORM = "ragged"
TABLE_FORM = "table"
OBJECT_FORM = "object"

# Attributes of a group of objects
OBJECT_ROWS = "rows"
"""How many objects each member has: one, which it is, or a list of several."""
OBJECT_COUNT = "count"
"""How many objects there are; where it is missing, as many as there are members."""

# Members of a ragged group
VALUES = "values"
OFFSETS = "offsets"
SHAPES = "shapes"
DTYPES = "dtypes"

# Members of a table group
COLUMNS = "columns"
INDEX = "index"
LABELS = "labels"
ORDER = "order"
"""The names of the members of `COLUMNS`, in the order of the columns."""
PART = "pandas"
"""Attribute of a column or level: what it is, as JSON (`analysis_store.frames.Part.spec`)."""
HINTS = "pandas_hints"
OFFSETS_SUFFIX = "_offsets"
"""Ends the name of the offsets of an array that belongs to a table as a whole, e.g. ``categories_values_offsets``."""

# Beside the runs
ENVIRONMENTS = "environments"
NOTES = "notes"
EXTERNAL = "external"
"""Copies of files that a run refers to, which came with it from another store."""

QUARANTINE = "quarantine"
"""Runs that were deleted, until they are purged: ``<stem of the uid>/removal.json`` and, below it, their files."""
TOMBSTONES = "tombstones"
"""What stays of deleted runs: ``<stem of the uid>.json``."""

SCRATCH_SUFFIX = ".part"
_MAX_FILE_STEM = 120


def run_path(uid: str, time: float) -> PurePosixPath:
    """Return where the file of a run lies, relative to the root: ``YYYY/MM/DD/<uid>.h5``, in UTC.

    Characters of a foreign uid that a file name cannot hold are percent-encoded.
    """
    try:
        day = datetime.datetime.fromtimestamp(time, datetime.UTC)
    except (ValueError, OverflowError, OSError):  # a clock that never was set still has a day
        day = datetime.datetime(1970, 1, 1, tzinfo=datetime.UTC)
    return PurePosixPath(f"{day:%Y}/{day:%m}/{day:%d}/{file_stem(uid)}.h5")


def file_stem(uid: str) -> str:
    """Return a uid as a file name without suffix: safe on every file system, different for different uids."""
    stem = quote(uid, safe="").replace("~", "%7E")
    if stem.startswith("."):
        stem = "%2E" + stem[1:]
    if len(stem) > _MAX_FILE_STEM:
        import hashlib

        stem = stem[: _MAX_FILE_STEM - 33] + "-" + hashlib.sha256(uid.encode()).hexdigest()[:32]
    return stem


def scratch_path(final: Path) -> Path:
    """Return a fresh name beside ``final``; the process that owns it can be read off it."""
    return final.with_name(f".{final.stem[:_MAX_FILE_STEM]}.{os.getpid()}-{secrets.token_hex(4)}{SCRATCH_SUFFIX}")


def stored_name(name: str, taken: Collection[str]) -> str:
    """Return the name under which the file keeps a stream or key: its own, unless that is taken or holds ``/``."""
    stored = name.replace("%", "%25").replace("/", "%2F") if "/" in name else name
    if stored in ("", ".", ".."):
        stored = f"_{stored}"
    while stored in taken:
        stored += "_"
    return stored


def stored_names(names: Iterable[str], reserved: Collection[str]) -> dict[str, str]:
    """Return the name under which the file keeps each of several streams, or keys of one stream, in their order."""
    taken = set(reserved)
    stored = {}
    for name in names:
        stored[name] = stored_name(name, taken)
        taken.add(stored[name])
    return stored


def dataset_path(stream: str, key: str) -> str:
    """Return the HDF5 path of a column, given the names under which stream and key are stored."""
    return f"/{ENTRY}/{stream}/{key}"
