"""Where an export goes and comes from: paths, folders, file objects, text; and what is refused, leaving nothing."""

from __future__ import annotations

import io
import os
import stat
import sys

import numpy as np
import pytest

from analysis_store.errors import (
    AnalysisStoreError,
    DamagedFileError,
    ExportError,
    InvalidDataError,
    KeyNotFoundError,
    StoreWriteError,
    StreamNotFoundError,
    TargetExistsError,
)
from analysis_store.exchange import FORMATS, export, read_export
from analysis_store.exchange import registry as known

TEXTS = ("json", "yaml", "xml")
BYTES = ("npz", "hdf5", "nexus")


@pytest.fixture
def run(store, origin):
    """A run of two streams."""
    data = {"primary": {"x": np.arange(40.0).reshape(2, 20), "n": [1, 2]}, "baseline": {"y": [1.5]}}
    return store.insert(data, {}, provenance=origin)


def listing(folder) -> list[str]:
    """Return all there is in a folder, hidden files too."""
    return sorted(path.name for path in folder.iterdir())


# -------------------------------------------------------------------------------------------------- targets


@pytest.mark.parametrize("suffix", ["json", "yaml", "yml", "xml", "npz", "h5", "hdf5", "nxs", "JSON"])
def test_suffix_tells_the_format(run, tmp_path, suffix):
    """A path is written in the format of its suffix, read in it, and given back."""
    target = tmp_path / "out" / f"run.{suffix}"

    assert export(run, target) == target
    assert read_export(target).read().identical(run.read())
    assert listing(target.parent) == [target.name]


def test_format_wins_over_the_suffix(run, tmp_path):
    """What is said is written, whatever the name; the first bytes tell it again."""
    target = tmp_path / "run.dat"
    for name in (*TEXTS, *BYTES):
        export(run, target, name, overwrite=True)
        assert read_export(target).uid == run.uid


def test_path_as_text(run, tmp_path):
    """A path may be text."""
    assert export(run, str(tmp_path / "a.json")) == tmp_path / "a.json"
    assert read_export(str(tmp_path / "a.json")).uid == run.uid


@pytest.mark.parametrize("name", [*TEXTS, "csv"])
def test_text_is_that_of_the_file(run, tmp_path, name):
    """The text is the file to the last line end."""
    part = {"stream": "primary", "key": "n"}
    written = export(run, tmp_path / "run", name, **part).read_bytes()

    assert export(run, format=name, **part).encode() == written
    export(run, held := io.StringIO(newline=""), name, **part)
    assert held.getvalue().encode() == written


@pytest.mark.parametrize("name", TEXTS)
def test_text_without_a_target(run, name):
    """Without a target a text format gives its text, which is read through a file of text or of bytes."""
    text = export(run, format=name)

    assert isinstance(text, str)
    assert read_export(io.StringIO(text)).read().identical(run.read())
    assert read_export(io.BytesIO(text.encode()), name).read().identical(run.read())


@pytest.mark.parametrize("name", BYTES)
def test_bytes_without_a_target(run, name):
    """Without a target a binary format gives its bytes."""
    written = export(run, format=name)

    assert isinstance(written, bytes)
    assert read_export(io.BytesIO(written)).read().identical(run.read())


@pytest.mark.parametrize("name", [*TEXTS, *BYTES])
def test_open_files(run, tmp_path, name):
    """An open file of bytes takes any format at its position, one of text every text format; neither is closed."""
    with (tmp_path / "bytes").open("wb") as file:
        assert export(run, file, name) is None
        file.write(b"")
    assert read_export(tmp_path / "bytes", name).uid == run.uid

    with (tmp_path / "text").open("w", encoding="utf-8", newline="") as file:
        if name in TEXTS:
            export(run, file, name)
            file.write("")
        else:
            with pytest.raises(ExportError, match=r"text file.*'wb'.*json, yaml, xml"):
                export(run, file, name)
    if name in TEXTS:
        assert read_export(tmp_path / "text", name).read().identical(run.read())


