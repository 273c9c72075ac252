"""Changes of a file that are kept beside it until they are complete, and then made wholly or not at all."""

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
    """A file as HDF5 shall see it: what is written into it stays in memory, page by page; the file is only read.

    A file whose writer died looks as one that was closed; a redo that its writer could not finish is finished here.
    After a power cut it looks as it did when its writer made it durable.

    Parameters
    ----------
    path : Path
        The HDF5 file.
    """

    def __init__(self, path: Path) -> None:
        self.pages: dict[int, bytes] = {}
        """What was changed, by the number of the page."""
        self._path, self._at = path, 0
        self._file = -1  # closed, should opening fail
        self._file = open_inside(path)
        self.size = self._held = self._on_disk = os.fstat(self._file).st_size
        if is_cut(path):
            self._put_back(read_safe(path))
        elif (redo := read_redo(path)) is not None:
            self.size, self.pages = redo
        first = self._page(0)
        if self.size >= SIZE:
            self._change(0, settled(first, self.size))
            self.size = max(self.size, end_of(self._page(0)))  # a full disk may have kept less than HDF5 thought

    # ------------------------------------------------------------------ what h5py asks of a file object

    def readable(self) -> bool:
        """Say yes."""
        return True

    def writable(self) -> bool:
        """Say yes."""
        return True

    def seekable(self) -> bool:
        """Say yes."""
        return True

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        """Go to a place."""
        self._at = offset + {os.SEEK_SET: 0, os.SEEK_CUR: self._at, os.SEEK_END: self.size}[whence]
        return self._at

    def tell(self) -> int:
        """Return where it is."""
        return self._at

    def truncate(self, size: int | None = None) -> int:
        """End the file somewhere else."""
        self.size = self._at if size is None else size
        return self.size

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        """Fill a buffer from where it is."""
        view = memoryview(buffer).cast("B")
        end, done = min(self.size, self._at + len(view)), 0
        while self._at < end:
            number, offset = divmod(self._at, PAGE)
            piece = self._page(number)[offset : offset + end - self._at]
            view[done : done + len(piece)] = piece
            done, self._at = done + len(piece), self._at + len(piece)
        return done

    def write(self, data: memoryview) -> int:  # type: ignore[override]
        """Keep bytes, from where it is."""
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
        """Forget what is not in the file."""
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
        if self._page(number) != page:  # HDF5 writes much as it was
            self.pages[number] = page

    # -------------------------------------------------------------------------------------- into the file

    def apply(self, *, last: bool = False) -> None:
        """Make the changes in the file, so that whoever dies meanwhile, they are made wholly or not at all.

        In a power cut, too: either what is kept of the file stays valid, because the changes write over nothing that
        it counts on, or it is what the file is going to be, or the redo log is durable.

        Parameters
        ----------
        last : bool
            Whether the changes may write over committed rows, after which nothing else is written.

        Raises
        ------
        OSError
            There is no room for them, and the file is as it was; or the disk is broken.
        """
        if not self.pages and self.size == self._on_disk:
            return
        kept = is_kept(self._path)
        file = open_inside(self._path, os.O_RDWR)
        try:
            if last or not kept:
                sync(file)  # the rows, of which the changes tell
            if last and kept:
                keep(self._path, self.size, self._pieces())
            self._decide(file, durable=not kept)
            _write_pages(file, self.size, self.pages, durable=not kept)
        finally:
            os.close(file)
        redo_path(self._path).unlink()

    def _pieces(self) -> list[tuple[int, bytes]]:
        """Return what changes, and the first page, which HDF5 writes whenever it opens the file."""
        pages = {0: self._page(0), **self.pages}
        pieces = ((number * PAGE, page[: max(0, self.size - number * PAGE)]) for number, page in pages.items())
        return [(start, page) for start, page in pieces if page]

    def _decide(self, file: int, *, durable: bool) -> None:
        """Take the room that the file will need, and write down what is going to be done."""
        try:
            if self.size > self._held:
                os.posix_fallocate(file, self._held, self.size - self._held)
            _write_redo(self._path, self.size, self.pages, durable=durable)
        except OSError:
            with suppress(OSError):
                os.ftruncate(file, self._held)
            raise


def redo_path(path: Path) -> Path:
    """Return where the changes of a file lie that are being made."""
    return path.with_name(f"{path.name}.redo")


def read_redo(path: Path) -> tuple[int, dict[int, bytes]] | None:
    """Return size and pages of changes that were decided, None where there are none, or none that are complete."""
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
    """Make the changes that a writer had decided before it died; forget those that it had not.

    After a power cut they are void: they may be of a later time than the pages that they belong to.
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
