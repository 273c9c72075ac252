"""Methods of a store that check, repair, remove and back up."""

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
    """Methods of a store that check, repair, remove and back up."""

    def check(
        self,
        *,
        quick: bool = False,
        sample: float | None = None,
        repair: bool = False,
        workers: int | None = None,
        progress: Callable[[int, int], None] | None = None,
    ) -> CheckReport:
        """Check the whole store: every file is present and intact, catalog and files agree, lineage resolves.

        Parameters
        ----------
        quick : bool
            Read only documents, no values.
        sample : int or float, optional
            Read the values of a random sample: a number of runs (an integer), or a fraction of them (a float up to 1).
        repair : bool
            Repair what can be repaired safely: add complete files to the catalog, close recordings whose writers died,
            index runs with wrong index entries again, remove leftovers of dead writers. Nothing that could be data is
            removed.
        workers : int, optional
            Number of threads or processes that read; default: the number of cores.
        progress : callable, optional
            ``progress(done, total)``, in runs; by default a progress bar if a person is watching.

        Returns
        -------
        CheckReport
            True without faults; ``.findings``, each with the action to take; ``.checked``; ``.to_dict()``.

        Raises
        ------
        InputError
            ``sample`` is neither a number of runs nor a fraction.

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
        """Add to the catalog every run and note that is only in the files.

        `analysis_store.trust.reindex` rebuilds a catalog that cannot be opened, given the location.

        Parameters
        ----------
        everything : bool
            Also index runs that the catalog has again, so that its entries equal the files.
        workers : int, optional
            Number of threads or processes that read; default: the number of cores.
        progress : callable, optional
            ``progress(done, total)``, in files; default: a progress bar in a terminal.

        Returns
        -------
        ReindexReport
            True if all files are in the catalog, and every run in it has a file.
        """
        from analysis_store.trust.reindexing.reindex import reindex

        self._alive()
        return reindex(self, everything=everything, workers=workers, progress=progress)

    def delete(self, uid: str, reason: str, *, dry_run: bool = True) -> RemovalReport:
        """Move a run to quarantine; refused while another run names this run or its files.

        Its documents, provenance and digests are kept permanently. `restore` brings it back until `gc` has purged it.

        Parameters
        ----------
        uid : str
            The full uid of a run of this store.
        reason : str
            Why the run is deleted.
        dry_run : bool
            Only report what would be done.

        Returns
        -------
        RemovalReport
            The files, their size in bytes, and the runs that name this run; true if there are no such runs.

        Raises
        ------
        RunNotFoundError
            The store has no such run.
        InvalidMetadataError
            The reason is empty.
        InputError
            Another run names this run; the message says which. Not raised in a dry run.
        StoreBusyError
            Another process deletes runs, or makes a backup.
        StoreWriteError, DamagedFileError
            A file cannot be moved, or is missing. Call `delete` again to continue.

        Examples
        --------
        >>> print(store.delete(run.uid, "wrong energy"))  # doctest: +SKIP
        >>> store.delete(run.uid, "wrong energy", dry_run=False)  # doctest: +SKIP
        """
        from analysis_store.trust.removal.deletion import delete

        self._alive()
        return delete(self, uid, reason, dry_run=dry_run)

    def restore(self, uid: str) -> Run:
        """Restore a deleted run from quarantine.

        Parameters
        ----------
        uid : str
            The full uid.

        Returns
        -------
        Run
            The unchanged run; its notes record the deletion.

        Raises
        ------
        RunNotFoundError
            The run was never deleted, or was purged.
        InputError
            A parent of the run was deleted, too; the message says which.
        StoreBusyError, StoreWriteError, DamagedFileError
            As in `delete`.
        """
        from analysis_store.trust.removal.quarantine import restore

        self._alive()
        return restore(self, uid)

    def gc(self, *, dry_run: bool = True, grace: datetime.timedelta = datetime.timedelta(days=30)) -> GcReport:
        """Purge deleted runs that no run names, and leftovers of dead processes.

        Parameters
        ----------
        dry_run : bool
            Only report what would be done.
        grace : datetime.timedelta
            Runs that were deleted more recently are kept, and can be restored.

        Returns
        -------
        GcReport
            What is purged, what is kept and why; true if no case needs a person.

        Raises
        ------
        SettingsError
            ``grace`` is negative.
        StoreBusyError, StoreWriteError, DamagedFileError
            As in `delete`.
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
        """Back up the store to a folder while it is in use; later backups copy only new files.

        The backup is a store: open it, or copy it back. On the same disk, files are linked, not copied. Runs
        that are being recorded and files outside the root are not included.

        Parameters
        ----------
        target : path
            A new or empty folder, or an earlier backup of this store.
        progress : callable, optional
            Called with the number of finished files and the number of all files.
        verify : bool
            Also verify the digests of files from earlier backups; new files are always verified.

        Returns
        -------
        BackupReport
            Runs, files and bytes; true if the backup is complete.

        Raises
        ------
        SettingsError
            The target is inside the store or contains it, or has content other than a backup of this store.
        StoreBusyError
            Another process deletes runs, or makes a backup.
        StoreWriteError
            The target cannot be written, e.g. because its disk is full; the previous backup in it is intact.

        Examples
        --------
        >>> store.backup("/mnt/elsewhere/analysis")  # doctest: +SKIP
        """
        from analysis_store.trust.backups.backup import backup

        self._alive()
        return backup(self, target, progress=progress, verify=verify)
