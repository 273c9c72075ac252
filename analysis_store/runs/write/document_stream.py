"""The document stream of a run: start; for each stream descriptor, resources, datums and events; stop."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from analysis_store.documents import Document, compose_datum, event_uid

if TYPE_CHECKING:
    import numpy as np

NamedDocument = tuple[str, Document]


@dataclass(slots=True)
class StreamDocuments:
    """Source of every document of one stream."""

    descriptor: Document
    times: np.ndarray
    """POSIX time of each event, s: float64 ``(n,)``."""

    resources: dict[str, Document] = field(default_factory=dict)
    """The one resource of each key that a default pair stores."""

    foreign: dict[str, tuple[list[Document], list[Document]]] = field(default_factory=dict)
    """The resources, and the datum of each event, of the keys that the caller's own writers store."""

    inline: Callable[[], Mapping[str, Sequence[Any]]] = dict
    """Returns the values of the keys that stay in the events; called only when events are wanted."""

    def heads(self) -> Iterator[NamedDocument]:
        """Yield the descriptor and the resources."""
        yield "descriptor", self.descriptor
        for resource in self.resources.values():
            yield "resource", resource
        for resources, _ in self.foreign.values():
            yield from (("resource", resource) for resource in resources)

    def events(self) -> Iterator[NamedDocument]:
        """Yield each event after the datums it refers to."""
        inline = self.inline()
        keys = list(self.descriptor["data_keys"])
        filled = {key: False for key in keys if key not in inline}
        uid = self.descriptor["uid"]
        for index, time in enumerate(self.times.tolist()):
            data = {}
            for key in keys:
                if key in inline:
                    data[key] = inline[key][index]
                else:
                    datum = self.datum(key, index)
                    yield "datum", datum
                    data[key] = datum["datum_id"]
            yield (
                "event",
                {
                    "uid": event_uid(uid, index + 1),
                    "time": time,
                    "seq_num": index + 1,
                    "descriptor": uid,
                    "data": data,
                    "timestamps": dict.fromkeys(keys, time),
                    "filled": dict(filled),
                },
            )

    def datum(self, key: str, index: int) -> Document:
        """Return the datum of a key in one event."""
        if key in self.foreign:
            return self.foreign[key][1][index]
        return compose_datum(self.resources[key]["uid"], index, {"point_number": index})


def run_documents(
    start: Document, streams: Iterable[StreamDocuments], stop: Document | None
) -> Iterator[NamedDocument]:
    """Yield every document of a run, in order."""
    yield "start", start
    for stream in streams:
        yield from stream.heads()
        yield from stream.events()
    if stop is not None:
        yield "stop", stop
