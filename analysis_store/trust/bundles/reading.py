"""A bundle being read: every name and every digest in it is checked before anything of it is believed."""

from __future__ import annotations

import os
import struct
import zipfile
import zlib
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from blake3 import blake3

from analysis_store import layout
from analysis_store.catalogs.base import Note, RunRecord
from analysis_store.documents import loads
from analysis_store.errors import DamagedFileError, UnsafeFileError
from analysis_store.trust.bundles.contents import Cargo, Piece
from analysis_store.trust.bundles.manifest import FILES, MANIFEST, Entry, Manifest, check_names, parse_manifest

if TYPE_CHECKING:
    from analysis_store.trust.bundles.import_plan import Offer

_MOST_TEXT = 512 << 20
"""Size in bytes of the longest member that is read into memory."""

_LOCAL_HEADER = struct.Struct("<4s22xHH")


class Bundle:
    """A bundle, opened and wholly checked; to be used in a ``with``.

    Parameters
    ----------
    path : path
        The zip file.

    Raises
    ------
    DamagedFileError
        The file is not a bundle, is cut short, or a member does not match the manifest.
    UnsafeFileError
        A member has a forbidden path.
    StoreVersionError
        A newer version of the package created it.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path: Path = Path(path).expanduser().absolute()
        try:
            self._zip = zipfile.ZipFile(self.path)
        except (OSError, zipfile.BadZipFile, ValueError, NotImplementedError, struct.error) as error:
            raise DamagedFileError(f"{self.path} is not a bundle, or is cut short: {error}. Get it again.") from error
        try:
            self._members = self._checked_members()
            self.manifest: Manifest = parse_manifest(self._read(MANIFEST), str(self.path))
            self._check_manifest()
        except BaseException:
            self.close()
            raise

    @property
    def name(self) -> str:
        """Name in messages."""
        return str(self.path)

    def check(self) -> None:
        """Compare the content of every member with its digest."""
        with ThreadPoolExecutor(os.cpu_count()) as pool:
            for name, found in zip(self.manifest.members, pool.map(self._digest, self.manifest.members), strict=True):
                if found != (told := self.manifest.members[name].blake3):
                    pool.shutdown(wait=False, cancel_futures=True)
                    raise DamagedFileError(
                        f"{self.path}: {name} has the digest {found}, and the manifest {told}: it was changed or "
                        "is damaged. Nothing was taken from this bundle; get it again."
                    )

    def offers(self) -> Iterator[Offer]:
        """Yield every run, parents before their children."""
        for entry in self.manifest.runs:
            record = self._record(entry)
            yield record, partial(self._cargo, entry, record)

    def notes(self) -> list[Note]:
        """Return the notes on the runs, and on parents that are elsewhere."""
        names = [name for name in self._members if name.startswith(f"{FILES}/{layout.NOTES}/")]
        return [self._note(line, name) for name in names for line in self._read(name).splitlines() if line]

    def close(self) -> None:
        """Close the file."""
        self._zip.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    # ------------------------------------------------------------------------------------------- members

    def _checked_members(self) -> dict[str, zipfile.ZipInfo]:
        infos = [info for info in self._zip.infolist() if not info.filename.endswith("/")]
        check_names((info.orig_filename for info in infos), str(self.path))
        length = self.path.stat().st_size
        for info in infos:
            if reason := _strange(info):
                raise UnsafeFileError(f"{self.path}: the member {info.filename!r} {reason}; nothing was taken from it.")
        if sum(info.compress_size for info in infos) > length:
            raise UnsafeFileError(f"{self.path}: the members overlap, as in a zip bomb; nothing was taken from it.")
        if MANIFEST not in (found := {info.filename: info for info in infos}):
            raise DamagedFileError(f"{self.path} is a zip without {MANIFEST}: no bundle. `store.dump` makes bundles.")
        return found

    def _check_manifest(self) -> None:
        manifest = self.manifest
        there, told = self._members.keys() - {MANIFEST}, manifest.members.keys()
        if there != told:
            name = min(there ^ told)
            known = "is in it, and not in" if name in there else "is not in it, and is in"
            raise DamagedFileError(f"{self.path}: {name!r} {known} its manifest. Get the bundle again.")
        for name, member in manifest.members.items():
            if self._members[name].file_size != member.size:
                raise DamagedFileError(
                    f"{self.path}: {name} has {self._members[name].file_size} bytes, and the manifest records "
                    f"{member.size}. Get the bundle again."
                )
        for entry in manifest.runs:
            for name in (entry.file, entry.documents, *entry.beside):
                if name not in told:
                    raise DamagedFileError(f"{self.path}: {name!r} of run {entry.uid} is not in it. Get it again.")

    def _piece(self, name: str) -> Piece:
        """Return the position of a member that is stored without compression."""
        info = self._members[name]
        try:
            with self.path.open("rb") as file:
                file.seek(info.header_offset)
                mark, names, extra = _LOCAL_HEADER.unpack(file.read(_LOCAL_HEADER.size))
                same = file.read(names) == info.orig_filename.encode("utf-8" if info.flag_bits & 0x800 else "cp437")
        except (struct.error, OSError, ValueError) as error:
            raise DamagedFileError(f"{self.path} is cut short at {name}: {error}. Get it again.") from error
        if mark != b"PK\3\4" or not same:
            raise DamagedFileError(f"{self.path}: {name} is not at its listed position. Get it again.")
        return Piece(self.path, info.file_size, info.header_offset + _LOCAL_HEADER.size + names + extra)

    def _digest(self, name: str) -> str:
        stored = self._members[name].compress_type == zipfile.ZIP_STORED
        return self._piece(name).digest() if stored else blake3(self._read(name)).hexdigest()

    def _read(self, name: str) -> bytes:
        if self._members[name].file_size > _MOST_TEXT:
            raise UnsafeFileError(
                f"{self.path}: {name} claims more than {_MOST_TEXT} bytes; nothing was taken from it."
            )
        try:
            with self._zip.open(name) as member:  # which gives no more than is declared
                return member.read()
        except (
            zipfile.BadZipFile,
            OSError,
            ValueError,
            EOFError,
            NotImplementedError,
            RuntimeError,
            zlib.error,
        ) as error:
            raise DamagedFileError(f"{self.path}: {name} cannot be read: {error}. Get it again.") from error

    # ------------------------------------------------------------------------------------------ content

    def _cargo(self, entry: Entry, record: RunRecord) -> Cargo:
        inside = [(name.removeprefix(f"{FILES}/"), self._piece(name)) for name in entry.beside]
        return Cargo(record, self._piece(entry.file), dict(inside), tuple(entry.elsewhere))

    def _record(self, entry: Entry) -> RunRecord:
        try:
            told: dict[str, Any] = loads(self._read(entry.documents))
            record = RunRecord(
                dict(told["start"]),
                dict(told["stop"]) if told["stop"] else None,
                tuple(told["descriptors"]),
                entry.file.removeprefix(f"{FILES}/"),
                tuple(entry.parents),
                dict(told["beside"]),
            )
            due = f"{FILES}/{layout.run_path(record.uid, record.start['time'])}"
        except (ValueError, KeyError, TypeError, RecursionError) as error:
            raise DamagedFileError(f"{self.path}: {entry.documents} has no documents of a run: {error!r}.") from error
        if record.uid != entry.uid or entry.file != due:
            raise DamagedFileError(
                f"{self.path}: {entry.file} and {entry.documents} are not those of run {entry.uid}: they were "
                "exchanged. Get the bundle again."
            )
        return record

    def _note(self, line: bytes, name: str) -> Note:
        try:
            note = Note(**loads(line))
            kinds = (note.uid, str), (note.kind, str), (note.who, str), (note.time, (int, float)), (note.body, dict)
            if all(isinstance(value, kind) for value, kind in kinds):
                return note
        except (ValueError, TypeError, RecursionError) as error:
            raise DamagedFileError(f"{self.path}: {name} has an invalid note: {error}. Get it again.") from error
        raise DamagedFileError(f"{self.path}: {name} has an invalid note: {line[:80]!r}. Get it again.")


def _strange(info: zipfile.ZipInfo) -> str | None:
    """Return the fault of a member that no bundle has, or None."""
    kind = (info.external_attr >> 16) & 0o170000
    if kind not in {0, 0o100000}:
        return "is a link, or no ordinary file"
    if info.flag_bits & 0x1:
        return "is encrypted"
    if info.compress_type not in {zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED}:
        return "is compressed in a way that bundles are not"
    if info.compress_type != zipfile.ZIP_STORED and info.filename.startswith(f"{FILES}/"):
        return "is compressed; files are stored as they are, as `zip -0` does"
    if info.compress_type == zipfile.ZIP_STORED and info.compress_size != info.file_size:
        return "declares a wrong size"
    return None
