"""The seal of a run file: a digest of its documents and times, so that a change is found without a catalog."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
from blake3 import blake3

from analysis_store.digests import ALGORITHM, digest_array

Times = np.ndarray[Any, np.dtype[np.float64]]


def seal_of(texts: Mapping[str, Sequence[str]], times: Iterable[Times]) -> str:
    """Return the seal of a file, ``blake3:<hex>``.

    Parameters
    ----------
    texts : mapping of str to sequence of str
        Content of the group of documents, by member.
    times : iterable of ndarray
        When the events of each stream happened, in the order of the descriptors: float64 ``(n,)``, s since 1970.
    """
    hasher = blake3()
    for name in sorted(texts):
        for text in (name, str(len(texts[name])), *texts[name]):
            content = text.encode()
            hasher.update(len(content).to_bytes(8, "little") + content)
    for each in times:
        hasher.update(digest_array(np.asarray(each, np.float64)).encode())
    return f"{ALGORITHM}:{hasher.hexdigest()}"
