"""Opening of HDF5 files for writing, so that a disk error affects only this file, not HDF5 or the process.

HDF5 buffers data, and writes them when an object is closed, or the file is flushed. After a disk error at that
point, the object stays half closed inside the library, and the next file that is opened crashes the process. So HDF5
must not meet a disk error. A small file is written in memory. In a large one HDF5 buffers no values: they are
written by the call that passes them, which may fail safely; for the rest, disk space is allocated before it writes.
"""

from __future__ import annotations

import os
import resource
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

import h5py
from h5py import h5f, h5fd, h5i, h5p

from analysis_store.folders import sync
from analysis_store.roots import open_inside

if TYPE_CHECKING:
    from collections.abc import Iterator


_SUPERBLOCK = 96
"""Size in bytes of the largest superblock, with which a file begins."""
_STEP = 128 << 10
"""Bytes by which a file in memory grows."""


def _access(*bounds: int) -> h5p.PropFAID:
    access = h5p.create(h5p.FILE_ACCESS)
    access.set_fclose_degree(h5f.CLOSE_STRONG)
    access.set_libver_bounds(*bounds)
    access.set_sieve_buf_size(0)  # contiguous values
    access.set_cache(0, 0, 0, 0.75)  # chunks
    kept = access.get_mdc_config()  # metadata: never evicted before the file is flushed
    kept.evictions_enabled = False
    kept.incr_mode = kept.flash_incr_mode = kept.decr_mode = 0
    access.set_mdc_config(kept)
    return access


def _in_memory(access: h5p.PropFAID) -> h5p.PropFAID:
    access.set_fapl_core(_STEP, False)
    return access


_V110 = h5f.LIBVER_V110, h5f.LIBVER_V110  # compact groups: faster to make, smaller to keep
_ACCESS, _MEMORY = _access(*_V110), _in_memory(_access(*_V110))
_LATEST = _access(h5f.LIBVER_LATEST, h5f.LIBVER_LATEST)


@contextmanager
def written(path: str | os.PathLike[str], *, small: bool = False) -> Iterator[h5f.FileID]:
    """Yield a new HDF5 file in place of the one at ``path``; after the ``with`` it is closed, and durable.

    Parameters
    ----------
    path : path
        An existing file, which is overwritten.
    small : bool
        True if the file fits into memory easily.

    Raises
    ------
    OSError, RuntimeError
        A disk error. The file at ``path`` is then invalid.
    """
    image = b""
    with _closed(h5f.create(os.fsencode(path), h5f.ACC_TRUNC, fapl=_MEMORY if small else _ACCESS)) as file:
        yield file
        if small:
            h5f.flush(file)
            image = file.get_file_image()
    descriptor = open_inside(path, os.O_WRONLY)
    try:
        left = memoryview(image)
        while left:
            left = left[os.write(descriptor, left) :]
        sync(descriptor)
    finally:
        os.close(descriptor)


@contextmanager
def grown(path: str | os.PathLike[str], *, swmr: bool = False) -> Iterator[h5f.FileID]:
    """Yield an HDF5 file to append to, created if needed; after the ``with`` it is closed, and not yet durable.

    After any error the file is restored to its previous state.

    Parameters
    ----------
    path : path
        The file.
    swmr : bool
        Give the file the format that others can read while it is open.

    Raises
    ------
    OSError, RuntimeError
        A disk error.
    """
    name, access, before = os.fsencode(path), _LATEST if swmr else _ACCESS, _Before(path)
    try:
        if before.size is None:
            file = h5f.create(name, h5f.ACC_EXCL, fapl=access)
        else:
            file = h5f.open(name, h5f.ACC_RDWR, access)
        with _closed(file):
            yield file
    except BlockingIOError:  # another process has it open and may change it
        raise
    except BaseException:
        before.restore()
        raise


class _Before:
    """State of a file before it is extended: HDF5 writes after its end, and marks its beginning as open."""

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self._path = path
        self._head = b""
        self.size: int | None = None
        """Size in bytes; None if there is no file."""
        with suppress(FileNotFoundError), open(path, "rb", buffering=0) as file:  # noqa: PTH123  it may be text
            self._head = file.read(_SUPERBLOCK)
            self.size = os.fstat(file.fileno()).st_size

    def restore(self) -> None:
        """Restore the file, as far as the disk allows."""
        with suppress(OSError):
            if self.size is None:
                os.unlink(self._path)  # noqa: PTH108
                return
            with open(self._path, "r+b", buffering=0) as file:  # noqa: PTH123
                file.write(self._head)
                file.truncate(self.size)


def reserve(file: h5f.FileID) -> None:
    """Allocate disk space for all data that HDF5 has buffered.

    Raises
    ------
    OSError
        There is no space. Nothing was written.
    """
    if _is_on_disk(file) and hasattr(os, "posix_fallocate"):
        descriptor = file.get_vfd_handle()
        for hole, end in _holes(descriptor, file.get_filesize()):
            os.posix_fallocate(descriptor, hole, end - hole)


def _holes(descriptor: int, size: int) -> Iterator[tuple[int, int]]:
    """Yield begin and end of the parts of a file of a given future size that are not allocated on disk yet."""
    held, here = os.fstat(descriptor).st_size, 0
    while here < size:
        hole = os.lseek(descriptor, here, os.SEEK_HOLE) if here < held else here
        try:
            here = os.lseek(descriptor, hole, os.SEEK_DATA)
        except OSError:  # no further data
            here = size
        if hole < size:
            yield hole, min(here, size)


def _is_on_disk(file: h5f.FileID) -> bool:
    return bool(file.get_access_plist().get_driver() == h5fd.SEC2)


@contextmanager
def _closed(file: h5f.FileID) -> Iterator[h5f.FileID]:
    """Close a file at the end; if this fails, or after an error, make HDF5 believe that it was closed."""
    try:
        yield file
        reserve(file)
        h5f.flush(file)
        _close(file)
    except BaseException:
        give_up(file)
        raise


def _close(file: h5f.FileID) -> None:
    if h5i.get_ref(file) > 1:  # an h5py.File refers to it, too
        h5py.File(file).close()
    else:
        file.close()


def give_up(file: h5f.FileID) -> None:
    """Close a file that could not be written, and that is not read again.

    HDF5 keeps data that the disk did not take, tries again when the process ends, and then crashes it. So the remaining
    data are redirected: into memory, or to a device that discards them.
    """
    if not file.valid:
        return
    with suppress(OSError, RuntimeError), _no_limit():
        if _is_on_disk(file):
            descriptor = os.memfd_create("given up") if hasattr(os, "memfd_create") else os.open(os.devnull, os.O_RDWR)
            os.dup2(descriptor, file.get_vfd_handle())
            os.close(descriptor)
        for opened in h5f.get_obj_ids(file, h5f.OBJ_ALL & ~h5f.OBJ_FILE):
            while opened.valid and h5i.get_file_id(opened).id == file.id:  # else the object keeps the file open
                h5i.dec_ref(opened)
        _close(file)


@contextmanager
def _no_limit() -> Iterator[None]:
    """Remove the limit that this process may have for the size of its files."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (before[1], before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
