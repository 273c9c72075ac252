"""Publishing a complete live file as a run of its store; can be repeated if a process dies meanwhile."""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from analysis_store.core.atomic_files import link_or_rename
from analysis_store.errors import DuplicateRunError, StoreBusyError, StoreWriteError
from analysis_store.folders import sync_file, sync_folder
from analysis_store.recorder.hdf5.repair import writing

if TYPE_CHECKING:
    from analysis_store.run_store import RunStore
    from analysis_store.runs.read.run import Run

SUFFIX = ".live"
_READ_ONLY = stat.S_IRUSR | stat.S_IRGRP | stat.S_IROTH


def live_path(root: Path, relative: PurePosixPath) -> Path:
    """Return the path of a run's live file, next to the final run file."""
    return root / f"{relative}{SUFFIX}"


def publish(store: RunStore, live: Path) -> Run:
    """Publish a complete live file: give it the name of a run file, and add it to the catalog.

    The live name is removed last: while it exists, `recover` can finish the work.

    Raises
    ------
    DuplicateRunError
        There is another run with this uid.
    StoreWriteError
        The catalog cannot be written; the live file is kept.
    """
    final = live.with_suffix("")
    live.chmod(_READ_ONLY)
    sync_file(live)  # that it is closed
    try:
        link_or_rename(live, final)
    except FileExistsError as error:
        if not os.path.samestat(live.stat(), final.stat()):
            raise DuplicateRunError(
                f"{final} exists, and is not the run that was recorded in {live}. Move one of them away."
            ) from error
    sync_folder(final.parent)
    run = store.adopt(final)
    live.unlink(missing_ok=True)
    sync_folder(final.parent)
    return run


@contextmanager
def ending(uid: str, live: Path) -> Iterator[None]:
    """Add to an error that prevents the end of a recording that it can be closed later."""
    try:
        with writing(live):
            yield
    except StoreBusyError:
        raise
    except StoreWriteError as error:
        raise StoreWriteError(
            error.errno or errno.EIO,
            f"run {uid} cannot be finished: {error.strerror or error}. No value is lost: close it again when that is "
            "fixed, or in another process with recover(store, uid)",
        ) from error
