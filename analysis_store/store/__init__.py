"""The store for users: the runs of a `RunStore`, with all operations of the rooms below."""

from __future__ import annotations

from analysis_store.store.lineage import LineageMethods
from analysis_store.store.maintenance import MaintenanceMethods
from analysis_store.store.processing import ProcessingMethods
from analysis_store.store.server import ServerMethods
from analysis_store.store.transfer import TransferMethods


class AnalysisStore(ProcessingMethods, MaintenanceMethods, TransferMethods, LineageMethods, ServerMethods):
    """A permanent home for derived data; created on first use.

    Parameters
    ----------
    location : path or URI
        A folder, in which ``catalog.sqlite`` and ``files/`` are created; or ``sqlite:///…``, ``postgresql://…``,
        ``mongodb://…``.
    root : path, optional
        The folder of the run files; needed with a URI.
    policy : Policy, optional
        The provenance that a result must have. A new store saves it; a later policy may tighten it, never loosen it.
    sources : iterable, optional
        Where parent runs are looked up in addition to this store: databroker Brokers, Tiled clients, other stores.
    handler_registry : mapping, optional
        Further handlers, by spec.
    root_map : mapping, optional
        New places of moved roots of resources: ``{old: new}``.

    Raises
    ------
    SettingsError
        The location or a setting cannot be used.
    StoreVersionError
        The store was created by a newer version.
    PolicyError
        ``policy`` would loosen the policy of the store.

    Examples
    --------
    >>> from analysis_store import AnalysisStore, Policy
    >>> with AnalysisStore("analysis") as store:
    ...     len(store)
    0
    """


__all__ = ["AnalysisStore"]
