"""The processors of the package keep the contract, and the suite finds those that do not."""

from __future__ import annotations

import importlib.util
import sys

import numpy as np
import pytest
import soundfile
import xarray as xr

from analysis_store.errors import ProcessorError
from analysis_store.processing import get_processor, processors
from analysis_store.testing.processors import ProcessorTests, check_processor
from tests.conformance import broken_processors as broken
from tests.sweeps import slowly

X = np.linspace(-5.0, 5.0, 101)
PEAK = 3 * np.exp(-((X - 0.4) ** 2)) + 0.1 * X + 1
ENERGY = np.linspace(6900.0, 7900.0, 501)
MU = 0.4 + 1.3 * (0.5 + np.arctan((ENERGY - 7112) / 0.8) / np.pi)
RADIUS = np.hypot(*(np.indices((41, 51)) - [[[20]], [[25]]]))


def curves(units, **columns):
    """A stream with one curve per event."""
    return {
        "primary": xr.Dataset(
            {key: (["event", "point"], values, {"units": units[key]}) for key, values in columns.items()}
        )
    }


def sound(folder):
    """A second of noise."""
    soundfile.write(folder / "noise.wav", np.random.default_rng(0).normal(0, 0.1, 8000), 8000, subtype="DOUBLE")
    return folder / "noise.wav"


class TestPeakStatistics(ProcessorTests):
    """Two peaks with units."""

    processor, parameters = "peak_statistics", {"x": "x", "edge_points": 3}

    def inputs(self, folder):
        """Two curves."""
        return curves({"x": "mm", "y": "counts"}, x=[X, X], y=[PEAK, PEAK[::-1]])


@pytest.mark.slow
class TestFitPeak(ProcessorTests):
    """One peak, in a scan."""

    processor, parameters = "fit_peak", {"x": "x", "background": "linear", "model": "pseudo_voigt"}

    def inputs(self, folder):
        """A scan of scalars, with a point that is not finite."""
        return {"primary": xr.Dataset({"x": ("event", X), "y": ("event", np.where(X == 5, np.nan, PEAK))})}


@pytest.mark.slow
class TestAbsorption(ProcessorTests):
    """Intensities from a file."""

    processor, parameters = "absorption", {"signal": "i1"}

    def inputs(self, folder):
        """Three columns."""
        lines = [f"{energy},1000,{1000 * np.exp(-mu)}" for energy, mu in zip(ENERGY, MU, strict=True)]
        (folder / "scan.csv").write_text("\n".join(["energy (eV),i0,i1", *lines]))
        return folder / "scan.csv"


class TestNormaliseAbsorption(ProcessorTests):
    """A spectrum whose edge is known."""

    processor, parameters = "normalise_absorption", {"pre": (-200.0, -30.0)}

    def inputs(self, folder):
        """One spectrum."""
        return curves({"energy": "eV", "mu": ""}, energy=[ENERGY], mu=[MU])

    test_results_can_be_reused = slowly(ProcessorTests.test_results_can_be_reused)


@pytest.mark.slow
class TestImageStatistics(ProcessorTests):
    """Images with several frames per event."""

    processor = "image_statistics"

    def inputs(self, folder):
        """Integers."""
        return {"primary": {"image": np.random.default_rng(0).integers(0, 4095, (2, 30, 40), dtype=np.uint16)}}


@pytest.mark.slow
class TestAzimuthalIntegration(ProcessorTests):
    """A ring, and its geometry in a file."""

    processor, parameters = "azimuthal_integration", {"points": 50, "unit": "2th_deg"}

    def inputs(self, folder):
        """A run and a PONI file."""
        from pyFAI.integrator.azimuthal import AzimuthalIntegrator

        AzimuthalIntegrator(0.1, 2e-3, 2.5e-3, 0, 0, 0, 1e-4, 1e-4).save(str(folder / "geometry.poni"))
        ring = np.exp(-(((RADIUS - 12) / 2) ** 2))
        return [{"primary": xr.Dataset({"image": (["event", "y", "x"], ring[None])})}, folder / "geometry.poni"]


