"""Power cuts, replayed: what a real process told the system, made into the disks that a cut may leave.

A file keeps what was written before its last ``fsync``. Of each page written after that it has any version since; its
size is any since. A folder keeps the names of before its last ``fsync``; of each name changed since it has any version.
"""

from __future__ import annotations

import json
import os
import random
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

PAGE = 4096
MARKS = "marks"
_CALLS = (
    "openat,close,dup,dup2,dup3,lseek,write,pwrite64,writev,pwritev,sendfile,copy_file_range,ftruncate,fallocate,"
    "fsync,fdatasync,rename,renameat,renameat2,link,linkat,unlink,unlinkat,mkdir,mkdirat,rmdir"
)
_LINE = re.compile(r"\d+ +(\w+)\((.*)\) += (-?\d+)", re.DOTALL)
_RESUMED = re.compile(r"(\d+) +<\.\.\. \w+ resumed>(.*)", re.DOTALL)
Choice = Callable[[int], int]
"""Of so many versions of something, the oldest first, which one is on the disk."""


@dataclass
class Inode:
    """A file: what happened to it, in its order; where it was synced is noted."""

    events: list[tuple[int, str, int, bytes]] = field(default_factory=list)
    size: int = 0


@dataclass
class Trace:
    """What a process did to a folder: files, names, and what it said meanwhile."""

    root: str
    files: list[Inode] = field(default_factory=list)
    names: list[tuple[int, str, int | str | None]] = field(default_factory=list)
    """When, which path, and what it was then: the number of a file, ``"folder"``, None for nothing."""
    synced: list[tuple[int, str]] = field(default_factory=list)
    """When, and which folder."""
    marks: list[tuple[int, Any]] = field(default_factory=list)
    steps: int = 0

    def said(self, step: int) -> Any:
        """Return what the process said last before a step; None if nothing."""
        return next((mark for at, mark in reversed(self.marks) if at < step), None)

    def disk(self, step: int, choice: Choice, target: Path) -> None:
        """Make the disk that a power cut before a step leaves."""
        shutil.rmtree(target, ignore_errors=True)
        target.mkdir()
        held = self._names(step, choice)
        made: dict[int, Path] = {}
        folders = {self.root}
        for path in sorted(held):
            if _above(path) not in folders:
                continue
            place = target / path[len(self.root) + 1 :]
            what = held[path]
            if what == "folder":
                place.mkdir()
                folders.add(path)
            elif isinstance(what, int) and not path.endswith("-shm"):
                if what in made:
                    os.link(made[what], place)
                else:
                    place.write_bytes(self._content(self.files[what], step, choice))
                    made[what] = place

    def _names(self, step: int, choice: Choice) -> dict[str, int | str | None]:
        versions: dict[str, list[tuple[int, int | str | None]]] = {}
        for at, path, what in self.names:
            if at < step:
                versions.setdefault(path, [(-1, None)]).append((at, what))
        held = {}
        for path, told in versions.items():
            parent = _above(path)
            synced = max((at for at, folder in self.synced if folder == parent and at < step), default=-1)
            possible = [what for at, what in told if at > synced]
            last = [what for at, what in told if at <= synced][-1:]
            both = last + possible
            held[path] = both[choice(len(both))]
        return held

    def _content(self, inode: Inode, step: int, choice: Choice) -> bytes:
        events = [event for event in inode.events if event[0] < step]
        synced = max((at for at, what, *_ in events if what == "sync"), default=-1)
        content, sizes = bytearray(), [0]
        for at, what, offset, data in events:
            if at <= synced:
                _apply(content, what, offset, data)
                sizes = [len(content)]
        versions: dict[int, list[bytes]] = {}
        later = bytearray(content)
        for at, what, offset, data in events:
            if at > synced:
                _apply(later, what, offset, data)
                sizes.append(len(later))
                if what == "write":
                    for page in range(offset // PAGE, (offset + len(data) - 1) // PAGE + 1):
                        whole = bytes(later[page * PAGE : (page + 1) * PAGE])
                        versions.setdefault(page, [bytes(content[page * PAGE : (page + 1) * PAGE])]).append(whole)
        size = sizes[choice(len(sizes))]
        for page, possible in versions.items():
            _apply(content, "write", page * PAGE, possible[choice(len(possible))].ljust(1, b"\0"))
        return bytes(content[:size].ljust(size, b"\0"))


def _apply(content: bytearray, what: str, offset: int, data: bytes) -> None:
    if what == "write" and data:
        content.extend(bytes(max(0, offset - len(content))))
        content[offset : offset + len(data)] = data
    elif what == "size":
        del content[offset:]
        content.extend(bytes(offset - len(content)))


def lost(versions: int) -> int:
    """Nothing that was not synced is on the disk."""
    return 0


def kept(versions: int) -> int:
    """Everything is on the disk."""
    return versions - 1


def mixed(seed: int) -> Choice:
    """Some of it is, in any order."""
    chance = random.Random(seed)
    return chance.randrange


class Mark:
    """What the process under watch says: it goes into the trace, and to no disk."""

    def __init__(self, root: Path) -> None:
        self._file = os.open(root.parent / MARKS, os.O_WRONLY | os.O_CREAT)

    def __call__(self, said: Any) -> None:
        """Say what was returned to the caller by now."""
        os.write(self._file, json.dumps(said).encode())


def traced(program: str, root: Path) -> Trace:
    """Run a Python program with ``root``, an empty folder, as its argument; return what it did there."""
    strace = shutil.which("strace")
    if strace is None:
        pytest.skip("no strace: install it to replay power cuts")
    log = root.parent / "strace.log"
    root.mkdir()
    watch = [
        strace,
        "-f",
        "-q",
        "-xx",
        "-s",
        str(1 << 26),
        "-e",
        "signal=none",
        "-e",
        f"trace={_CALLS}",
        "-o",
        str(log),
    ]
    command = [*watch, sys.executable, "-c", program, str(root)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if "ptrace" in done.stderr and "not permitted" in done.stderr:
        pytest.skip("strace may not watch a process here")
    assert done.returncode == 0, done.stderr
    found = _Reader(str(root)).read(log)
    log.unlink()
    return found


class _Reader:
    """Reads the log of strace."""

    def __init__(self, root: str) -> None:
        self.trace = Trace(root)
        self._root, self._marks = root, f"{_above(root)}/{MARKS}"
        self._open: dict[int, tuple[str, int | None]] = {}
        """Path and file of each descriptor; no file for a folder."""
        self._at: dict[int, int] = {}
        self._held: dict[str, int | str] = {}

    def read(self, log: Path) -> Trace:
        """Return what the log tells."""
        for call, arguments, result in _calls(log):
            handler = getattr(self, f"_{call}", None)
            if result >= 0 and handler is not None:
                handler(_split(arguments), result)
                self.trace.steps += 1
        return self.trace

    @property
    def _now(self) -> int:
        return self.trace.steps

    def _inside(self, path: str) -> bool:
        return path.startswith(f"{self._root}/")

    def _name(self, path: str, what: int | str | None) -> None:
        if self._inside(path):
            self.trace.names.append((self._now, path, what))
        if what is None:
            self._held.pop(path, None)
        else:
            self._held[path] = what

    def _path(self, folder: str, name: str) -> str:
        text = _text(name).decode()
        if text.startswith("/") or folder == "AT_FDCWD":
            return os.path.normpath(text)
        return os.path.normpath(f"{self._open.get(int(folder), ('?', None))[0]}/{text}")

    def _openat(self, given: list[str], result: int) -> None:
        path = self._path(given[0], given[1])
        self._at[result] = 0
        number: int | None = None
        if path == self._marks:
            number = -1
        elif self._inside(path) and "O_DIRECTORY" not in given[2]:
            held = self._held.get(path)
            if held is None:
                assert "O_CREAT" in given[2], path
                held = len(self.trace.files)
                self.trace.files.append(Inode())
                self._name(path, held)
            if held == "folder":
                self._open[result] = path, None
                return
            number = int(held)
            inode = self.trace.files[number]
            if "O_TRUNC" in given[2] and inode.size:
                self._resize(number, 0)
            if "O_APPEND" in given[2]:
                self._at[result] = -1
        self._open[result] = path, number

    def _close(self, given: list[str], result: int) -> None:
        self._open.pop(int(given[0]), None)

    def _dup(self, given: list[str], result: int) -> None:
        if int(given[0]) in self._open:
            self._open[result], self._at[result] = self._open[int(given[0])], self._at[int(given[0])]

    _dup2 = _dup3 = _dup

    def _lseek(self, given: list[str], result: int) -> None:
        if self._at.get(int(given[0]), -1) >= 0:
            self._at[int(given[0])] = result

    def _number(self, given: str) -> int | None:
        return self._open.get(int(given), ("", None))[1]

    def _put(self, number: int, offset: int, data: bytes) -> None:
        inode = self.trace.files[number]
        inode.events.append((self._now, "write", offset, data))
        inode.size = max(inode.size, offset + len(data))

    def _resize(self, number: int, size: int) -> None:
        inode = self.trace.files[number]
        inode.events.append((self._now, "size", size, b""))
        inode.size = size

    def _write(self, given: list[str], result: int) -> None:
        number, file = self._number(given[0]), int(given[0])
        if number == -1:
            self.trace.marks.append((self._now, json.loads(_text(given[1])[:result])))
        elif number is not None:
            at = self._at[file] if self._at[file] >= 0 else self.trace.files[number].size
            self._put(number, at, _text(given[1])[:result])
            if self._at[file] >= 0:
                self._at[file] = at + result

    def _pwrite64(self, given: list[str], result: int) -> None:
        if (number := self._number(given[0])) is not None:
            self._put(number, int(given[3]), _text(given[1])[:result])

    def _unknown(self, given: list[str], result: int) -> None:
        assert self._number(given[0]) is None, "a call that is not replayed"

    _writev = _pwritev = _unknown

    def _copy_file_range(self, given: list[str], result: int) -> None:
        assert self._number(given[2]) is None, "a call that is not replayed"

    def _sendfile(self, given: list[str], result: int) -> None:
        number, source = self._number(given[0]), self._number(given[1])
        if number is None or not result:
            return
        assert source is not None
        content = bytearray()
        for _, what, offset, data in self.trace.files[source].events:
            _apply(content, what, offset, data)
        start = int(re.findall(r"\d+", given[2])[0])
        self._put(number, self._at[int(given[0])], bytes(content[start : start + result]))
        self._at[int(given[0])] += result

    def _ftruncate(self, given: list[str], result: int) -> None:
        if (number := self._number(given[0])) is not None:
            self._resize(number, int(given[1]))

    def _fallocate(self, given: list[str], result: int) -> None:
        if (number := self._number(given[0])) is not None:
            self._resize(number, max(self.trace.files[number].size, int(given[2]) + int(given[3])))

    def _fsync(self, given: list[str], result: int) -> None:
        path, number = self._open.get(int(given[0]), ("", None))
        if number is not None and number >= 0:
            self.trace.files[number].events.append((self._now, "sync", 0, b""))
        elif number is None:
            self.trace.synced.append((self._now, path))

    _fdatasync = _fsync

    def _rename(self, given: list[str], result: int) -> None:
        self._move(self._path("AT_FDCWD", given[0]), self._path("AT_FDCWD", given[1]))

    def _renameat(self, given: list[str], result: int) -> None:
        self._move(self._path(given[0], given[1]), self._path(given[2], given[3]))

    _renameat2 = _renameat

    def _move(self, source: str, target: str) -> None:
        what = self._held.get(source)
        if what is not None:
            assert what != "folder", "no folder is renamed"
            self._name(target, what)
            self._name(source, None)

    def _link(self, given: list[str], result: int) -> None:
        self._name(self._path("AT_FDCWD", given[1]), self._held[self._path("AT_FDCWD", given[0])])

    def _linkat(self, given: list[str], result: int) -> None:
        source, target = self._path(given[0], given[1]), self._path(given[2], given[3])
        if source in self._held:
            self._name(target, self._held[source])

    def _unlink(self, given: list[str], result: int) -> None:
        self._gone(self._path("AT_FDCWD", given[0]))

    def _unlinkat(self, given: list[str], result: int) -> None:
        self._gone(self._path(given[0], given[1]))

    _rmdir = _unlink

    def _gone(self, path: str) -> None:
        if path in self._held:
            self._name(path, None)

    def _mkdir(self, given: list[str], result: int) -> None:
        self._made(self._path("AT_FDCWD", given[0]))

    def _mkdirat(self, given: list[str], result: int) -> None:
        self._made(self._path(given[0], given[1]))

    def _made(self, path: str) -> None:
        if self._inside(path):
            self._name(path, "folder")


def _calls(log: Path) -> Iterator[tuple[str, str, int]]:
    """Yield each call when it returned: what, with what, and what came back; all threads share their descriptors."""
    begun: dict[str, str] = {}
    with log.open(encoding="ascii") as lines:
        for line in lines:
            text = line.rstrip("\n")
            if text.endswith("<unfinished ...>"):
                pid, _, rest = text.partition(" ")
                begun[pid] = rest.removesuffix("<unfinished ...>")
                continue
            if resumed := _RESUMED.match(text):
                text = f"{resumed[1]} {begun.pop(resumed[1]).strip()}{resumed[2]}"
            if found := _LINE.match(text):
                yield found[1], found[2], int(found[3])


def _above(path: str) -> str:
    return path.rpartition("/")[0]


def _split(arguments: str) -> list[str]:
    return [part.strip() for part in arguments.split(",")]  # strings are all hexadecimal: no comma in them


def _text(argument: str) -> bytes:
    return bytes.fromhex(argument.strip('".').replace("\\x", ""))
