"""Values read by other programs: a small run of a pair, sent through databroker and through Tiled, in this process."""

from __future__ import annotations

import importlib.util
import tempfile
import time
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from analysis_store.documents import (
    Document,
    compose_datum,
    compose_descriptor,
    compose_resource,
    compose_stop,
    event_uid,
    new_uid,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from analysis_store.dtypes import AnyArray

_KEY = "value"
_HDF5 = "application/x-hdf5"


@dataclass(frozen=True, slots=True)
class Sample:
    """Values written by a pair, as documents describe them."""

    spec: str
    """Spec of the pair."""

    handler: type
    """Handler that reads them."""

    path: str
    """File that contains them."""

    resource_kwargs: Mapping[str, Any]
    """Resource kwargs that locate the values in the file."""

    datums: Sequence[Mapping[str, Any]]
    """Datum kwargs of each."""

    value: AnyArray
    """One of them: all have its dtype and shape."""


def read_through_databroker(sample: Sample) -> AnyArray | None:
    """Return the values as databroker reads them with this handler, None if databroker is not installed."""
    if not all(importlib.util.find_spec(name) for name in ("databroker", "mongomock")):
        return None
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # warnings between other packages
        from databroker.mongo_normalized import MongoAdapter
        from tiled.client import Context, from_context
        from tiled.server.app import build_app

        tree = MongoAdapter.from_mongomock(handler_registry={sample.spec: sample.handler})
        insert = tree.get_serializer()
        documents = list(_run(sample))
        for name, document in documents:
            insert(name, document)
        with Context.from_app(build_app(tree)) as context:
            run = from_context(context)[documents[0][1]["uid"]]
            return np.asarray(run["primary"].read()[_KEY])


def read_through_tiled(sample: Sample) -> AnyArray | None:
    """Return the values as Tiled reads them, None if it is not installed, or cannot read such files."""
    if importlib.util.find_spec("bluesky_tiled_plugins") is None:
        return None
    with warnings.catch_warnings(), tempfile.TemporaryDirectory() as folder:
        warnings.simplefilter("ignore")
        from bluesky_tiled_plugins import TiledWriter
        from bluesky_tiled_plugins.writing.tiled_writer import MIMETYPE_LOOKUP
        from tiled.catalog import in_memory
        from tiled.client import Context, from_context
        from tiled.server.app import build_app

        if MIMETYPE_LOOKUP.get(sample.spec) != _HDF5:
            return None
        tree = in_memory(
            named_memory=new_uid(),  # unnamed ones of a process are identical
            specs=[{"name": "CatalogOfBlueskyRuns", "version": "3.0"}],
            writable_storage=[f"{folder}/data", f"sqlite:///{folder}/tables.db"],
            readable_storage=[str(Path(sample.path).parent)],
        )
        with Context.from_app(build_app(tree)) as context:
            catalog = from_context(context)
            write = TiledWriter(catalog, max_array_size=0)
            documents = list(_run(sample))
            for name, document in documents:
                write(name, document)
            return np.asarray(catalog[documents[0][1]["uid"]]["primary"][_KEY].read())


def _run(sample: Sample) -> Iterator[tuple[str, Document]]:
    """Yield the documents of a run with one external key and one event per datum."""
    now, uid, file, value = time.time(), new_uid(), Path(sample.path), sample.value
    yield "start", {"uid": uid, "time": now}
    data_key = {
        "source": "check_pair",
        "dtype": "array" if value.ndim else "number",
        "dtype_numpy": value.dtype.str,
        "shape": list(value.shape),
        "external": "FILESTORE:",
    }
    descriptor = compose_descriptor(uid, "primary", {_KEY: data_key}, now, {})
    yield "descriptor", descriptor
    resource = compose_resource(uid, sample.spec, str(file.parent), file.name, sample.resource_kwargs)
    yield "resource", resource
    for index, datum_kwargs in enumerate(sample.datums):
        datum = compose_datum(resource["uid"], index, datum_kwargs)
        yield "datum", datum
        yield (
            "event",
            {
                "uid": event_uid(descriptor["uid"], index + 1),
                "descriptor": descriptor["uid"],
                "seq_num": index + 1,
                "time": now,
                "data": {_KEY: datum["datum_id"]},
                "timestamps": {_KEY: now},
                "filled": {_KEY: False},
            },
        )
    yield "stop", compose_stop(uid, time=now, num_events={"primary": len(sample.datums)})
