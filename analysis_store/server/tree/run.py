"""Runs and streams for Tiled, in the layout that databroker's clients expect.

::

    <uid>                    BlueskyRun: start, stop, summary
      <stream>               BlueskyEventStream: descriptors
        data                 the data keys as one dataset, with time and seq_num
        timestamps           the same keys, when each was read
        config               one dataset per device, a row for each descriptor
        config_timestamps
        ragged/<key>         keys whose arrays differ in shape, as Awkward arrays
        tables/<key>/<n>     keys whose values are tables, a table for each event

A key that cannot be served in ``data`` is left out of it; the metadata of its stream contain the reason and its
other location under ``left_out``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import TYPE_CHECKING, Any

from tiled.structures.core import Spec
from tiled.utils import OneShotCachedMap

from analysis_store.core.text import local_time
from analysis_store.errors import AnalysisStoreError
from analysis_store.server.tree.arrays import dataset, transportable
from analysis_store.server.tree.columns import Columns, configuration
from analysis_store.server.tree.nodes import Node

if TYPE_CHECKING:
    from analysis_store.catalogs.base import RunRecord
    from analysis_store.documents import Document
    from analysis_store.run_store import RunStore


class RunAdapter(Node):
    """One run: its metadata come from the catalog; its file is opened on access to a stream."""

    def __init__(self, mapping: Mapping[str, object], *, store: RunStore | None = None, **others: object) -> None:
        super().__init__(mapping, **others)
        self._store = store

    @classmethod
    def of(cls, store: RunStore, record: RunRecord) -> RunAdapter:
        """Return the adapter of a run found by the catalog."""
        names = dict.fromkeys(doc.get("name", "primary") for doc in record.descriptors)
        return cls(
            OneShotCachedMap({name: partial(_stream, store, record, name) for name in names}),
            store=store,
            metadata=transportable(run_metadata(record, list(names))),
            specs=[Spec("BlueskyRun", version="1")],
        )

    def documents(self) -> Iterator[tuple[str, Document]]:
        """Yield every document of the run, as the store has it."""
        if self._store is None:
            return iter(())
        return iter(self._store[self.metadata()["start"]["uid"]].documents())

    def new_variation(self, *args: object, **changes: object) -> RunAdapter:
        """Return the same run with its streams filtered or sorted."""
        same: RunAdapter = super().new_variation(*args, store=self._store, **changes)
        return same


def run_metadata(record: RunRecord, stream_names: list[str]) -> Document:
    """Return the metadata that databroker's clients expect of a run: start, stop and summary."""
    start, stop = record.start, record.stop
    times = [doc["time"] for doc in (start, stop) if doc]
    summary = {
        "uid": start["uid"],
        "scan_id": start.get("scan_id"),
        "plan_name": start.get("plan_name"),
        "timestamp": start["time"],
        "datetime": moment.isoformat(timespec="seconds") if (moment := local_time(start["time"])) else None,
        "duration": times[1] - times[0] if stop else None,
        "stream_names": stream_names,
    }
    return {"start": start, "stop": stop, "summary": summary}


def _stream(store: RunStore, record: RunRecord, name: str) -> Node:
    """Return the adapter of a stream; its metadata list keys that cannot be read."""
    descriptors = [doc for doc in record.descriptors if doc.get("name", "primary") == name]
    metadata = {"descriptors": transportable(descriptors), "stream_name": name}
    contents: dict[str, Callable[[], Any]] = {
        "config": partial(configuration, descriptors, "data"),
        "config_timestamps": partial(configuration, descriptors, "timestamps"),
    }
    try:
        columns = Columns(store[record.uid][name])
        stamps = columns.timestamps()
    except AnalysisStoreError as error:
        note = {"reason": f"{type(error).__name__}: {error}"}
        left_out = {key: note for doc in descriptors for key in doc["data_keys"]}
        return _container(contents, {**metadata, "left_out": left_out})
    attrs = {"stream_name": name}
    contents = {
        "data": partial(dataset, columns.variables(), attrs),
        "timestamps": partial(dataset, stamps, attrs),
        **contents,
        **columns.elsewhere(),
    }
    return _container(contents, {**metadata, **({"left_out": columns.left_out} if columns.left_out else {})})


def _container(contents: Mapping[str, Callable[[], Any]], metadata: Document) -> Node:
    return Node(OneShotCachedMap(contents), metadata=metadata, specs=[Spec("BlueskyEventStream", version="1")])
