"""CSV and Parquet, read back by pandas and pyarrow."""

from __future__ import annotations

import csv
import io
import json
import warnings

import event_model
import numpy as np
import pandas as pd
import pytest
from pyarrow import parquet

from analysis_store import insert_analysis
from analysis_store.errors import ExportError, KeyNotFoundError
from analysis_store.exchange import export

NASTY = [0.1, 1 / 3, 5e-324, 1.7976931348623157e308, -0.0, np.nan, np.inf, -np.inf]
EXACT = {"float_precision": "round_trip"} if int(pd.__version__.partition(".")[0]) < 3 else {}
DTYPES = ["i1", "<i2", ">i4", "<i8", "u1", "<u2", "<u4", ">u8", "<f2", "<f4", ">f8", "?"]


@pytest.fixture
def save(store, origin):
    """Save data as one run."""

    def save(data, **options):
        return insert_analysis(data, {"sample_name": "Fe foil"}, provenance=origin, store=store, **options)

    return save


@pytest.fixture
def spectrum(save):
    """One event: energy and mu, and a number."""
    energy = np.linspace(7000.0, 7001.0, 101)
    return save(
        [{"primary": {"energy": energy, "mu": np.sin(energy), "e0": 7112.3}}],
        descriptor_md={"primary": {"data_keys": {"energy": {"units": "eV"}, "e0": {"units": "eV"}}}},
    )


def frame(run, **options) -> pd.DataFrame:
    """Return what pandas reads of the CSV of a run."""
    return pd.read_csv(io.StringIO(export(run, None, "csv", **options)), **EXACT)


