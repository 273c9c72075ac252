"""Atomic files: complete or absent, never over another file, and synced in one place of the package."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from analysis_store.core.atomic_files import CANNOT_LINK, AtomicFile, link_or_rename, publish, replace, write_once


def listing(folder: Path) -> list[str]:
    """Return every path below a folder."""
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*"))


def test_a_file_appears_complete_under_its_name(tmp_path: Path) -> None:
    """Before `publish` only a scratch file of this process is there, afterwards only the file."""
    final = tmp_path / "a" / "b.txt"
    with AtomicFile(final) as file:
        with file.writing() as out:
            out.write(b"text")
        assert not final.exists()
        assert f".{os.getpid()}-" in file.scratch.name
        file.publish()
    assert final.read_bytes() == b"text"
    assert listing(tmp_path) == ["a", "a/b.txt"]


def test_an_interrupt_directly_after_it_has_its_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The file is removed; one of another process under that name stays."""
    mine, theirs = tmp_path / "mine", tmp_path / "theirs"
    theirs.write_text("theirs")

    def interrupted(scratch: Path, final: Path) -> None:
        if final == mine:
            publish(scratch, final)
        raise KeyboardInterrupt

    monkeypatch.setattr("analysis_store.core.atomic_files.publish", interrupted)
    for path in (mine, theirs):
        with pytest.raises(KeyboardInterrupt), AtomicFile(path) as file:
            file.publish()

    assert listing(tmp_path) == ["theirs"]
    assert theirs.read_text() == "theirs"


@pytest.mark.parametrize("published", [False, True])
def test_an_exception_leaves_nothing(tmp_path: Path, published: bool) -> None:
    """Neither scratch file nor final file nor folder stays, whether the file had its name already or not."""

    def interrupted() -> None:
        with AtomicFile(tmp_path / "a" / "b" / "c.txt") as file:
            if published:
                file.publish()
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert listing(tmp_path) == []


def test_the_file_of_somebody_else_is_neither_replaced_nor_removed(tmp_path: Path) -> None:
    """A name that is taken meanwhile stays with its file."""
    final = tmp_path / "a.txt"

    def written() -> None:
        with AtomicFile(final) as file:
            final.write_text("theirs")
            file.publish()

    with pytest.raises(FileExistsError):
        written()
    assert final.read_text() == "theirs"
    assert listing(tmp_path) == ["a.txt"]


def test_a_file_is_replaced_only_where_that_was_said(tmp_path: Path) -> None:
    """With ``overwrite`` the new content takes the place of the old one."""
    final = tmp_path / "a.txt"
    replace(final, b"old")
    with AtomicFile(final, overwrite=True) as file:
        with file.writing() as out:
            out.write(b"new")
        file.publish()
    assert final.read_bytes() == b"new"
    assert listing(tmp_path) == ["a.txt"]


def test_the_first_of_two_who_write_once_wins(tmp_path: Path) -> None:
    """A second text for the same name changes nothing and leaves nothing."""
    write_once(tmp_path / "a.txt", "first")
    write_once(tmp_path / "a.txt", "second")
    assert (tmp_path / "a.txt").read_text() == "first"
    assert listing(tmp_path) == ["a.txt"]


@pytest.mark.parametrize("number", sorted(CANNOT_LINK))
def test_every_refusal_of_a_link_is_answered_by_a_rename(
    tmp_path: Path, number: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """File systems without hard links say so in several ways; the file gets its name under each, and never twice."""

    def refused(*_: object, **__: object) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(os, "link", refused)
    for name in ("a", "b"):
        (tmp_path / name).write_text(name)
    publish(tmp_path / "a", tmp_path / "final")
    with pytest.raises(FileExistsError):
        link_or_rename(tmp_path / "b", tmp_path / "final")
    assert (tmp_path / "final").read_text() == "a"
    assert listing(tmp_path) == ["b", "final"]
