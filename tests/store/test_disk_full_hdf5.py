"""A disk that fills up under HDF5: the library is in order afterwards, and the same process goes on reading and saving.

An object that HDF5 cannot write when it is closed stays half closed in it, and the next file that is opened crashes the
process. So each of these is a process of its own, in which many saves fail one after the other.
"""

from __future__ import annotations

import resource
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from h5py import h5f

from analysis_store import AnalysisStore
from analysis_store.errors import InvalidDataError, StoreWriteError
from analysis_store.exchange import export, read_export
from analysis_store.pairs import HandlerRegistry
from analysis_store.recorder import RunDataStore
from analysis_store.writers.arrays import ArrayWriter
from analysis_store.writers.base import Writer
from analysis_store.writers.objects import ObjectWriter
from analysis_store.writers.ragged import RaggedWriter
from analysis_store.writers.tables import TableWriter
from tests.faults.children import call
from tests.faults.on_disk import ORIGIN, assert_works, listing
from tests.store.test_disk_full import fill, largest_file, small_disk
from tests.sweeps import some

__all__ = ["small_disk"]

LIMITS = (0, 100, 800, 2048, 5000, 9000, 20_000, 40_000, 60_000)

_random = np.random.default_rng(0)
KINDS: dict[str, Any] = {
    "numbers": [{"primary": {"x": 1.5, "y": _random.random(8000)}}],
    "packed": [{"primary": {"x": _random.poisson(2, (8, 512, 512)).astype("u2")}}],
    "ragged": [{"primary": {"x": _random.random(100 * number)}} for number in range(1, 20)],
    "table": [{"primary": {"x": pd.DataFrame({"a": _random.random(5000), "b": list(map(str, range(5000)))})}}],
    "object": [{"primary": {"x": {"a": _random.random(9000), "b": [{"c": str(n) * 20} for n in range(200)]}}}],
    "text": [{"primary": {"x": np.array(["abc" * number for number in range(300)], object)}}],
    "many keys": {f"s{n}": {f"k{key}": np.arange(20.0) + key for key in range(60)} for n in range(3)},
}


def nothing_open() -> bool:
    """Tell whether HDF5 has let go of every file."""
    return not h5f.get_obj_ids(h5f.OBJ_ALL, h5f.OBJ_FILE)


@pytest.mark.parametrize("kind", some(KINDS, 2))
def test_reading_after_a_save_was_refused(tmp_path: Path, kind: str) -> None:
    """Whatever was saved, and wherever the space ended: nothing of it stays, and everything works as before."""
    assert call(refused_saves, tmp_path, kind) >= len(LIMITS) - 1


def refused_saves(location: Path, kind: str) -> int:
    """Save under each limit, and read after each; return how many saves were refused."""
    refused = 0
    with AnalysisStore(location) as store:
        good = store.insert([{"primary": {"n": 1.0, "x": np.arange(100.0)}}], {}, provenance=ORIGIN)
        for limit in LIMITS:
            before = listing(location)
            try:
                with largest_file(limit):
                    store.insert(KINDS[kind], {}, provenance=ORIGIN)
            except StoreWriteError:
                refused += 1
                assert before == listing(location)
            assert nothing_open()
            np.testing.assert_array_equal(good["primary"]["x"].read(), [np.arange(100.0)])
            assert good.verify()
        assert store.insert(KINDS[kind], {}, provenance=ORIGIN).verify()
        assert store.check(quick=True)
    return refused


def test_reading_after_the_disk_was_full(small_disk: Path) -> None:
    """On a file system without a free block it is the same, for values of every kind."""
    call(saves_on_a_full_disk, small_disk)


def saves_on_a_full_disk(disk: Path) -> None:
    """Save what is small on a disk that has less and less space, and read after each."""
    with AnalysisStore(disk / "store") as store:
        good = store.insert([{"primary": {"n": 1.0, "x": np.arange(100.0)}}], {}, provenance=ORIGIN)
        for free in (0, 4096, 16_384, 32_768):
            for kind in ("numbers", "table", "text", "many keys"):
                fill(disk / "filler", free)
                with pytest.raises(StoreWriteError, match=r"could not write .*\.h5"):
                    store.insert(KINDS[kind], {}, provenance=ORIGIN)
                (disk / "filler").unlink()
                assert nothing_open()
                assert good.verify()
        assert_works(store)


# --------------------------------------------------------------------------------------------------- appending

VALUES: dict[type[Writer], list[Any]] = {
    ArrayWriter: [_random.random(2000) for _ in range(12)],
    RaggedWriter: [_random.random(500 * number) for number in range(1, 12)],
    TableWriter: [pd.DataFrame({"a": _random.random(900), "b": list(map(str, range(900)))}) for _ in range(8)],
    ObjectWriter: [{"a": number, "b": {1, 2}, "c": ["text"] * 200} for number in range(12)],
}


