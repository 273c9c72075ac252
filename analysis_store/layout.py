"""The on-disk contract: where a run file lies, what is called what in it, and which version of the form it has."""

from __future__ import annotations

import datetime
import os
import re
import secrets
from collections.abc import Collection, Iterable
from pathlib import Path, PurePosixPath
from urllib.parse import quote

LAYOUT_VERSION = "2"
LAYOUT_ATTRIBUTE = "analysis_store_layout"
FIRST_LAYOUT = "1"
"""In this layout names are stored as they are, whether or not NeXus allows them; it is read, and no more written."""

ENTRY = "entry"
PROCESS = "process"
DOCUMENTS = "documents"
TIME = "time"
SEQ_NUM = "seq_num"
RESERVED_STREAMS = frozenset(
    {PROCESS, DOCUMENTS, "title", "start_time", "end_time", "entry_identifier", "definition", "program_name"}
)
RESERVED_KEYS = frozenset({TIME, SEQ_NUM})
NOTES_OF_ENTRIES = frozenset({"notes", "thumbnail", "experiment_documentation"})
"""What NeXus takes for an NXnote in an entry: no name of a stream, since layout 2."""

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

ITEM = "item_"
"""Begins the name of a member that is known by its number: ``item_0``. In layout 1 the number alone was the name."""

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

_LONGEST_NAME = 63
_LONGEST_STEM = 55
"""What is left of a name that is changed; a number may follow."""
_NEXUS_NAME = re.compile(rf"[A-Za-z_][A-Za-z0-9_]{{0,{_LONGEST_NAME - 1}}}")
_NOT_IN_NEXUS = re.compile(r"[^A-Za-z0-9_]")


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


def stream_names(streams: Iterable[str], version: str = LAYOUT_VERSION) -> dict[str, str]:
    """Return the name under which a file of a layout keeps each stream."""
    if version == FIRST_LAYOUT:
        return stored_names(streams, RESERVED_STREAMS)
    return _by_name(streams, RESERVED_STREAMS | NOTES_OF_ENTRIES)


def key_names(keys: Iterable[str], version: str = LAYOUT_VERSION) -> dict[str, str]:
    """Return the name under which a file of a layout keeps each data key of a stream."""
    return stored_names(keys, RESERVED_KEYS) if version == FIRST_LAYOUT else _by_name(keys, RESERVED_KEYS)


def _by_name(names: Iterable[str], reserved: Collection[str]) -> dict[str, str]:
    unique = dict.fromkeys(names)
    return dict(zip(unique, nexus_names(unique, reserved), strict=True))


def nexus_names(names: Iterable[str], reserved: Collection[str] = ()) -> list[str]:
    """Return for each of several names, in their order, one that NeXus allows; no two are the same.

    A name that NeXus allows stays, where it is not reserved and has not been before: so what has a plain name in the
    file is what it says. Any other is changed, and ends with ``_``. What becomes of a name depends on which others
    there are, and not on their order.
    """
    made = list(names)
    taken = set(reserved)
    changed = []
    for index, name in enumerate(made):
        if name in taken or not _NEXUS_NAME.fullmatch(name):
            changed.append(index)
        taken.add(name)
    last: dict[str, int] = {}
    for index in sorted(changed, key=made.__getitem__):
        made[index] = _changed(made[index], taken, last)
        taken.add(made[index])
    return made


def _changed(name: str, taken: Collection[str], last: dict[str, int]) -> str:
    """Return a name that NeXus allows and that is free; ``last`` keeps the last number of each stem."""
    stem = _NOT_IN_NEXUS.sub("_", name)
    stem = f"_{stem}"[:_LONGEST_STEM] if not stem or stem[0].isdigit() else stem[:_LONGEST_STEM]
    stored = f"{stem}_"
    number = last.get(stem, 1)
    while stored in taken:
        number += 1
        stored = f"{stem}_{number}_"
    last[stem] = number
    return stored


def item_name(number: int) -> str:
    """Return the name of a member that is known by its number."""
    return f"{ITEM}{number}"


def stored_name(name: str, taken: Collection[str]) -> str:
    """Return a name for a file: its own, unless that is taken or holds ``/``. So it is in layout 1, and in exports."""
    stored = name.replace("%", "%25").replace("/", "%2F") if "/" in name else name
    if stored in ("", ".", ".."):
        stored = f"_{stored}"
    while stored in taken:
        stored += "_"
    return stored


def stored_names(names: Iterable[str], reserved: Collection[str]) -> dict[str, str]:
    """Return the name for a file of each of several, in their order; as `stored_name`."""
    taken = set(reserved)
    stored = {}
    for name in names:
        stored[name] = stored_name(name, taken)
        taken.add(stored[name])
    return stored


def dataset_path(stream: str, key: str) -> str:
    """Return the HDF5 path of a column, given the names under which stream and key are stored."""
    return f"/{ENTRY}/{stream}/{key}"
