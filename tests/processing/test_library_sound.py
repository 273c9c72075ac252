"""Levels and spectrograms of sound files: figures that are known, and files of any length."""

from __future__ import annotations

import sys

import numpy as np
import pytest
import soundfile

from analysis_store.errors import InputError, MissingDependencyError
from analysis_store.processing.library import sound
from analysis_store.processing.library.sound import audio_level, audio_spectrogram
from tests.processing.library_inputs import file, inputs, run

RATE = 16000
SECONDS = np.arange(2 * RATE) / RATE


@pytest.fixture
def wav(tmp_path):
    """Make a file of samples an input."""

    def make(samples, name="sound.wav", subtype="DOUBLE"):
        soundfile.write(tmp_path / name, samples, RATE, subtype=subtype)
        return inputs(file(tmp_path / name))

    return make


def test_level_of_a_sine(wav):
    """Half of full scale has -6.021 and -9.031 dBFS."""
    found = audio_level(wav(0.5 * np.sin(2 * np.pi * 440 * SECONDS)))

    assert found["max"] == pytest.approx(-6.021, abs=1e-3)
    assert found["rms"] == pytest.approx(-9.031, abs=1e-3)
    assert (found["duration"], found["samplerate"], found["channels"]) == (2.0, 16000.0, 1)


@pytest.mark.parametrize(("level", "wanted"), [(0.0, -200.0), (-1.0, 0.0), (1e-12, -200.0), (0.1, -20.0)])
@pytest.mark.parametrize("channels", [1, 2, 5])
def test_level_of_a_constant(wav, level, channels, wanted):
    """A constant has its level in any number of channels, and silence the lowest there is."""
    found = audio_level(wav(np.full((1000, channels), level)))

    assert found["max"] == pytest.approx(wanted)
    assert found["rms"] == pytest.approx(wanted)
    assert found["channels"] == channels


@pytest.mark.parametrize(("name", "subtype"), [("a.wav", "PCM_16"), ("a.flac", "PCM_24"), ("a.ogg", "VORBIS")])
def test_formats(wav, name, subtype):
    """Compressed or not, what libsndfile reads has a level."""
    found = audio_level(wav(0.5 * np.sin(2 * np.pi * 440 * SECONDS), name, subtype))

    assert found["rms"] == pytest.approx(-9.03, abs=0.05)


def test_level_block_by_block(wav, monkeypatch):
    """A file that is read in pieces has the level of the whole."""
    given = wav(np.random.default_rng(0).normal(0, 0.1, (5000, 2)))
    whole = audio_level(given)
    monkeypatch.setattr(sound, "_BLOCK", 999)

    assert audio_level(given) == pytest.approx(whole)


def test_spectrogram_of_a_sine(wav):
    """A sine is at its frequency with its amplitude; away from it there is little."""
    found = audio_spectrogram(wav(0.5 * np.sin(2 * np.pi * 500 * SECONDS)))
    frame = found["level"][30]

    assert found["frequency"][frame.argmax()] == 500
    assert frame.max() == pytest.approx(-6.021, abs=1e-3)
    assert frame[found["frequency"] > 1000].max() < -100
    assert found["level"].dtype == np.float32
    assert found["level"].shape == (len(found["seconds"]), 513)
    np.testing.assert_allclose(np.diff(found["seconds"]), 512 / RATE)
    assert found["seconds"][0] == 0


def test_spectrogram_tells_time(wav):
    """A sound that begins after a second is not heard before."""
    found = audio_spectrogram(wav(np.where(SECONDS < 1, 0.0, np.sin(2 * np.pi * 500 * SECONDS))))
    loud = found["level"].max(axis=1) > -20

    assert abs(found["seconds"][loud.argmax()] - 1) <= 0.032
    assert (found["level"][found["seconds"] < 0.96] == -200).all()


@pytest.mark.parametrize(("window", "step"), [(1024, 512), (1000, 333), (65, 64), (64, 64), (3, 2), (2, 1), (64, 1)])
@pytest.mark.parametrize("length", [513, 1024, 2000])
def test_spectrogram_block_by_block(wav, monkeypatch, window, step, length):
    """A file that is read in pieces has the spectrogram of the whole, to the last frame."""
    given = wav(np.random.default_rng(0).normal(0, 0.1, length))
    whole = audio_spectrogram(given, window=window, step=step)
    monkeypatch.setattr(sound, "_BLOCK", 64)
    pieces = audio_spectrogram(given, window=window, step=step)

    assert pieces["level"].shape == whole["level"].shape
    np.testing.assert_allclose(pieces["level"], whole["level"], atol=1e-3)


@pytest.mark.parametrize("level", [0.0, -1.0])
def test_spectrogram_of_a_constant(wav, level):
    """Silence is at the floor, and a constant is at frequency 0; nothing is infinite."""
    found = audio_spectrogram(wav(np.full((2 * RATE, 2), level)))

    assert np.isfinite(found["level"]).all()
    if not level:
        assert (found["level"] == -200).all()
    else:
        assert abs(found["level"][2:-2, 0]).max() < 1e-3
        assert found["level"][2:-2, 2:].max() < -100


def test_what_is_no_sound(tmp_path, wav):
    """A run, text, an empty file and a short one are refused with what was expected."""
    (tmp_path / "text.wav").write_text("hello")
    with pytest.raises(InputError, match=r"is no file; expected a sound file"):
        audio_level(inputs(run(x=[1.0])))
    with pytest.raises(InputError, match=r"text\.wav: is no sound file"):
        audio_level(inputs(file(tmp_path / "text.wav")))
    with pytest.raises(InputError, match="no sound in it"):
        audio_level(wav(np.empty(0)))
    with pytest.raises(InputError, match=r"10 samples; expected at least 512. Give window="):
        audio_spectrogram(wav(np.zeros(10)))
    with pytest.raises(InputError, match="expected at least 500000000000"):  # not a window that fills the memory
        audio_spectrogram(wav(np.zeros(10)), window=10**12)
    with pytest.raises(InputError, match="step of at most the window"):
        audio_spectrogram(wav(np.zeros(10)), window=2, step=3)


@pytest.mark.parametrize(("module", "processor"), [("soundfile", audio_level), ("scipy.signal", audio_spectrogram)])
def test_without_libraries(wav, monkeypatch, module, processor):
    """Where a library is not installed, the error names the extra."""
    given = wav(np.zeros(2000))
    monkeypatch.setitem(sys.modules, module, None)

    with pytest.raises(MissingDependencyError, match=r"analysis_store\[audio\]"):
        processor(given)
