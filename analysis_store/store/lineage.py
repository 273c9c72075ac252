"""Methods of a store that follow results to their sources, and sources to their results."""

from __future__ import annotations

from typing import TYPE_CHECKING

from analysis_store.run_store import RunStore

if TYPE_CHECKING:
    import os
    from collections.abc import Iterator

    from analysis_store.catalogs.query.query import QueryLike
    from analysis_store.runs.read.run import RunLike
    from analysis_store.trust.lineage.impact import Affected
    from analysis_store.trust.lineage.model import Lineage
    from analysis_store.trust.lineage.staleness import Stale


class LineageMethods(RunStore):
    """Methods of a store that follow results to their sources, and sources to their results."""

    def lineage(self, uid: str, *, up: bool = True, down: bool = True, limit: int | None = None) -> Lineage:
        """Return what a run came from and what came of it, as a graph.

        Parameters
        ----------
        uid : str
            The run, or the beginning of its uid.
        up, down : bool
            Whether what it came from is in the graph, and what came of it.
        limit : int, optional
            Only so many runs each way, the nearest.

        Returns
        -------
        Lineage
            Printed as trees; ``.to_dot()``, ``.to_svg()``, ``.to_mermaid()``, ``.to_prov()``.

        Raises
        ------
        RunNotFoundError
            The store has no such run.

        Examples
        --------
        >>> print(store.lineage(run.uid))  # doctest: +SKIP
        """
        from analysis_store.trust.lineage.trace import trace

        self._alive()
        return trace(self, uid, up=up, down=down, limit=limit)

    def impact(self, what: RunLike | os.PathLike[str]) -> list[Affected]:
        """Return every run that something was used for, and all that came of those, nearest first.

        Parameters
        ----------
        what : Run, str or path
            A run or its uid, also of one elsewhere that runs here came from; a file, or its digest ``blake3:<hex>``; 7
            or more digits of a commit; ``"package==version"``. A text is taken for the first of these that it can be:
            digest, package, run, commit, file.

        Returns
        -------
        list of Affected
            Each with ``uid``, ``depth``, ``how`` it was reached, and ``run``. A run that was asked for is not in it.

        Raises
        ------
        InputError
            It is none of these; or a file that cannot be read, and whose path no run names.

        Examples
        --------
        >>> [affected.uid for affected in store.impact("numpy==2.1.0")]  # doctest: +SKIP
        """
        from analysis_store.trust.lineage.impact import find_affected

        self._alive()
        return find_affected(self, what)

    def stale(self, query: QueryLike | None = None) -> Iterator[Stale]:
        """Yield the results that are not up to date, newest first.

        One is not where a run that it came from was retracted; where an input file was changed or is gone; where an
        input was made again (`rerun`) with other values; or where a newer version of the processor, or one whose code
        has changed, has a result of the same inputs with the same parameters.

        Parameters
        ----------
        query : mapping, Tiled query or str, optional
            Look at these runs only; as for `search`.

        Returns
        -------
        iterator of Stale
            Each with ``run`` and ``reasons``. A file of the same size and time of change is taken to be the same.

        Examples
        --------
        >>> for stale in store.stale({"processing.processor": "fit_peak"}):  # doctest: +SKIP
        ...     print(stale.run.uid, *stale.reasons)
        """
        from analysis_store.trust.lineage.staleness import find_stale

        self._alive()
        return find_stale(self, query)