class TestCsv:
    """One table per stream."""

    def test_some_keys_of_a_stream(self, save, spectrum, tmp_path):
        """Those that are named, in this order; also into a folder, where each stream takes those that it has."""
        run = save([{"primary": {"energy": np.arange(30.0), "image": np.eye(30)}, "other": {"mu": np.arange(20.0)}}])

        assert list(frame(spectrum, key=["mu", "energy"])) == ["mu", "energy [eV]"]
        made = export(run, f"{tmp_path}/", "csv", key=["energy", "mu"])
        assert [path.name for path in made] == [f"{run.uid}.primary.csv", f"{run.uid}.other.csv"]
        with pytest.raises(KeyNotFoundError, match="'nu'"):
            export(run, None, "json", key=["mu", "nu"])
        with pytest.raises(ExportError, match="Got energy, mu; a picture shows one key"):
            export(spectrum, None, "png", key=["energy", "mu"])

    def test_spectrum_is_one_row_per_point(self, spectrum):
        """An event of arrays becomes the table that people expect of a spectrum, exact, with its units."""
        read = frame(spectrum)

        assert list(read.columns) == ["energy [eV]", "mu", "e0 [eV]"]
        data = spectrum.read()
        np.testing.assert_array_equal(read["energy [eV]"], data["energy"][0])
        np.testing.assert_array_equal(read["mu"], data["mu"][0])
        assert set(read["e0 [eV]"]) == {7112.3}

    def test_numbers_are_one_row_per_event(self, save):
        """Scalars: one row per event, with its number and time; every float comes back bit for bit."""
        run = save(
            {"scan": {"x": np.array(NASTY), "n": np.arange(8), "ok": np.arange(8) > 3, "name": list("abcdefgh")}}
        )
        read = frame(run)

        assert list(read.columns) == ["seq_num", "time [s]", "x", "n", "ok", "name"]
        np.testing.assert_array_equal(read["x"].to_numpy().view("u8")[:5], np.array(NASTY).view("u8")[:5])
        np.testing.assert_array_equal(read["x"], NASTY)
        np.testing.assert_array_equal(read["time [s]"], run["scan"].times)
        assert read["seq_num"].tolist() == list(range(1, 9))
        assert read["ok"].dtype == bool
        assert "".join(read["name"]) == "abcdefgh"

    def test_several_events_are_long(self, save):
        """Several events of arrays lie one below the other, told apart by seq_num, also where they differ in length."""
        run = save([{"s": {"y": np.arange(20.0 + i), "t": 300 + i, "label": f"no {i}"}} for i in range(3)])
        read = frame(run)

        assert list(read.columns) == ["seq_num", "time [s]", "y", "t", "label"]
        assert read.groupby("seq_num").size().tolist() == [20, 21, 22]
        last = read[read["seq_num"] == 3]
        assert last["y"].tolist() == list(range(22))
        assert set(last["t"]) == {302}
        assert set(last["label"]) == {"no 2"}

    def test_one_event_of_several(self, save):
        """A named event is a table of its own."""
        run = save([{"s": {"y": np.arange(20.0) + i}} for i in range(3)])

        assert frame(run, event=-1)["y"].tolist() == (np.arange(20.0) + 2).tolist()
        with pytest.raises(ExportError, match=r"has 3 events; there is no event 3\. Events are counted from 0"):
            export(run, None, "csv", event=3)

    @pytest.mark.parametrize("dtype", DTYPES)
    def test_dtypes(self, save, dtype):
        """Numbers of every dtype are written exactly, arrays and numbers."""
        values = np.arange(20).astype(dtype)
        run = save([{"s": {"y": values, "n": values[7]}}])
        read = frame(run)

        np.testing.assert_array_equal(read["y"].to_numpy().astype(dtype), values)
        assert read["n"][0] == values[7]

    def test_float32_equals_what_was_stored(self, save):
        """A float32 is written as the number it is, not as the shortest that rounds to it."""
        values = np.full(20, 0.1, "f4")

        np.testing.assert_array_equal(frame(save([{"s": {"y": values}}]))["y"].to_numpy(), values.astype("f8"))

    def test_times_and_complex(self, save):
        """Times are ISO 8601 with gaps empty, durations numbers with their unit, complex numbers two columns."""
        when = np.array(["2026-05-01T18:00:00.123456789", "NaT"], "M8[ns]")
        long = np.array([1500, "NaT"], "m8[25us]")
        read = frame(save({"s": {"when": when, "long": long, "z": np.array([1 + 2j, np.nan - 1j])}}))

        assert pd.to_datetime(read["when"]).to_numpy().astype("M8[ns]")[0] == when[0]
        assert read["when"].isna().tolist() == [False, True]
        assert read["long [us]"][0] == 1500 * 25
        assert np.isnan(read["long [us]"][1])
        np.testing.assert_array_equal(read["z.real"], [1, np.nan])
        np.testing.assert_array_equal(read["z.imag"], [2, -1])

    def test_text(self, save):
        """Separators, quotes and line ends come back; text beyond ASCII is marked as UTF-8 for spreadsheets."""
        texts = ["a,b", 'say "Å"', "two\nlines", "", " blank "]
        run = save({"s": {"text": texts}}, descriptor_md={"s": {"data_keys": {"text": {"units": "µm"}}}})
        written = export(run, None, "csv")
        read = pd.read_csv(io.BytesIO(written.encode()), keep_default_na=False)

        assert written.startswith("\ufeff")
        assert read["text [µm]"].tolist() == texts
        assert not export(save({"s": {"text": ["plain"]}}), None, "csv").startswith("\ufeff")

    def test_formulas_are_told_and_left(self, save):
        """Text that a spreadsheet would run is written as it is, with a warning; numbers as text are none."""
        run = save({"s": {"text": ["-1.5", "=1+1", "@home"]}})
        with pytest.warns(UserWarning, match=r"may take the text '=1\+1' for a formula"):
            written = export(run, None, "csv")
        assert [row["text"] for row in csv.DictReader(io.StringIO(written))] == ["-1.5", "=1+1", "@home"]

        with warnings.catch_warnings():
            warnings.simplefilter("error")
            export(save({"s": {"text": ["-1.5", "plain"], "x": [-1.0, -2.0]}}), None, "csv")

    def test_names_of_events_stay_free(self, save):
        """A key called time is not mistaken for the time of the event; in a spectrum there is only one."""
        scan = save({"s": {"time": np.arange(3.0), "seq_num": np.arange(3)}})
        signal = save([{"s": {"time": np.arange(20.0), "y": np.arange(20.0)}}])

        assert list(frame(scan).columns) == ["seq_num", "time [s]", "time_", "seq_num_"]
        assert list(frame(signal).columns) == ["time", "y"]

    def test_units_in_brackets(self, save):
        """A unit with brackets is in parentheses, so that the header can be taken apart."""
        run = save({"s": {"x": [1.0]}}, descriptor_md={"s": {"data_keys": {"x": {"units": "[H+]"}}}})

        assert list(frame(run).columns)[-1] == "x ([H+])"

    def test_comes_back_as_a_run(self, spectrum, store, origin, tmp_path):
        """The store takes the table back, with names, units and every digit."""
        path = export(spectrum, tmp_path / "spectrum.csv")
        again = store.insert_file(path, {"sample_name": "again"}, provenance=origin)

        data = spectrum.read()
        np.testing.assert_array_equal(again["primary"]["mu"][0], data["mu"][0])
        assert again["primary"]["energy"].attrs["units"] == "eV"

    @pytest.mark.parametrize("name", ["fe3c_rt", "v_foil"])
    def test_measured_spectrum(self, real_data, store, origin, name):
        """A measured spectrum goes out with all its columns, point by point."""
        run = store.insert_file(real_data / "xafs" / f"{name}.xdi", {"sample_name": name}, provenance=origin)
        read, data = frame(run), run.read()

        assert len(read) == data["energy"].size > 100
        for key, column in zip(run["primary"], read, strict=True):
            np.testing.assert_array_equal(read[column], data[key].to_numpy()[0])
        assert "energy [eV]" in read

    def test_what_does_not_fit(self, save):
        """All keys that a table cannot hold are named, with formats that can; one of the others can be chosen."""
        run = save([{"s": {"image": np.zeros((4, 6)), "y": np.arange(20.0), "cube": np.zeros((2, 3, 4))}}])
        with pytest.raises(ExportError, match=r"cannot hold 'image' \(2-d\), 'cube' \(3-d\).* parquet, json, npz"):
            export(run, None, "csv")

        assert frame(run, key="y")["y"].tolist() == list(range(20))
        with pytest.raises(KeyNotFoundError, match=r"no key 'nope'"):
            export(run, None, "csv", key="nope")

    def test_arrays_of_different_length(self, save):
        """Arrays that do not fit side by side are refused by name."""
        run = save([{"s": {"a": np.zeros(20), "b": np.zeros(21)}}])
        with pytest.raises(ExportError, match=r"differ in length: 'a' has 20, 'b' has 21\. Export one with key="):
            export(run, None, "csv")

    def test_table(self, save):
        """A table that is all there is, or is named, is written as the table it is."""
        given = pd.DataFrame({"x": [1.5, np.nan], "c": ["u", "v"]}, index=pd.Index([7, 9], name="row"))
        run = save([{"s": {"table": given, "n": 3}}])

        pd.testing.assert_frame_equal(frame(run, key="table").set_index("row"), given)
        with pytest.raises(ExportError, match=r"'table' \(objects\)"):
            export(run, None, "csv")
        many = save([{"s": {"table": given}}, {"s": {"table": given}}])
        with pytest.raises(ExportError, match=r"in each of 2 events. Choose one event with event="):
            export(many, None, "csv")
        assert len(frame(many, event=1)) == 2

    def test_bytes(self, save):
        """Bytes that are text are text; others are refused."""
        assert frame(save({"s": {"b": np.array([b"ab", b"c"])}}))["b"].tolist() == ["ab", "c"]
        with pytest.raises(ExportError, match=r"are not valid UTF-8"):
            export(save({"s": {"b": np.array([b"\xff\xfe"])}}), None, "csv")

    def test_many_events(self, save):
        """More events than are read at a time come in order, and progress ends where it should."""
        told = []
        run = save({"s": {"x": np.arange(25_000.0)}})
        written = export(run, None, "csv", progress=lambda done, total: told.append((done, total)))

        assert pd.read_csv(io.StringIO(written))["x"].tolist() == list(range(25_000))
        assert told == [(10_000, 25_000), (20_000, 25_000), (25_000, 25_000)]

    def test_one_file_per_stream(self, save, tmp_path):
        """In a folder every stream has its file."""
        run = save({"a": {"x": [1.0]}, "b c": {"x": [2.0]}})
        paths = export(run, f"{tmp_path}/out/", "csv")

        assert [pd.read_csv(path)["x"][0] for path in paths] == [1, 2]
        assert [path.name for path in paths] == [f"{run.uid}.a.csv", f"{run.uid}.b%20c.csv"]


