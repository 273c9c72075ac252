"""Methods of a store that check it, repair it, remove from it and back it up."""

from __future__ import annotations

import datetime
import os
from collections.abc import Callable
from typing import TYPE_CHECKING

from analysis_store.run_store import RunStore

if TYPE_CHECKING:
    from analysis_store.runs.read.run import Run
    from analysis_store.trust.backups.backup import BackupReport
    from analysis_store.trust.checks.check import CheckReport
    from analysis_store.trust.reindexing.rebuild import ReindexReport
    from analysis_store.trust.removal.deletion import RemovalReport
    from analysis_store.trust.removal.garbage import GcReport


class MaintenanceMethods(RunStore):
    """Methods of a store that check it, repair it, remove from it and back it up."""

    def check(
        self,
        *,
        quick: bool = False,
        sample: float | None = None,
        repair: bool = False,
        workers: int | None = None,
        progress: Callable[[int, int], None] | None = None,
    ) -> CheckReport:
        """Check the whole store: every file is there and whole, catalog and files agree, lineage resolves.

        Parameters
        ----------
        quick : bool
            Read documents only, no values.
        sample : int or float, optional
            Read the values of so many runs (an integer), or of this part of them (a float up to 1), drawn anew.
        repair : bool
            Mend what can be mended safely: whole files that the catalog lacks are taken into it, recordings whose
            writers died are ended, runs whose entries in the index are wrong are indexed again, what dead writers left
            is swept. Nothing that could be data is removed.
        workers : int, optional
            Threads or processes that read; as many as there are cores without.
        progress : callable, optional
            ``progress(done, total)``, in runs; by default a bar, if a person is watching.

        Returns
        -------
        CheckReport
            True when nothing is wrong; ``.findings``, each with what to do; ``.checked``; ``.to_dict()``.

        Raises
        ------
        InputError
            ``sample`` is neither a number nor a part.

        Examples
        --------
        >>> report = store.check(sample=0.1)  # doctest: +SKIP
        >>> print(report)  # doctest: +SKIP
        """
        from analysis_store.trust.checks.check import check

        self._alive()
        return check(self, quick=quick, sample=sample, repair=repair, workers=workers, progress=progress)

    def reindex(
        self,
        *,
        everything: bool = False,
        workers: int | None = None,
        progress: Callable[[int, int], None] | None = None,
    ) -> ReindexReport:
        """Enter every run and note into the catalog that is in the files and not in it.

        A catalog that cannot be opened is made anew by `analysis_store.trust.reindex`, given the location.

        Parameters
        ----------
        everything : bool
            Enter those again, too, that the catalog has: all that it says of a run is then what the file says.
        workers : int, optional
            Threads or processes that read; as many as there are cores without.
        progress : callable, optional
            ``progress(done, total)``, in files; by default a bar, if a person is watching.

        Returns
        -------
        ReindexReport
            True when all files are in the catalog, and it has no run without a file.
        """
        from analysis_store.trust.reindexing.reindex import reindex

        self._alive()
        return reindex(self, everything=everything, workers=workers, progress=progress)

    def delete(self, uid: str, reason: str, *, dry_run: bool = True) -> RemovalReport:
        """Take a run out of the store, into quarantine; refused while anything names the run or its files.

        Its documents, provenance and digests stay for ever. `restore` brings it back until `gc` has purged it.

        Parameters
        ----------
        uid : str
            The whole uid of a run of this store.
        reason : str
            Why.
        dry_run : bool
            Only tell what would be done.

        Returns
        -------
        RemovalReport
            The files and their size in bytes, and who names the run; true where nobody does.

        Raises
        ------
        RunNotFoundError
            The store has no such run.
        InvalidMetadataError
            No reason came.
        InputError
            Somebody names the run; says who. Not raised by a dry run.
        StoreBusyError
            Another process deletes, or makes a backup.
        StoreWriteError, DamagedFileError
            A file cannot be moved, or is not there. What was done is safe; doing it again goes on from there.

        Examples
        --------
        >>> print(store.delete(run.uid, "wrong energy"))  # doctest: +SKIP
        >>> store.delete(run.uid, "wrong energy", dry_run=False)  # doctest: +SKIP
        """
        from analysis_store.trust.removal.deletion import delete

        self._alive()
        return delete(self, uid, reason, dry_run=dry_run)

    def restore(self, uid: str) -> Run:
        """Bring a deleted run back from quarantine.

        Parameters
        ----------
        uid : str
            The whole uid.

        Returns
        -------
        Run
            As it was; its notes tell that it was deleted.

        Raises
        ------
        RunNotFoundError
            It was never deleted, or is purged.
        InputError
            A run it came from was deleted, too; says which.
        StoreBusyError, StoreWriteError, DamagedFileError
            As `delete` does.
        """
        from analysis_store.trust.removal.quarantine import restore

        self._alive()
        return restore(self, uid)

    def gc(self, *, dry_run: bool = True, grace: datetime.timedelta = datetime.timedelta(days=30)) -> GcReport:
        """Purge deleted runs that nobody names, and what dead processes left.

        Parameters
        ----------
        dry_run : bool
            Only tell what would be done.
        grace : datetime.timedelta
            What was deleted a shorter time ago stays, and can be restored.

        Returns
        -------
        GcReport
            What goes, what stays and why; true where nothing needs a person.

        Raises
        ------
        SettingsError
            ``grace`` is negative.
        StoreBusyError, StoreWriteError, DamagedFileError
            As `delete` does.
        """
        from analysis_store.trust.removal.garbage import gc

        self._alive()
        return gc(self, dry_run=dry_run, grace=grace)

    def backup(
        self,
        target: str | os.PathLike[str],
        *,
        progress: Callable[[int, int], None] | None = None,
        verify: bool = False,
    ) -> BackupReport:
        """Copy the store into a folder while it is in use; again, and only what is new is copied.

        The copy is a store: open it, or copy it back. A file on the same disk is linked, not copied. Runs that are
        being recorded are not in it before they have ended, nor files that lie outside the root.

        Parameters
        ----------
        target : path
            A new or empty folder, or an earlier backup of this store.
        progress : callable, optional
            Called with the files that are done and how many there are.
        verify : bool
            Compare the digests of the files that are there from earlier backups, too; those copied now always are.

        Returns
        -------
        BackupReport
            Runs, files and bytes; true where all of it is there.

        Raises
        ------
        SettingsError
            The target lies in the store or the store in it, or holds something else than a backup of this store.
        StoreBusyError
            Another process deletes, or makes a backup.
        StoreWriteError
            The target cannot be written, e.g. because its disk is full; the last backup in it is whole.

        Examples
        --------
        >>> store.backup("/mnt/elsewhere/analysis")  # doctest: +SKIP
        """
        from analysis_store.trust.backups.backup import backup

        self._alive()
        return backup(self, target, progress=progress, verify=verify)
