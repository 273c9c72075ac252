"""Methods of a store that copy runs between stores."""

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
    """Methods of a store that copy runs between stores."""

    def dump(
        self,
        runs: RunsLike,
        target: str | os.PathLike[str],
        *,
        parents: Literal["closure", "stubs"] = "closure",
        skip: bool = False,
        progress: Callable[[int, int], None] | None = None,
    ) -> BundleReport:
        """Write runs and their ancestors to one file, a bundle that `load` reads; every value is verified.

        The bundle is a zip file and an RO-Crate: other programs can read its runs (HDF5), documents (JSON) and
        provenance.

        Parameters
        ----------
        runs : query, Run, str, or iterable of Run or str
            The runs. A text is a uid or its beginning; for a search give a mapping, or ``store.search(…)``.
        target : path
            The new file; an existing file is never replaced.
        parents : {"closure", "stubs"}
            Include all ancestors in this store, or only the documents of the parents.
        skip : bool
            Leave out damaged runs instead of raising an error.
        progress : callable, optional
            ``progress(done, total)``, in runs; by default a progress bar if a person is watching.

        Returns
        -------
        BundleReport
            The content of the bundle, and what was left out.

        Raises
        ------
        DamagedFileError
            A run is damaged; the message names it.
        RunNotFoundError
            There is no such run.
        TargetExistsError, StoreWriteError
            The file exists, or cannot be written; no partial file is left.

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
        """Add the runs of a bundle, after checking the whole bundle; nothing in it is executed or trusted.

        Uids, documents and links do not change. Loading is idempotent, also after a kill at any instant.

        Parameters
        ----------
        bundle : path
            A file written by `dump`.
        dry_run : bool
            Only check, and report what would be loaded.
        progress : callable, optional
            ``progress(done, total)``, in runs; by default a progress bar if a person is watching.

        Returns
        -------
        LoadReport
            The loaded runs, the runs that the store had, and remarks.

        Raises
        ------
        DamagedFileError, UnsafeFileError, StoreVersionError
            The bundle is damaged, hostile, or of a newer version; no run was loaded.
        DuplicateRunError
            This store has different runs with the same uids, or deleted these runs; the message names all of them.
        ProvenanceError
            Some runs lack provenance that the policy of this store requires; the message names all of them.
        StoreWriteError
            The disk refused a write; runs that were loaded before are complete.

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
        """Copy from another store the runs and notes that are missing in this one.

        Parameters
        ----------
        other : AnalysisStore, path or URI
            The other store.
        query : query, optional
            Only runs that match the query, and their ancestors.
        both : bool
            Also copy missing runs to the other store.
        progress : callable, optional
            ``progress(done, total)``, in runs; by default a progress bar if a person is watching.

        Returns
        -------
        SyncReport
            The copied runs; true if all could be copied. Its findings name the others.

        Raises
        ------
        InputError
            The other is this store itself, or not a store.
        StoreWriteError
            The disk refused a write; runs that were loaded before are complete.

        Examples
        --------
        >>> store.sync("/mnt/beamline/analysis", query={"sample_name": "Fe foil"})  # doctest: +SKIP
        """
        from analysis_store.trust.bundles.sync import sync

        self._alive()
        return sync(self, other, query=query, both=both, progress=progress)