def table(run, tmp_path, **options):
    """Return what pyarrow reads of the Parquet file of a run."""
    return parquet.read_table(export(run, tmp_path / "out.parquet", overwrite=True, **options))


class TestForeign:
    """Values of documents that came from others."""

    @staticmethod
    def send(store, values, **key):
        """Save one key of a foreign run."""
        bundle = event_model.compose_run()
        described = bundle.compose_descriptor(
            name="primary", data_keys={"x": {"dtype": "number", "shape": [], "source": "sim", **key}}
        )
        store("start", bundle.start_doc)
        store("descriptor", described.descriptor_doc)
        for value in values:
            store("event", described.compose_event(data={"x": value}, timestamps={"x": 1.0}))
        store("stop", bundle.compose_stop())
        return store[bundle.start_doc["uid"]]

    @pytest.mark.parametrize(
        ("values", "cells"),
        [
            ([1.5, None], ["1.5", "nan"]),
            (["a", None], ["a", ""]),
            (["a", 2], ["a", "2"]),
            ([2**70, 1], [str(2**70), "1"]),
            ([True, False], ["True", "False"]),
            ([[1, 2], [0.1]], ["1", "2", "0.1"]),
            ([[1, 2.5], [3, 4]], ["1", "2.5", "3", "4"]),
            ([[1, 2.5], [3, "a"]], ["1", "2.5", "3", "a"]),
            ([], []),
        ],
    )
    def test_cells(self, open_store, values, cells):
        """Whatever a cell can hold is there, also where the kinds are mixed."""
        written = export(self.send(open_store, values), None, "csv")
        found = [row["x"] for row in csv.DictReader(io.StringIO(written))]

        assert [cell.removesuffix(".0") for cell in found] == cells

    def test_no_cell(self, open_store):
        """A mapping is none."""
        with pytest.raises(ExportError, match=r"'x' \(objects\)"):
            export(self.send(open_store, [{"a": 1}]), None, "csv")

    @pytest.mark.parametrize("values", [["a", 2], [2**70, 1], [{"a": 1}], [[1, 2.5], [3, "a"]]])
    def test_parquet_has_one_type(self, open_store, tmp_path, values):
        """Values of several kinds in one column are refused."""
        with pytest.raises(ExportError, match=r"'x' of stream 'primary', which holds objects of several kinds"):
            table(self.send(open_store, values), tmp_path)


