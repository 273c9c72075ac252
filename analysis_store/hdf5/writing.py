"""Opens HDF5 files to write them, so that a disk that refuses spoils this file, and neither HDF5 nor the process.

HDF5 keeps back what it is given, and writes it when an object is closed, or the file is flushed. Where the disk refuses
then, the object stays half closed inside the library, and the next file that is opened crashes the process. So HDF5 may
not meet a disk that refuses. A small file it writes into memory. In a large one it keeps no values back: they are
written by the call that brings them, which may fail without harm; and for all else the room is taken before it writes.
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
"""Bytes of the largest superblock, with which a file begins."""
_STEP = 128 << 10
"""Bytes by which a file in memory grows."""


def _access(*bounds: int) -> h5p.PropFAID:
    access = h5p.create(h5p.FILE_ACCESS)
    access.set_fclose_degree(h5f.CLOSE_STRONG)
    access.set_libver_bounds(*bounds)
    access.set_sieve_buf_size(0)  # contiguous values
    access.set_cache(0, 0, 0, 0.75)  # chunks
    kept = access.get_mdc_config()  # all else: never thrown out while there is more to write
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
    """Give a new HDF5 file in place of the one at ``path``; after the ``with`` it is closed, and durable.

    Parameters
    ----------
    path : path
        A file that is there, and is overwritten.
    small : bool
        Whether it fits into memory easily.

    Raises
    ------
    OSError, RuntimeError
        The disk refuses it. What is at ``path`` then is of no use.
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
    """Give an HDF5 file to add to, made where there is none; after the ``with`` it is closed, and not yet durable.

    On any error the file is what it was before.

    Parameters
    ----------
    path : path
        The file.
    swmr : bool
        Whether it gets the form that others can read while it is open.

    Raises
    ------
    OSError, RuntimeError
        The disk refuses it.
    """
    name, access, before = os.fsencode(path), _LATEST if swmr else _ACCESS, _Before(path)
    try:
        if before.size is None:
            file = h5f.create(name, h5f.ACC_EXCL, fapl=access)
        else:
            file = h5f.open(name, h5f.ACC_RDWR, access)
        with _closed(file):
            yield file
    except BlockingIOError:  # somebody else has it open: it is not ours to change
        raise
    except BaseException:
        before.restore()
        raise


class _Before:
    """What a file was before it is added to: HDF5 writes behind its end, and marks its beginning as open."""

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self._path = path
        self._head = b""
        self.size: int | None = None
        """In bytes; None where there is no file."""
        with suppress(FileNotFoundError), open(path, "rb", buffering=0) as file:  # noqa: PTH123  it may be text
            self._head = file.read(_SUPERBLOCK)
            self.size = os.fstat(file.fileno()).st_size

    def restore(self) -> None:
        """Make the file what it was, as far as the disk lets us."""
        with suppress(OSError):
            if self.size is None:
                os.unlink(self._path)  # noqa: PTH108
                return
            with open(self._path, "r+b", buffering=0) as file:  # noqa: PTH123
                file.write(self._head)
                file.truncate(self.size)


def reserve(file: h5f.FileID) -> None:
    """Take the room that HDF5 is going to need for all that it has kept back.

    Raises
    ------
    OSError
        There is none. Nothing has happened yet.
    """
    if _is_on_disk(file) and hasattr(os, "posix_fallocate"):
        descriptor = file.get_vfd_handle()
        for hole, end in _holes(descriptor, file.get_filesize()):
            os.posix_fallocate(descriptor, hole, end - hole)


def _holes(descriptor: int, size: int) -> Iterator[tuple[int, int]]:
    """Yield begin and end of the parts of a file, which is going to have a size, that have no place on the disk yet."""
    held, here = os.fstat(descriptor).st_size, 0
    while here < size:
        hole = os.lseek(descriptor, here, os.SEEK_HOLE) if here < held else here
        try:
            here = os.lseek(descriptor, hole, os.SEEK_DATA)
        except OSError:  # nothing comes after it
            here = size
        if hole < size:
            yield hole, min(here, size)


def _is_on_disk(file: h5f.FileID) -> bool:
    return bool(file.get_access_plist().get_driver() == h5fd.SEC2)


@contextmanager
def _closed(file: h5f.FileID) -> Iterator[h5f.FileID]:
    """Close a file at the end; where that cannot be, or an error comes, let HDF5 believe that it was."""
    try:
        yield file
        reserve(file)
        h5f.flush(file)
        _close(file)
    except BaseException:
        give_up(file)
        raise


def _close(file: h5f.FileID) -> None:
    if h5i.get_ref(file) > 1:  # an h5py.File has it, too
        h5py.File(file).close()
    else:
        file.close()


def give_up(file: h5f.FileID) -> None:
    """Close a file that could not be written, and that nobody will read.

    HDF5 keeps what the disk did not take, tries again when the process ends, and crashes it then. So the file gets
    room elsewhere for its last words: in memory, or where everything is forgotten.
    """
    if not file.valid:
        return
    with suppress(OSError, RuntimeError), _no_limit():
        if _is_on_disk(file):
            descriptor = os.memfd_create("given up") if hasattr(os, "memfd_create") else os.open(os.devnull, os.O_RDWR)
            os.dup2(descriptor, file.get_vfd_handle())
            os.close(descriptor)
        for opened in h5f.get_obj_ids(file, h5f.OBJ_ALL & ~h5f.OBJ_FILE):
            while opened.valid and h5i.get_file_id(opened).id == file.id:  # else it keeps the file open
                h5i.dec_ref(opened)
        _close(file)


@contextmanager
def _no_limit() -> Iterator[None]:
    """Lift the limit that this process may have for the size of its files."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (before[1], before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