def test_pipe(run):
    """A pipe, where nothing can be sought, takes an export, too."""
    out, into = os.pipe()
    with os.fdopen(into, "wb") as file:
        export(run, file, "npz")
    with os.fdopen(out, "rb") as file:
        assert read_export(file).uid == run.uid


def test_folder(run, tmp_path):
    """In a folder the file has the uid of the run; a folder that ends in a slash is made."""
    assert export(run, tmp_path, "npz") == tmp_path / f"{run.uid}.npz"
    assert export(run, f"{tmp_path}/new/", "xml") == tmp_path / "new" / f"{run.uid}.xml"
    assert export(run, tmp_path) == tmp_path / f"{run.uid}.json"


def test_folder_of_streams(run, tmp_path):
    """A format of one stream gives a folder one file for each, or the one that is named."""
    made = export(run, tmp_path, "csv")

    assert made == [tmp_path / f"{run.uid}.{name}.csv" for name in ("primary", "baseline")]
    assert export(run, f"{tmp_path}/one/", "csv", stream="baseline") == [tmp_path / "one" / f"{run.uid}.baseline.csv"]


def test_many_runs(store, origin, run, tmp_path):
    """A search goes into a folder, one file for each run, and not into a file."""
    other = store.insert({"primary": {"n": [3]}}, {}, provenance=origin)
    made = export(store.search(), f"{tmp_path}/all/", "json")

    assert {read_export(path).uid for path in made} == {run.uid, other.uid}
    with pytest.raises(ExportError, match=r"several runs.*all\.json.*folder"):
        export(store.search(), tmp_path / "all.json")
    with pytest.raises(ExportError, match="Got several runs for one file"):
        export([run])


def test_part(run, tmp_path):
    """A stream or a key alone is exported."""
    for name in (*TEXTS, "npz", "hdf5"):
        found = read_export(export(run, tmp_path / f"key{FORMATS[name].suffix}", key="n")).streams
        assert {stream: list(found[stream]) for stream in found} == {"primary": ["n"]}
        found = read_export(export(run, tmp_path / f"run{FORMATS[name].suffix}", stream="baseline")).streams
        assert {stream: list(found[stream]) for stream in found} == {"baseline": ["y"]}


PARTS = {"stream": "primary", "key": "x", "event": 0}


@pytest.mark.parametrize("part", PARTS)
@pytest.mark.parametrize("name", FORMATS)
def test_a_part_is_chosen_or_refused(run, tmp_path, name, part):
    """A format takes a stream, a key or an event, and then notices one that is not there; or it refuses any."""
    unknown = {"stream": "nosuch", "key": "nosuch", "event": 99}[part]
    chosen = {"stream": "primary", "key": "x"} if "event" in FORMATS[name].takes else {}

    def tried(value: object, target: object) -> str:
        with pytest.raises(AnalysisStoreError) as error:
            export(run, target, name, **chosen | {part: value})
        return str(error.value)

    folder = tmp_path / "out"
    folder.mkdir()
    for target in (folder / "part", f"{folder}/parts/", None):
        if part in FORMATS[name].takes:
            assert str(unknown) in tried(unknown, target)
        else:
            assert f"Got {part} for {name}" in tried(PARTS[part], target)
    assert listing(folder) == []


def test_permissions(run, tmp_path):
    """A file has the permissions that any new file has."""
    (tmp_path / "plain").touch()

    assert stat.S_IMODE(export(run, tmp_path / "a.json").stat().st_mode) == stat.S_IMODE(
        (tmp_path / "plain").stat().st_mode
    )


# ----------------------------------------------------------------------------------------------- overwriting


def test_nothing_is_overwritten(run, tmp_path):
    """A file that is there stays as it is, unless it is to be replaced."""
    target = tmp_path / "run.json"
    target.write_text("mine")
    with pytest.raises(TargetExistsError, match=r"run\.json exists already.*overwrite=True"):
        export(run, target)
    assert (listing(tmp_path), target.read_text()) == (["run.json", "store"], "mine")

    export(run, target, overwrite=True)
    assert read_export(target).uid == run.uid
    assert listing(tmp_path) == ["run.json", "store"]


