"""Uncommitted changes of a checkout as one patch for ``git apply``."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

from analysis_store.errors import ProvenanceError
from analysis_store.provenance.code.checkout import Checkout, stamp
from analysis_store.provenance.code.git import git

MAX_PATCH = 10 * 2**20
"""Size of the largest patch that is kept with a run, in bytes."""

_DIFF = ("diff", "--binary", "--no-color", "--no-ext-diff", "--no-textconv", "--no-relative")

_patches: dict[tuple[str, tuple[str, ...]], tuple[object, str]] = {}


def patch_of(checkout: Checkout) -> str:
    """Return the patch of changed tracked files and of untracked files of the package; empty without any.

    Raises
    ------
    ProvenanceError
        The patch is too large to be kept, or git does not answer.
    """
    sizes = stamp(f"{checkout.root}/{name}" for name in checkout.uncommitted)
    key, state = (checkout.root, checkout.untracked), (checkout, sizes)
    kept = _patches.get(key)
    if kept is not None and kept[0] == state:
        return kept[1]
    _refuse_large(checkout, sum(stat[1] for stat in sizes[len(checkout.changed) :] if stat))
    text = _diff(checkout)
    _refuse_large(checkout, len(text))
    _patches[key] = state, text
    return text


def _diff(checkout: Checkout) -> str:
    """Return the patch. If a changed file is not UTF-8, all changes are written as binary patches, in ASCII."""
    try:
        return _diff_bytes(checkout).decode()
    except UnicodeDecodeError:
        with tempfile.TemporaryDirectory() as folder:
            attributes = Path(folder, "attributes")
            attributes.write_text("* -diff\n", "ascii")
            return _diff_bytes(checkout, "-c", f"core.attributesFile={attributes}").decode(errors="backslashreplace")


def _diff_bytes(checkout: Checkout, *options: str) -> bytes:
    tracked = git(checkout.root, *options, *_DIFF, "HEAD") if checkout.changed else b""
    new = (*options, *_DIFF, "--no-index", "--", os.devnull)
    return tracked + b"".join(git(checkout.root, *new, name, differs=True) for name in checkout.untracked)


def _refuse_large(checkout: Checkout, size: int) -> None:
    if size > MAX_PATCH:
        listed = ", ".join(checkout.uncommitted[:5]) + (", …" if len(checkout.uncommitted) > 5 else "")
        raise ProvenanceError(
            f"the uncommitted changes in {checkout.root} ({listed}) make a patch of {size / 2**20:.0f} MiB, more than "
            f"the {MAX_PATCH >> 20} MiB that are kept with a run; commit them, or list data files in .gitignore"
        )