class TestParquet:
    """Typed columns."""

    @pytest.mark.parametrize("shape", [(), (20,), (4, 6), (2, 3, 4)])
    @pytest.mark.parametrize("dtype", DTYPES)
    def test_dtypes(self, save, tmp_path, dtype, shape):
        """Every dtype of numbers comes back, arrays as lists of lists."""
        values = np.arange(3 * np.prod(shape, dtype=int)).reshape(3, *shape).astype(dtype)
        read = table(save({"s": {"y": values}}), tmp_path)
        found = read["y"].to_pylist()

        np.testing.assert_array_equal(np.array(found, dtype), values)
        kind = read.schema.field("y").type
        for _ in shape:
            kind = kind.value_type
        assert np.dtype(kind.to_pandas_dtype()) == values.dtype.newbyteorder("=")

    def test_floats_are_exact(self, save, tmp_path):
        """Special floats come back bit for bit; NaN is not missing."""
        read = table(save({"s": {"x": np.array(NASTY)}}), tmp_path)

        np.testing.assert_array_equal(read["x"].to_numpy().view("u8"), np.array(NASTY).view("u8"))
        assert read["x"].null_count == 0

    def test_times_text_bytes_complex(self, save, tmp_path):
        """Times keep their unit, text and bytes are such, complex numbers are pairs; missing is null."""
        columns = {
            "ns": np.array(["2026-05-01T18:00:00.123456789", "NaT"], "M8[ns]"),
            "ms": np.array(["2026-05-01T18:00:00", "2026-05-02"], "M8[ms]"),
            "day": np.array(["2026-05-01", "2026-05-02"], "M8[D]"),
            "long": np.array([1, 2], "m8[us]"),
            "text": np.array(["é", ""]),
            "raw": np.array([b"\xff", b"ab"]),
            "z": np.array([1 + 2j, 3 - 4j], "c8"),
        }
        read = table(save({"s": columns}), tmp_path)

        for name in ("ns", "ms", "day", "long"):
            assert read[name].to_numpy().dtype == columns[name].dtype, name
            np.testing.assert_array_equal(read[name].to_numpy(), columns[name])
        assert read["text"].to_pylist() == ["é", ""]
        assert read["raw"].to_pylist() == [b"\xff", b"ab"]
        assert read["z"].to_pylist() == [{"real": 1, "imag": 2}, {"real": 3, "imag": -4}]
        assert str(read.schema.field("z").type) == "struct<real: float, imag: float>"

    def test_ragged(self, save, tmp_path):
        """Arrays of different length, also none, and of two dimensions."""
        rows = [np.arange(20.0), np.zeros(0), np.arange(3.0)]
        images = [np.arange(24).reshape(4, 6), np.zeros((0, 6), int), np.arange(2).reshape(2, 1)]
        run = save([{"s": {"y": row, "image": image}} for row, image in zip(rows, images, strict=True)])
        read = table(run, tmp_path)

        assert read["y"].to_pylist() == [row.tolist() for row in rows]
        assert read["image"].to_pylist() == [image.tolist() for image in images]

    def test_empty(self, save, tmp_path):
        """Arrays without elements keep their dtype."""
        read = table(save({"s": {"y": np.zeros((2, 0), "f4")}}), tmp_path)

        assert read["y"].to_pylist() == [[], []]
        assert str(read.schema.field("y").type.value_type) == "float"

    def test_metadata(self, spectrum, tmp_path):
        """Units, dims and all documents are in the schema; pandas reads the file."""
        read = table(spectrum, tmp_path)
        about = json.loads(read.schema.metadata[b"analysis_store"])
        energy = read.schema.field("energy").metadata

        assert about["start"] == spectrum.start
        assert about["stop"] == spectrum.stop
        assert about["descriptors"] == spectrum.descriptors
        assert energy[b"units"] == b"eV"
        assert json.loads(energy[b"analysis_store"])["shape"] == [101]
        assert pd.read_parquet(tmp_path / "out.parquet")["energy"][0][0] == 7000.0

    def test_many_groups(self, save, tmp_path, monkeypatch):
        """A long stream is written in groups of rows, in order, and progress is told."""
        monkeypatch.setattr("analysis_store.exchange.formats.parquet._GROUP", 1000)
        told = []
        run = save({"s": {"y": np.arange(2000.0).reshape(100, 20)}})
        read = table(run, tmp_path, progress=lambda done, total: told.append(done))

        assert np.array(read["y"].to_pylist()).ravel().tolist() == list(range(2000))
        assert parquet.ParquetFile(tmp_path / "out.parquet").num_row_groups == len(told) > 10
        assert told[-1] == 100

    def test_seconds_are_told(self, save, tmp_path):
        """Parquet has no seconds: times in them are in ms, and the field says what they were."""
        when = np.array(["2026-05-01T18:00:00", "NaT"], "M8[s]")
        read = table(save({"s": {"when": when}}), tmp_path)

        np.testing.assert_array_equal(read["when"].to_numpy(), when)
        assert json.loads(read.schema.field("when").metadata[b"analysis_store"])["dtype"] == "<M8[s]"

    @pytest.mark.parametrize("dtype", ["G", "g", "M8[h]", "M8[25us]"])
    def test_what_does_not_fit(self, save, tmp_path, dtype):
        """What Parquet has no exact type for is refused by name."""
        values = np.arange(2).astype(dtype)
        with pytest.raises(ExportError, match=r"no type for 'odd' of stream 's'.*Export to json, npz or hdf5"):
            table(save({"s": {"odd": values}}), tmp_path)
        assert list(tmp_path.glob("*.parquet")) == []

    def test_table(self, save, tmp_path):
        """A table that is named is written as the table it is, index and all."""
        given = pd.DataFrame({"x": [1.5, 2.5], "c": pd.Categorical(["u", "v"])}, index=pd.Index([7, 9], name="row"))
        run = save([{"s": {"table": given, "n": 3}}])
        path = export(run, tmp_path / "out.parquet", key="table")

        pd.testing.assert_frame_equal(pd.read_parquet(path), given)
        assert json.loads(parquet.read_schema(path).metadata[b"analysis_store"])["start"] == run.start
