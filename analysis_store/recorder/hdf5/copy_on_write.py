"""Changes of a file that are kept in a redo log until they are complete, and then applied atomically."""

from __future__ import annotations

import hashlib
import io
import os
import struct
from contextlib import suppress
from pathlib import Path

from analysis_store.folders import sync, sync_folder
from analysis_store.recorder.hdf5.safe import Safe, is_cut, is_kept, keep, read_safe
from analysis_store.recorder.hdf5.superblock import SIZE, end_of, settled
from analysis_store.roots import open_inside, opened, read

PAGE = 4096
_HEAD = struct.Struct("<8s32sQQ")
_MAGIC = b"redo 1\r\n"


class Overlay(io.RawIOBase):
    """A view of a file for HDF5: written pages are kept in memory; the file itself is only read.

    A file whose writer died looks like a closed file; an unfinished redo log is applied.
    After a power cut the file looks as at its last durable state.

    Parameters
    ----------
    path : Path
        The HDF5 file.
    """

    def __init__(self, path: Path) -> None:
        self.pages: dict[int, bytes] = {}
        """Changed pages, by number."""
        self._path, self._at = path, 0
        self._file = -1  # closed if opening fails
        self._file = open_inside(path)
        self.size = self._held = self._on_disk = os.fstat(self._file).st_size
        if is_cut(path):
            self._put_back(read_safe(path))
        elif (redo := read_redo(path)) is not None:
            self.size, self.pages = redo
        first = self._page(0)
        if self.size >= SIZE:
            self._change(0, settled(first, self.size))
            self.size = max(self.size, end_of(self._page(0)))  # a full disk may have left a shorter file

    # ------------------------------------------------------------------ methods that h5py needs of a file object

    def readable(self) -> bool:
        """Return True."""
        return True

    def writable(self) -> bool:
        """Return True."""
        return True

    def seekable(self) -> bool:
        """Return True."""
        return True

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        """Move to a place."""
        self._at = offset + {os.SEEK_SET: 0, os.SEEK_CUR: self._at, os.SEEK_END: self.size}[whence]
        return self._at

    def tell(self) -> int:
        """Return the present place."""
        return self._at

    def truncate(self, size: int | None = None) -> int:
        """Set the end of the file."""
        self.size = self._at if size is None else size
        return self.size

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        """Fill a buffer from the present place."""
        view = memoryview(buffer).cast("B")
        end, done = min(self.size, self._at + len(view)), 0
        while self._at < end:
            number, offset = divmod(self._at, PAGE)
            piece = self._page(number)[offset : offset + end - self._at]
            view[done : done + len(piece)] = piece
            done, self._at = done + len(piece), self._at + len(piece)
        return done

    def write(self, data: memoryview) -> int:  # type: ignore[override]
        """Write bytes at the present place."""
        view = memoryview(data).cast("B")
        done = 0
        while done < len(view):
            number, offset = divmod(self._at, PAGE)
            piece, before = view[done : done + PAGE - offset], self._page(number)
            self._change(number, before[:offset] + bytes(piece) + before[offset + len(piece) :])
            done, self._at = done + len(piece), self._at + len(piece)
        self.size = max(self.size, self._at)
        return done

    def close(self) -> None:
        """Discard all changes."""
        if not self.closed and self._file >= 0:
            os.close(self._file)
        super().close()

    def _put_back(self, safe: Safe) -> None:
        self.size, self._held = safe.size, min(self._held, safe.size)
        for start, data in safe.pieces:
            self._at = start
            self.write(memoryview(data))

    def _page(self, number: int) -> bytes:
        known = self.pages.get(number)
        if known is not None:
            return known
        length = max(0, min(PAGE, self._held - number * PAGE))
        return os.pread(self._file, length, number * PAGE).ljust(PAGE, b"\0")

    def _change(self, number: int, page: bytes) -> None:
        if self._page(number) != page:  # HDF5 writes many pages unchanged
            self.pages[number] = page

    # -------------------------------------------------------------------------------------- into the file

    def apply(self, *, last: bool = False) -> None:
        """Apply the changes to the file atomically, also if a process dies meanwhile.

        This also holds in a power cut: the saved state stays valid, because the changes overwrite nothing that
        it needs, or the saved state is that of the changed file, or the redo log is durable.

        Parameters
        ----------
        last : bool
            If true, the changes may overwrite committed rows; nothing is written after them.

        Raises
        ------
        OSError
            There is no space for them, and the file is unchanged; or the disk is broken.
        """
        if not self.pages and self.size == self._on_disk:
            return
        kept = is_kept(self._path)
        file = open_inside(self._path, os.O_RDWR)
        try:
            if last or not kept:
                sync(file)  # the rows to which the changes refer
            if last and kept:
                keep(self._path, self.size, self._pieces())
            self._decide(file, durable=not kept)
            _write_pages(file, self.size, self.pages, durable=not kept)
        finally:
            os.close(file)
        redo_path(self._path).unlink()

    def _pieces(self) -> list[tuple[int, bytes]]:
        """Return the changed pages, and the first page, which HDF5 writes whenever it opens the file."""
        pages = {0: self._page(0), **self.pages}
        pieces = ((number * PAGE, page[: max(0, self.size - number * PAGE)]) for number, page in pages.items())
        return [(start, page) for start, page in pieces if page]

    def _decide(self, file: int, *, durable: bool) -> None:
        """Reserve the space that the file will need, and write the redo log."""
        try:
            if self.size > self._held:
                os.posix_fallocate(file, self._held, self.size - self._held)
            _write_redo(self._path, self.size, self.pages, durable=durable)
        except OSError:
            with suppress(OSError):
                os.ftruncate(file, self._held)
            raise


