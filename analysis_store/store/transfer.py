"""Methods of a store that move runs between stores."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import TYPE_CHECKING, Literal

from analysis_store.run_store import RunStore

if TYPE_CHECKING:
    from analysis_store.catalogs.query.query import QueryLike
    from analysis_store.runs.read.run import RunsLike
    from analysis_store.trust.bundles.load import LoadReport
    from analysis_store.trust.bundles.sync import SyncReport
    from analysis_store.trust.bundles.writing import BundleReport


class TransferMethods(RunStore):
    """Methods of a store that move runs between stores."""

    def dump(
        self,
        runs: RunsLike,
        target: str | os.PathLike[str],
        *,
        parents: Literal["closure", "stubs"] = "closure",
        skip: bool = False,
        progress: Callable[[int, int], None] | None = None,
    ) -> BundleReport:
        """Write runs, and what they came from, into one file, a bundle that `load` reads; every value is verified.

        It is a zip, and an RO-Crate: other programs read the runs (HDF5), their documents (JSON) and their provenance.

        Parameters
        ----------
        runs : query, Run, str, or iterable of Run or str
            What to take. A text is a uid or the beginning of one; for a search give a mapping, or ``store.search(…)``.
        target : path
            The file to make; one that is there is never replaced.
        parents : {"closure", "stubs"}
            Take all ancestors that this store has, or only the documents of the parents.
        skip : bool
            Leave damaged runs out, instead of refusing them.
        progress : callable, optional
            ``progress(done, total)``, in runs; by default a bar, if a person is watching.

        Returns
        -------
        BundleReport
            What is in it, and what is not.

        Raises
        ------
        DamagedFileError
            A run is damaged; names it.
        RunNotFoundError
            There is no such run.
        TargetExistsError, StoreWriteError
            The file is there already, or cannot be written; nothing of it stays.

        Examples
        --------
        >>> store.dump(store.search(sample_name="Fe foil"), "foils.zip")  # doctest: +SKIP
        """
        from analysis_store.trust.bundles.writing import dump

        self._alive()
        return dump(self, runs, target, parents=parents, skip=skip, progress=progress)

    def load(
        self,
        bundle: str | os.PathLike[str],
        *,
        dry_run: bool = False,
        progress: Callable[[int, int], None] | None = None,
    ) -> LoadReport:
        """Take the runs of a bundle; it is checked as a whole first, and nothing in it is executed or believed.

        Uids, documents and links stay as they are. Again is as good as once, also after a kill at any instant.

        Parameters
        ----------
        bundle : path
            What `dump` made.
        dry_run : bool
            Only check, and tell what would come.
        progress : callable, optional
            ``progress(done, total)``, in runs; by default a bar, if a person is watching.

        Returns
        -------
        LoadReport
            What came, what was here, and what is worth knowing.

        Raises
        ------
        DamagedFileError, UnsafeFileError, StoreVersionError
            The bundle is damaged, hostile, or of a newer version; nothing of it stays.
        DuplicateRunError
            Other runs have the uids of some of its runs here, or those were deleted here; names all of them.
        ProvenanceError
            Some runs do not tell what the policy of this store asks for; names all of them.
        StoreWriteError
            The disk refuses; the runs that had come before are whole.

        Examples
        --------
        >>> store.load("foils.zip")  # doctest: +SKIP
        """
        from analysis_store.trust.bundles.load import load

        self._alive()
        return load(self, bundle, dry_run=dry_run, progress=progress)

    def sync(
        self,
        other: RunStore | str | os.PathLike[str],
        *,
        query: QueryLike | None = None,
        both: bool = False,
        progress: Callable[[int, int], None] | None = None,
    ) -> SyncReport:
        """Take from another store the runs, and what was said of them, that this one lacks.

        Parameters
        ----------
        other : AnalysisStore, path or URI
            The other store.
        query : query, optional
            Only what satisfies it, and what that came from.
        both : bool
            Give the other what it lacks, too.
        progress : callable, optional
            ``progress(done, total)``, in runs; by default a bar, if a person is watching.

        Returns
        -------
        SyncReport
            What came and what went; true where nothing was in the way. What could not come is named in its findings.

        Raises
        ------
        InputError
            The other is this very store, or none.
        StoreWriteError
            The disk refuses; the runs that had come before are whole.

        Examples
        --------
        >>> store.sync("/mnt/beamline/analysis", query={"sample_name": "Fe foil"})  # doctest: +SKIP
        """
        from analysis_store.trust.bundles.sync import sync

        self._alive()
        return sync(self, other, query=query, both=both, progress=progress)
