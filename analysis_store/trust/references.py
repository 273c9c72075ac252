"""Search for references to a run or its files in all documents under a root, also in files that no catalog has."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from analysis_store import layout
from analysis_store.errors import AnalysisStoreError, DamagedFileError, UnsafeFileError
from analysis_store.recorder.run.publish import SUFFIX
from analysis_store.roots import opened, read
from analysis_store.runs.notes.removal_records import RECORD, quarantine_folder
from analysis_store.runs.read.reader import RunFile

if TYPE_CHECKING:
    from analysis_store.run_store import RunStore
    from analysis_store.runs.notes.removal_records import Removal

_TEXT = re.compile(rb'"((?:[^"\\]|\\.)*)"')
_BLOCK = 16 << 20
_FEW = 32
"""More names than this are looked for in all files: each one is compared with every document in the catalog."""

_Wanted = dict[bytes, set[str]]
"""Runs by the names that refer to them."""
_Found = dict[str, dict[str, None]]
"""References to each run."""


class Naming:
    """Finds references to any of several runs, in all documents of all runs.

    A run is named by a text that is its uid, that ends with the name of one of its files, or that is the digest of
    as a parent, as an input file, in a resource, or under any user-defined key. A false match is safe: it keeps a file
    that could have been deleted.

    Parameters
    ----------
    store : AnalysisStore
        The store to search.
    wanted : iterable of Removal
        The runs that are asked for.
    quarantine : bool
        True to search the quarantine, too: its runs may be restored, and then need their parents.
    """

    def __init__(self, store: RunStore, wanted: Iterable[Removal], *, quarantine: bool) -> None:
        self._store = store
        self._with_quarantine = quarantine
        self._wanted: _Wanted = {}
        self._own: dict[str, set[str]] = {}
        for removal in wanted:
            inside = quarantine_folder(store.root, removal.uid).relative_to(store.root)
            self._own[removal.uid] = {path for file in removal.files for path in (file.path, str(inside / file.path))}
            for name in (removal.uid, *_names(removal)):
                self._wanted.setdefault(_utf8(name), set()).add(removal.uid)
        self._seen: set[Path] = set()
        self._found: _Found = {uid: {} for uid in self._own}

    def look(self) -> dict[str, list[str]]:
        """Return the references to each of the runs: uids, and paths of files without uid or run.

        Run files never change: one that was looked into by an earlier call is not read again.
        """
        found = {uid: dict(named) for uid, named in self._found.items()}
        for uid in self._own:
            found[uid] |= dict.fromkeys(child for child in self._store.catalog.children(uid) if child != uid)
        # Live files first: one that ends meanwhile is a run file before its live name disappears.
        for path in self._store.root.glob(f"*/*/*/*.h5{SUFFIX}"):
            self._look_into(path, found)
        files = set(self._store.root.glob("*/*/*/*.h5"))
        for path in files - self._seen - self._without_name():
            if self._look_into(path, self._found):
                self._seen.add(path)
        if self._with_quarantine:
            inside = self._store.root / layout.QUARANTINE
            for path in inside.glob(f"*/{RECORD}"):
                self._look_into_removed(path, found)
            for path in inside.glob("*/*/*/*/*.h5"):
                self._look_into(path, found)
        return {uid: list(named | self._found[uid]) for uid, named in found.items()}

    def _without_name(self) -> set[Path]:
        """Return the files that certainly contain no reference.

        A run that is added between the two queries is not among them: its path was not there in the first.
        """
        if len(self._wanted) > _FEW:
            return set()
        entered = {path for _, path in self._store.catalog.paths()}
        texts = [name.decode(errors="surrogatepass") for name in self._wanted]
        return {self._store.root / path for path in entered - self._store.catalog.may_name(texts)}

    def _look_into(self, path: Path, found: _Found) -> bool:
        """Return True if the file existed."""
        if not path.is_file():  # e.g. a pipe: opening one waits for a writer
            return False
        relative = path.relative_to(self._store.root).as_posix()
        try:
            who, named = _read(path, self._wanted)
        except FileNotFoundError:  # the file of a save that failed, or a recording that ended
            return False
        except UnsafeFileError:
            raise
        except OSError as error:
            raise DamagedFileError(
                f"{path} cannot be read, so its references are unknown: {error.strerror}."
            ) from error
        for uid in named:
            if uid != who and relative not in self._own[uid]:
                found[uid][who or relative] = None
        return True

    def _look_into_removed(self, path: Path, found: _Found) -> None:
        try:
            text = read(path)
            who = json.loads(text)["uid"]
        except FileNotFoundError:
            return
        except (ValueError, KeyError, TypeError) as error:
            raise DamagedFileError(f"{path} cannot be read: {error}. Restore it from a copy.") from error
        for uid in _named(text, self._wanted):
            if uid != who:
                found[uid][who] = None


def named_in(path: Path, others: Iterable[Removal]) -> set[str]:
    """Return which of other runs the documents in a run file name.

    Raises
    ------
    FileNotFoundError
        The file does not exist.
    """
    wanted: _Wanted = {}
    for removal in others:
        for name in (removal.uid, *_names(removal)):
            wanted.setdefault(_utf8(name), set()).add(removal.uid)
    return _read(path, wanted)[1]


def _names(removal: Removal) -> Iterator[str]:
    for file in removal.files:
        folder, _, name = file.path.rpartition("/")
        if folder.startswith(f"{layout.EXTERNAL}/"):  # a copy: its own name and digest are those of any other copy
            yield folder.rpartition("/")[2]
        else:
            yield from (name, file.digest)


def _utf8(text: str) -> bytes:
    return text.encode(errors="surrogatepass")


def _read(path: Path, wanted: _Wanted) -> tuple[str | None, set[str]]:
    """Return the uid of the run in a file, None if it cannot be read, and the wanted runs that it refers to."""
    try:
        file = RunFile(path)
        named = {uid for text in file.texts() for uid in _named(_utf8(text), wanted)}
        return file.start.get("uid"), named
    except AnalysisStoreError:  # damaged, of another program, or not ended: search its bytes
        return None, _in_bytes(path, wanted)


def _named(text: bytes, wanted: _Wanted) -> Iterator[str]:
    """Yield which of the wanted the strings in a JSON text name."""
    for found in _TEXT.finditer(text):
        word = found[1] if b"\\" not in found[1] else _utf8(json.loads(found[0]))
        yield from wanted.get(word) or wanted.get(word.rpartition(b"/")[2]) or ()


def _in_bytes(path: Path, wanted: _Wanted) -> set[str]:
    """Return which of the wanted occur anywhere in a file."""
    named: set[str] = set()
    longest = max(map(len, wanted), default=1)
    rest = b""
    with opened(path) as file:
        while block := file.read(_BLOCK):
            whole = rest + block
            named.update(*(uids for word, uids in wanted.items() if word in whole))
            rest = whole[-longest:]
    return named
