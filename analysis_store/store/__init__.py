"""The store as its users see it: the runs of a `RunStore`, and all that the rooms below do with them."""

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
        A folder, in which ``catalog.sqlite`` and ``files/`` are made; or ``sqlite:///…``, ``postgresql://…``,
        ``mongodb://…``.
    root : path, optional
        The folder of the run files; needed with a URI.
    policy : Policy, optional
        What a result must tell of its origin. Given at creation it is kept; later it may tighten, never loosen.
    sources : iterable, optional
        Where parent runs are looked up besides this store: databroker Brokers, Tiled clients, other stores.
    handler_registry : mapping, optional
        Further handlers, by spec.
    root_map : mapping, optional
        Where the roots of resources have moved: ``{old: new}``.

    Raises
    ------
    SettingsError
        The location or a setting cannot be used.
    StoreVersionError
        The store was made by a newer version.
    PolicyError
        ``policy`` would loosen the one of the store.

    Examples
    --------
    >>> from analysis_store import AnalysisStore, Policy
    >>> with AnalysisStore("analysis") as store:
    ...     len(store)
    0
    """


__all__ = ["AnalysisStore"]
