"""A dump that the disk refuses: an error, the group as it was, the file usable afterwards."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from analysis_store.codecs import dump, load
from analysis_store.errors import StoreWriteError
from tests.store.test_disk_full import largest_file

NOISE = np.random.default_rng(0)
OBJECT = {
    "image": NOISE.random((200, 200)),
    "fits": [{"center": n * 1.5, "name": f"peak {n}"} for n in range(500)],
    "text": ["x" * n for n in range(300)],
}


@pytest.mark.parametrize("size", [4_000, 20_000, 100_000, 300_000])
def test_a_full_disk_leaves_the_group_as_it_was(tmp_path: Path, size: int) -> None:
    """At whatever byte it is full; and when there is room again, the same object can be dumped."""
    path = tmp_path / "theirs.h5"
    with h5py.File(path, "w") as file:
        file["theirs"] = np.arange(300)
        file.flush()
        with largest_file(size):
            with pytest.raises(StoreWriteError, match=r"could not write 'o' into .*theirs\.h5: .*is unchanged"):
                dump(OBJECT, file, "o")
            assert list(file) == ["theirs"]
        dump(OBJECT, file, "o")
    with h5py.File(path) as file:
        assert file["theirs"][:].tolist() == list(range(300))
        found = load(file["o"])
    assert np.array_equal(found["image"], OBJECT["image"])
    assert found["fits"] == OBJECT["fits"]


def test_threads_may_dump_into_one_file(tmp_path: Path) -> None:
    """Each its own object; none is mixed with another's."""
    errors: list[BaseException] = []

    def work(file: h5py.File, number: int) -> None:
        try:
            for turn in range(20):
                dump(
                    {"number": number, "values": [turn] * 30, "inner": {"x": np.full(50, number)}},
                    file,
                    f"{number}/{turn}",
                )
        except BaseException as error:
            errors.append(error)

    with h5py.File(tmp_path / "all.h5", "w") as file:
        threads = [threading.Thread(target=work, args=(file, number)) for number in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert not errors
        for number in range(4):
            for turn in range(20):
                found: Any = load(file[f"{number}/{turn}"])
                assert (found["number"], found["values"][0], found["inner"]["x"][0]) == (number, turn, number)