def test_exists_error_is_one_of_python(run, tmp_path):
    """The error is a FileExistsError, as that of ``open(path, "x")``."""
    export(run, tmp_path / "run.json")
    with pytest.raises(FileExistsError):
        export(run, tmp_path / "run.json")


def test_links_to_nowhere_are_not_followed(run, tmp_path):
    """A link that leads nowhere is a name that is taken; replaced, it is the link that goes."""
    target, elsewhere = tmp_path / "run.json", tmp_path / "elsewhere"
    target.symlink_to(elsewhere)
    with pytest.raises(TargetExistsError):
        export(run, target)
    export(run, target, overwrite=True)

    assert not target.is_symlink()
    assert not elsewhere.exists()


def test_folder_in_the_way(run, tmp_path):
    """A folder is not replaced by a file of one of the streams."""
    (tmp_path / f"{run.uid}.json").mkdir()
    with pytest.raises(TargetExistsError, match="exists already"):
        export(run, tmp_path, "json", overwrite=True)


def test_taken_meanwhile(run, tmp_path):
    """Where somebody takes the name while the export is written, theirs stays and ours goes."""
    target = tmp_path / "run.json"

    def take(done: int, total: int) -> None:
        target.write_text("theirs")

    with pytest.raises(TargetExistsError):
        export(run, target, progress=take)
    assert (listing(tmp_path), target.read_text()) == (["run.json", "store"], "theirs")


def test_all_streams_or_none(run, tmp_path):
    """Of the files of one run either all are there or none: one name that is taken leaves nothing behind."""
    folder = tmp_path / "out"
    folder.mkdir()
    (folder / f"{run.uid}.baseline.csv").write_text("mine")
    with pytest.raises(TargetExistsError):
        export(run, folder, "csv")

    assert listing(folder) == [f"{run.uid}.baseline.csv"]


# ---------------------------------------------------------------------------------------------------- refused


@pytest.mark.parametrize("name", [*TEXTS, *BYTES])
def test_error_leaves_nothing(run, tmp_path, name):
    """Whatever happens while an export is written, no file and no folder of it stays."""

    def interrupt(done: int, total: int) -> None:
        raise KeyboardInterrupt

    if name == "nexus":
        run.file.rename(run.file.with_suffix(".gone"))
    with pytest.raises((KeyboardInterrupt, DamagedFileError)):
        export(run, tmp_path / "new" / "deep" / "run.dat", name, progress=interrupt)
    assert listing(tmp_path) == ["store"]


def test_error_while_replacing(run, tmp_path):
    """A file that was to be replaced is as it was, when what should replace it could not be written."""
    target = tmp_path / "run.json"
    target.write_text("mine")
    with pytest.raises(KeyNotFoundError, match=r"no key 'z'.*'x', 'n'"):
        export(run, target, key="z", overwrite=True)
    assert (listing(tmp_path), target.read_text()) == (["run.json", "store"], "mine")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_forbidden_folder(run, tmp_path):
    """A folder that may not be written to is named, with what to do."""
    folder = tmp_path / "closed"
    folder.mkdir(mode=0o500)
    with pytest.raises(StoreWriteError, match=r"could not write .*closed.*permission"):
        export(run, folder / "run.json")


def test_file_as_folder(run, tmp_path):
    """A file where a folder should be is an error that names the target."""
    (tmp_path / "file").touch()
    with pytest.raises(StoreWriteError, match=r"could not write .*file/run\.json"):
        export(run, tmp_path / "file" / "run.json")


def test_unknown_format(run, tmp_path):
    """A format that is not known is refused with those that come near, and all there are."""
    with pytest.raises(ExportError, match=r"Got 'jsn' as a format; expected one of json, yaml.*Did you mean 'json"):
        export(run, tmp_path / "x", "jsn")
    with pytest.raises(ExportError, match=r"x\.docx has the suffix '\.docx'; expected one of \.json.*format="):
        export(run, tmp_path / "x.docx")
    with pytest.raises(ExportError, match="has no suffix"):
        export(run, tmp_path / "x")


