"""What a processor gets: runs, files and earlier results look the same; what cannot be an input is refused."""

from __future__ import annotations

import os
import uuid
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xarray

from analysis_store import AnalysisStore, Provenance
from analysis_store.errors import (
    InputError,
    KeyNotFoundError,
    ProcessorError,
    StreamNotFoundError,
)
from analysis_store.processing import Input, Inputs
from analysis_store.runs.read.run import Run
from tests.flow_processors import scale

# Tiled, databroker and ophyd use what their own dependencies have deprecated; it is not ours to mend.
foreign = pytest.mark.filterwarnings(
    "ignore::DeprecationWarning", "ignore::PendingDeprecationWarning", "ignore::UserWarning", "ignore::FutureWarning"
)


@pytest.fixture
def raw(store: AnalysisStore, origin: Provenance) -> Run:
    """Two streams, one with a table."""
    streams = {"primary": {"counts": np.arange(60.0).reshape(2, 30)}, "baseline": {"t": [300.0]}}
    return store.insert(streams, {"sample_name": "Fe foil"}, provenance=origin)


class TestForms:
    """What may be given."""

    def test_all_of_them(self, store: AnalysisStore, raw: Run, tmp_path: Path) -> None:
        """A run, its uid, a part of it, an input, inputs, and lists of these are the same."""
        forms = [raw, raw.uid, raw.uid[:12], Inputs.of(raw)[0], Inputs.of(raw), [raw], (raw.uid,), store.search()[:1]]
        assert len({Inputs.of(form, store).digests for form in forms}) == 1
        file = tmp_path / "dark.dat"
        file.write_text("1 2 3")
        several = Inputs.of([raw, file, raw.uid], store)
        assert [one.uid for one in several] == [raw.uid, None, raw.uid]
        assert several[1].path == file
        assert len(Inputs.of([])) == 0

    @pytest.mark.parametrize(
        ("value", "message"),
        [
            (3, "Got int; expected a run, the uid of one"),
            (b"abc", "Got bytes"),
            ({"primary": {}}, r"Got dict; .*insert_analysis\(data, md\)"),
            (np.ones(3), "Got ndarray; .*Save plain data first"),
            ([None], "Got NoneType"),
        ],
    )
    def test_nothing_of_that_kind(self, store: AnalysisStore, value: Any, message: str) -> None:
        """Says what came and what is expected."""
        with pytest.raises(InputError, match=message):
            Inputs.of(value, store)

    def test_an_unknown_uid(self, store: AnalysisStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """Says where it was looked for; of a file of this name how to give it."""
        second = AnalysisStore(tmp_path / "second")
        with second, AnalysisStore(tmp_path / "third", sources=[second]) as third:
            message = f"'abc' was not found in {third.location}, {second.location}"
            with pytest.raises(InputError, match=message):
                Inputs.of("abc", third)
        with pytest.raises(InputError, match="Got the uid 'abc' and no store to look it up in"):
            Inputs.of("abc")
        monkeypatch.chdir(tmp_path)
        Path("abc.dat").touch()
        with pytest.raises(InputError, match=r'For the file of this name give Path\("abc.dat"\)'):
            Inputs.of("abc.dat", store)

    def test_a_part_of_several_uids(self, store: AnalysisStore, origin: Provenance) -> None:
        """Is no uid."""
        for end in "ab":
            store.insert([{"primary": {"x": 1}}], {"uid": f"abc{end}"}, provenance=origin)
        with pytest.raises(InputError, match="'abc' begins the uids of several runs: abc"):
            Inputs.of("abc", store)


class TestAccess:
    """How the parts are reached."""

    def test_the_only_input(self, raw: Run) -> None:
        """Its streams, documents and uid without its number."""
        inputs = Inputs.of(raw)
        assert inputs["primary"]["counts"][1, 29] == 59.0
        assert inputs.start["sample_name"] == "Fe foil"
        assert inputs.uid == raw.uid
        assert inputs.path is None
        assert "baseline" in inputs
        assert "dark" not in inputs
        assert list(inputs[0]) == ["primary", "baseline"]
        assert isinstance(inputs.only, Input)
        assert raw.uid[:8] in repr(inputs)

    def test_several_inputs(self, raw: Run) -> None:
        """Have to be told apart."""
        inputs = Inputs.of([raw, raw])
        with pytest.raises(InputError, match=r'Got 2 inputs. Choose one, inputs\[0\]\["primary"\]'):
            inputs["primary"]
        with pytest.raises(InputError, match=r"inputs\[0\]\.start"):
            _ = inputs.start
        first, second = inputs
        assert first == second

    def test_what_is_not_there(self, raw: Run) -> None:
        """Streams and keys are answered with those that are."""
        inputs = Inputs.of(raw)
        with pytest.raises(StreamNotFoundError, match=r"has no stream 'dark'; it has \['primary', 'baseline'\]"):
            inputs["dark"]
        with pytest.raises(KeyNotFoundError, match=r"has no key 'mu'; it has \['counts'\]"):
            inputs["primary"]["mu"]

    def test_a_stream(self, raw: Run) -> None:
        """Events, times, and a Dataset."""
        stream = Inputs.of(raw)["primary"]
        assert stream.num_events == 2
        np.testing.assert_array_equal(stream.times, raw["primary"].times)
        assert stream.read().identical(raw["primary"].read())
        assert stream.read("counts")["counts"].shape == (2, 30)
        assert "counts" in stream
        assert "2 events: counts" in repr(stream)
        with pytest.raises(ValueError, match="read-only"):
            stream.times[0] = 0.0

    def test_data_in_memory(self) -> None:
        """Have a time for each event, as what is stored has."""
        stream = Inputs.of_data([{"primary": {"x": 1.0}}, {"primary": {"x": 2.0}}])["primary"]
        assert stream.num_events == 2
        assert stream.read()["x"].shape == (2,)

    def test_a_file(self, tmp_path: Path) -> None:
        """Has a path and neither streams nor documents."""
        file = tmp_path / "dark.dat"
        file.write_text("1 2 3")
        inputs = Inputs.of(file)
        assert inputs.path == file
        assert inputs.uid is None
        assert inputs.start == {}
        assert list(inputs[0]) == []
        with pytest.raises(StreamNotFoundError, match=r"is a file and has no stream 'primary'. .*insert_file"):
            inputs["primary"]

    def test_plain_data(self) -> None:
        """Whatever a processor may return."""
        for data in ({"x": np.arange(3)}, {"primary": {"x": np.arange(3)}}, [{"primary": {"x": np.arange(3)}}]):
            inputs = Inputs.of_data(data)
            assert inputs["primary"]["x"].shape == (1, 3)
            assert inputs.uid is None
            assert inputs.start == {}
        assert Inputs.of_data({"x": 1}).digests == Inputs.of_data({"primary": {"x": 1}}).digests
        assert Inputs.of_data({"x": 1}).digests != Inputs.of_data({"x": 1.0}).digests
        with pytest.raises(ProcessorError, match="inputs returned int"):
            Inputs.of_data(3)


class TestState:
    """What allows no result of it."""

    def test_files(self, tmp_path: Path) -> None:
        """Missing ones, and folders."""
        with pytest.raises(InputError, match=r"absent.dat cannot be read: No such file"):
            Inputs.of(tmp_path / "absent.dat")
        with pytest.raises(InputError, match=r"is a folder\. Name the files in it"):
            Inputs.of(tmp_path)
        os.mkfifo(tmp_path / "pipe")
        with pytest.raises(InputError, match="is not an ordinary file"):
            Inputs.of(tmp_path / "pipe")

    def test_retracted(self, store: AnalysisStore, raw: Run) -> None:
        """With the reason; what came of it is retracted, too."""
        result = store.compute(scale, raw)
        store.retract(raw.uid, "wrong sample")
        for run in (raw, result):
            with pytest.raises(InputError, match=f"run {run.uid[:8]} was retracted: wrong sample"):
                Inputs.of(run).check(store)
        Inputs.of(raw).check(None)

    def test_a_result_that_failed(self, store: AnalysisStore, raw: Run) -> None:
        """Is no input; a measurement that was aborted is one: its events are good."""
        for processing, fine in ((False, True), (True, False)):
            md = {"processing": {"key": "x"}} if processing else {}
            opened = store.new_run(md, provenance=Provenance(parents=[raw]))
            opened.event("primary", {"counts": 1.0})
            run = opened.close("abort", "beam lost")
            assert run is not None
            if fine:
                Inputs.of(run).check(store)
                continue
            with pytest.raises(InputError, match=r"is a result that ended as 'abort'\. Compute it again"):
                Inputs.of(run).check(store)

    def test_unreadable(self, store: AnalysisStore, raw: Run) -> None:
        """Found before work, not in the middle of it."""
        raw.file.chmod(0o644)
        raw.file.write_bytes(raw.file.read_bytes()[:100])
        inputs = Inputs.of(raw.uid, store)
        with pytest.raises(InputError, match=f"run {raw.uid[:8]} cannot be read: "):
            inputs[0].check_readable()


class TestSources:
    """Runs of other catalogs."""

    def test_another_store(self, store: AnalysisStore, raw: Run, tmp_path: Path) -> None:
        """By uid where it is a source, or the run itself; the result tells where its parent is."""
        with AnalysisStore(tmp_path / "second", sources=[store]) as second:
            run = second.compute(scale, raw.uid)
            assert second.compute(scale, raw) == run
            assert run.provenance.parents[0].catalog == store.location

    @foreign
    def test_databroker_and_tiled(self, tmp_path: Path) -> None:
        """A Header, a BlueskyRun and their uid are one input, read in part where it lies."""
        pytest.importorskip("databroker", reason="databroker is not installed")
        with measured() as (uid, client, broker):
            for source in (client, broker):
                with AnalysisStore(tmp_path / type(source).__name__, sources=[source]) as store:
                    runs = [store.compute(scale, form) for form in (uid, client[uid], broker[uid])]
                    assert len({run.uid for run in runs}) == 1
                    np.testing.assert_array_equal(runs[0]["primary"]["curve"][0], np.arange(4.0).repeat(100) * 2)
                    assert runs[0].provenance.parents[0].catalog == "http://local-tiled-app"
            for run in (client[uid], broker[uid]):
                stream = Inputs.of(run)["primary"]
                counts = stream["counts"]
                assert (counts.shape, counts.dtype, counts.attrs) == ((4, 100), np.dtype(float), {"units": "cts"})
                assert counts[2, 7] == counts[-2, 7] == 2.0
                np.testing.assert_array_equal(counts[::2, 0], [0.0, 2.0])
                np.testing.assert_array_equal(stream.times, [0.0, 1.0, 2.0, 3.0])
                assert list(stream.read().data_vars) == ["counts"]
                assert Inputs.of(run).start["uid"] == uid

    @pytest.mark.slow
    @foreign
    def test_a_store_behind_a_client(self, raw: Run, store: AnalysisStore) -> None:
        """As any Tiled client has it."""
        pytest.importorskip("tiled", reason="tiled is not installed")
        client = store.client()
        with client.context:
            inputs = Inputs.of(client[raw.uid])
            inputs[0].check_readable()
            np.testing.assert_array_equal(inputs["primary"]["counts"].read(), raw["primary"]["counts"].read())
            assert list(inputs[0]) == list(raw)

    def test_a_source_that_does_not_answer(self, tmp_path: Path) -> None:
        """Says which, and what it said."""

        class Broken:
            __module__ = "tiled.client.container"
            uri = "http://far.example/api/v1/metadata"

            def __getitem__(self, uid: str) -> Any:
                raise ConnectionError("no route")

        with (
            AnalysisStore(tmp_path / "store", sources=[Broken()]) as store,
            pytest.raises(InputError, match=r"could not look for the run .*far\.example.*ConnectionError: no route"),
        ):
            Inputs.of(str(uuid.uuid4()), store)


class measured:  # noqa: N801 - reads as what it is
    """A catalog of databroker with one run, as Tiled client and as Broker."""

    def __enter__(self) -> tuple[str, Any, Any]:
        import event_model
        from databroker.mongo_normalized import MongoAdapter
        from databroker.v1 import Broker
        from tiled.client import Context, from_context
        from tiled.server.app import build_app

        tree = MongoAdapter.from_mongomock(handler_registry={})
        write, bundle = tree.get_serializer(), event_model.compose_run(time=0.0)
        write("start", bundle.start_doc)
        key = {"dtype": "array", "shape": [100], "dtype_numpy": "<f8", "source": "sim", "units": "cts"}
        stream = bundle.compose_descriptor(name="primary", data_keys={"counts": key}, time=0.0)
        write("descriptor", stream.descriptor_doc)
        for number in range(4):
            event = stream.compose_event(
                data={"counts": [float(number)] * 100}, timestamps={"counts": 0.0}, time=float(number)
            )
            write("event", event)
        write("stop", bundle.compose_stop())
        self._context = Context.from_app(build_app(tree))
        client = from_context(self._context.__enter__())
        return bundle.start_doc["uid"], client, Broker(client)

    def __exit__(self, *error: object) -> None:
        self._context.__exit__(*error)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "form", [lambda values: {"x": values}, lambda values: {"s": xarray.Dataset({"x": ("t", values)})}]
)
def test_a_buffer_that_is_used_again(form):
    """What a function does with its arrays after it returned them changes no input, and they stay its own."""
    buffer = np.arange(4.0)
    inputs = Inputs.of_data(form(buffer))
    stream = inputs[next(iter(inputs.only))]

    buffer[:] = -1

    assert stream["x"].read().ravel().tolist() == [0.0, 1.0, 2.0, 3.0]