def redo_path(path: Path) -> Path:
    """Return the path of a file's redo log."""
    return path.with_name(f"{path.name}.redo")


def read_redo(path: Path) -> tuple[int, dict[int, bytes]] | None:
    """Return size and pages of a complete redo log, or None."""
    try:
        data = read(redo_path(path))
    except FileNotFoundError:
        return None
    if len(data) < _HEAD.size:
        return None
    magic, digest, size, count = _HEAD.unpack_from(data)
    body = data[_HEAD.size - 16 :]
    if magic != _MAGIC or len(body) != 16 + count * (8 + PAGE) or hashlib.sha256(body).digest() != digest:
        return None
    numbers = struct.unpack_from(f"<{count}Q", body, 16)
    start = 16 + 8 * count
    return size, {number: body[start + at * PAGE : start + (at + 1) * PAGE] for at, number in enumerate(numbers)}


def finish_redo(path: Path) -> None:
    """Apply the complete redo log of a dead writer; discard an incomplete one.

    After a power cut a redo log is discarded: it may be newer than the pages to which it belongs.
    """
    found = None if is_cut(path) else read_redo(path)
    if found is not None:
        file = open_inside(path, os.O_RDWR)
        try:
            _write_pages(file, *found, durable=not is_kept(path))
        finally:
            os.close(file)
    redo_path(path).unlink(missing_ok=True)


def _write_redo(path: Path, size: int, pages: dict[int, bytes], *, durable: bool = True) -> None:
    body = struct.pack(f"<QQ{len(pages)}Q", size, len(pages), *pages) + b"".join(pages.values())
    redo = redo_path(path)
    try:
        with opened(redo, "wb", 0) as file:
            _write_all(file.fileno(), _MAGIC + hashlib.sha256(body).digest() + body, 0)
            if durable:
                sync(file.fileno())
    except OSError:
        redo.unlink(missing_ok=True)
        raise
    if durable:
        sync_folder(path.parent)


def _write_pages(file: int, size: int, pages: dict[int, bytes], *, durable: bool) -> None:
    for number, page in pages.items():
        start = number * PAGE
        _write_all(file, page[: max(0, size - start)], start)
    os.ftruncate(file, size)
    if durable:
        sync(file)


def _write_all(file: int, data: bytes, position: int) -> None:
    view = memoryview(data)
    while view:
        count = os.pwrite(file, view, position)
        view, position = view[count:], position + count
