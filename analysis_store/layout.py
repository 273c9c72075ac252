"""The layout on disk: paths of run files, names inside them, and the version of the layout."""

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
"""The first layout, which is read and no longer written; it stores all names unchanged."""

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
"""Names that NeXus reserves for an NXnote in an entry; not used for streams since layout 2."""

TRUE_NAME = "name"
"""Attribute with the true name of a group or dataset that is stored under another name."""

# Members of the group of documents
START = "start"
STOP = "stop"
DESCRIPTORS = "descriptors"
RESOURCES = "resources"
DATUMS = "datums"
BESIDE = "beside"
JOURNAL = "journal"
LIFTED = "lifted"
SEAL = "seal"
"""A digest of the other members and of the times; files of the first release do not have it."""

# The specs of the default pairs
ARRAY_SPEC = "HDF5"
RAGGED_SPEC = "ANALYSIS_RAGGED"
TABLE_SPEC = "ANALYSIS_TABLE"
ROWS_SPEC = "ANALYSIS_ROWS"
OBJECT_SPEC = "ANALYSIS_OBJECT"

# Attributes
DTYPE = "dtype_numpy"
"""NumPy's name of a dtype that the HDF5 type alone does not determine: times, text, variable-length text."""
UNITS = "units"
FORM = "analysis_store_form"
"""Kind of a group of several datasets: `RAGGED_FORM`, `TABLE_FORM` or `OBJECT_FORM`."""

RAGGED_FORM = "ragged"
TABLE_FORM = "table"
OBJECT_FORM = "object"

ITEM = "item_"
"""Prefix of the name of a numbered member: ``item_0``. In layout 1 the name was only the number."""

# Attributes of a group of objects
OBJECT_ROWS = "rows"
"""Number of objects in each member: one object, or a list of several."""
OBJECT_COUNT = "count"
"""Number of objects; if missing, the number of members."""

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
"""Attribute of a column or level: its description as JSON (`analysis_store.frames.Part.spec`)."""
HINTS = "pandas_hints"
OFFSETS_SUFFIX = "_offsets"
"""Suffix of the offsets of an array that belongs to a whole table, e.g. ``categories_values_offsets``."""

# Next to the runs
ENVIRONMENTS = "environments"
NOTES = "notes"
EXTERNAL = "external"
"""External files of runs that were loaded from another store."""

QUARANTINE = "quarantine"
"""Deleted runs, until they are purged: ``<stem of the uid>/removal.json`` and, below it, their files."""
TOMBSTONES = "tombstones"
"""Records of deleted runs: ``<stem of the uid>.json``."""

SCRATCH_SUFFIX = ".part"
_MAX_FILE_STEM = 120

_LONGEST_NAME = 63
_LONGEST_STEM = 55
"""Length of a changed name, before a number."""
_NEXUS_NAME = re.compile(rf"[A-Za-z_][A-Za-z0-9_]{{0,{_LONGEST_NAME - 1}}}")
_NOT_IN_NEXUS = re.compile(r"[^A-Za-z0-9_]")


def run_path(uid: str, time: float) -> PurePosixPath:
    """Return the path of a run file, relative to the root: ``YYYY/MM/DD/<uid>.h5``, in UTC.

    Characters of a foreign uid that a file name cannot hold are percent-encoded.
    """
    try:
        day = datetime.datetime.fromtimestamp(time, datetime.UTC)
    except (ValueError, OverflowError, OSError):  # an unset clock still gives a day
        day = datetime.datetime(1970, 1, 1, tzinfo=datetime.UTC)
    return PurePosixPath(f"{day:%Y}/{day:%m}/{day:%d}/{file_stem(uid)}.h5")


def file_stem(uid: str) -> str:
    """Return a uid as a file name without suffix: safe on every file system, unique for each uid."""
    stem = quote(uid, safe="").replace("~", "%7E")
    if stem.startswith("."):
        stem = "%2E" + stem[1:]
    if len(stem) > _MAX_FILE_STEM:
        import hashlib

        stem = stem[: _MAX_FILE_STEM - 33] + "-" + hashlib.sha256(uid.encode()).hexdigest()[:32]
    return stem


def scratch_path(final: Path) -> Path:
    """Return a new scratch name next to ``final``; it contains the number of the process."""
    return final.with_name(f".{final.stem[:_MAX_FILE_STEM]}.{os.getpid()}-{secrets.token_hex(4)}{SCRATCH_SUFFIX}")


def stream_names(streams: Iterable[str], version: str = LAYOUT_VERSION) -> dict[str, str]:
    """Return the stored name of each stream in a file of a layout."""
    if version == FIRST_LAYOUT:
        return stored_names(streams, RESERVED_STREAMS)
    return _by_name(streams, RESERVED_STREAMS | NOTES_OF_ENTRIES)


def key_names(keys: Iterable[str], version: str = LAYOUT_VERSION) -> dict[str, str]:
    """Return the stored name of each data key of a stream in a file of a layout."""
    return stored_names(keys, RESERVED_KEYS) if version == FIRST_LAYOUT else _by_name(keys, RESERVED_KEYS)


def _by_name(names: Iterable[str], reserved: Collection[str]) -> dict[str, str]:
    unique = dict.fromkeys(names)
    return dict(zip(unique, nexus_names(unique, reserved), strict=True))


def nexus_names(names: Iterable[str], reserved: Collection[str] = ()) -> list[str]:
    """Return a unique name that NeXus allows for each of several names, in their order.

    A name that NeXus allows is kept, unless it is reserved or used: so a name in the file that does not end with ``_``
    is the true name. Other names are changed, and end with ``_``. The result depends on the set of names, not on their
    order.
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
    """Return an unused name that NeXus allows; ``last`` keeps the last number of each stem."""
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
    """Return the name of a numbered member."""
    return f"{ITEM}{number}"


def stored_name(name: str, taken: Collection[str]) -> str:
    """Return the stored name of layout 1 and of exports: the name itself, unless it is taken or contains ``/``."""
    stored = name.replace("%", "%25").replace("/", "%2F") if "/" in name else name
    if stored in ("", ".", ".."):
        stored = f"_{stored}"
    while stored in taken:
        stored += "_"
    return stored


def stored_names(names: Iterable[str], reserved: Collection[str]) -> dict[str, str]:
    """Return the `stored_name` of each of several names, in their order."""
    taken = set(reserved)
    stored = {}
    for name in names:
        stored[name] = stored_name(name, taken)
        taken.add(stored[name])
    return stored


def dataset_path(stream: str, key: str) -> str:
    """Return the HDF5 path of a column, given the names under which stream and key are stored."""
    return f"/{ENTRY}/{stream}/{key}"