def test_unknown_parts(run, tmp_path):
    """A stream that is not there is named with those that are."""
    with pytest.raises(StreamNotFoundError, match=r"no stream 'dark'.*'primary', 'baseline'"):
        export(run, tmp_path / "x.json", stream="dark")


@pytest.mark.parametrize("name", TEXTS)
def test_cycles_are_refused(store, origin, tmp_path, name):
    """An object that contains itself is refused by text formats with the path to it; HDF5 takes it."""
    ring: dict[str, object] = {"name": "ring"}
    ring["next"] = [ring]
    run = store.insert({"primary": {"fit": [ring]}}, {}, provenance=origin)
    with pytest.raises(InvalidDataError, match=r"primary\['fit'\].*\['next'\]\[0\] contains itself.*hdf5"):
        export(run, tmp_path / "run", name)

    found = read_export(export(run, tmp_path / "run.h5")).streams["primary"]["fit"][0]
    assert found["next"][0] is found


def test_depth_is_refused(store, origin, tmp_path):
    """What is nested deeper than libraries for JSON go is refused; HDF5 takes it."""
    deep: dict[int, object] = {}
    for _ in range(95):
        deep = {1: deep}
    run = store.insert({"primary": {"fit": [deep]}}, {}, provenance=origin)
    with pytest.raises(ExportError, match=r"cannot be written as JSON: Recursion.*hdf5"):
        export(run, tmp_path / "run.json")

    assert read_export(export(run, tmp_path / "run.h5")).streams["primary"]["fit"][0] == deep


@pytest.mark.parametrize("name", [*TEXTS, "npz", "hdf5"])
def test_deep_metadata(store, origin, tmp_path, name):
    """Metadata may be nested as deep as a store takes them."""
    deep: dict[str, object] = {}
    for _ in range(98):
        deep = {"a": deep}
    run = store.insert({"primary": {"n": [1]}}, {"deep": deep}, provenance=origin)

    assert read_export(export(run, tmp_path / "run", name), name).metadata["start"] == run.start


@pytest.mark.parametrize("name", [name for name, one in FORMATS.items() if one.read is None])
def test_formats_that_do_not_come_back(tmp_path, name):
    """A format that is not read says which are."""
    (tmp_path / "x").write_bytes(b"x")
    with pytest.raises(ExportError, match=f"{name} files cannot be read back; expected one of json, yaml, xml, npz"):
        read_export(tmp_path / "x", name)


def test_missing_file(tmp_path):
    """A file that is not there is named."""
    with pytest.raises(DamagedFileError, match=r"none\.json cannot be opened"):
        read_export(tmp_path / "none.json")


def test_every_format_is_implemented():
    """Each format names functions that are there, or an extra that is not installed."""
    for one in FORMATS.values():
        assert callable(one.writer())
        assert known.of_path(known.PurePath(f"x{one.suffix}")) is one


# --------------------------------------------------------------------------------------------------- progress


def test_progress(run, tmp_path):
    """Who asks is told of every column, and of the end."""
    seen: list[tuple[int, int]] = []
    export(run, tmp_path / "run.json", progress=lambda done, total: seen.append((done, total)))

    assert seen == [(0, 3), (1, 3), (2, 3), (3, 3)]


def test_progress_of_many(store, run, tmp_path):
    """Of many runs the runs are counted."""
    seen: list[tuple[int, int]] = []
    export([run, run], f"{tmp_path}/out/", "json", overwrite=True, progress=lambda *told: seen.append(told))

    assert seen == [(0, 2), (1, 2), (2, 2)]


class Terminal(io.StringIO):
    """A terminal that remembers."""

    def isatty(self) -> bool:
        """It is one."""
        return True


def test_bar_for_people(run, tmp_path, monkeypatch, capsys):
    """A person sees a bar, a pipe nothing."""
    export(run, tmp_path / "a.json")
    assert capsys.readouterr() == ("", "")

    monkeypatch.setattr(sys, "stderr", terminal := Terminal())
    export(run, tmp_path / "b.json")
    assert "Exporting" in terminal.getvalue()
