r"""Digests of objects, computed over their nodes, so that a file can be verified without knowing any class.

The encoding extends that of `analysis_store.digests`; ``text``, ``array`` and ``strings`` are defined there::

    objects = "objects\n\n" n ",\n"  node*                        one object per event
    node    = "node\n" label "\n" count ",\n"  content            count of members, or of arrays: 0 or 1
    content = array | strings | (text(name) node)*                a dataset, or a group
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from blake3 import blake3

from analysis_store.codecs.nodes import GROUPS, Node
from analysis_store.digests import ALGORITHM, ValueDigest, feed_head, feed_text

if TYPE_CHECKING:
    from analysis_store.dtypes import AnyArray


def digest_nodes(nodes: Sequence[Node]) -> str:
    """Return the digest of a column of objects, ``blake3:<hex>``."""
    hasher = blake3()
    feed_head(hasher, "objects", "", (len(nodes),))
    for node in nodes:
        _feed(hasher, node)
    return f"{ALGORITHM}:{hasher.hexdigest()}"


def _feed(hasher: blake3, node: Node) -> None:
    if node.form in GROUPS:
        feed_head(hasher, "node", node.label, (len(node.members),))
        for name, member in node.members.items():
            feed_text(hasher, name)
            _feed(hasher, member)
        return
    feed_head(hasher, "node", node.label, (int(node.values is not None),))
    if node.values is not None:
        values = _canonical(node)
        ValueDigest(values.shape, values.dtype, hasher).update(values)


def _canonical(node: Node) -> AnyArray:
    """Return the values of a dataset, equal for one that was read and one that is to be written."""
    values = node.values[0] if isinstance(node.values, tuple) else np.asarray(node.values)
    if node.form in ("text", "int") and values.dtype.kind in "SUO":
        return _texts(values.ravel().tolist()).reshape(values.shape)
    return np.asarray(values)


def _texts(values: Iterable[Any]) -> AnyArray:
    return np.array([value.decode() if isinstance(value, bytes) else value for value in values], object)
