"""One file of a backup: linked or copied atomically, and compared with its origin."""

from __future__ import annotations

import fcntl
import os
import shutil
import stat
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from analysis_store.core.atomic_files import CANNOT_LINK, make_folders, replace
from analysis_store.digests import digest_file
from analysis_store.errors import DamagedFileError, SettingsError
from analysis_store.folders import sync_file, sync_folder, sync_names
from analysis_store.layout import scratch_path
from analysis_store.roots import opened
from analysis_store.trust.findings import Finding


@dataclass(slots=True)
class Copier:
    """Copies files into a folder and counts them."""

    verify: bool
    """True to compare existing files byte by byte."""

    linked: int = 0
    copied: int = 0
    known: int = 0
    size: int = 0
    """Size of the copied files in bytes."""

    findings: list[Finding] = field(default_factory=list)
    _folders: set[Path] = field(default_factory=set)

    def take(self, source: Path, target: Path) -> None:
        """Copy a file to the backup; one that vanishes meanwhile is skipped.

        A read-only file never changes. If the one in the backup differs from it, one of them
        is damaged, and neither is touched.
        """
        try:
            told = source.stat()
        except FileNotFoundError:
            return
        is_final = not told.st_mode & (stat.S_IWUSR | stat.S_IWGRP | stat.S_IWOTH)
        there = _stat(target)
        if there is None:
            self._new(source, target, link=is_final)
            return
        self._folders.add(target.parent)  # an earlier backup that was cut short may not have synced its name
        if is_final:
            self._compare(source, target, told, there)
        elif (told.st_size, told.st_mtime_ns) == (there.st_size, there.st_mtime_ns):
            self.known += 1
        else:
            self._copy(source, target)

    def take_lines(self, source: Path, target: Path) -> None:
        """Copy a log to the backup, to the end of its last complete line.

        Raises
        ------
        SettingsError
            The log in the backup has lines that this one lacks: the backup was used as a store.
        """
        with opened(source) as file:
            fcntl.flock(file, fcntl.LOCK_SH)  # else a line being added, which may be rolled back, is visible
            content = file.read()
        content = content[: content.rfind(b"\n") + 1]
        there = target.read_bytes() if target.exists() else None
        if there == content:
            self._folders.add(target.parent)
            self.known += 1
            return
        if not content.startswith(there or b""):
            raise SettingsError(
                f"{target} has lines that {source} has not: the backup was used as a store, or the store lost some. "
                "Name another folder, and sync the two"
            )
        self._folder(target.parent)
        replace(target, content)
        self.copied, self.size = self.copied + 1, self.size + len(content)

    def finish(self) -> None:
        """Sync the names of all files to disk."""
        for folder in self._folders:
            sync_folder(folder)
            sync_names(folder)

    def _compare(self, source: Path, target: Path, told: os.stat_result, there: os.stat_result) -> None:
        same = os.path.samestat(told, there) or told.st_size == there.st_size
        if same and self.verify and not os.path.samestat(told, there):
            same = digest_file(source) == digest_file(target)
        if same:
            self.known += 1
            return
        self.findings.append(
            Finding(
                "damaged",
                str(target),
                f"it differs from {source}, although neither is ever changed",
                "check the store: remove the one that is damaged and copy the other to its place",
            )
        )

    def _new(self, source: Path, target: Path, *, link: bool) -> None:
        self._folder(target.parent)
        if link:
            try:
                target.hardlink_to(source)
            except FileNotFoundError:
                return
            except OSError as error:
                if error.errno not in CANNOT_LINK:
                    raise
            else:
                self.linked += 1
                return
        self._copy(source, target)

    def _copy(self, source: Path, target: Path) -> None:
        """Copy the snapshot; a file that is written meanwhile is left for the next backup."""
        self._folder(target.parent)
        scratch = scratch_path(target)
        try:
            shutil.copy2(source, scratch)
            sync_file(scratch)
            before, after = _stat(source), scratch.stat()
            if before is None or (before.st_size, before.st_mtime_ns) != (after.st_size, after.st_mtime_ns):
                return
            if digest_file(scratch) != digest_file(source):
                raise DamagedFileError(f"{source} was not copied whole to {target}; the disk of one is failing")
            scratch.replace(target)
            self._folders.add(target.parent)
            self.copied, self.size = self.copied + 1, self.size + after.st_size
        except FileNotFoundError:
            if source.exists():
                raise
        finally:
            with suppress(OSError):
                scratch.unlink(missing_ok=True)

    def _folder(self, folder: Path) -> None:
        if folder not in self._folders:
            if not folder.is_dir():
                make_folders(folder, [])
            self._folders.add(folder)


def _stat(path: Path) -> os.stat_result | None:
    try:
        return path.stat()
    except FileNotFoundError:
        return None
