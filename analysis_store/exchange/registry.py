"""Registry of the formats that runs are exchanged in: names, suffixes, writers and readers."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib import import_module
from pathlib import PurePath
from types import MappingProxyType
from typing import Any, BinaryIO

from analysis_store.errors import ExportError, MissingDependencyError
from analysis_store.progress import Progress, silent


@dataclass(frozen=True, slots=True)
class Options:
    """Part of a run to export; `Format.check` refuses parts that a format cannot choose."""

    stream: str | None = None
    """This stream only; always set for formats that are `Format.per_stream`."""

    keys: tuple[str, ...] = ()
    """These data keys only; all keys if empty."""

    event: int | None = None
    """This event only, counted from 0, negative from the end: for tables, pictures and sound."""

    progress: Progress = silent
    """Called with the number of units done and the total, in units of the format."""


@dataclass(frozen=True, slots=True)
class Format:
    """One format and the module that implements it, which is loaded on first use."""

    name: str
    suffix: str

    text: bool
    """Whether what it writes is text in UTF-8."""

    write: str
    """``"module:function"`` of ``write(run: Run, file: BinaryIO, options: Options) -> None``. The file is a real one:
    empty, seekable, open for reading and writing, its path is ``file.name``. It is removed after any error."""

    read: str | None = None
    """``"module:function"`` of ``read(file: BinaryIO, missing: str) -> Export``; the file is a real one."""

    per_stream: bool = False
    """Whether it holds one stream, which `Options.stream` then names."""

    takes: frozenset[str] = frozenset({"stream", "key"})
    """The parts of a run that it can be asked for: some of stream, key and event."""

    extra: str | None = None
    """The extra of this package that brings what it needs."""

    def check(self, options: Options) -> None:
        """Raise `ExportError` if the options select a part of a run that the format cannot choose."""
        wanted = {"stream": options.stream, "key": options.keys or None, "event": options.event}
        refused = [name for name, value in wanted.items() if value is not None and name not in self.takes]
        if refused:
            others = [one.name for one in FORMATS.values() if one.takes.issuperset(refused)]
            part = " and ".join(sorted(self.takes, reverse=True)) or "nothing but the whole run"
            raise ExportError(
                f"Got {' and '.join(refused)} for {self.name}; expected {part}. Leave it out, or export as one of "
                f"{', '.join(others)}."
            )

    def writer(self) -> Callable[..., None]:
        """Return the function that writes the format.

        Raises
        ------
        MissingDependencyError
            Its extra is not installed.
        """
        found: Callable[..., None] = _load(self, self.write)
        return found

    def reader(self) -> Callable[..., Any]:
        """Return the function that reads the format.

        Raises
        ------
        ExportError
            Files of the format cannot be read back.
        """
        if self.read is None:
            raise ExportError(
                f"{self.name} files cannot be read back; expected one of {', '.join(READABLE)}. Export the run as one "
                "of "
                "these, or open the file with a library for it."
            )
        found: Callable[..., Any] = _load(self, self.read)
        return found


_HOME = "analysis_store.exchange.formats"


def _own(name: str, suffix: str, *, text: bool = False) -> Format:
    module = f"{_HOME}.{name}"
    return Format(name, suffix, text, f"{module}:write", f"{module}:read")


_WHOLE: frozenset[str] = frozenset()
_ANY = frozenset({"stream", "key", "event"})

FORMATS: Mapping[str, Format] = MappingProxyType({
    one.name: one
    for one in (
        _own("json", ".json", text=True),
        _own("yaml", ".yaml", text=True),
        _own("xml", ".xml", text=True),
        _own("npz", ".npz"),
        _own("hdf5", ".h5"),
        Format(
            "nexus", ".nxs", False, f"{_HOME}.hdf5:write_nexus", f"{_HOME}.hdf5:read",
            takes=_WHOLE,
        ),
        Format("csv", ".csv", True, f"{_HOME}.csv:write_csv", per_stream=True, takes=_ANY),
        Format(
            "parquet", ".parquet", False, f"{_HOME}.parquet:write", per_stream=True, takes=_ANY,
            extra="parquet",
        ),
        Format(
            "jsonl", ".jsonl", True, f"{_HOME}.documents:write_jsonl", takes=_WHOLE, extra="suitcase",
        ),
        Format(
            "msgpack", ".msgpack", False, f"{_HOME}.documents:write_msgpack", takes=_WHOLE,
            extra="suitcase",
        ),
        Format("png", ".png", False, f"{_HOME}.png:write", takes=_ANY),
        Format("flac", ".flac", False, f"{_HOME}.sound:write_flac", takes=_ANY, extra="audio"),
        Format("wav", ".wav", False, f"{_HOME}.sound:write_wav", takes=_ANY, extra="audio"),
    )
})  # fmt: skip
READABLE = tuple(one.name for one in FORMATS.values() if one.read)
"""Formats whose files can be read back."""

_SUFFIXES = {one.suffix: one for one in FORMATS.values()} | {
    ".yml": FORMATS["yaml"],
    ".hdf5": FORMATS["hdf5"],
    ".hdf": FORMATS["hdf5"],
    ".nx": FORMATS["nexus"],
}


def named(name: str) -> Format:
    """Return the format of a name.

    Raises
    ------
    ExportError
        There is no such format; the message names similar ones, and all.
    """
    found = FORMATS.get(name.lower().removeprefix("."))
    if found is not None:
        return found
    near = difflib.get_close_matches(name.lower(), FORMATS, n=2)
    guess = f" Did you mean {' or '.join(map(repr, near))}?" if near else ""
    raise ExportError(f"Got {name!r} as a format; expected one of {', '.join(FORMATS)}.{guess}")


def of_path(path: PurePath) -> Format:
    """Return the format of a path, by its suffix.

    Raises
    ------
    ExportError
        No format has this suffix.
    """
    found = _SUFFIXES.get(path.suffix.lower())
    if found is not None:
        return found
    kind = f"the suffix {path.suffix!r}" if path.suffix else "no suffix"
    raise ExportError(
        f"{path} has {kind}; expected one of {', '.join(_SUFFIXES)}. Rename it, or give format= ({', '.join(FORMATS)})."
    )


_MAGIC = {b"PK\x03\x04": "npz", b"\x89HDF": "hdf5", b"{": "json", b"<": "xml"}
"""First bytes of the formats that can be read back; all other text is YAML."""


def of_content(file: BinaryIO) -> Format:
    """Return the format of a file to read, by its suffix, else by its first bytes."""
    by_name = _SUFFIXES.get(PurePath(str(file.name)).suffix.lower())
    if by_name is not None:
        return by_name
    head = file.read(16)
    file.seek(0)
    return FORMATS[next((name for magic, name in _MAGIC.items() if head.startswith(magic)), "yaml")]


def _load(wanted: Format, where: str) -> Any:
    module, _, name = where.partition(":")
    try:
        return getattr(import_module(module), name)
    except ImportError as error:
        if wanted.extra is None or (error.name or "").startswith("analysis_store"):
            raise
        raise MissingDependencyError(
            f"{wanted.name} needs {error.name or 'a library'}, which is not installed: "
            f"pip install 'analysis_store[{wanted.extra}]'"
        ) from error