@pytest.mark.slow
class TestAudioLevel(ProcessorTests):
    """A sound file."""

    processor = "audio_level"

    def inputs(self, folder):
        """Noise."""
        return sound(folder)


@pytest.mark.slow
class TestAudioSpectrogram(ProcessorTests):
    """A sound file, in short windows."""

    processor, parameters = "audio_spectrogram", {"window": 64, "step": 32}

    def inputs(self, folder):
        """Noise."""
        return sound(folder)


def test_all_of_the_package_are_proved():
    """Each processor that an installation has is tried above."""
    ours = {one.id for one in processors() if one.entry_point.startswith("analysis_store.processing.library.")}

    assert ours == {case.processor for case in ProcessorTests.__subclasses__() if case.__module__ == __name__}


@pytest.mark.parametrize(
    ("found", "parameters", "faults"),
    [
        (broken.counting, {}, ["it has no docstring", "called twice, it returns two things: primary: calls differs"]),
        (broken.at_home, {}, [r"another process gets another result: primary: process differs in values$"]),
        (
            broken.unstorable,
            {},
            [r'cannot be kept, or it refuses them: broken_unstorable returned: data\["generator"\]'],
        ),
        (
            broken.defaults,
            {},
            ["the function itself has other defaults than its schema: primary: width differs in dtype"],
        ),
        (
            broken.schema,
            {},
            ["a parameter that was given, breaks its schema: 0 is less", "level=-1 is outside its schema"],
        ),
        (broken.raising, {}, ["it raises .*KeyNotFoundError.* has no key 'y'|it refuses them: .*no key 'y'"]),
        (broken.defaults, {"width": "wide"}, ["the parameters given are refused: .*Got 'wide'"]),
    ],
    ids=lambda value: getattr(value, "id", None),
)
def test_broken_processor_is_found(found, parameters, faults):
    """What is wrong with it is named, all of it in one error."""
    with pytest.raises(ProcessorError) as caught:
        check_processor(found, {"primary": {"x": 1.0}}, **parameters)

    for fault in faults:
        assert caught.match(f"(?m){fault}")


def test_processor_that_changes_its_file(tmp_path):
    """A file that is written to is no input whose result could be kept, and the store notices, too."""
    (tmp_path / "data.txt").write_text("some")

    with pytest.raises(
        ProcessorError, match=r"(?s)it changes its input, .*data\.txt.*asked for again: .*(have|has) changed"
    ):
        check_processor(broken.spoiling, tmp_path / "data.txt")


def test_processor_that_others_cannot_import(tmp_path):
    """A module that was loaded by its path is not there in another process."""
    path = tmp_path / "loaded_by_path.py"
    path.write_text(
        'from analysis_store.processing import processor\n@processor(id="loaded_by_path", version="1")\n'
        'def function(inputs):\n    """One."""\n    return {"x": 1}\n'
    )
    spec = importlib.util.spec_from_file_location("loaded_by_path", path)
    sys.modules["loaded_by_path"] = module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)

    with pytest.raises(
        ProcessorError, match=r"another process cannot run it: .*loaded_by_path:function, which cannot be"
    ):
        check_processor("loaded_by_path", {"primary": {"x": 1.0}})


def test_sound_processor_passes_with_runs(store, origin):
    """Runs of a store are inputs as plain data are, and the suite leaves nothing in their store."""
    run = store.insert({"primary": {"x": [X], "y": [PEAK]}}, {}, provenance=origin)

    check_processor(get_processor("peak_statistics"), run, x="x")
    assert len(store.search()) == 1


def test_inputs_that_are_none():
    """What is no input is refused by what was expected."""
    with pytest.raises(ProcessorError, match=r"Got 3; expected plain data in a dict, a pathlib\.Path or a run"):
        check_processor("peak_statistics", 3)
    with pytest.raises(NotImplementedError, match="Unfinished has no inputs for the trial"):
        type("Unfinished", (ProcessorTests,), {})().inputs(None)