@pytest.mark.parametrize("writer", some(VALUES, 2), ids=lambda writer: writer.spec)
def test_value_that_could_not_be_added(tmp_path: Path, writer: type[Writer]) -> None:
    """What a writer has added before is there and can be added to, and the file is no larger than it was."""
    added = call(refused_values, tmp_path, writer)

    assert any(0 < count < len(VALUES[writer]) for count in added), added


def refused_values(folder: Path, made: type[Writer]) -> list[int]:
    """Add values under each limit until one is refused; return how many each file took."""
    added = []
    for limit in (0, 900, 60_000, 140_000, 250_000, 720_000, 780_000, 850_000):
        path = folder / f"{limit}.h5"
        with made(path, "/entry/x") as writer:
            with largest_file(limit):
                added.append(sum(1 for _ in accepted(writer, VALUES[made])))
            assert nothing_open()
            assert column(writer) == added[-1]
            writer({"x": VALUES[made][0]})
            assert column(writer) == added[-1] + 1
    return added


def accepted(writer: Writer, values: list[Any]) -> Iterator[Any]:
    """Yield the values that a writer takes, up to the first that it cannot write."""
    for value in values:
        before = size_of(writer)
        try:
            writer({"x": value})
        except StoreWriteError:
            assert size_of(writer) == before
            return
        yield value


def size_of(writer: Writer) -> int | None:
    """Return the size of the file of a writer, None where there is none."""
    path = Path(writer.path)
    return path.stat().st_size if path.exists() else None


def column(writer: Writer) -> int:
    """Read all values of a writer, and return how many there are."""
    if size_of(writer) is None:
        return 0
    return len(HandlerRegistry()[writer.spec](writer.path, "/entry/x").column().read())


def test_value_that_does_not_fit(tmp_path: Path) -> None:
    """A value that a writer refuses changes nothing, and the file is not left as if somebody wrote it."""
    with ArrayWriter(tmp_path / "run.h5", "/entry/x") as writer:
        writer({"x": np.arange(3.0)})
        before = (tmp_path / "run.h5").read_bytes()
        with pytest.raises(InvalidDataError, match="after values of"):
            writer({"x": np.arange(4.0)})

        assert (tmp_path / "run.h5").read_bytes() == before
        writer({"x": np.arange(3.0)})
        assert column(writer) == 2


# ------------------------------------------------------------------------------------- exports and recordings


@pytest.mark.parametrize("form", ["hdf5", "nexus"])
def test_export(tmp_path: Path, form: str) -> None:
    """However little is missing, the export fails, nothing of it stays, and it can be done again."""
    call(refused_exports, tmp_path, form)


def refused_exports(folder: Path, form: str) -> None:
    """Export under a limit, again and again."""
    with AnalysisStore(folder / "store") as store:
        data = [{"s": {"x": 1.5, "y": np.arange(9000.0), "t": "a" * 99}}]
        run = store.insert(data, {"remark": "x" * 10_000}, provenance=ORIGIN)
        path = folder / "out.h5"
        size = export(run, path, format=form).stat().st_size
        path.unlink()
        for limit in (0, 100, 2048, 9000, 60_000, size - 1000, size - 1):
            with largest_file(limit), pytest.raises(StoreWriteError, match=r"could not write .*out\.h5"):
                export(run, path, format=form)
            assert [each.name for each in folder.iterdir()] == ["store"], limit
            assert nothing_open()
            assert run.verify()
        export(run, path, format=form)
        assert np.array_equal(np.ravel(read_export(path).streams["s"]["y"]), np.arange(9000.0))


def recorded(datastore: RunDataStore) -> None:
    """Record something of every form."""
    for number in range(40):
        datastore.append("x", float(number), 1.0 + number)
        datastore.append("y", np.arange(50.0) + number, 1.0 + number)
        datastore.append("t", "text" * number, 1.0 + number)
    datastore.flush()


def ended(datastore: RunDataStore) -> None:
    """Record, and end the run."""
    recorded(datastore)
    datastore.close()


@pytest.mark.parametrize("work", some([recorded, ended], 1), ids=lambda work: work.__name__)
def test_reading_after_a_recording_was_refused(tmp_path: Path, work: Callable[[RunDataStore], None]) -> None:
    """Wherever the space ended, runs are read, a new one is recorded, and the store checks."""
    call(refused_recordings, tmp_path, work)


def refused_recordings(location: Path, work: Callable[[RunDataStore], None]) -> None:
    """Record under each limit; read runs after each, and record without a limit."""
    with AnalysisStore(location) as store:
        good = store.insert([{"primary": {"n": 1.0, "x": np.arange(100.0)}}], {}, provenance=ORIGIN)
        for limit in (100, 5000, 20_000, 60_000, 90_000, 110_000):
            datastore = RunDataStore(store, {}, provenance=ORIGIN)
            with largest_file(limit), pytest.raises(StoreWriteError, match="could not write"):
                work(datastore)
            np.testing.assert_array_equal(good["primary"]["x"].read(), [np.arange(100.0)])
            datastore.close()
            assert datastore.run.verify()
        assert resource.getrlimit(resource.RLIMIT_FSIZE)[0] == resource.RLIM_INFINITY
        assert store.check()
