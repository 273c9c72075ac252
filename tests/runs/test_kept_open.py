"""A file that is kept open for a while: opened once in its thread, and let go of afterwards."""

from __future__ import annotations

import threading

import h5py
import pytest

from analysis_store.errors import DamagedFileError
from analysis_store.hdf5.opening import kept_open, reading


@pytest.fixture
def path(tmp_path):
    """A file with one dataset."""
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["x"] = [1.0]
    return str(tmp_path / "a.h5")


def test_it_is_opened_once(path):
    """Whoever reads it meanwhile has the same file, and does not close it."""
    with kept_open(path):
        with reading(path) as first:
            pass
        with reading(path) as second:
            assert second is first
            assert first.valid


def test_it_is_let_go(path):
    """Afterwards it is opened anew, also after an error, and when it was kept twice."""
    with kept_open(path), kept_open(path), reading(path) as kept:
        pass
    with pytest.raises(ZeroDivisionError), kept_open(path):
        raise ZeroDivisionError
    with reading(path) as later:
        assert later is not kept
        assert later.valid
    assert not kept.valid


def test_another_thread_has_its_own(path):
    """A file handle belongs to one thread."""
    found = []

    def read():
        with reading(path) as file:
            found.append(file)

    with kept_open(path), reading(path) as kept:
        thread = threading.Thread(target=read)
        thread.start()
        thread.join()
    assert found != []
    assert found[0] is not kept


def test_damage_is_told_as_ever(path):
    """What is read of a kept file, and cannot be, is damage of this file."""
    with kept_open(path), pytest.raises(DamagedFileError, match=r"a\.h5 cannot be read: no such thing"), reading(path):
        raise KeyError("no such thing")
