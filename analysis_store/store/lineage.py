"""Methods of a store for lineage: ancestors, descendants, impact and stale results."""

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
    """Methods of a store for lineage: ancestors, descendants, impact and stale results."""

    def lineage(self, uid: str, *, up: bool = True, down: bool = True, limit: int | None = None) -> Lineage:
        """Return the ancestors and descendants of a run as a graph.

        Parameters
        ----------
        uid : str
            The run, or the beginning of its uid.
        up, down : bool
            Whether the graph has ancestors, and whether it has descendants.
        limit : int, optional
            Largest number of ancestors and of descendants; the nearest are kept.

        Returns
        -------
        Lineage
            Prints as text trees; ``.to_dot()``, ``.to_svg()``, ``.to_mermaid()``, ``.to_prov()``.

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
        """Return every run that used something, and all runs derived from these, nearest first.

        Parameters
        ----------
        what : Run, str or path
            A run or its uid, also of an external parent; a file, or its digest ``blake3:<hex>``; 7
            or more digits of a commit; ``"package==version"``. A text is read as the first of these that fits:
            digest, package, run, commit, file.

        Returns
        -------
        list of Affected
            Each with ``uid``, ``depth``, ``how`` it is connected, and ``run``. If ``what`` is a run, it is left out.

        Raises
        ------
        InputError
            ``what`` is invalid; or a file that cannot be read, and that no run names by its path.

        Examples
        --------
        >>> [affected.uid for affected in store.impact("numpy==2.1.0")]  # doctest: +SKIP
        """
        from analysis_store.trust.lineage.impact import find_affected

        self._alive()
        return find_affected(self, what)

    def stale(self, query: QueryLike | None = None) -> Iterator[Stale]:
        """Yield the stale results, newest first.

        A result is stale if one of its ancestors was retracted; if an input file was changed or is missing; if an
        input was recomputed (`rerun`) with other values; or if a newer version of the processor, or one whose code
        has changed, has a result for the same inputs with the same parameters.

        Parameters
        ----------
        query : mapping, Tiled query or str, optional
            Only these runs; as for `search`.

        Returns
        -------
        iterator of Stale
            Each with ``run`` and ``reasons``. A file with the same size and modification time counts as unchanged.

        Examples
        --------
        >>> for stale in store.stale({"processing.processor": "fit_peak"}):  # doctest: +SKIP
        ...     print(stale.run.uid, *stale.reasons)
        """
        from analysis_store.trust.lineage.staleness import find_stale

        self._alive()
        return find_stale(self, query)
